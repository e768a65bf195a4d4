import type { TaskTransition } from "../../core/run.ts";
import type { TaskState } from "../../core/states.ts";
import type { Change, ChangeResult } from "../changes.ts";
import type { RunKey } from "../rows.ts";
import { each, first, run, type SqlValue, type Step } from "../statements.ts";
import { GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

/** What a new state does to the dates of a task instance; every `?` is the present instant. */
const DATES: { readonly [state in TaskState]: string } = {
  none: ", scheduled_at = null, queued_at = null, start_date = null, end_date = null",
  scheduled: ", scheduled_at = ?",
  queued: ", queued_at = ?, end_date = null",
  running: ", start_date = coalesce(start_date, ?), end_date = null",
  success: ", start_date = coalesce(start_date, ?), end_date = ?",
  failed: ", start_date = coalesce(start_date, ?), end_date = ?",
  skipped: ", start_date = coalesce(start_date, ?), end_date = ?",
  upstream_failed: ", start_date = coalesce(start_date, ?), end_date = ?",
  removed: ", end_date = ?",
  up_for_retry: ", end_date = ?",
  up_for_reschedule: "",
  deferred: "",
  awaiting_input: "",
  restarting: "",
};

/** Changes of task instances of one run, each guarded by its state and epoch. */
export function* moveTasks(scope: Scope, change: Of<"task.transitions">): Step<ChangeResult> {
  const { runKey, transitions, fence, bumpRevision, runIn, revision } = change;
  const dagId = yield* scope.dagOf(runKey);
  if (fence !== undefined) {
    const held = yield* first(
      "select revision from dag_run where id = ? and owner_id = ? and owner_epoch = ?",
      runKey,
      fence.ownerId,
      fence.ownerEpoch,
    );
    if (held === undefined) throw new GuardFailure("stale", `Run ${runKey} no longer belongs to ${fence.ownerId}.`);
    if (fence.revision !== undefined && fence.revision !== held[0])
      throw new GuardFailure("stale", `Run ${runKey} was changed by a command since its owner read it.`);
  }
  if (runIn !== undefined || revision !== undefined) {
    const [state, present] = (yield* first("select state, revision from dag_run where id = ?", runKey)) ?? [];
    if (runIn?.some((wanted) => wanted === state) === false)
      throw new GuardFailure("stale", `Run ${runKey} is ${state} now, not ${runIn.join(" or ")}.`);
    if (revision !== undefined && revision !== present)
      throw new GuardFailure("stale", `Run ${runKey} was changed by another command meanwhile.`);
  }
  for (let from = 0; from < transitions.length; ) from = yield* moveAlike(scope, runKey, transitions, from);
  for (const transition of transitions) recordMove(scope, dagId, runKey, transition);
  if (bumpRevision) {
    yield* run("update dag_run set revision = revision + 1 where id = ?", runKey);
    scope.commandedRuns.add(runKey);
  }
  return {};
}

/** Executes the transitions from `start` on that share one statement; answers where the next ones begin. */
function* moveAlike(scope: Scope, runKey: RunKey, transitions: readonly TaskTransition[], start: number): Step<number> {
  const rows: SqlValue[][] = [];
  let sql: string | undefined;
  let next = start;
  for (; next < transitions.length; next++) {
    const transition = transitions[next] as TaskTransition;
    const statement = statementOf(transition);
    if (sql !== undefined && statement !== sql) break;
    sql = statement;
    rows.push(paramsOf(transition, runKey, scope.now));
  }
  const failed = yield* each(sql as string, rows);
  if (failed >= 0) throw yield* staleTask(runKey, transitions[start + failed] as TaskTransition);
  return next;
}

const statements = new Map<string, string>();

/** The update for the columns that a transition changes; one text per combination, so that it is prepared once. */
function statementOf(transition: TaskTransition): string {
  const key = transition.to + optionsOf(transition);
  let sql = statements.get(key);
  if (sql === undefined) {
    sql = `update task_instance set state = ?, reason = ?${DATES[transition.to]}${columnsOf(transition)} where run_key = ? and ti_no = ? and state = ? and epoch = ?`;
    statements.set(key, sql);
  }
  return sql;
}

function optionsOf(transition: TaskTransition): number {
  return (
    (transition.newEpoch === undefined ? 0 : 1) |
    (transition.tryNumber === undefined ? 0 : 2) |
    (transition.maxTries === undefined ? 0 : 4) |
    (transition.dueAt === undefined ? 0 : 8) |
    (transition.firstPokeAt === undefined ? 0 : 16) |
    (transition.lostCount === undefined ? 0 : 32) |
    (transition.branch === undefined ? 0 : 64)
  );
}

function columnsOf(transition: TaskTransition): string {
  let columns = "";
  if (transition.newEpoch !== undefined) columns += ", epoch = ?";
  if (transition.tryNumber !== undefined) columns += ", try_number = ?";
  if (transition.maxTries !== undefined) columns += ", max_tries = ?";
  if (transition.dueAt !== undefined) columns += ", due_at = ?";
  if (transition.firstPokeAt !== undefined) columns += ", first_poke_at = ?";
  if (transition.lostCount !== undefined) columns += ", lost_count = ?";
  if (transition.branch !== undefined) columns += ", branch = ?";
  // A new try begins anew; another poke of the same try keeps the instant of its first.
  if (transition.to === "queued" && transition.tryNumber !== undefined) columns += ", start_date = null";
  return columns;
}

function paramsOf(transition: TaskTransition, runKey: RunKey, now: number): SqlValue[] {
  const params: SqlValue[] = [transition.to, transition.reason ?? null];
  for (let at = DATES[transition.to].indexOf("?"); at >= 0; at = DATES[transition.to].indexOf("?", at + 1))
    params.push(now);
  if (transition.newEpoch !== undefined) params.push(transition.newEpoch);
  if (transition.tryNumber !== undefined) params.push(transition.tryNumber);
  if (transition.maxTries !== undefined) params.push(transition.maxTries);
  if (transition.dueAt !== undefined) params.push(transition.dueAt);
  if (transition.firstPokeAt !== undefined) params.push(transition.firstPokeAt);
  if (transition.lostCount !== undefined) params.push(transition.lostCount);
  if (transition.branch !== undefined)
    params.push(transition.branch === null ? null : JSON.stringify(transition.branch));
  params.push(runKey, transition.tiNo, transition.from, transition.epoch);
  return params;
}

function recordMove(scope: Scope, dagId: string, runKey: RunKey, transition: TaskTransition): void {
  scope.count(runKey, transition.from, transition.to);
  scope.event({
    kind: "task.state",
    dagId,
    runKey,
    tiNo: transition.tiNo,
    tryNumber: transition.tryNumber ?? null,
    epoch: transition.newEpoch ?? transition.epoch,
    from: transition.from,
    to: transition.to,
    detail: detailOf(transition),
  });
}

/** Everything that the columns of an event do not hold, so that the fold of events gives the row again. */
function detailOf(transition: TaskTransition): { [key: string]: unknown } | undefined {
  if (transition.reason === undefined && (optionsOf(transition) & ~3) === 0) return undefined;
  const { reason, maxTries, dueAt, firstPokeAt, lostCount, branch } = transition;
  // JSON.stringify leaves out what is undefined.
  return { reason, maxTries, dueAt, firstPokeAt, lostCount, branch };
}

function* staleTask(runKey: RunKey, transition: TaskTransition): Step<GuardFailure> {
  const { tiNo, from, epoch } = transition;
  const row = yield* first(
    "select task_id, state, epoch from task_instance where run_key = ? and ti_no = ?",
    runKey,
    tiNo,
  );
  if (row === undefined) return new GuardFailure("missing", `Run ${runKey} has no task instance ${tiNo}.`);
  const [taskId, state, present] = row as [string, TaskState, number];
  return new GuardFailure(
    "stale",
    `Task "${taskId}" of run ${runKey} is ${state} at epoch ${present}, not ${from} at epoch ${epoch}.`,
  );
}

const REFIT =
  "update task_instance set operator = ?, pool = ?, pool_slots = ?, queue = ?, executor = ?, priority_weight = ? where run_key = ? and ti_no = ?";

/** What another version says about task instances that exist. One event per instance that waits in another line from now on. */
export function* refitTasks(scope: Scope, change: Of<"task.refit">): Step<ChangeResult> {
  const { runKey, tasks } = change;
  const dagId = yield* scope.dagOf(runKey);
  for (const task of tasks) {
    const { tiNo, pool, poolSlots } = task;
    const row = yield* first(
      "select pool, pool_slots from task_instance where run_key = ? and ti_no = ?",
      runKey,
      tiNo,
    );
    if (row === undefined) throw new GuardFailure("missing", `Run ${runKey} has no task instance ${tiNo}.`);
    yield* run(REFIT, task.operator, pool, poolSlots, task.queue, task.executor, task.priorityWeight, runKey, tiNo);
    if (row[0] !== pool || row[1] !== poolSlots)
      scope.event({ kind: "task.refitted", dagId, runKey, tiNo, detail: { from: row[0], pool, poolSlots } });
  }
  return {};
}

/** An operator's note on a task instance. */
export function* noteTask(scope: Scope, change: Of<"task.note">): Step<ChangeResult> {
  const { runKey, tiNo, note } = change;
  const dagId = yield* scope.dagOf(runKey);
  const { changes } = yield* run(
    "update task_instance set note = ? where run_key = ? and ti_no = ?",
    note,
    runKey,
    tiNo,
  );
  if (changes !== 1) throw new GuardFailure("missing", `Run ${runKey} has no task instance ${tiNo}.`);
  scope.event({ kind: "task.noted", dagId, runKey, tiNo, detail: { note } });
  return {};
}
