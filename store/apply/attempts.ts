import type { Change, ChangeResult } from "../changes.ts";
import type { AttemptId } from "../rows.ts";
import { first, run, type Step } from "../statements.ts";
import { GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

const CLAIM =
  "update task_instance set state = 'running', reason = null, start_date = coalesce(start_date, ?), end_date = null " +
  "where run_key = ? and ti_no = ? and state = 'queued' and epoch = ? and try_number = ?";

/** The claim: queued → running, at this epoch only. A new execution never sees the XComs of an earlier one. */
export function* startAttempt(scope: Scope, change: Of<"attempt.start">): Step<ChangeResult> {
  const { attempt, workerId, pid } = change;
  const { runKey, tiNo, tryNumber, epoch } = attempt;
  const dagId = yield* scope.dagOf(runKey);
  const { changes } = yield* run(CLAIM, scope.now, runKey, tiNo, epoch, tryNumber);
  if (changes !== 1) throw yield* staleAttempt(attempt, "queued");
  if (epoch > 1) yield* run("delete from xcom where run_key = ? and ti_no = ?", runKey, tiNo);
  yield* run(
    scope.context.dialect.openAttempt,
    tryNumber,
    epoch,
    workerId,
    pid ?? null,
    scope.context.hostname,
    scope.now,
    runKey,
    tiNo,
  );
  scope.count(runKey, "queued", "running");
  scope.event({
    kind: "attempt.started",
    dagId,
    runKey,
    tiNo,
    tryNumber,
    epoch,
    from: "queued",
    to: "running",
    detail: { workerId },
  });
  return {};
}

/** Ends the attempt's row; what follows for the task instance is a transition beside it. */
export function* finishAttempt(scope: Scope, change: Of<"attempt.finish">): Step<ChangeResult> {
  const { attempt, state, error } = change;
  const { runKey, tiNo, tryNumber, epoch } = attempt;
  const dagId = yield* scope.dagOf(runKey);
  const { changes } = yield* run(
    "update attempt set state = ?, end_date = ?, error = ? where run_key = ? and ti_no = ? and try_number = ? and epoch = ? and state = 'running'",
    state,
    scope.now,
    error === undefined ? null : JSON.stringify(error),
    runKey,
    tiNo,
    tryNumber,
    epoch,
  );
  if (changes !== 1) throw yield* staleAttempt(attempt, "running");
  scope.finished.add(attemptKey(attempt));
  scope.event({
    kind: "attempt.finished",
    dagId,
    runKey,
    tiNo,
    tryNumber,
    epoch,
    from: "running",
    to: state,
    detail: error === undefined ? undefined : { error: { name: error.name, message: error.message } },
  });
  return {};
}

/** The process that runs the attempt, for recovery; no event. */
export function* setAttemptProcess(_scope: Scope, change: Of<"attempt.process">): Step<ChangeResult> {
  const { attempt, pid } = change;
  const { changes } = yield* run(
    "update attempt set pid = ? where run_key = ? and ti_no = ? and try_number = ? and epoch = ? and state = 'running'",
    pid,
    attempt.runKey,
    attempt.tiNo,
    attempt.tryNumber,
    attempt.epoch,
  );
  if (changes !== 1) throw yield* staleAttempt(attempt, "running");
  return {};
}

/** One string per attempt and epoch. */
export function attemptKey({ runKey, tiNo, tryNumber, epoch }: AttemptId): string {
  return `${runKey}/${tiNo}/${tryNumber}/${epoch}`;
}

/** Why an attempt may not write: what its rows say now. */
export function* staleAttempt(attempt: AttemptId, wanted: string): Step<GuardFailure> {
  const { runKey, tiNo, tryNumber, epoch } = attempt;
  const row = yield* first(
    "select t.task_id, t.state, t.epoch, a.state, a.epoch from task_instance t left join attempt a on a.run_key = t.run_key and a.ti_no = t.ti_no and a.try_number = ? where t.run_key = ? and t.ti_no = ?",
    tryNumber,
    runKey,
    tiNo,
  );
  if (row === undefined) return new GuardFailure("missing", `Run ${runKey} has no task instance ${tiNo}.`);
  const [taskId, state, present, attemptState, attemptEpoch] = row;
  return new GuardFailure(
    "stale",
    `Try ${tryNumber} of task "${taskId}" of run ${runKey} is not ${wanted} at epoch ${epoch}: the task is ${state} at epoch ${present}, the try is ${attemptState === null ? "not begun" : `${attemptState} at epoch ${attemptEpoch}`}.`,
  );
}
