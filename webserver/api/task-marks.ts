import { z } from "zod";
import { InvalidInputError } from "../../core/errors.ts";
import {
  type ClearInput,
  clearTasks,
  markTask,
  previewClear,
  previewMarkTask,
  setTaskNote,
} from "../../store/commands/index.ts";
import { collection, dagId, repeated, runId, taskId, unmasked } from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { findTask, taskAnswer, taskPath, toAffected, toChanged, toTaskInstance } from "./task-answers.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id";

const reach = {
  include_upstream: z.boolean().default(false),
  include_downstream: z.boolean().default(false),
  include_past: z.boolean().default(false).describe("the same tasks in earlier runs"),
  include_future: z.boolean().default(false).describe("the same tasks in later runs"),
};
const markBody = z.strictObject({
  new_state: z.enum(["success", "failed", "skipped"]).optional(),
  note: z.string().max(10_000).nullish(),
  ...reach,
});
const clearBody = z.strictObject({
  dry_run: z.boolean().default(true),
  only_failed: z.boolean().default(true),
  only_running: z.boolean().default(false),
  ...reach,
  task_ids: z
    .array(z.union([taskId, z.tuple([taskId, z.number().int().min(-1)])]))
    .min(1)
    .max(10_000)
    .optional()
    .describe("ids, or one pair of id and map index; absent = every task of the run"),
  dag_run_id: runId,
  reset_dag_runs: z.boolean().default(true),
  run_on_latest_version: z.boolean().default(false),
});
const affected = collection("task_instances", taskAnswer);

/** Marking and clearing task instances, and what either would touch. */
export const MARK_ROUTES: readonly AnyRoute[] = [
  ...["", "/:map_index"].flatMap((suffix) => [
    defineRoute({
      method: "patch",
      path: `${BASE}${suffix}/dry_run`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "What marking would change",
      params: taskPath,
      body: markBody,
      response: affected,
      async handler({ path, body, commands, store }) {
        await findTask(store, path);
        if (!body.new_state) return toAffected([]);
        return toAffected(await previewMarkTask(commands, markInput(path, body, body.new_state)));
      },
    }),
    defineRoute({
      method: "patch",
      path: `${BASE}${suffix}`,
      verb: "write",
      kind: "task",
      tag: "Task instance",
      summary: "Mark, or write the note",
      about: "The answer lists what was marked, or the instance itself when nothing was to be marked.",
      params: taskPath,
      query: z.strictObject({ update_mask: repeated(z.enum(["new_state", "note"])).optional() }),
      body: markBody,
      response: affected,
      async handler({ store, path, query, body, commands }) {
        const task = await findTask(store, path);
        const { new_state: state, note } = unmasked(body, query.update_mask);
        const marked = state ? await markTask(commands, markInput(path, body, state)) : [];
        if (note !== undefined)
          await setTaskNote(commands, path.dag_id, path.dag_run_id, path.task_id, task.mapIndex, note);
        if (marked.length > 0) return toChanged(store, marked);
        return { task_instances: [toTaskInstance(await findTask(store, path))], total_entries: 1 };
      },
    }),
  ]),
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/clearTaskInstances",
    verb: "write",
    kind: "task",
    tag: "Task instance",
    summary: "Clear task instances of a run",
    about: "`dry_run` is the default and lists what a clear would touch.",
    params: z.object({ dag_id: dagId }),
    body: clearBody,
    response: affected,
    async handler({ store, path, body, commands }) {
      const input = clearInput(path.dag_id, body);
      return body.dry_run
        ? toAffected(await previewClear(commands, input))
        : toChanged(store, await clearTasks(commands, input));
    },
  }),
  defineRoute({
    method: "post",
    path: "/sluice/v1/dags/:dag_id/clearTaskInstances/preview",
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "What a clear would touch, for people who may only read",
    params: z.object({ dag_id: dagId }),
    body: clearBody.omit({ dry_run: true }),
    response: affected,
    handler: async ({ path, body, commands }) =>
      toAffected(await previewClear(commands, clearInput(path.dag_id, body))),
  }),
];

function markInput(
  path: z.output<typeof taskPath>,
  body: z.output<typeof markBody>,
  newState: "success" | "failed" | "skipped",
) {
  return {
    dagId: path.dag_id,
    runId: path.dag_run_id,
    taskId: path.task_id,
    mapIndex: path.map_index,
    newState,
    upstream: body.include_upstream,
    downstream: body.include_downstream,
    past: body.include_past,
    future: body.include_future,
  };
}

function clearInput(dag: string, body: Omit<z.output<typeof clearBody>, "dry_run">): ClearInput {
  return {
    dagId: dag,
    runId: body.dag_run_id,
    taskIds: body.task_ids?.map((each) => (typeof each === "string" ? each : each[0])),
    mapIndex: mapIndexOf(body.task_ids),
    upstream: body.include_upstream,
    downstream: body.include_downstream,
    past: body.include_past,
    future: body.include_future,
    onlyFailed: body.only_failed,
    onlyRunning: body.only_running,
    resetDagRuns: body.reset_dag_runs,
    runOnLatestVersion: body.run_on_latest_version,
  };
}

function mapIndexOf(tasks: readonly (string | [string, number])[] | undefined): number | undefined {
  const index = tasks?.flatMap((each) => (typeof each === "string" ? [] : [each[1]])) ?? [];
  if (index.length > 1 || (index.length === 1 && tasks?.length !== 1))
    throw new InvalidInputError("Clear one mapped instance at a time, or whole tasks.", [
      { path: "body.task_ids", message: "mixes instances" },
    ]);
  return index[0];
}
