import { z } from "zod";
import { InvalidInputError, NotFoundError } from "../../core/errors.ts";
import { TASK_STATES } from "../../core/states.ts";
import {
  type Affected,
  clearTasks,
  markTask,
  previewClear,
  previewMarkTask,
  setTaskNote,
} from "../../store/commands/index.ts";
import type { AttemptRow } from "../../store/rows.ts";
import type { Store, TaskFilter, TaskInstanceInRun } from "../../store/store.ts";
import {
  collection,
  dagId,
  date,
  iso,
  orAll,
  orderOf,
  orderQuery,
  pageOf,
  pageQuery,
  repeated,
  runId,
  seconds,
  taskId,
  wholeNumber,
} from "./conventions.ts";
import { findRun } from "./dag-runs.ts";
import { findDag } from "./dags.ts";
import { type AnyRoute, type Call, defineRoute } from "./route.ts";
import { taskAnswer, toTaskInstance } from "./task-answers.ts";

const runPath = z.object({ dag_id: orAll(dagId), dag_run_id: orAll(runId) });
export const taskPath = z.object({
  dag_id: dagId,
  dag_run_id: runId,
  task_id: taskId,
  map_index: wholeNumber(-1, 1_000_000_000).optional(),
});
const tryPath = taskPath.extend({ try_number: wholeNumber(1, 1_000_000) });

const attemptAnswer = z.object({
  dag_id: z.string(),
  dag_run_id: z.string(),
  task_id: z.string(),
  map_index: z.number().int(),
  try_number: z.number().int(),
  state: z.string(),
  queued_when: date,
  start_date: date,
  end_date: date,
  duration: z.number().nullable(),
  hostname: z.string().nullable(),
  pid: z.number().int().nullable(),
  worker_id: z.string().nullable(),
  error: z.record(z.string(), z.unknown()).nullable(),
});

const states = z
  .enum([...TASK_STATES, "none", "no_status"])
  .transform((state) => (state === "no_status" ? ("none" as const) : state));
const order = orderQuery(["id", "start_date", "end_date", "state", "task_id"]);
const marks = {
  include_upstream: z.boolean().default(false),
  include_downstream: z.boolean().default(false),
  include_past: z.boolean().default(false),
  include_future: z.boolean().default(false),
};
const markBody = z.strictObject({
  new_state: z.enum(["success", "failed", "skipped"]).optional(),
  note: z.string().max(10_000).nullish(),
  ...marks,
});

const clearBody = z.strictObject({
  dry_run: z.boolean().default(true),
  only_failed: z.boolean().default(true),
  only_running: z.boolean().default(false),
  ...marks,
  task_ids: z
    .array(z.union([taskId, z.tuple([taskId, z.number().int().min(-1)])]))
    .min(1)
    .max(10_000)
    .optional(),
  dag_run_id: runId,
  reset_dag_runs: z.boolean().default(true),
  run_on_latest_version: z.boolean().default(false),
});

const whyAnswer = collection(
  "reasons",
  z.object({ task_id: z.string(), map_index: z.number().int(), state: z.string(), reason: z.string() }),
);

/** Both forms of a task's path: with and without its map index. */
function both(make: (suffix: string) => AnyRoute): AnyRoute[] {
  return [make(""), make("/:map_index")];
}

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances";

