import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import { timetableFromSpec } from "../../core/timetable.ts";
import type { DagRow, DagVersionRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { date, iso, isoNow } from "./conventions.ts";

/** A DAG as Airflow's API shows it; `has_import_errors` and `timezone` are ours. */
export const dagAnswer = z.object({
  dag_id: z.string(),
  dag_display_name: z.string(),
  description: z.string().nullable(),
  bundle_name: z.string(),
  file_token: z.string().describe("for `parseDagFile`"),
  fileloc: z.string(),
  relative_fileloc: z.string(),
  is_paused: z.boolean(),
  is_stale: z.boolean().describe("no file defines it any more"),
  last_parsed_time: date,
  last_parse_duration: z.number().describe("seconds"),
  max_active_runs: z.number().int(),
  next_dagrun_logical_date: date,
  next_dagrun_run_after: date,
  owners: z.array(z.string()),
  tags: z.array(z.object({ name: z.string(), dag_id: z.string() })),
  timetable_summary: z.string(),
  timezone: z.string(),
  has_import_errors: z.boolean(),
});

/** A DAG with the settings of its newest version. */
export const dagDetails = dagAnswer.extend({
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

/** A task of a version as Airflow's API shows it. */
export const taskOfDagAnswer = z.object({
  task_id: z.string(),
  task_display_name: z.string(),
  operator_name: z.string(),
  owner: z.string().nullable(),
  doc_md: z.string().nullable(),
  start_date: z.string().nullable(),
  end_date: z.string().nullable(),
  trigger_rule: z.string(),
  depends_on_past: z.boolean(),
  wait_for_downstream: z.boolean(),
  retries: z.number().int(),
  retry_delay: z.number().describe("seconds"),
  retry_exponential_backoff: z.number().describe("factor; 0 = none"),
  execution_timeout: z.number().nullable().describe("seconds"),
  queue: z.string(),
  pool: z.string(),
  pool_slots: z.number().int(),
  priority_weight: z.number(),
  weight_rule: z.string(),
  is_mapped: z.boolean(),
  downstream_task_ids: z.array(z.string()),
  upstream_task_ids: z.array(z.string()),
});

/** The DAG's row, or 404. */
export async function findDag(store: Store, id: string): Promise<DagRow> {
  const dag = await store.dags.get(id);
  if (!dag) throw new NotFoundError(`There is no DAG "${id}".`);
  return dag;
}

/** The version that new runs of a DAG get. */
export async function currentVersion(store: Store, dag: DagRow): Promise<DagVersionRow> {
  const version = await store.dags.version(dag.currentVersionId);
  if (!version) throw new NotFoundError(`DAG "${dag.dagId}" has no version.`);
  return version;
}

/** Answers for rows of DAGs. */
export async function toDags(store: Store, rows: readonly DagRow[]): Promise<z.input<typeof dagAnswer>[]> {
  const broken = new Set((await store.dags.importErrors()).map((error) => error.file));
  return rows.map((row) => toDag(row, broken.has(row.file)));
}

/** The answer for one DAG as it is now, or 404. */
export async function answerDag(store: Store, id: string): Promise<z.input<typeof dagAnswer>> {
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
    bundle_name: "dags",
    file_token: Buffer.from(dag.file).toString("base64url"),
    fileloc: dag.file,
    relative_fileloc: dag.file,
    is_paused: dag.isPaused,
    is_stale: !dag.isActive,
    last_parsed_time: isoNow(dag.lastParsedAt),
    last_parse_duration: dag.parseMs / 1_000,
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

/** What only the details show. */
export function toDetails(version: DagVersionRow) {
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

/** A task of a version, with its neighbours; 404 when the version has no such task. */
export function toTask(version: DagVersionRow, id: string): z.input<typeof taskOfDagAnswer> {
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
