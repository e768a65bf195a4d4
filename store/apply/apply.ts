import type { Change, ChangeResult } from "../changes.ts";
import type { Step } from "../statements.ts";
import * as admin from "./admin.ts";
import * as attempts from "./attempts.ts";
import * as backfills from "./backfills.ts";
import * as dags from "./dags.ts";
import * as runs from "./runs.ts";
import { GuardFailure, type Scope } from "./scope.ts";
import * as tasks from "./tasks.ts";
import * as xcoms from "./xcoms.ts";

/** Applies a list of changes in order. Throws `GuardFailure` at the first that may not happen. */
export function* applyAll(scope: Scope, changes: readonly Change[]): Step<ChangeResult[]> {
  const results: ChangeResult[] = [];
  for (const [index, change] of changes.entries()) {
    scope.kinds.add(change.kind);
    try {
      results.push(yield* apply(scope, change));
    } catch (error) {
      if (error instanceof GuardFailure) error.index = index;
      throw error;
    }
  }
  return results;
}

function apply(scope: Scope, change: Change): Step<ChangeResult> {
  switch (change.kind) {
    case "task.transitions":
      return tasks.moveTasks(scope, change);
    case "attempt.start":
      return attempts.startAttempt(scope, change);
    case "attempt.finish":
      return attempts.finishAttempt(scope, change);
    case "attempt.process":
      return attempts.setAttemptProcess(scope, change);
    case "xcom.set":
      return xcoms.setXCom(scope, change);
    case "xcom.delete":
      return xcoms.deleteXCom(scope, change);
    case "run.create":
      return runs.createRun(scope, change);
    case "run.state":
      return runs.setRunState(scope, change);
    case "task.append":
      return runs.appendTasks(scope, change);
    case "task.refit":
      return tasks.refitTasks(scope, change);
    case "task.note":
      return tasks.noteTask(scope, change);
    case "run.note":
      return runs.noteRun(scope, change);
    case "run.delete":
      return runs.deleteRun(scope, change);
    case "run.claim":
      return runs.claimRun(scope, change);
    case "bundle.put":
      return dags.putBundle(scope, change);
    case "dag.put":
      return dags.putDag(scope, change);
    case "dag.deactivate":
      return dags.deactivateDag(scope, change);
    case "dag.pause":
      return dags.pauseDag(scope, change);
    case "dag.schedule":
      return dags.scheduleDag(scope, change);
    case "dag.failures":
      return dags.setDagFailures(scope, change);
    case "dag.delete":
      return dags.deleteDag(scope, change);
    case "importError.put":
      return dags.putImportError(scope, change);
    case "importError.clear":
      return dags.clearImportError(scope, change);
    case "backfill.create":
      return backfills.createBackfill(scope, change);
    case "backfill.pause":
      return backfills.pauseBackfill(scope, change);
    case "backfill.cancel":
      return backfills.cancelBackfill(scope, change);
    case "backfill.complete":
      return backfills.completeBackfill(scope, change);
    case "backfill.date":
      return backfills.settleBackfillDate(scope, change);
    case "pool.put":
      return admin.putPool(scope, change);
    case "variable.put":
      return admin.putVariable(scope, change);
    case "connection.put":
      return admin.putConnection(scope, change);
    case "pool.delete":
    case "variable.delete":
    case "connection.delete":
      return admin.deleteNamed(scope, change);
    case "worker.put":
      return admin.putWorker(scope, change);
    case "worker.heartbeat":
      return admin.beatWorker(scope, change);
    case "worker.state":
      return admin.setWorkerState(scope, change);
    case "event":
      return admin.recordEvent(scope, change);
  }
}
