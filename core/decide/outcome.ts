import type { SensorDefinition } from "../definition.ts";
import { MAX_LOST_IN_A_ROW, retryDelayMs } from "../retry.ts";
import type { TaskError, TaskOutcome } from "../run.ts";
import { FAILED, QUEUED, RESTARTING, RUNNING, SKIPPED, SUCCESS, UP_FOR_RESCHEDULE, UP_FOR_RETRY } from "./codes.ts";
import type { Patch, Step } from "./step.ts";
import { stopAfterFailure } from "./stop.ts";

/** An attempt ended: what becomes of its instance. Outcomes of instances that are not active change nothing. */
export function finishAttempt(step: Step, tiNo: number, outcome: TaskOutcome): void {
  const state = step.run.state[tiNo];
  if (state === RESTARTING) restart(step, tiNo);
  // Queued: the outcome of an attempt whose start this memory has not been told.
  else if (state === RUNNING || state === QUEUED) endAttempt(step, tiNo, outcome);
}

function endAttempt(step: Step, tiNo: number, outcome: TaskOutcome): void {
  switch (outcome.kind) {
    case "success":
      succeed(step, tiNo, outcome);
      break;
    case "skipped":
      step.move(tiNo, SKIPPED, ENDED, outcome.message ? firstLine(outcome.message) : "it skipped itself");
      break;
    case "failed":
      failTry(step, tiNo, outcome);
      break;
    case "reschedule":
      reschedule(step, tiNo, outcome.at);
      break;
    case "lost":
      lose(step, tiNo, outcome.error);
      break;
    case "cancelled":
      interrupt(step, tiNo, outcome.message);
      break;
  }
}

/** What every end of an attempt resets. */
const ENDED: Patch = { dueAt: null, lostCount: 0 };

function succeed(step: Step, tiNo: number, outcome: Extract<TaskOutcome, { kind: "success" }>): void {
  step.move(tiNo, SUCCESS, { ...ENDED, branch: outcome.branch ?? null }, "succeeded");
  if (outcome.branch !== undefined) step.decideSkips(tiNo, outcome.branch);
}

function failTry(step: Step, tiNo: number, outcome: Extract<TaskOutcome, { kind: "failed" }>): void {
  const { run } = step;
  const task = run.taskOf(tiNo);
  const tryNumber = run.tryNumber[tiNo] as number;
  const maxTries = run.maxTries[tiNo] as number;
  const what = describeError(outcome.error);
  if (task === undefined || !outcome.retryable || tryNumber >= maxTries) {
    const why = !outcome.retryable && tryNumber < maxTries ? "not to be retried" : `try ${tryNumber} of ${maxTries}`;
    failForGood(step, tiNo, `${what} (${why})`);
    return;
  }
  const { dagId, runId } = run.facts;
  const mapIndex = run.mapIndex[tiNo] as number;
  const retryAfterMs = outcome.retryAfterMs;
  const delay = retryDelayMs(task, { dagId, runId, mapIndex, tryNumber, maxTries, retryAfterMs });
  const patch = { dueAt: step.now + delay, lostCount: 0, ...chainStart(step, tiNo) };
  step.move(tiNo, UP_FOR_RETRY, patch, `${what} (try ${tryNumber} of ${maxTries})`);
}

/** A sensor said "not yet". Its last poke is at the deadline; a no at or after it is final. */
function reschedule(step: Step, tiNo: number, at: number): void {
  const sensor = step.run.taskOf(tiNo)?.sensor;
  const first = firstPoke(step, tiNo);
  const deadline = first + (sensor?.timeoutMs ?? Number.POSITIVE_INFINITY);
  if (sensor !== undefined && step.now >= deadline) {
    timeOut(step, tiNo, sensor);
    return;
  }
  const dueAt = Math.min(Math.max(at, step.now), deadline);
  step.move(tiNo, UP_FOR_RESCHEDULE, { dueAt, firstPokeAt: first, lostCount: 0 }, "not yet");
}

function timeOut(step: Step, tiNo: number, sensor: SensorDefinition): void {
  const reason = `nothing came within ${sensor.timeoutMs / 1000} s`;
  if (sensor.softFail) step.move(tiNo, SKIPPED, ENDED, reason);
  else failForGood(step, tiNo, reason);
}

/** The worker died. Such a try is not counted against `retries`, but only a few in a row are forgiven. */
function lose(step: Step, tiNo: number, error: TaskError): void {
  const { run } = step;
  const lost = (run.lostCount[tiNo] as number) + 1;
  const reason = `worker lost, ${lost} in a row: ${describeError(error)}`;
  if (lost > MAX_LOST_IN_A_ROW) failForGood(step, tiNo, reason, { lostCount: lost });
  else step.readmit(tiNo, { ...again(step, tiNo), lostCount: lost }, reason);
}

/** Stopped although no command decided its state, as at a shutdown: it runs again, and the try is not counted. */
function interrupt(step: Step, tiNo: number, message: string | undefined): void {
  step.readmit(tiNo, again(step, tiNo), message ? `stopped: ${firstLine(message)}` : "stopped");
}

/** A new try with one more allowed, and a new epoch in case the old attempt is not as dead as it seems. */
function again(step: Step, tiNo: number): Patch {
  const { run } = step;
  return {
    newEpoch: (run.epoch[tiNo] as number) + 1,
    maxTries: (run.maxTries[tiNo] as number) + 1,
    dueAt: null,
    ...chainStart(step, tiNo),
  };
}

/** It was cleared while it ran; now that its attempt is over it begins again, whatever the outcome was. */
function restart(step: Step, tiNo: number): void {
  const { run } = step;
  const retries = run.taskOf(tiNo)?.retries ?? 0;
  const patch: Patch = {
    newEpoch: (run.epoch[tiNo] as number) + 1,
    maxTries: Math.max(run.maxTries[tiNo] as number, (run.tryNumber[tiNo] as number) + retries + 1),
    dueAt: null,
    firstPokeAt: null,
    lostCount: 0,
    branch: null,
  };
  run.startedAt.delete(tiNo);
  step.readmit(tiNo, patch, "cleared while running");
}

function failForGood(step: Step, tiNo: number, reason: string, patch: Patch = {}): void {
  step.move(tiNo, FAILED, { ...ENDED, ...patch }, reason);
  if (step.run.graph.definition.failFast) stopAfterFailure(step, tiNo);
}

/** A sensor's clock runs on over retries: its start goes with every change that does not end the chain. */
function chainStart(step: Step, tiNo: number): Patch {
  return step.run.taskOf(tiNo)?.sensor === undefined ? {} : { firstPokeAt: firstPoke(step, tiNo) };
}

function firstPoke(step: Step, tiNo: number): number {
  const stored = step.run.firstPokeAt[tiNo] as number;
  return Number.isNaN(stored) ? (step.run.startedAt.get(tiNo) ?? step.now) : stored;
}

function describeError(error: TaskError): string {
  return firstLine(`${error.name}: ${error.message}`);
}

const MAX_REASON_LENGTH = 200;

/** Reasons are sentences: the whole error is with the attempt. */
function firstLine(text: string): string {
  const end = text.slice(0, MAX_REASON_LENGTH + 1).search(/[\r\n]/);
  const line = end >= 0 ? text.slice(0, end) : text;
  return line.length > MAX_REASON_LENGTH ? `${line.slice(0, MAX_REASON_LENGTH - 1)}…` : line;
}
