import type { Change, ChangeResult } from "../changes.ts";
import { first, run, type Step } from "../statements.ts";
import { attemptKey, staleAttempt } from "./attempts.ts";
import { GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

/** A value for downstream tasks, from a running attempt (or the one that the same list has just ended) or an operator. */
export function* setXCom(scope: Scope, change: Of<"xcom.set">): Step<ChangeResult> {
  const { runKey, tiNo, key, json, attempt } = change;
  const dagId = yield* scope.dagOf(runKey);
  if (attempt === null) {
    if ((yield* first("select 1 from task_instance where run_key = ? and ti_no = ?", runKey, tiNo)) === undefined)
      throw new GuardFailure("missing", `Run ${runKey} has no task instance ${tiNo}.`);
  } else if (!scope.finished.has(attemptKey(attempt))) {
    const running = yield* first(
      "select 1 from attempt where run_key = ? and ti_no = ? and try_number = ? and epoch = ? and state = 'running'",
      attempt.runKey,
      attempt.tiNo,
      attempt.tryNumber,
      attempt.epoch,
    );
    if (running === undefined) throw yield* staleAttempt(attempt, "running");
  }
  const size = Buffer.byteLength(json);
  yield* run(scope.context.dialect.putXCom, runKey, tiNo, key, size, scope.now, json);
  scope.event({
    kind: "xcom.set",
    dagId,
    runKey,
    tiNo,
    tryNumber: attempt?.tryNumber ?? null,
    epoch: attempt?.epoch ?? null,
    detail: { key, size },
  });
  return {};
}

/** One value, or all of a task instance. */
export function* deleteXCom(scope: Scope, change: Of<"xcom.delete">): Step<ChangeResult> {
  const { runKey, tiNo, key } = change;
  const dagId = yield* scope.dagOf(runKey);
  const { changes } =
    key === undefined
      ? yield* run("delete from xcom where run_key = ? and ti_no = ?", runKey, tiNo)
      : yield* run("delete from xcom where run_key = ? and ti_no = ? and xcom_key = ?", runKey, tiNo, key);
  if (key !== undefined && changes === 0)
    throw new GuardFailure("missing", `Task instance ${tiNo} of run ${runKey} has no XCom "${key}".`);
  if (changes > 0) scope.event({ kind: "xcom.deleted", dagId, runKey, tiNo, detail: key === undefined ? {} : { key } });
  return {};
}
