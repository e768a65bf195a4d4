import { z } from "zod";
import { TASK_STATES } from "../../core/states.ts";
import type { TaskFilter } from "../../store/store.ts";
import {
  collection,
  dagId,
  instant,
  orAll,
  orderOf,
  orderQuery,
  pageOf,
  pageQuery,
  rangeOf,
  rangeQuery,
  repeated,
  runId,
  slice,
  taskId,
} from "./conventions.ts";
import { findDag } from "./dag-answers.ts";
import { taskReason } from "./reasons.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { findRun } from "./run-answers.ts";
import { findTask, taskAnswer, taskPath, toTaskInstance } from "./task-answers.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances";

const states = z
  .enum([...TASK_STATES, "no_status"])
  .transform((state) => (state === "no_status" ? ("none" as const) : state));
const order = orderQuery(["id", "start_date", "end_date", "state", "task_id"]);
const poolName = z.string().max(250);

const listBody = z.strictObject({
  dag_ids: z.array(dagId).max(500).optional(),
  dag_run_ids: z.array(runId).max(500).optional(),
  state: z.array(states).max(20).optional(),
  pool: z.array(poolName).max(1).optional(),
  queue: z.array(poolName).max(1).optional(),
  logical_date_gte: instant.optional(),
  logical_date_lte: instant.optional(),
  run_after_gte: instant.optional(),
  run_after_lte: instant.optional(),
  start_date_gte: instant.optional(),
  start_date_lte: instant.optional(),
  end_date_gte: instant.optional(),
  end_date_lte: instant.optional(),
  page_limit: z.number().int().min(1).max(1_000).default(100),
  page_offset: z.number().int().min(0).max(2_147_483_647).default(0),
  order_by: order,
});

/** Task instances: list and look. */
export const TASK_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: BASE,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "List task instances of a run, or of all (~)",
    params: z.object({ dag_id: orAll(dagId), dag_run_id: orAll(runId) }),
    query: z.strictObject({
      ...pageQuery,
      state: repeated(states).optional(),
      task_id: taskId.optional(),
      pool: poolName.optional(),
      queue: poolName.optional(),
      ...rangeQuery("logical_date"),
      ...rangeQuery("run_after"),
      ...rangeQuery("start_date"),
      ...rangeQuery("end_date"),
      order_by: order,
    }),
    response: collection("task_instances", taskAnswer),
    async handler({ store, path, query }) {
      if (path.dag_id !== "~") await findDag(store, path.dag_id);
      if (path.dag_id !== "~" && path.dag_run_id !== "~") await findRun(store, path.dag_id, path.dag_run_id);
      const { rows, total } = await store.tasks.list({
        ...pageOf(query),
        dagId: unlessAll(path.dag_id),
        runId: unlessAll(path.dag_run_id),
        states: query.state,
        taskId: query.task_id,
        pool: query.pool,
        queue: query.queue,
        ...rangesOf(query),
        ...orderOf<NonNullable<TaskFilter["orderBy"]>>(query.order_by),
      });
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
    body: listBody,
    response: collection("task_instances", taskAnswer),
    async handler({ store, body }) {
      const { rows, total } = await store.tasks.list({
        limit: body.page_limit,
        offset: body.page_offset,
        dagIds: body.dag_ids,
        runIds: body.dag_run_ids,
        states: body.state,
        pool: body.pool?.[0],
        queue: body.queue?.[0],
        ...rangesOf(body),
        ...orderOf<NonNullable<TaskFilter["orderBy"]>>(body.order_by),
      });
      return { task_instances: rows.map(toTaskInstance), total_entries: total };
    },
  }),
  defineRoute({
    method: "get",
    path: `${BASE}/:task_id/listMapped`,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "Mapped instances of a task",
    params: taskPath.omit({ map_index: true }),
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
      return { task_instances: slice(mapped, query).map(toTaskInstance), total_entries: mapped.length };
    },
  }),
  ...["", "/:map_index"].map((suffix) =>
    defineRoute({
      method: "get",
      path: `${BASE}/:task_id${suffix}`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "One task instance",
      params: taskPath,
      response: taskAnswer,
      async handler({ store, deps, path }) {
        const task = await findTask(store, path);
        return { ...toTaskInstance(task), reason: (await taskReason(deps, task)) || task.reason };
      },
    }),
  ),
];

function unlessAll(id: string): string | undefined {
  return id === "~" ? undefined : id;
}

function rangesOf(given: object): Pick<TaskFilter, "logicalDate" | "runAfter" | "startDate" | "endDate"> {
  return {
    logicalDate: rangeOf(given, "logical_date"),
    runAfter: rangeOf(given, "run_after"),
    startDate: rangeOf(given, "start_date"),
    endDate: rangeOf(given, "end_date"),
  };
}
