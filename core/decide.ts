import { NONE, QUEUED, RUNNING, SCHEDULED, UP_FOR_RESCHEDULE, UP_FOR_RETRY } from "./decide/codes.ts";
import { completeRun } from "./decide/completion.ts";
import { RunMemory, UNKNOWN_TASK } from "./decide/memory.ts";
import { finishAttempt } from "./decide/outcome.ts";
import { PastView } from "./decide/past.ts";
import { restoreSkips } from "./decide/skips.ts";
import { Step } from "./decide/step.ts";
import { cancelRun, timeOutRun } from "./decide/stop.ts";
import type { Decision, PastFacts, RunEvent, RunFacts } from "./decide/types.ts";
import type { CompiledGraph } from "./graph.ts";
import type { TaskInstanceFacts } from "./run.ts";
import { isRunTerminal } from "./states.ts";

export { RunMemory } from "./decide/memory.ts";
export type { Decision, PastFacts, RunEvent, RunFacts } from "./decide/types.ts";
export { waitReason } from "./decide/why.ts";

/**
 * Builds the memory of a run from its rows (any order; `tiNo` is the key). It decides nothing: follow it with the event
 * `begin`, which yields exactly the transitions that are missing. So it serves a new run, a recovery and a clear alike.
 */
export function openRun(graph: CompiledGraph, facts: RunFacts, tasks: readonly TaskInstanceFacts[]): RunMemory {
  const run = new RunMemory(graph, facts, tasks);
  restoreSkips(run);
  return run;
}

/**
 * What follows from one event. Synchronous and deterministic; the work is proportional to the edges of what changes.
 * The memory is moved to the decided state: when the commit of the decision fails, drop the memory and open the run
 * again from its rows.
 *
 * Events that do not fit the present state (a second end of the same attempt, an early `due`, anything after the run
 * has ended) decide nothing.
 */
export function decide(run: RunMemory, event: RunEvent, env: { readonly now: number }): Decision {
  if (isRunTerminal(run.runState)) return NOTHING;
  const step = new Step(run, env.now);
  switch (event.kind) {
    case "begin":
      begin(step);
      break;
    case "queued":
      queue(step, event.tiNo);
      return step.finish();
    case "requeue":
      requeue(step, event.tiNo, event.reason);
      return step.finish();
    case "started":
      start(step, event.tiNo, event.epoch);
      return NOTHING;
    case "finished":
      if (isStale(run, event.tiNo, event.epoch)) return NOTHING;
      finishAttempt(step, event.tiNo, event.outcome);
      break;
    case "due":
      comeDue(step, event.tiNo);
      break;
    case "past":
      meetPast(step, event.facts);
      break;
    case "timeout":
      timeOutRun(step);
      return step.finish();
    case "cancel":
      cancelRun(step, event.by);
      return step.finish();
  }
  step.settle();
  completeRun(step);
  return step.finish();
}

const NOTHING: Decision = Object.freeze({
  transitions: Object.freeze([]),
  newlyReady: Object.freeze([]),
  stop: Object.freeze([]),
});

/** Looks at every instance: the first time, after a restart, after a command changed rows. */
function begin(step: Step): void {
  const { run } = step;
  run.runState = "running";
  for (let tiNo = 0; tiNo < run.state.length; tiNo++) {
    const state = run.state[tiNo] as number;
    // What runs may end; what has not begun has no code any more.
    const isIdle = state === NONE || state === SCHEDULED || state === UP_FOR_RETRY || state === UP_FOR_RESCHEDULE;
    if (run.taskOfTi[tiNo] === UNKNOWN_TASK && isIdle) step.readmit(tiNo, { dueAt: null }, "");
    else if (state === SCHEDULED) step.addReady(tiNo);
  }
  step.settleAll();
  for (let tiNo = 0; tiNo < run.state.length; tiNo++) comeDue(step, tiNo);
}

/**
 * A sensor's next poke belongs to the try it interrupts. Its instance keeps `dueAt` from up_for_reschedule until the
 * poke has ended; that is how rows tell a poke from a new try.
 */
function isRepoke(run: RunMemory, tiNo: number): boolean {
  return !Number.isNaN(run.dueAt[tiNo] as number);
}

function queue(step: Step, tiNo: number): void {
  const { run } = step;
  if (run.state[tiNo] !== SCHEDULED) return;
  const newEpoch = (run.epoch[tiNo] as number) + 1;
  const tryNumber = run.tryNumber[tiNo] as number;
  if (isRepoke(run, tiNo)) step.move(tiNo, QUEUED, { newEpoch }, "next poke");
  else step.move(tiNo, QUEUED, { newEpoch, tryNumber: tryNumber + 1 }, "got a slot");
}

function requeue(step: Step, tiNo: number, reason = "nobody started it"): void {
  const { run } = step;
  if (run.state[tiNo] !== QUEUED) return;
  const newEpoch = (run.epoch[tiNo] as number) + 1;
  const tryNumber = Math.max(0, (run.tryNumber[tiNo] as number) - 1);
  step.move(tiNo, SCHEDULED, isRepoke(run, tiNo) ? { newEpoch } : { newEpoch, tryNumber }, reason);
}

/** The row says so already (`attempt.start`), so no transition is asked for. */
function start(step: Step, tiNo: number, epoch: number | undefined): void {
  const { run } = step;
  if (run.state[tiNo] !== QUEUED || isStale(run, tiNo, epoch)) return;
  run.state[tiNo] = RUNNING;
  run.counts[QUEUED] = (run.counts[QUEUED] as number) - 1;
  run.counts[RUNNING] = (run.counts[RUNNING] as number) + 1;
  run.startedAt.set(tiNo, step.now);
}

function isStale(run: RunMemory, tiNo: number, epoch: number | undefined): boolean {
  return epoch !== undefined && epoch !== run.epoch[tiNo];
}

function comeDue(step: Step, tiNo: number): void {
  const { run } = step;
  const state = run.state[tiNo];
  if (state !== UP_FOR_RETRY && state !== UP_FOR_RESCHEDULE) return;
  if (step.now < (run.dueAt[tiNo] as number)) return;
  if (state === UP_FOR_RETRY) step.readmit(tiNo, { dueAt: null }, "its next try is due");
  else step.readmit(tiNo, {}, "its next poke is due");
}

function meetPast(step: Step, facts: PastFacts): void {
  step.run.past = new PastView(facts);
  for (const task of step.run.graph.pastDependents) step.look(task);
}
