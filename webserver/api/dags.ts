import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import { timetableFromSpec } from "../../core/timetable.ts";
import { setPaused } from "../../store/commands/index.ts";
import type { DagRow, DagVersionRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import {
  collection,
  dagId,
  date,
  flag,
  iso,
  isoNow,
  orAll,
  orderOf,
  orderQuery,
  pageOf,
  pageQuery,
  repeated,
  taskId,
  wholeNumber,
} from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const dagPath = z.object({ dag_id: dagId });

const dagAnswer = z.object({
  dag_id: z.string(),
  dag_display_name: z.string(),
  description: z.string().nullable(),
  file_token: z.string(),
  fileloc: z.string(),
  relative_fileloc: z.string(),
  is_paused: z.boolean(),
  is_stale: z.boolean(),
  last_parsed_time: date,
  max_active_runs: z.number().int(),
  next_dagrun_logical_date: date,
  next_dagrun_run_after: date,
  owners: z.array(z.string()),
  tags: z.array(z.object({ name: z.string(), dag_id: z.string() })),
  timetable_summary: z.string(),
  timezone: z.string(),
  has_import_errors: z.boolean(),
});

const dagDetails = dagAnswer.extend({
  catchup: z.boolean(),
  doc_md: z.string().nullable(),
  end_date: date,
  start_date: date,
  fail_fast: z.boolean(),
  max_active_tasks: z.number().int(),
  max_consecutive_failed_dag_runs: z.number().int(),
  dag_run_timeout: z.number().nullable().describe("seconds"),
  params: z.record(z.string(), z.unknown()).nullable().describe("JSON Schema of the run's params"),
  timetable_description: z.string(),
  latest_dag_version: z.object({ id: z.number().int(), version_number: z.number().int(), created_at: date }),
});

const dagListQuery = z.strictObject({
  ...pageQuery,
  tags: repeated(z.string().min(1).max(100)).optional(),
  dag_id_pattern: z.string().max(250).optional(),
  paused: flag.optional(),
  exclude_stale: flag.optional(),
  last_dag_run_state: z.enum(["queued", "running", "success", "failed"]).optional(),
  order_by: orderQuery(["dag_id", "next_dagrun", "last_parsed_time"]),
});

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
    query: dagListQuery,
    response: collection("dags", dagAnswer),
    async handler({ store, query }) {
      const { orderBy, isDescending } = orderOf<keyof typeof ORDER_COLUMNS>(query.order_by);
      const filter = {
        ...pageOf(query),
        tags: query.tags,
        search: query.dag_id_pattern,
        isPaused: query.paused,
        isActive: query.exclude_stale === false ? undefined : true,
        lastRunState: query.last_dag_run_state,
        orderBy: orderBy && ORDER_COLUMNS[orderBy],
        isDescending,
      };
      const [{ rows, total }, errors] = await Promise.all([store.dags.list(filter), store.dags.importErrors()]);
      const broken = new Set(errors.map((error) => error.file));
      return { dags: rows.map((row) => toDag(row, broken.has(row.file))), total_entries: total };
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
    handler: async ({ store, path }) => answerDag(store, path.dag_id),
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
    query: z.strictObject({ update_mask: repeated(z.literal("is_paused")).optional() }),
    body: z.strictObject({ is_paused: z.boolean() }),
    response: dagAnswer,
    async handler({ store, path, body, commands }) {
      await setPaused(commands, path.dag_id, body.is_paused);
      return answerDag(store, path.dag_id);
    },
  }),
  defineRoute({
    method: "patch",
    path: "/v2/dags",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Pause or unpause all that match",
    query: dagListQuery,
    body: z.strictObject({ is_paused: z.boolean() }),
    response: collection("dags", dagAnswer),
    async handler({ store, query, body, commands }) {
      const { rows, total } = await store.dags.list({
        ...pageOf(query),
        tags: query.tags,
        search: query.dag_id_pattern,
        isPaused: query.paused,
        isActive: true,
      });
      for (const row of rows) await setPaused(commands, row.dagId, body.is_paused);
      return { dags: await Promise.all(rows.map((row) => answerDag(store, row.dagId))), total_entries: total };
    },
  }),
  defineRoute({
    method: "delete",
    path: "/v2/dags/:dag_id",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Delete a DAG with its history",
    params: dagPath,
    async handler({ store, path, commands }) {
      const dag = await findDag(store, path.dag_id);
      const open = await store.runs.list({ dagId: dag.dagId, states: ["queued", "running"], limit: 1 });
      if (open.total > 0)
        throw new ConflictError(`"${dag.dagId}" has ${open.total} unfinished runs. Cancel them first.`);
      const result = await store.commit([{ kind: "dag.delete", dagId: dag.dagId }], commands.actor);
      if (!result.ok) throw new ConflictError(result.message);
      return undefined;
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/tasks",
    verb: "read",
    kind: "dag",
    tag: "Task",
    summary: "Tasks of the newest version",
    params: dagPath,
    query: z.strictObject({ order_by: orderQuery(["task_id"]) }),
    response: collection("tasks", z.record(z.string(), z.json())),
    async handler({ store, path }) {
      const version = await currentVersion(store, await findDag(store, path.dag_id));
      const tasks = version.definition.tasks.map((task) => toTask(version, task.taskId));
      return { tasks, total_entries: tasks.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/tasks/:task_id",
    verb: "read",
    kind: "dag",
    tag: "Task",
    summary: "One task of the newest version",
    params: z.object({ dag_id: dagId, task_id: taskId }),
    response: z.record(z.string(), z.json()),
    handler: async ({ store, path }) =>
      toTask(await currentVersion(store, await findDag(store, path.dag_id)), path.task_id),
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagVersions",
    verb: "read",
    kind: "dag",
    tag: "DAG version",
    summary: "Versions, newest first",
    params: z.object({ dag_id: orAll(dagId) }),
    query: z.strictObject(pageQuery),
    response: collection(
      "dag_versions",
      z.object({
        id: z.number().int(),
        dag_id: z.string(),
        version_number: z.number().int(),
        bundle_version: z.string(),
        created_at: date,
      }),
    ),
    async handler({ store, path, query }) {
      const dags =
        path.dag_id === "~"
          ? (await store.dags.all()).map((dag) => dag.dagId)
          : [(await findDag(store, path.dag_id)).dagId];
      const all = (await Promise.all(dags.map((id) => store.dags.versions(id)))).flat();
      const { limit = 50, offset = 0 } = pageOf(query);
      return {
        dag_versions: all.slice(offset, offset + limit).map((version) => ({
          id: version.id,
          dag_id: version.dagId,
          version_number: version.versionNumber,
          bundle_version: version.bundleHash,
          created_at: isoNow(version.createdAt),
        })),
        total_entries: all.length,
      };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dagSources/:dag_id",
    verb: "read",
    kind: "code",
    tag: "DAG source",
    summary: "The author's files of a version",
    params: dagPath,
    query: z.strictObject({ version_number: wholeNumber(1, 1_000_000_000).optional() }),
    response: z.object({
      dag_id: z.string(),
      version_number: z.number().int(),
      content: z.string(),
      files: z.array(z.object({ path: z.string(), text: z.string() })),
    }),
    async handler({ store, path, query }) {
      await findDag(store, path.dag_id);
      const version = await store.dags.versionOf(path.dag_id, query.version_number);
      const bundle = version && (await store.dags.bundle(version.bundleHash));
      if (!version || !bundle) throw new NotFoundError(`DAG "${path.dag_id}" has no such version.`);
      const files = bundle.sources.map((source) => ({ path: source.path, text: source.text }));
      const main = files.find((file) => file.path === bundle.file) ?? files[0];
      return { dag_id: path.dag_id, version_number: version.versionNumber, content: main?.text ?? "", files };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dagTags",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "Tags in use",
    query: z.strictObject({ ...pageQuery, tag_name_pattern: z.string().max(100).optional() }),
    response: collection("tags", z.string()),
    async handler({ store, query }) {
      const tags = (await store.dags.tags()).filter((tag) => tag.includes(query.tag_name_pattern ?? ""));
      const { limit = 50, offset = 0 } = pageOf(query);
      return { tags: tags.slice(offset, offset + limit), total_entries: tags.length };
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
];

/** The DAG's row, or 404. */
export async function findDag(store: Store, id: string): Promise<DagRow> {
  const dag = await store.dags.get(id);
  if (!dag) throw new NotFoundError(`There is no DAG "${id}".`);
  return dag;
}

async function currentVersion(store: Store, dag: DagRow): Promise<DagVersionRow> {
  const version = await store.dags.version(dag.currentVersionId);
  if (!version) throw new NotFoundError(`DAG "${dag.dagId}" has no version.`);
  return version;
}

async function answerDag(store: Store, id: string): Promise<z.input<typeof dagAnswer>> {
  const [dag, errors] = await Promise.all([findDag(store, id), store.dags.importErrors()]);
  return toDag(
    dag,
    errors.some((error) => error.file === dag.file),
  );
}

function toDag(dag: DagRow, hasImportErrors: boolean): z.input<typeof dagAnswer> {
  return {
    dag_id: dag.dagId,
    dag_display_name: dag.displayName ?? dag.dagId,
    description: dag.description,
    file_token: Buffer.from(dag.file).toString("base64url"),
    fileloc: dag.file,
    relative_fileloc: dag.file,
    is_paused: dag.isPaused,
    is_stale: !dag.isActive,
    last_parsed_time: isoNow(dag.lastParsedAt),
    max_active_runs: dag.maxActiveRuns,
    next_dagrun_logical_date: iso(dag.nextLogicalDate),
    next_dagrun_run_after: iso(dag.nextRunAt),
    owners: [...dag.owners],
    tags: dag.tags.map((name) => ({ name, dag_id: dag.dagId })),
    timetable_summary: dag.scheduleSummary,
    timezone: dag.timezone,
    has_import_errors: hasImportErrors,
  };
}

function toDetails(version: DagVersionRow) {
  const { definition } = version;
  const timetable = timetableFromSpec(definition.timetable, {
    startDate: definition.startDate ? Date.parse(definition.startDate) : undefined,
  });
  return {
    catchup: definition.catchup,
    doc_md: definition.docMd ?? null,
    start_date: definition.startDate ? isoNow(Date.parse(definition.startDate)) : null,
    end_date: definition.endDate ? isoNow(Date.parse(definition.endDate)) : null,
    fail_fast: definition.failFast,
    max_active_tasks: definition.maxActiveTasks,
    max_consecutive_failed_dag_runs: definition.maxConsecutiveFailedRuns,
    dag_run_timeout: definition.dagrunTimeoutMs === undefined ? null : definition.dagrunTimeoutMs / 1_000,
    params: definition.params ?? null,
    timetable_description: timetable.description,
    latest_dag_version: {
      id: version.id,
      version_number: version.versionNumber,
      created_at: isoNow(version.createdAt),
    },
  } as const;
}

function toTask(version: DagVersionRow, id: string): Record<string, z.core.util.JSONType> {
  const { tasks, dagId: dag } = version.definition;
  const task = tasks.find((each) => each.taskId === id);
  if (!task) throw new NotFoundError(`DAG "${dag}" has no task "${id}".`);
  const downstream = tasks.filter((each) => each.upstream.includes(id)).map((each) => each.taskId);
  return {
    task_id: task.taskId,
    task_display_name: task.taskId,
    operator_name: task.operator,
    owner: task.owner ?? null,
    doc_md: task.docMd ?? null,
    start_date: task.startDate ?? null,
    end_date: task.endDate ?? null,
    trigger_rule: task.triggerRule,
    depends_on_past: task.dependsOnPast,
    wait_for_downstream: task.waitForDownstream,
    retries: task.retries,
    retry_delay: task.retryDelayMs / 1_000,
    retry_exponential_backoff: task.retryFactor,
    execution_timeout: task.executionTimeoutMs === undefined ? null : task.executionTimeoutMs / 1_000,
    queue: task.queue,
    pool: task.pool,
    pool_slots: task.poolSlots,
    priority_weight: task.priorityWeight,
    weight_rule: task.weightRule,
    is_mapped: false,
    downstream_task_ids: downstream,
    upstream_task_ids: [...task.upstream],
  };
}
