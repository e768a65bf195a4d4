import type { Change, ChangeResult } from "../changes.ts";
import { each, first, insertSql, run, type SqlValue, type Step } from "../statements.ts";
import { requireDag } from "./dags.ts";
import { GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

const ACTIVE = "completed_at is null and cancelled_at is null";

/** A backfill with its dates. Guard: no other active backfill of the DAG. */
export function* createBackfill(scope: Scope, change: Of<"backfill.create">): Step<ChangeResult> {
  const { dagId } = change;
  yield* requireDag(dagId);
  const other = yield* first(`select id from backfill where dag_id = ? and ${ACTIVE}`, dagId);
  if (other !== undefined)
    throw new GuardFailure(
      "duplicate",
      `DAG "${dagId}" already has an active backfill: ${other[0]}. Cancel it or let it end first.`,
    );
  const { insertId } = yield* run(
    insertSql("backfill", [
      "dag_id",
      "from_date",
      "to_date",
      "conf",
      "is_paused",
      "reprocess",
      "max_active_runs",
      "is_reverse",
      "run_on_latest_version",
      "created_by",
      "created_at",
      "updated_at",
    ]),
    dagId,
    change.fromDate,
    change.toDate,
    JSON.stringify(change.conf),
    false,
    change.reprocess,
    change.maxActiveRuns,
    change.isReverse,
    change.runOnLatestVersion,
    scope.actor,
    scope.now,
    scope.now,
  );
  const rows = change.dates.map((date): SqlValue[] => [
    insertId,
    date.sortOrder,
    date.logicalDate,
    date.runKey,
    date.state,
    date.reason,
  ]);
  yield* each(
    insertSql("backfill_date", ["backfill_id", "sort_order", "logical_date", "run_key", "state", "reason"]),
    rows,
  );
  scope.event({
    kind: "backfill.created",
    dagId,
    detail: { backfillId: insertId, fromDate: change.fromDate, toDate: change.toDate, dates: rows.length },
  });
  return { backfillId: insertId };
}

/** Pauses or resumes an active backfill. */
export function* pauseBackfill(scope: Scope, change: Of<"backfill.pause">): Step<ChangeResult> {
  const { backfillId, isPaused } = change;
  const dagId = yield* updateActive(scope, backfillId, "is_paused = ?", isPaused);
  scope.event({ kind: isPaused ? "backfill.paused" : "backfill.unpaused", dagId, detail: { backfillId } });
  return {};
}

/** Ends a backfill; its pending dates are skipped. What becomes of its runs is the command's business. */
export function* cancelBackfill(scope: Scope, change: Of<"backfill.cancel">): Step<ChangeResult> {
  const { backfillId } = change;
  const dagId = yield* updateActive(scope, backfillId, "cancelled_at = ?", scope.now);
  yield* run(
    "update backfill_date set state = 'skipped', reason = ? where backfill_id = ? and state = 'pending'",
    "the backfill was cancelled",
    backfillId,
  );
  scope.event({ kind: "backfill.cancelled", dagId, detail: { backfillId } });
  return {};
}

/** All its dates are dealt with and their runs finished. */
export function* completeBackfill(scope: Scope, change: Of<"backfill.complete">): Step<ChangeResult> {
  const { backfillId } = change;
  const dagId = yield* updateActive(scope, backfillId, "completed_at = ?", scope.now);
  scope.event({ kind: "backfill.completed", dagId, detail: { backfillId } });
  return {};
}

/** One date is dealt with. A `created` one without a key means the run that the same list has created. */
export function* settleBackfillDate(scope: Scope, change: Of<"backfill.date">): Step<ChangeResult> {
  const { backfillId, sortOrder, state, reason } = change;
  const runKey = change.runKey ?? (state === "created" ? scope.createdRun : undefined) ?? null;
  const { changes } = yield* run(
    "update backfill_date set state = ?, run_key = ?, reason = ? where backfill_id = ? and sort_order = ? and state = 'pending'",
    state,
    runKey,
    reason ?? null,
    backfillId,
    sortOrder,
  );
  if (changes !== 1) {
    const row = yield* first(
      "select state from backfill_date where backfill_id = ? and sort_order = ?",
      backfillId,
      sortOrder,
    );
    throw row === undefined
      ? new GuardFailure("missing", `Backfill ${backfillId} has no date ${sortOrder}.`)
      : new GuardFailure("stale", `Date ${sortOrder} of backfill ${backfillId} is ${row[0]}, not pending.`);
  }
  const dagId = (yield* first("select dag_id from backfill where id = ?", backfillId))?.[0] as string | undefined;
  scope.event({ kind: "backfill.date", dagId, runKey, to: state, detail: { backfillId, sortOrder, reason } });
  return {};
}

/** Changes a backfill that is still active; answers its DAG. */
function* updateActive(scope: Scope, backfillId: number, set: string, value: SqlValue): Step<string> {
  const row = yield* first("select dag_id, completed_at, cancelled_at from backfill where id = ?", backfillId);
  if (row === undefined) throw new GuardFailure("missing", `There is no backfill ${backfillId}.`);
  const [dagId, completedAt] = row as [string, number | null];
  const { changes } = yield* run(
    `update backfill set ${set}, updated_at = ? where id = ? and ${ACTIVE}`,
    value,
    scope.now,
    backfillId,
  );
  if (changes !== 1)
    throw new GuardFailure(
      "stale",
      `Backfill ${backfillId} is already ${completedAt === null ? "cancelled" : "completed"}.`,
    );
  return dagId;
}
