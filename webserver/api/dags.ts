import { z } from "zod";
import { ConflictError } from "../../core/errors.ts";
import { setPaused } from "../../store/commands/index.ts";
import type { DagFilter } from "../../store/store.ts";
import {
  collection,
  dagId,
  flag,
  maskQuery,
  orderOf,
  orderQuery,
  pageOf,
  pageQuery,
  pattern,
  repeated,
  unmasked,
} from "./conventions.ts";
import { answerDag, currentVersion, dagAnswer, dagDetails, findDag, toDags, toDetails } from "./dag-answers.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const dagPath = z.object({ dag_id: dagId });

const filterQuery = {
  ...pageQuery,
  tags: repeated(z.string().min(1).max(100)).optional().describe("any of these"),
  dag_id_pattern: pattern.optional(),
  dag_display_name_pattern: pattern.optional(),
  paused: flag.optional(),
  exclude_stale: flag.optional().describe("default true"),
  has_import_errors: flag.optional(),
  last_dag_run_state: z.enum(["queued", "running", "success", "failed"]).optional(),
  order_by: orderQuery(["dag_id", "next_dagrun", "last_parsed_time"]),
};
const listQuery = z.strictObject(filterQuery);

const ORDER_COLUMNS = { dag_id: "dag_id", next_dagrun: "next_run_at", last_parsed_time: "last_parsed_at" } as const;

/** `/api/v2/dags`: what is there, what it looks like, pausing, deleting. */
export const DAG_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/dags",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "List DAGs",
    query: listQuery,
    response: collection("dags", dagAnswer),
    async handler({ store, query }) {
      const { rows, total } = await store.dags.list(filterOf(query));
      return { dags: await toDags(store, rows), total_entries: total };
    },
  }),
  defineRoute({
    method: "patch",
    path: "/v2/dags",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Pause or unpause all that match",
    about: "Changes the page of DAGs that the same query would list, all at once or none.",
    query: listQuery.extend({ update_mask: repeated(z.literal("is_paused")).optional() }),
    body: z.strictObject({ is_paused: z.boolean() }),
    response: collection("dags", dagAnswer),
    async handler({ store, query, body, commands }) {
      const { rows, total } = await store.dags.list(filterOf(query));
      const changes = rows
        .filter((dag) => dag.isPaused !== body.is_paused)
        .map((dag) => ({ kind: "dag.pause", dagId: dag.dagId, isPaused: body.is_paused }) as const);
      const result = await store.commit(changes, commands.actor);
      if (!result.ok) throw new ConflictError(result.message);
      const changed = rows.map((dag) => ({ ...dag, isPaused: body.is_paused }));
      return { dags: await toDags(store, changed), total_entries: total };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "One DAG",
    params: dagPath,
    response: dagAnswer,
    handler: ({ store, path }) => answerDag(store, path.dag_id),
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/details",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "One DAG with its settings",
    params: dagPath,
    response: dagDetails,
    async handler({ store, path }) {
      const dag = await findDag(store, path.dag_id);
      return { ...(await answerDag(store, path.dag_id)), ...toDetails(await currentVersion(store, dag)) };
    },
  }),
  defineRoute({
    method: "patch",
    path: "/v2/dags/:dag_id",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Pause or unpause",
    params: dagPath,
    query: maskQuery(["is_paused"]),
    body: z.strictObject({ is_paused: z.boolean() }),
    response: dagAnswer,
    async handler({ store, path, query, body, commands }) {
      const { is_paused: isPaused } = unmasked(body, query.update_mask);
      if (isPaused !== undefined) await setPaused(commands, path.dag_id, isPaused);
      return answerDag(store, path.dag_id);
    },
  }),
  defineRoute({
    method: "delete",
    path: "/v2/dags/:dag_id",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Delete a DAG with its history",
    about: "It comes back, without history, when its file is read again.",
    params: dagPath,
    async handler({ store, path, commands }) {
      const dag = await findDag(store, path.dag_id);
      const result = await store.commit([{ kind: "dag.delete", dagId: dag.dagId }], commands.actor);
      if (!result.ok) throw new ConflictError(result.message);
      return undefined;
    },
  }),
];

function filterOf(query: z.output<typeof listQuery>): DagFilter {
  const { orderBy, isDescending } = orderOf<keyof typeof ORDER_COLUMNS>(query.order_by);
  return {
    ...pageOf(query),
    tags: query.tags,
    search: query.dag_id_pattern ?? query.dag_display_name_pattern,
    isPaused: query.paused,
    includeInactive: query.exclude_stale === false,
    hasImportErrors: query.has_import_errors,
    lastRunState: query.last_dag_run_state,
    orderBy: orderBy && ORDER_COLUMNS[orderBy],
    isDescending,
  };
}
