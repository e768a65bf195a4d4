import type { NewTaskInstance } from "../../core/run.ts";
import type { RunState } from "../../core/states.ts";
import type { Change, ChangeResult } from "../changes.ts";
import type { RunKey } from "../rows.ts";
import { all, each, first, insertSql, run, type SqlValue, type Step } from "../statements.ts";
import { COUNT_COLUMNS, GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

const INSERT_RUN = insertSql("dag_run", [
  "dag_id",
  "run_id",
  "run_type",
  "state",
  "logical_date",
  "data_interval_start",
  "data_interval_end",
  "run_after",
  "conf",
  "params",
  "triggered_by",
  "triggering_user",
  "version_id",
  "backfill_id",
  "note",
  "queued_at",
  "start_date",
  "clear_number",
  "revision",
  "owner_id",
  "owner_epoch",
]);

const INSERT_COUNTS = insertSql("run_count", ["run_key", ...COUNT_COLUMNS]);

const INSERT_TASK = insertSql("task_instance", [
  "run_key",
  "ti_no",
  "task_id",
  "map_index",
  "state",
  "operator",
  "try_number",
  "max_tries",
  "epoch",
  "pool",
  "pool_slots",
  "queue",
  "executor",
  "priority_weight",
  "lost_count",
]);

/** A new run with its task instances, all in state none. */
export function* createRun(scope: Scope, change: Of<"run.create">): Step<ChangeResult> {
  const { run: row, tasks, ownerId } = change;
  yield* refuseDuplicate(change);
  const { insertId } = yield* run(
    INSERT_RUN,
    row.dagId,
    row.runId,
    row.runType,
    row.state,
    row.logicalDate,
    row.dataIntervalStart,
    row.dataIntervalEnd,
    row.runAfter,
    JSON.stringify(row.conf),
    JSON.stringify(row.params),
    row.triggeredBy,
    row.triggeringUser,
    row.versionId,
    row.backfillId,
    row.note,
    scope.now,
    row.state === "running" ? scope.now : null,
    0,
    0,
    ownerId ?? null,
    0,
  );
  const runKey: RunKey = insertId;
  const counts = COUNT_COLUMNS.map((column) => (column === "n_none" ? tasks.length : 0));
  yield* run(INSERT_COUNTS, runKey, ...counts);
  yield* insertTasks(runKey, tasks);
  scope.createdRun = runKey;
  if (ownerId === undefined) scope.commandedRuns.add(runKey);
  scope.event({
    kind: "run.created",
    dagId: row.dagId,
    runKey,
    to: row.state,
    detail: {
      runId: row.runId,
      runType: row.runType,
      triggeredBy: row.triggeredBy,
      logicalDate: row.logicalDate,
      versionId: row.versionId,
      ...(row.backfillId === null ? {} : { backfillId: row.backfillId }),
      tasks: tasks.length,
    },
  });
  return { runKey };
}

function* refuseDuplicate({ run: row }: Of<"run.create">): Step<void> {
  const [other] = yield* all(
    "select run_id, logical_date from dag_run where dag_id = ? and run_id = ? union all select run_id, logical_date from dag_run where dag_id = ? and logical_date = ?",
    row.dagId,
    row.runId,
    row.dagId,
    row.logicalDate,
  );
  if (other !== undefined) {
    const [runId] = other as [string];
    const what =
      runId === row.runId
        ? `a run "${runId}"`
        : `a run for the logical date ${new Date(row.logicalDate ?? 0).toISOString()}: "${runId}"`;
    throw new GuardFailure("duplicate", `DAG "${row.dagId}" already has ${what}.`);
  }
  if ((yield* first("select 1 from dag_version where id = ? and dag_id = ?", row.versionId, row.dagId)) === undefined)
    throw new GuardFailure("missing", `DAG "${row.dagId}" has no version with the key ${row.versionId}.`);
}

function* insertTasks(runKey: RunKey, tasks: readonly NewTaskInstance[]): Step<void> {
  const rows = tasks.map((task): SqlValue[] => [
    runKey,
    task.tiNo,
    task.taskId,
    task.mapIndex,
    "none",
    task.operator,
    0,
    task.maxTries,
    0,
    task.pool,
    task.poolSlots,
    task.queue,
    task.executor,
    task.priorityWeight,
    0,
  ]);
  yield* each(INSERT_TASK, rows);
}

/** More task instances for a run that exists. */
export function* appendTasks(scope: Scope, change: Of<"task.append">): Step<ChangeResult> {
  const { runKey, tasks } = change;
  const dagId = yield* scope.dagOf(runKey);
  const numbers = tasks.map((task) => task.tiNo);
  const taken = yield* first("select max(ti_no) from task_instance where run_key = ?", runKey);
  const last = (taken?.[0] as number | null) ?? -1;
  if (numbers.some((number, index) => number !== last + 1 + index))
    throw new GuardFailure("stale", `Run ${runKey} has ${last + 1} task instances; new ones must follow on.`);
  yield* insertTasks(runKey, tasks);
  scope.count(runKey, null, "none", tasks.length);
  scope.event({ kind: "task.appended", dagId, runKey, detail: { from: last + 1, tasks: tasks.length } });
  return {};
}

/** Run state change with its dates. */
export function* setRunState(scope: Scope, change: Of<"run.state">): Step<ChangeResult> {
  const { runKey, from, to } = change;
  const dagId = yield* scope.dagOf(runKey);
  const row = yield* first("select state from dag_run where id = ?", runKey);
  const present = row?.[0] as RunState | undefined;
  if (present === undefined || !from.includes(present)) throw staleRun(runKey, present, from);
  const [dates, dateParams] = datesOf(to, scope.now);
  const sets = [
    "state = ?",
    ...dates,
    ...(change.bumpRevision ? ["revision = revision + 1"] : []),
    ...(change.countClear ? ["clear_number = clear_number + 1"] : []),
    ...(change.versionId === undefined ? [] : ["version_id = ?"]),
    ...(change.params === undefined ? [] : ["params = ?"]),
  ];
  const { changes } = yield* run(
    `update dag_run set ${sets.join(", ")} where id = ? and state = ?`,
    to,
    ...dateParams,
    ...(change.versionId === undefined ? [] : [change.versionId]),
    ...(change.params === undefined ? [] : [JSON.stringify(change.params)]),
    runKey,
    present,
  );
  if (changes !== 1) throw staleRun(runKey, undefined, from);
  if (change.bumpRevision) scope.commandedRuns.add(runKey);
  const detail = {
    ...(change.reason === undefined ? {} : { reason: change.reason }),
    ...(change.versionId === undefined ? {} : { versionId: change.versionId }),
    ...(change.countClear ? { cleared: true } : {}),
  };
  scope.event({
    kind: "run.state",
    dagId,
    runKey,
    from: present,
    to,
    detail: Object.keys(detail).length > 0 ? detail : undefined,
  });
  return {};
}

function staleRun(runKey: RunKey, present: RunState | undefined, from: readonly RunState[]): GuardFailure {
  if (present === undefined) return new GuardFailure("missing", `Run ${runKey} does not exist (any more).`);
  return new GuardFailure("stale", `Run ${runKey} is ${present}, not ${from.join(" or ")}.`);
}

function datesOf(to: RunState, now: number): [string[], number[]] {
  if (to === "queued") return [["queued_at = ?", "start_date = null", "end_date = null"], [now]];
  if (to === "running") return [["start_date = coalesce(start_date, ?)", "end_date = null"], [now]];
  return [["end_date = ?"], [now]];
}

/** An operator's note on a run. */
export function* noteRun(scope: Scope, change: Of<"run.note">): Step<ChangeResult> {
  const dagId = yield* scope.dagOf(change.runKey);
  yield* run("update dag_run set note = ? where id = ?", change.note, change.runKey);
  scope.event({ kind: "run.noted", dagId, runKey: change.runKey, detail: { note: change.note } });
  return {};
}

/** Takes or renews the lease of a run; renewals leave no event. */
export function* claimRun(scope: Scope, change: Of<"run.claim">): Step<ChangeResult> {
  const { runKey, ownerId, leaseMs } = change;
  const row = yield* first("select owner_id, owner_epoch, lease_until from dag_run where id = ?", runKey);
  if (row === undefined) throw new GuardFailure("missing", `Run ${runKey} does not exist (any more).`);
  const [owner, epoch, leaseUntil] = row as [string | null, number, number | null];
  const isRenewal = owner === ownerId && epoch > 0;
  if (!isRenewal && owner !== null && owner !== ownerId && (leaseUntil ?? 0) > scope.now)
    throw new GuardFailure("stale", `Run ${runKey} belongs to ${owner} for ${(leaseUntil ?? 0) - scope.now} ms more.`);
  const ownerEpoch = isRenewal ? epoch : epoch + 1;
  yield* run(
    "update dag_run set owner_id = ?, owner_epoch = ?, lease_until = ? where id = ? and owner_epoch = ?",
    ownerId,
    ownerEpoch,
    scope.now + leaseMs,
    runKey,
    epoch,
  );
  if (!isRenewal) {
    const dagId = yield* scope.dagOf(runKey);
    scope.event({ kind: "run.claimed", dagId, runKey, detail: { ownerId, ownerEpoch } });
  }
  return { ownerEpoch };
}

/** A run with all that belongs to it; one event remains, which names it. */
export function* deleteRun(scope: Scope, change: Of<"run.delete">): Step<ChangeResult> {
  const { runKey } = change;
  const row = yield* first("select dag_id, run_id, state from dag_run where id = ?", runKey);
  if (row === undefined) throw new GuardFailure("missing", `Run ${runKey} does not exist (any more).`);
  const [dagId, runId, state] = row as [string, string, RunState];
  yield* deleteRunRows(runKey);
  scope.forgetRun(runKey);
  scope.commandedRuns.add(runKey);
  scope.event({ kind: "run.deleted", dagId, from: state, detail: { runKey, runId } });
  return {};
}

/** The rows of a run in every table, children first. */
export function* deleteRunRows(runKey: RunKey): Step<void> {
  yield* run("update backfill_date set run_key = null where run_key = ?", runKey);
  for (const table of ["event", "xcom", "attempt", "task_instance", "run_count"])
    yield* run(`delete from ${table} where run_key = ?`, runKey);
  yield* run("delete from dag_run where id = ?", runKey);
}
