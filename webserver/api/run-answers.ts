import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import { RUN_STATES, RUN_TYPES } from "../../core/states.ts";
import type { RunSummary } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { maskJson } from "../masking.ts";
import { dagId, date, iso, isoNow, runId, seconds } from "./conventions.ts";

/** The path of one run. */
export const runPath = z.object({ dag_id: dagId, dag_run_id: runId });

/** A run as Airflow's API shows it; `params` and `task_counts` are ours. */
export const runAnswer = z.object({
  dag_id: z.string(),
  dag_display_name: z.string(),
  dag_run_id: z.string(),
  run_type: z.enum(RUN_TYPES),
  state: z.enum(RUN_STATES),
  logical_date: date,
  data_interval_start: date,
  data_interval_end: date,
  run_after: date,
  queued_at: date,
  start_date: date,
  end_date: date,
  duration: z.number().nullable().describe("seconds"),
  triggered_by: z.string(),
  triggering_user_name: z.string().nullable(),
  conf: z.record(z.string(), z.unknown()).describe("values of secret-looking keys are masked"),
  params: z.record(z.string(), z.unknown()).describe("the DAG's params with conf over them; masked as conf"),
  note: z.string().nullable(),
  dag_versions: z.array(
    z.object({ id: z.number().int(), version_number: z.number().int(), dag_id: z.string(), bundle_name: z.string() }),
  ),
  bundle_version: z.string().nullable(),
  task_counts: z.record(z.string(), z.number().int()).describe("task instances by state"),
});

/** The run with its counts, or 404. */
export async function findRun(store: Store, dag: string, run: string): Promise<RunSummary> {
  const summary = await store.runs.summary(dag, run);
  if (!summary) throw new NotFoundError(`DAG "${dag}" has no run "${run}".`);
  return summary;
}

/** The answer for one run as it is now, or 404. */
export async function answerRun(store: Store, dag: string, run: string): Promise<z.input<typeof runAnswer>> {
  const [answer] = await toRuns(store, [await findRun(store, dag, run)]);
  if (!answer) throw new NotFoundError(`DAG "${dag}" has no run "${run}".`);
  return answer;
}

/** Answers for runs. */
export async function toRuns(store: Store, runs: readonly RunSummary[]): Promise<z.input<typeof runAnswer>[]> {
  const names = new Map<string, string>();
  for (const { dagId: id } of runs) if (!names.has(id)) names.set(id, (await store.dags.get(id))?.displayName ?? id);
  return runs.map((run) => ({
    dag_id: run.dagId,
    dag_display_name: names.get(run.dagId) ?? run.dagId,
    dag_run_id: run.runId,
    run_type: run.runType,
    state: run.state,
    logical_date: iso(run.logicalDate),
    data_interval_start: iso(run.dataIntervalStart),
    data_interval_end: iso(run.dataIntervalEnd),
    run_after: isoNow(run.runAfter),
    queued_at: isoNow(run.queuedAt),
    start_date: iso(run.startDate),
    end_date: iso(run.endDate),
    duration: seconds(run.startDate, run.endDate),
    triggered_by: run.triggeredBy,
    triggering_user_name: run.triggeringUser,
    conf: maskJson(run.conf) as z.input<typeof runAnswer>["conf"],
    params: maskJson(run.params) as z.input<typeof runAnswer>["params"],
    note: run.note,
    dag_versions: [{ id: run.versionId, version_number: run.versionNumber, dag_id: run.dagId, bundle_name: "dags" }],
    bundle_version: null,
    task_counts: { ...run.counts },
  }));
}
