import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import { type CommandContext, markTask, setTaskNote } from "../../store/commands/index.ts";
import type { Store } from "../../store/store.ts";
import { dagId, orAll, refuse, runId, taskId } from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { findTask } from "./task-answers.ts";

const entity = z.strictObject({
  dag_id: dagId.optional().describe("must be given where the path says ~"),
  dag_run_id: runId.optional().describe("must be given where the path says ~"),
  task_id: taskId,
  map_index: z.number().int().min(-1).max(1_000_000_000).optional(),
  new_state: z.enum(["success", "failed", "skipped"]).optional(),
  note: z.string().max(10_000).nullish(),
  include_upstream: z.boolean().default(false),
  include_downstream: z.boolean().default(false),
  include_past: z.boolean().default(false),
  include_future: z.boolean().default(false),
});
const bulkPath = z.object({ dag_id: orAll(dagId), dag_run_id: orAll(runId) });
const outcome = z.object({
  success: z.array(z.string()).describe("dag_id.dag_run_id.task_id[map_index]"),
  errors: z.array(z.object({ error: z.string(), status_code: z.number().int() })),
});

/** `PATCH …/taskInstances`: marks and notes for many at once. */
export const TASK_BULK_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "patch",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances",
    verb: "write",
    kind: "task",
    tag: "Task instance",
    summary: "Mark several, or write their notes",
    about:
      "Each entity is a change of its own; the answer says which succeeded. An entity may not lie outside the path.",
    params: bulkPath,
    body: z.strictObject({
      actions: z
        .array(
          z.strictObject({
            action: z.literal("update"),
            entities: z.array(entity).min(1).max(1_000),
            action_on_non_existence: z.enum(["fail", "skip"]).default("fail"),
          }),
        )
        .min(1)
        .max(100),
    }),
    response: z.object({ update: outcome }),
    async handler({ store, path, body, commands }) {
      // All addresses first, so that a refusal finds nothing changed yet.
      const wanted = body.actions.flatMap((action, at) =>
        action.entities.map((each, n) => ({
          ...each,
          ...addressOf(path, each, `body.actions.${at}.entities.${n}`),
          isSkippable: action.action_on_non_existence === "skip",
        })),
      );
      const update: z.input<typeof outcome> = { success: [], errors: [] };
      for (const each of wanted) {
        try {
          update.success.push(await change(store, commands, each));
        } catch (error) {
          if (error instanceof NotFoundError) {
            if (!each.isSkippable) update.errors.push({ error: error.message, status_code: 404 });
          } else if (error instanceof ConflictError) update.errors.push({ error: error.message, status_code: 409 });
          else throw error;
        }
      }
      return { update };
    },
  }),
];

type Address = { readonly dag_id: string; readonly dag_run_id: string };

/** Where an entity lies. Access was granted for the path, so what it says binds. */
function addressOf(path: z.output<typeof bulkPath>, given: z.output<typeof entity>, place: string): Address {
  const one = (name: "dag_id" | "dag_run_id"): string => {
    const [outer, inner] = [path[name], given[name]];
    if (outer !== "~" && inner !== undefined && inner !== outer) refuse(`${place}.${name}`, "lies outside the path");
    const id = outer === "~" ? inner : outer;
    if (id === undefined) refuse(`${place}.${name}`, "is missing");
    return id;
  };
  return { dag_id: one("dag_id"), dag_run_id: one("dag_run_id") };
}

async function change(
  store: Store,
  commands: CommandContext,
  wanted: z.output<typeof entity> & Address,
): Promise<string> {
  const task = await findTask(store, wanted);
  const { dagId: dag, runId: run } = task;
  if (wanted.new_state)
    await markTask(commands, {
      dagId: dag,
      runId: run,
      taskId: task.taskId,
      mapIndex: wanted.map_index,
      newState: wanted.new_state,
      upstream: wanted.include_upstream,
      downstream: wanted.include_downstream,
      past: wanted.include_past,
      future: wanted.include_future,
    });
  if (wanted.note !== undefined) await setTaskNote(commands, dag, run, task.taskId, task.mapIndex, wanted.note);
  return `${dag}.${run}.${task.taskId}[${task.mapIndex}]`;
}
