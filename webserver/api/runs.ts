import { z } from "zod";
import { ConflictError } from "../../core/errors.ts";
import { RUN_STATES, RUN_TYPES } from "../../core/states.ts";
import { markRun, setRunNote } from "../../store/commands/index.ts";
import type { RunFilter } from "../../store/store.ts";
import {
  collection,
  dagId,
  instant,
  maskQuery,
  orAll,
  orderOf,
  orderQuery,
  pageOf,
  pageQuery,
  pattern,
  rangeOf,
  rangeQuery,
  repeated,
  unmasked,
  wholeNumber,
} from "./conventions.ts";
import { findDag } from "./dag-answers.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { answerRun, findRun, runAnswer, runPath, toRuns } from "./run-answers.ts";

const order = orderQuery(["run_after", "logical_date", "start_date", "end_date", "dag_run_id", "state", "id"]);
const RANGES = ["logical_date", "run_after", "start_date", "end_date"] as const;

const listQuery = z.strictObject({
  ...pageQuery,
  state: repeated(z.enum(RUN_STATES)).optional(),
  run_type: repeated(z.enum(RUN_TYPES)).optional(),
  run_id_pattern: pattern.optional(),
  dag_version: wholeNumber(1, 1_000_000_000).optional(),
  ...rangeQuery(RANGES[0]),
  ...rangeQuery(RANGES[1]),
  ...rangeQuery(RANGES[2]),
  ...rangeQuery(RANGES[3]),
  order_by: order,
});

const listBody = z.strictObject({
  dag_ids: z.array(dagId).max(1_000).optional(),
  states: z.array(z.enum(RUN_STATES)).max(10).optional(),
  page_limit: z.number().int().min(1).max(1_000).default(100),
  page_offset: z.number().int().min(0).max(2_147_483_647).default(0),
  logical_date_gte: instant.optional(),
  logical_date_lte: instant.optional(),
  run_after_gte: instant.optional(),
  run_after_lte: instant.optional(),
  start_date_gte: instant.optional(),
  start_date_lte: instant.optional(),
  end_date_gte: instant.optional(),
  end_date_lte: instant.optional(),
  order_by: order,
});

/** `/api/v2/dags/{dag_id}/dagRuns`: list, look, mark, delete. */
export const RUN_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagRuns",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "List runs of a DAG, or of all (~)",
    params: z.object({ dag_id: orAll(dagId) }),
    query: listQuery,
    response: collection("dag_runs", runAnswer),
    async handler({ store, path, query }) {
      if (path.dag_id !== "~") await findDag(store, path.dag_id);
      const { rows, total } = await store.runs.list({
        ...pageOf(query),
        dagId: path.dag_id === "~" ? undefined : path.dag_id,
        states: query.state,
        runTypes: query.run_type,
        runIdPattern: query.run_id_pattern,
        versionNumber: query.dag_version,
        ...rangesOf(query),
        ...runOrder(query.order_by),
      });
      return { dag_runs: await toRuns(store, rows), total_entries: total };
    },
  }),
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/dagRuns/list",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "List runs of several DAGs; dag_id must be ~",
    params: z.object({ dag_id: z.literal("~") }),
    body: listBody,
    response: collection("dag_runs", runAnswer),
    async handler({ store, body }) {
      const { rows, total } = await store.runs.list({
        limit: body.page_limit,
        offset: body.page_offset,
        dagIds: body.dag_ids,
        states: body.states,
        ...rangesOf(body),
        ...runOrder(body.order_by),
      });
      return { dag_runs: await toRuns(store, rows), total_entries: total };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "One run",
    params: runPath,
    response: runAnswer,
    handler: ({ store, path }) => answerRun(store, path.dag_id, path.dag_run_id),
  }),
  defineRoute({
    method: "patch",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Mark a run, or write its note",
    params: runPath,
    query: maskQuery(["state", "note"]),
    body: z.strictObject({
      state: z.enum(["queued", "success", "failed"]).optional(),
      note: z.string().max(10_000).nullish(),
    }),
    response: runAnswer,
    async handler({ store, path, query, body, commands }) {
      const { state, note } = unmasked(body, query.update_mask);
      await findRun(store, path.dag_id, path.dag_run_id);
      if (state) await markRun(commands, { dagId: path.dag_id, runId: path.dag_run_id, newState: state });
      if (note !== undefined) await setRunNote(commands, path.dag_id, path.dag_run_id, note);
      return answerRun(store, path.dag_id, path.dag_run_id);
    },
  }),
  defineRoute({
    method: "delete",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Delete a run that is not running",
    params: runPath,
    async handler({ store, path, commands }) {
      const run = await findRun(store, path.dag_id, path.dag_run_id);
      if (run.state === "running") throw new ConflictError(`Run "${run.runId}" is running. Cancel it first.`);
      const result = await store.commit([{ kind: "run.delete", runKey: run.runKey }], commands.actor);
      if (!result.ok) throw new ConflictError(result.message);
      return undefined;
    },
  }),
];

function rangesOf(given: object): Pick<RunFilter, "logicalDate" | "runAfter" | "startDate" | "endDate"> {
  return {
    logicalDate: rangeOf(given, "logical_date"),
    runAfter: rangeOf(given, "run_after"),
    startDate: rangeOf(given, "start_date"),
    endDate: rangeOf(given, "end_date"),
  };
}

function runOrder(value: string | undefined): Pick<RunFilter, "orderBy" | "isDescending"> {
  const { orderBy, isDescending } = orderOf<"dag_run_id" | NonNullable<RunFilter["orderBy"]>>(value);
  return { orderBy: orderBy === "dag_run_id" ? "run_id" : orderBy, isDescending };
}