/** Task instances: list, look, mark, clear, tries, and why they wait. */
export const TASK_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: BASE,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "List task instances of a run, or of all (~)",
    params: runPath,
    query: z.strictObject({
      ...pageQuery,
      state: repeated(states).optional(),
      task_id: taskId.optional(),
      pool: z.string().max(250).optional(),
      queue: z.string().max(250).optional(),
      order_by: order,
    }),
    response: collection("task_instances", taskAnswer),
    async handler({ store, path, query }) {
      if (path.dag_id !== "~") await findDag(store, path.dag_id);
      if (path.dag_id !== "~" && path.dag_run_id !== "~") await findRun(store, path.dag_id, path.dag_run_id);
      const filter: TaskFilter = {
        ...pageOf(query),
        dagId: unlessAll(path.dag_id),
        runId: unlessAll(path.dag_run_id),
        states: query.state,
        taskId: query.task_id,
        pool: query.pool,
        queue: query.queue,
        ...(orderOf(query.order_by) as Pick<TaskFilter, "orderBy" | "isDescending">),
      };
      const { rows, total } = await store.tasks.list(filter);
      return { task_instances: rows.map(toTaskInstance), total_entries: total };
    },
  }),
  defineRoute({
    method: "post",
    path: `${BASE}/list`,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "List task instances of all DAGs; both ids must be ~",
    params: z.object({ dag_id: z.literal("~"), dag_run_id: z.literal("~") }),
    body: z.strictObject({
      dag_ids: z.array(dagId).max(1).optional(),
      dag_run_ids: z.array(runId).max(1).optional(),
      state: z.array(states).optional(),
      pool: z.array(z.string().max(250)).max(1).optional(),
      page_limit: z.number().int().min(1).max(1_000).default(100),
      page_offset: z.number().int().min(0).default(0),
      order_by: order,
    }),
    response: collection("task_instances", taskAnswer),
    async handler({ store, body }) {
      const { rows, total } = await store.tasks.list({
        limit: body.page_limit,
        offset: body.page_offset,
        dagId: body.dag_ids?.[0],
        runId: body.dag_run_ids?.[0],
        states: body.state,
        pool: body.pool?.[0],
        ...(orderOf(body.order_by) as Pick<TaskFilter, "orderBy" | "isDescending">),
      });
      return { task_instances: rows.map(toTaskInstance), total_entries: total };
    },
  }),
  // Literal last segments go before `/:map_index`, which would take them for an index.
  ...both((suffix) =>
    defineRoute({
      method: "get",
      path: `${BASE}/:task_id${suffix}/tries`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "All tries",
      params: taskPath,
      response: collection("task_instances", attemptAnswer),
      async handler({ store, path }) {
        const task = await findTask(store, path);
        const attempts = await store.tasks.attempts(task.runKey, task.tiNo);
        return { task_instances: attempts.map((attempt) => toAttempt(task, attempt)), total_entries: attempts.length };
      },
    }),
  ),
  ...both((suffix) =>
    defineRoute({
      method: "get",
      path: `${BASE}/:task_id${suffix}/tries/:try_number`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "One try",
      params: tryPath,
      response: attemptAnswer,
      async handler({ store, path }) {
        const task = await findTask(store, path);
        const attempt = await store.tasks.attempt(task.runKey, task.tiNo, path.try_number);
        if (!attempt) throw new NotFoundError(`"${task.taskId}" has no try ${path.try_number}.`);
        return toAttempt(task, attempt);
      },
    }),
  ),
  ...both((suffix) =>
    defineRoute({
      method: "get",
      path: `${BASE}/:task_id${suffix}/dependencies`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "Why it does not run",
      params: taskPath,
      response: z.object({
        dependencies: z.array(z.object({ name: z.string(), reason: z.string() })),
        total_entries: z.number().int(),
      }),
      async handler(call) {
        const task = await findTask(call.store, call.path);
        const reason = await why(call, task);
        return reason === ""
          ? { dependencies: [], total_entries: 0 }
          : { dependencies: [{ name: task.state, reason }], total_entries: 1 };
      },
    }),
  ),
  ...both((suffix) =>
    defineRoute({
      method: "patch",
      path: `${BASE}/:task_id${suffix}/dry_run`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "What marking would change",
      params: taskPath,
      body: markBody,
      response: collection("task_instances", taskAnswer),
      async handler({ path, body, commands, store }) {
        await findTask(store, path);
        return body.new_state
          ? toAffected(await previewMarkTask(commands, markInput(path, body, body.new_state)))
          : { task_instances: [], total_entries: 0 };
      },
    }),
  ),
  defineRoute({
    method: "get",
    path: `${BASE}/:task_id/listMapped`,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "Mapped instances of a task",
    params: taskPath,
    query: z.strictObject({ ...pageQuery, state: repeated(states).optional() }),
    response: collection("task_instances", taskAnswer),
    async handler({ store, path, query }) {
      const run = await findRun(store, path.dag_id, path.dag_run_id);
      const { rows } = await store.tasks.list({
        runKey: run.runKey,
        taskId: path.task_id,
        states: query.state,
        limit: 1_000,
      });
      const mapped = rows.filter((task) => task.mapIndex >= 0);
      const { limit = 50, offset = 0 } = pageOf(query);
      return { task_instances: mapped.slice(offset, offset + limit).map(toTaskInstance), total_entries: mapped.length };
    },
  }),
  ...both((suffix) =>
    defineRoute({
      method: "get",
      path: `${BASE}/:task_id${suffix}`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "One task instance",
      params: taskPath,
      response: taskAnswer,
      async handler(call) {
        const task = await findTask(call.store, call.path);
        return { ...toTaskInstance(task), reason: (await why(call, task)) || task.reason };
      },
    }),
  ),
  ...both((suffix) =>
    defineRoute({
      method: "patch",
      path: `${BASE}/:task_id${suffix}`,
      verb: "write",
      kind: "task",
      tag: "Task instance",
      summary: "Mark, or write the note",
      params: taskPath,
      query: z.strictObject({ update_mask: repeated(z.enum(["new_state", "note"])).optional() }),
      body: markBody,
      response: collection("task_instances", taskAnswer),
      async handler({ store, path, body, commands }) {
        const task = await findTask(store, path);
        if (body.note !== undefined)
          await setTaskNote(commands, path.dag_id, path.dag_run_id, path.task_id, task.mapIndex, body.note);
        if (body.new_state) await markTask(commands, markInput(path, body, body.new_state));
        return { task_instances: [toTaskInstance(await findTask(store, path))], total_entries: 1 };
      },
    }),
  ),
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/clearTaskInstances",
    verb: "write",
    kind: "task",
    tag: "Task instance",
    summary: "Clear task instances (dry_run is the default)",
    params: z.object({ dag_id: dagId }),
    body: clearBody,
    response: collection("task_instances", taskAnswer),
    async handler({ path, body, commands }) {
      const input = {
        dagId: path.dag_id,
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
      return toAffected(await (body.dry_run ? previewClear(commands, input) : clearTasks(commands, input)));
    },
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/reasons",
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "Why each unfinished task instance does not run",
    params: z.object({ dag_id: dagId, dag_run_id: runId }),
    response: whyAnswer,
    async handler(call) {
      const run = await findRun(call.store, call.path.dag_id, call.path.dag_run_id);
      const tasks = await call.store.tasks.ofRun(run.runKey);
      const reasons = [];
      for (const task of tasks) {
        const reason = await why(call, {
          ...task,
          dagId: run.dagId,
          runId: run.runId,
          logicalDate: run.logicalDate,
          runAfter: run.runAfter,
        });
        if (reason !== "") reasons.push({ task_id: task.taskId, map_index: task.mapIndex, state: task.state, reason });
      }
      return { reasons, total_entries: reasons.length };
    },
  }),
];

