import { z } from "zod";
import { timetableFromSpec } from "../../core/timetable.ts";
import type { DagRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import {
  collection,
  dagId,
  date,
  isoNow,
  matches,
  orderQuery,
  pageQuery,
  pattern,
  repeated,
  slice,
  sorted,
  wholeNumber,
} from "./conventions.ts";
import { currentVersion, findDag } from "./dag-answers.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const warningAnswer = z.object({
  dag_id: z.string(),
  dag_display_name: z.string(),
  warning_type: z.literal("non-existent pool"),
  message: z.string(),
  timestamp: date,
});

/** Facts about DAGs that are reckoned from them: tags, runs by state, warnings, the next dates. */
export const DAG_FACT_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/dagTags",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "Tags in use",
    query: z.strictObject({ ...pageQuery, tag_name_pattern: pattern.optional(), order_by: orderQuery(["name"]) }),
    response: collection("tags", z.string()),
    async handler({ store, query }) {
      const found = (await store.dags.tags()).filter((tag) => matches(tag, query.tag_name_pattern));
      const tags = sorted(found, query.order_by, { name: (tag) => tag });
      return { tags: [...slice(tags, query)], total_entries: tags.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dagStats",
    verb: "read",
    kind: "run",
    tag: "DAG",
    summary: "Runs by state",
    query: z.strictObject({ dag_ids: repeated(dagId).optional() }),
    response: collection(
      "dags",
      z.object({
        dag_id: z.string(),
        dag_display_name: z.string(),
        stats: z.array(z.object({ state: z.string(), count: z.number().int() })),
      }),
    ),
    async handler({ store, query }) {
      const rows = (await store.dags.all()).filter((dag) => !query.dag_ids || query.dag_ids.includes(dag.dagId));
      const dags = await Promise.all(
        rows.map(async (dag) => ({
          dag_id: dag.dagId,
          dag_display_name: dag.displayName ?? dag.dagId,
          stats: Object.entries(await store.runs.countByState(dag.dagId)).map(([state, count]) => ({ state, count })),
        })),
      );
      return { dags, total_entries: dags.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dagWarnings",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "DAGs whose tasks want a pool that does not exist",
    query: z.strictObject({
      ...pageQuery,
      dag_id: dagId.optional(),
      warning_type: z.literal("non-existent pool").optional(),
      order_by: orderQuery(["dag_id", "warning_type", "message", "timestamp"]),
    }),
    response: collection("dag_warnings", warningAnswer),
    async handler({ store, query }) {
      const dags = query.dag_id === undefined ? await store.dags.all() : [await findDag(store, query.dag_id)];
      const pools = new Set((await store.admin.pools()).map((pool) => pool.name));
      const found = (await Promise.all(dags.map((dag) => warningOf(store, dag, pools)))).flatMap((each) => each ?? []);
      const rows = sorted(found, query.order_by, {
        dag_id: (row) => row.dag_id,
        warning_type: (row) => row.warning_type,
        message: (row) => row.message,
        timestamp: (row) => row.timestamp,
      });
      return { dag_warnings: [...slice(rows, query)], total_entries: rows.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/dags/:dag_id/nextRuns",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "The next dates of the schedule",
    params: z.object({ dag_id: dagId }),
    query: z.strictObject({ limit: wholeNumber(1, 100).optional().describe("default 10") }),
    response: collection(
      "next_runs",
      z.object({ logical_date: date, run_after: date, data_interval_start: date, data_interval_end: date }),
    ),
    async handler({ store, deps, path, query }) {
      const { definition } = await currentVersion(store, await findDag(store, path.dag_id));
      const startDate = definition.startDate ? Date.parse(definition.startDate) : undefined;
      const endDate = definition.endDate ? Date.parse(definition.endDate) : undefined;
      const timetable = timetableFromSpec(definition.timetable, { startDate });
      const slots = timetable.upcoming(deps.clock.now(), query.limit ?? 10, { startDate, endDate });
      return {
        next_runs: slots.map((slot) => ({
          logical_date: isoNow(slot.logicalDate),
          run_after: isoNow(slot.runAfter),
          data_interval_start: isoNow(slot.dataInterval.start),
          data_interval_end: isoNow(slot.dataInterval.end),
        })),
        total_entries: slots.length,
      };
    },
  }),
];

async function warningOf(store: Store, dag: DagRow, pools: ReadonlySet<string>) {
  const version = await currentVersion(store, dag);
  const missing = new Set(version.definition.tasks.map((task) => task.pool).filter((pool) => !pools.has(pool)));
  if (missing.size === 0) return undefined;
  const names = [...missing].sort().map((pool) => `"${pool}"`);
  return {
    dag_id: dag.dagId,
    dag_display_name: dag.displayName ?? dag.dagId,
    warning_type: "non-existent pool" as const,
    message: `Tasks of "${dag.dagId}" want the pool ${names.join(", ")}, which does not exist.`,
    timestamp: isoNow(version.createdAt),
  };
}
