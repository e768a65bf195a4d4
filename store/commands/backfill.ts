import { ConflictError, InvalidInputError, NotFoundError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import { mergeParams } from "../../core/params.ts";
import { timetableFromSpec } from "../../core/timetable.ts";
import type { BackfillRow, DagRunRow, Reprocess } from "../rows.ts";
import { activeDagOf, type CommandContext, checkedConf, commitOrThrow, isInstant, versionOf } from "./context.ts";
import { cancelRun } from "./mark.ts";

export interface BackfillInput {
  readonly dagId: string;
  /** First and last logical date, epoch ms, both inclusive. */
  readonly fromDate: number;
  readonly toDate: number;
  readonly conf?: JsonObject;
  /** none: only dates without a run (default); failed: also failed ones; completed: also successful ones. */
  readonly reprocess?: Reprocess;
  /** Default 10 (Airflow). */
  readonly maxActiveRuns?: number;
  /** Newest date first. Default false. */
  readonly isReverse?: boolean;
  /** Re-used runs go over to the newest version. Default true (Airflow). */
  readonly runOnLatestVersion?: boolean;
}

/** One date of a backfill's preview: what would happen to it, and why. */
export interface BackfillDate {
  readonly logicalDate: number;
  readonly action: "create" | "rerun" | "skip";
  readonly reason: string;
  readonly run: DagRunRow | undefined;
}

/** Dates in one backfill at most. */
export const BACKFILL_LIMIT = 10_000;

/** The dates a backfill would cover, in the order they would run. Throws when the DAG has no dates to fill or the input is not usable. */
export async function previewBackfill(context: CommandContext, input: BackfillInput): Promise<readonly BackfillDate[]> {
  const dag = await activeDagOf(context.store, input.dagId);
  const { definition } = await versionOf(context.store, dag.currentVersionId);
  checkInput(input);
  if (
    definition.timetable.kind !== "cron" &&
    definition.timetable.kind !== "delta" &&
    definition.timetable.kind !== "events"
  ) {
    throw new InvalidInputError(
      `"${dag.dagId}" has no dates to fill: its schedule is "${dag.scheduleSummary}". Trigger it instead.`,
      [{ path: "dag_id", message: "has no recurring schedule" }],
    );
  }
  const merged = mergeParams(definition, checkedConf(input.conf ?? {}));
  if (!merged.ok)
    throw new InvalidInputError("The conf of the backfill does not fit the params of the DAG.", merged.issues);
  const timetable = timetableFromSpec(definition.timetable, {
    startDate: definition.startDate ? Date.parse(definition.startDate) : undefined,
  });
  const slots = timetable.between(input.fromDate, input.toDate, BACKFILL_LIMIT + 1);
  if (slots.length > BACKFILL_LIMIT)
    throw new InvalidInputError(`The range holds more than ${BACKFILL_LIMIT} dates. Split it.`, [
      { path: "to_date", message: "range too large" },
    ]);
  const existing = new Map(
    (await context.store.runs.inRange(dag.dagId, input.fromDate, input.toDate)).map((run) => [run.logicalDate, run]),
  );
  const dates = slots.map((slot) =>
    dateOf(slot.logicalDate, existing.get(slot.logicalDate), input.reprocess ?? "none"),
  );
  return input.isReverse ? dates.reverse() : dates;
}

function dateOf(logicalDate: number, run: DagRunRow | undefined, reprocess: Reprocess): BackfillDate {
  if (!run) return { logicalDate, action: "create", reason: "no run yet", run };
  if (run.state === "queued" || run.state === "running")
    return { logicalDate, action: "skip", reason: `is ${run.state}`, run };
  const isWanted = reprocess === "completed" || (reprocess === "failed" && run.state === "failed");
  return isWanted
    ? { logicalDate, action: "rerun", reason: run.state === "failed" ? "failed" : "succeeded", run }
    : {
        logicalDate,
        action: "skip",
        reason: run.state === "failed" ? "failed (not asked for)" : "already succeeded",
        run,
      };
}

/** Stores the backfill; the scheduler creates its runs, as many at once as it allows. One active backfill per DAG. */
export async function createBackfill(context: CommandContext, input: BackfillInput): Promise<BackfillRow> {
  const dates = await previewBackfill(context, input);
  if (dates.length === 0)
    throw new ConflictError("Nothing to do: the schedule has no date in the range. Choose other dates.");
  if (!dates.some((date) => date.action !== "skip"))
    throw new ConflictError(
      `Nothing to do: each of the ${dates.length} dates in the range is left alone. Choose other dates or another reprocess mode.`,
    );
  const result = await context.store.commit(
    [
      {
        kind: "backfill.create",
        dagId: input.dagId,
        fromDate: input.fromDate,
        toDate: input.toDate,
        conf: input.conf ?? {},
        reprocess: input.reprocess ?? "none",
        maxActiveRuns: input.maxActiveRuns ?? 10,
        isReverse: input.isReverse ?? false,
        runOnLatestVersion: input.runOnLatestVersion ?? true,
        dates: dates.map((date, sortOrder) => ({
          sortOrder,
          logicalDate: date.logicalDate,
          runKey: date.run?.runKey ?? null,
          state: date.action === "skip" ? ("skipped" as const) : ("pending" as const),
          reason: date.reason,
        })),
      },
    ],
    context.actor,
  );
  if (!result.ok)
    throw new ConflictError(`No backfill was created: ${result.message}. Wait for the active one or cancel it.`);
  return backfillOf(context, result.results[0]?.backfillId ?? -1);
}

/** Pauses or resumes: paused, no further run is created; runs that exist go on. */
export async function setBackfillPaused(
  context: CommandContext,
  backfillId: number,
  isPaused: boolean,
): Promise<BackfillRow> {
  const backfill = await activeBackfill(context, backfillId);
  if (backfill.isPaused !== isPaused) await commitOrThrow(context, [{ kind: "backfill.pause", backfillId, isPaused }]);
  return backfillOf(context, backfillId);
}

/** Ends a backfill: no further run is created, its queued runs fail, running ones finish. */
export async function cancelBackfill(context: CommandContext, backfillId: number): Promise<BackfillRow> {
  await activeBackfill(context, backfillId);
  const queued = await context.store.runs.list({ backfillId, states: ["queued"], limit: 1_000 });
  await commitOrThrow(context, [{ kind: "backfill.cancel", backfillId }]);
  // With their task instances: a run that has ended has no open instance.
  for (const run of queued.rows) await cancelRun(context, run.dagId, run.runId, ["queued"]);
  return backfillOf(context, backfillId);
}

async function backfillOf(context: CommandContext, backfillId: number): Promise<BackfillRow> {
  const backfill = await context.store.admin.backfill(backfillId);
  if (!backfill) throw new NotFoundError(`There is no backfill ${backfillId}.`);
  return backfill;
}

async function activeBackfill(context: CommandContext, backfillId: number): Promise<BackfillRow> {
  const backfill = await backfillOf(context, backfillId);
  if (backfill.completedAt !== null || backfill.cancelledAt !== null)
    throw new ConflictError(`Backfill ${backfillId} has ended already.`);
  return backfill;
}

function checkInput(input: BackfillInput): void {
  if (!(isInstant(input.fromDate) && isInstant(input.toDate)))
    throw new InvalidInputError("Give both dates of the backfill.", [{ path: "from_date", message: "is not a date" }]);
  if (input.fromDate > input.toDate)
    throw new InvalidInputError("The backfill ends before it starts.", [
      { path: "to_date", message: "is before from_date" },
    ]);
  const max = input.maxActiveRuns;
  if (max !== undefined && !(Number.isInteger(max) && max >= 1 && max <= 1_000))
    throw new InvalidInputError("max_active_runs must be a whole number from 1 to 1,000.", [
      { path: "max_active_runs", message: "out of range" },
    ]);
}
