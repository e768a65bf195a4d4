import { FAILED, IS_TERMINAL, NONE, QUEUED, RESTARTING, RUNNING, SCHEDULED, SKIPPED } from "./codes.ts";
import type { RunMemory } from "./memory.ts";
import type { Step } from "./step.ts";

/** The first final failure stops the run (failFast): what runs fails, what waits is skipped; teardowns go on. */
export function stopAfterFailure(step: Step, failed: number): void {
  const reason = `${step.run.idOf(failed)} failed and the DAG fails fast`;
  for (const tiNo of unfinished(step.run)) {
    if (step.run.taskOf(tiNo)?.isTeardown) continue;
    stopInstance(step, tiNo, isUnderWay(step.run.state[tiNo] as number) ? FAILED : SKIPPED, reason);
  }
}

/** dagrunTimeout: what is unfinished is skipped, running or not, and the run has failed (airflow.md 1.1). */
export function timeOutRun(step: Step): void {
  const timeoutMs = step.run.graph.definition.dagrunTimeoutMs;
  const reason = timeoutMs === undefined ? "the run timed out" : `the run timed out after ${timeoutMs / 1000} s`;
  for (const tiNo of unfinished(step.run)) stopInstance(step, tiNo, SKIPPED, reason);
  endRun(step, reason);
}

/** A cancel ends the run at once: what has begun fails, the rest is skipped. */
export function cancelRun(step: Step, by: string | undefined): void {
  const reason = by === undefined ? "cancelled" : `cancelled by ${by}`;
  for (const tiNo of unfinished(step.run)) {
    const state = step.run.state[tiNo] as number;
    const hasBegun = state !== NONE && state !== SCHEDULED && state !== QUEUED;
    stopInstance(step, tiNo, hasBegun ? FAILED : SKIPPED, reason);
  }
  endRun(step, reason);
}

function endRun(step: Step, reason: string): void {
  step.run.runState = "failed";
  step.runState = { to: "failed", reason };
}

function unfinished(run: RunMemory): number[] {
  const tiNos: number[] = [];
  for (let tiNo = 0; tiNo < run.state.length; tiNo++) {
    if (IS_TERMINAL[run.state[tiNo] as number] === 0) tiNos.push(tiNo);
  }
  return tiNos;
}

/** Ends an instance; an attempt that may be under way is fenced off and reported to be stopped. */
function stopInstance(step: Step, tiNo: number, to: number, reason: string): void {
  const state = step.run.state[tiNo] as number;
  const hasAttempt = isUnderWay(state) || state === QUEUED;
  if (hasAttempt) step.stop.push(tiNo);
  const epoch = step.run.epoch[tiNo] as number;
  step.move(tiNo, to, { dueAt: null, ...(hasAttempt ? { newEpoch: epoch + 1 } : {}) }, reason);
}

function isUnderWay(state: number): boolean {
  return state === RUNNING || state === RESTARTING;
}
