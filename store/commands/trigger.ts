import { ConflictError, InvalidInputError } from "../../core/errors.ts";
import { materializeTasks } from "../../core/graph.ts";
import type { JsonObject } from "../../core/json.ts";
import { mergeParams } from "../../core/params.ts";
import { timetableFromSpec } from "../../core/timetable.ts";
import type { Change } from "../changes.ts";
import type { DagRunRow } from "../rows.ts";
import { activeDagOf, type CommandContext, checkedConf, isInstant, versionOf } from "./context.ts";

export interface TriggerInput {
  readonly dagId: string;
  /** Default `manual__<now>`. Letters, digits and `_.~:+-`, at most 250. */
  readonly runId?: string;
  /** Epoch ms; default now; null = none. Unique in the DAG. */
  readonly logicalDate?: number | null;
  /** Not before; default now. */
  readonly runAfter?: number;
  readonly dataIntervalStart?: number;
  readonly dataIntervalEnd?: number;
  /** Values of the DAG's params, and whatever else the tasks want to know. */
  readonly conf?: JsonObject;
  readonly note?: string | null;
  /** Unpause the DAG as well, so that the run starts. */
  readonly unpause?: boolean;
}

/** Airflow: run ids that are safe in paths, URLs and shells. */
const RUN_ID = /^[A-Za-z0-9_.~:+-]{1,250}$/;

/**
 * Creates a queued run with all its task instances. Throws `NotFoundError`, `InvalidInputError` (run id, params, dates) or `ConflictError`
 * when the run id or logical date is taken.
 */
export async function triggerRun(context: CommandContext, input: TriggerInput): Promise<DagRunRow> {
  const { store, clock } = context;
  const dag = await activeDagOf(store, input.dagId);
  checkDates(input);
  const { definition, id: versionId } = await versionOf(store, dag.currentVersionId);
  const now = clock.now();
  const conf = checkedConf(input.conf ?? {});
  const merged = mergeParams(definition, conf);
  if (!merged.ok)
    throw new InvalidInputError(
      `The params of "${dag.dagId}" are not acceptable: ${merged.issues.map((issue) => `${issue.path || "(params)"} ${issue.message}`).join("; ")}`,
      merged.issues,
    );
  const logicalDate =
    input.logicalDate === undefined ? await freeLogicalDate(context, dag.dagId, now) : input.logicalDate;
  const runId = input.runId ?? (await freeRunId(context, dag.dagId, logicalDate ?? now));
  if (!RUN_ID.test(runId) || runId.includes(".."))
    throw new InvalidInputError(
      "A run id may hold letters, digits and _ . ~ : + - (no two dots in a row), at most 250.",
      [{ path: "dag_run_id", message: "not a valid run id" }],
    );
  const runAfter = input.runAfter ?? now;
  const interval = intervalOf(input, () =>
    timetableFromSpec(definition.timetable, {
      startDate: definition.startDate ? Date.parse(definition.startDate) : undefined,
    }).manualInterval(input.logicalDate ?? runAfter),
  );
  const changes: Change[] = [];
  if (input.unpause && dag.isPaused) changes.push({ kind: "dag.pause", dagId: dag.dagId, isPaused: false });
  changes.push({
    kind: "run.create",
    run: {
      dagId: dag.dagId,
      runId,
      runType: "manual",
      state: "queued",
      logicalDate,
      dataIntervalStart: logicalDate === null ? null : interval.start,
      dataIntervalEnd: logicalDate === null ? null : interval.end,
      runAfter,
      conf,
      params: merged.params,
      triggeredBy: context.triggeredBy,
      triggeringUser: context.actor,
      versionId,
      backfillId: null,
      note: input.note ?? null,
    },
    tasks: materializeTasks(definition),
  });
  const result = await store.commit(changes, context.actor);
  if (!result.ok) {
    // Somebody triggered at the same instant and took the names that we had found free.
    const isOurChoice = input.runId === undefined && !(typeof input.logicalDate === "number");
    if (isOurChoice && result.reason === "duplicate") return triggerRun(context, input);
    throw new ConflictError(`No run was created: ${result.message}. Choose another run id or logical date.`);
  }
  const run = await store.runs.find(dag.dagId, runId);
  if (!run) throw new ConflictError(`Run "${runId}" was created and deleted at once by somebody else.`);
  return run;
}

/** ISO 8601 as Airflow writes it in run ids: `2026-11-22T06:00:00+00:00`, milliseconds only when there are any. */
export function airflowIso(instant: number): string {
  return new Date(instant).toISOString().replace(/(\.000)?Z$/, "+00:00");
}

function intervalOf(
  input: TriggerInput,
  fallback: () => { start: number; end: number },
): { start: number; end: number } {
  if (input.dataIntervalStart === undefined && input.dataIntervalEnd === undefined) return fallback();
  if (input.dataIntervalStart === undefined || input.dataIntervalEnd === undefined)
    throw new InvalidInputError("Give both ends of the data interval, or neither.", [
      { path: "data_interval_start", message: "needs data_interval_end too" },
    ]);
  if (input.dataIntervalStart > input.dataIntervalEnd)
    throw new InvalidInputError("The data interval ends before it starts.", [
      { path: "data_interval_end", message: "is before data_interval_start" },
    ]);
  return { start: input.dataIntervalStart, end: input.dataIntervalEnd };
}

/** Two triggers in one millisecond must not fight over the default date. */
async function freeLogicalDate(context: CommandContext, dagId: string, now: number): Promise<number> {
  let date = now;
  while (await context.store.runs.findByLogicalDate(dagId, date)) date += 1;
  return date;
}

/** Nor over the default run id, which carries the date. */
async function freeRunId(context: CommandContext, dagId: string, date: number): Promise<string> {
  for (let instant = date; ; instant++) {
    const runId = `manual__${airflowIso(instant)}`;
    if ((await context.store.runs.find(dagId, runId)) === undefined) return runId;
  }
}

function checkDates(input: TriggerInput): void {
  const dates = {
    logical_date: input.logicalDate,
    run_after: input.runAfter,
    data_interval_start: input.dataIntervalStart,
    data_interval_end: input.dataIntervalEnd,
  };
  for (const [path, date] of Object.entries(dates))
    if (date !== undefined && date !== null && !isInstant(date))
      throw new InvalidInputError(`${path} is not a date between the years 1 and 9999.`, [
        { path, message: "is not a date" },
      ]);
}