type TaskAddress = z.output<typeof taskPath>;

/** The task instance of a path, or 404. */
export async function findTask(store: Store, path: TaskAddress): Promise<TaskInstanceInRun> {
  const task = await store.tasks.find(path.dag_id, path.dag_run_id, path.task_id, path.map_index ?? -1);
  if (!task)
    throw new NotFoundError(
      `Run "${path.dag_run_id}" of "${path.dag_id}" has no task instance "${path.task_id}"${path.map_index === undefined ? "" : `[${path.map_index}]`}.`,
    );
  return task;
}

/** The live sentence from the scheduler beside us, or what the row remembers. Running and finished instances need none. */
async function why({ deps }: Pick<Call<unknown, unknown, unknown>, "deps">, task: TaskInstanceInRun): Promise<string> {
  if (task.state === "running" || task.state === "success") return "";
  return deps.explain ? deps.explain.explain(task.runKey, task.tiNo) : (task.reason ?? "");
}

function markInput(path: TaskAddress, body: z.output<typeof markBody>, newState: "success" | "failed" | "skipped") {
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

function toAffected(affected: readonly Affected[]) {
  return {
    task_instances: affected.map(({ run, task }) =>
      toTaskInstance({
        ...task,
        dagId: run.dagId,
        runId: run.runId,
        logicalDate: run.logicalDate,
        runAfter: run.runAfter,
      }),
    ),
    total_entries: affected.length,
  };
}

function mapIndexOf(tasks: readonly (string | [string, number])[] | undefined): number | undefined {
  const indexed = tasks?.filter((each) => typeof each !== "string") ?? [];
  if (indexed.length > 1 || (indexed.length === 1 && tasks?.length !== 1))
    throw new InvalidInputError("Clear one mapped instance at a time, or whole tasks.", [
      { path: "body.task_ids", message: "mixes instances" },
    ]);
  return indexed[0]?.[1] as number | undefined;
}

function unlessAll(id: string): string | undefined {
  return id === "~" ? undefined : id;
}

function toAttempt(task: TaskInstanceInRun, attempt: AttemptRow): z.input<typeof attemptAnswer> {
  return {
    dag_id: task.dagId,
    dag_run_id: task.runId,
    task_id: task.taskId,
    map_index: task.mapIndex,
    try_number: attempt.tryNumber,
    state: attempt.state,
    queued_when: iso(attempt.queuedAt),
    start_date: iso(attempt.startDate),
    end_date: iso(attempt.endDate),
    duration: seconds(attempt.startDate, attempt.endDate),
    hostname: attempt.hostname,
    pid: attempt.pid,
    worker_id: attempt.workerId,
    error: attempt.error ? { ...attempt.error } : null,
  };
}
