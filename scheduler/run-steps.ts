import type { Clock } from "../core/clock.ts";
import { type Decision, decide, type PastFacts, type RunEvent } from "../core/decide.ts";
import type { TaskTransition } from "../core/run.ts";
import { isActive, isTerminal, type RunState } from "../core/states.ts";
import type { OutcomeReport } from "../executor/executor.ts";
import type { AttemptId, RunKey } from "../store/rows.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Draft } from "./draft.ts";
import type { OwnedRun } from "./owned-run.ts";
import type { Timers } from "./timers.ts";
import type { Values } from "./values.ts";

export interface RunStepsOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly dispatcher: Dispatcher;
  readonly values: Values;
  /** The time of an instance or of the whole run (`tiNo` undefined) has come. */
  readonly onDue: (runKey: RunKey, tiNo: number | undefined) => void;
  /** A run's instance ended: runs that look back at it want to know. */
  readonly onTaskEnded: (run: OwnedRun) => void;
  /** Nothing of the run can move before an earlier run does. */
  readonly onWaitingForPast: (run: OwnedRun) => void;
  /** The draft ends the run. */
  readonly onRunEnding: (draft: Draft, run: OwnedRun, to: RunState) => void;
}

/**
 * The steps in the life of a run: each takes one thing that happened, lets the core decide, and turns the decision into changes of
 * the draft, timers, and places in line. Synchronous; nothing here waits or reads.
 */
export class RunSteps {
  readonly #o: RunStepsOptions;

  constructor(options: RunStepsOptions) {
    this.#o = options;
  }

  /** A run comes into memory: from its creation, a restart, or a command that changed its rows. */
  opened(draft: Draft, run: OwnedRun, known: readonly OutcomeReport[]): void {
    const { memory } = run;
    this.#o.dispatcher.forget(run.runKey);
    for (let tiNo = 0; tiNo < memory.size; tiNo++) {
      if (isActive(memory.stateOf(tiNo))) this.#o.dispatcher.occupies(run, tiNo);
    }
    if (run.row.state === "queued") draft.runState(run, "queued", "running");
    this.#decide(draft, run, { kind: "begin" });
    for (const report of known) this.outcome(draft, run, report);
    this.meetAttempts(draft, run);
    this.#missAttempts(draft, run);
    for (let tiNo = 0; tiNo < memory.size; tiNo++) this.#setDueTimer(run, tiNo, run.instance(tiNo).dueAt);
    this.#setTimeout(run);
  }

  /** An attempt ended. False when the instance has moved on and the outcome says nothing any more. */
  outcome(draft: Draft, run: OwnedRun, report: OutcomeReport): boolean {
    const { attempt, outcome, returnValueJson } = report;
    const { tiNo, epoch } = attempt;
    if (tiNo >= run.memory.size) return false;
    const before = run.memory.stateOf(tiNo);
    if (run.instance(tiNo).epoch !== epoch || (before !== "running" && before !== "restarting")) return false;
    const isValue = outcome.kind === "success" && before === "running" && run.memory.taskOf(tiNo)?.doXcomPush === true;
    const value = isValue ? returnValueJson : undefined;
    draft.finishAttempt(run, attempt, outcome, value);
    draft.outcomes.push(report);
    if (value !== undefined) this.#o.values.put(run, tiNo, value);
    this.#decide(draft, run, { kind: "finished", tiNo, outcome, epoch });
    return true;
  }

  /** The time of a retry or a sensor's next poke has come. */
  due(draft: Draft, run: OwnedRun, tiNo: number): void {
    run.dueTimers.delete(tiNo);
    this.#decide(draft, run, { kind: "due", tiNo });
    // The clock was set back since the timer fired: wait again.
    const { state, dueAt } = run.instance(tiNo);
    if (state === "up_for_retry" || state === "up_for_reschedule") this.#setDueTimer(run, tiNo, dueAt);
  }

  /** dagrunTimeout has passed. */
  timeout(draft: Draft, run: OwnedRun): void {
    this.#decide(draft, run, { kind: "timeout" });
  }

  /** The run before it has changed. */
  past(draft: Draft, run: OwnedRun, facts: PastFacts): void {
    this.#decide(draft, run, { kind: "past", facts });
  }

  #decide(draft: Draft, run: OwnedRun, event: RunEvent): void {
    const before = run.memory.runState;
    const decision = decide(run.memory, event, { now: this.#o.clock.now() });
    this.#stop(draft, run, decision);
    draft.move(run, decision.transitions);
    for (const transition of decision.transitions) this.#moved(run, transition);
    for (const tiNo of decision.newlyReady) this.#o.dispatcher.ready(run, tiNo);
    if (decision.transitions.some(({ to }) => isTerminal(to))) this.#o.onTaskEnded(run);
    if (run.onlyWaitsForPast) this.#o.onWaitingForPast(run);
    if (decision.runState !== undefined) {
      const { to, reason } = decision.runState;
      draft.runState(run, before, to, reason);
      this.#o.onRunEnding(draft, run, to);
    }
  }

  /** Attempts that the decision has overtaken: their rows end with it, their processes after the commit. */
  #stop(draft: Draft, run: OwnedRun, { stop, transitions }: Decision): void {
    for (const tiNo of stop) {
      const live = this.#o.dispatcher.attempts.get(run.runKey, tiNo);
      if (live === undefined || live.isAbandoned) continue;
      live.isAbandoned = true;
      const reason = transitions.find((transition) => transition.tiNo === tiNo)?.reason ?? "stopped";
      draft.finishAttempt(run, live.attempt, { kind: "cancelled", message: reason });
      draft.stops.push({ live, reason });
    }
  }

  #moved(run: OwnedRun, { tiNo, from, to, dueAt }: TaskTransition): void {
    const { dispatcher, values } = this.#o;
    if (from === "scheduled" || isActive(from)) dispatcher.gone(run.runKey, tiNo);
    if (isTerminal(to)) values.finished(run, tiNo);
    if (from === "up_for_retry" || from === "up_for_reschedule") {
      run.dueTimers.get(tiNo)?.cancel();
      run.dueTimers.delete(tiNo);
    }
    if (to === "up_for_retry" || to === "up_for_reschedule") this.#setDueTimer(run, tiNo, dueAt ?? undefined);
  }

  #setDueTimer(run: OwnedRun, tiNo: number, dueAt: number | undefined): void {
    if (dueAt === undefined) return;
    const state = run.memory.stateOf(tiNo);
    if (state !== "up_for_retry" && state !== "up_for_reschedule") return;
    run.dueTimers.get(tiNo)?.cancel();
    run.dueTimers.set(
      tiNo,
      this.#o.timers.at(dueAt, () => this.#o.onDue(run.runKey, tiNo)),
    );
  }

  #setTimeout(run: OwnedRun): void {
    const { dagrunTimeoutMs } = run.version.row.definition;
    if (dagrunTimeoutMs === undefined) return;
    const begun = run.row.startDate ?? this.#o.clock.now();
    run.timeoutTimer = this.#o.timers.at(begun + dagrunTimeoutMs, () => this.#o.onDue(run.runKey, undefined));
  }

  /** Attempts in our executors that the rows no longer want are stopped. */
  meetAttempts(draft: Draft, run: OwnedRun): void {
    for (const live of this.#o.dispatcher.attempts.ofRun(run.runKey)) {
      if (live.isAbandoned) continue;
      const { tiNo, epoch } = live.attempt;
      const { epoch: present, state } = run.instance(tiNo);
      const isCurrent = present === epoch && (state === "running" || state === "restarting");
      if (isCurrent && state === "running") continue;
      // `restarting` waits for the end of this very attempt; anything else has no use for it.
      live.isAbandoned = !isCurrent;
      draft.stops.push({ live, reason: isCurrent ? "cleared" : `the task is ${state} now` });
    }
  }

  /** Rows that say running while nobody runs them: the worker died, and its attempts with it. */
  #missAttempts(draft: Draft, run: OwnedRun): void {
    const { dispatcher } = this.#o;
    for (let tiNo = 0; tiNo < run.memory.size; tiNo++) {
      const { state, tryNumber, epoch } = run.instance(tiNo);
      if (!isActive(state)) continue;
      const live = dispatcher.attempts.get(run.runKey, tiNo);
      if (live !== undefined && !live.isAbandoned && live.attempt.epoch === epoch) continue;
      const attempt: AttemptId = { runKey: run.runKey, tiNo, tryNumber, epoch };
      if (state === "queued") {
        this.#decide(draft, run, { kind: "requeue", tiNo, reason: "nobody had started it" });
      } else if (state === "restarting") {
        this.outcome(draft, run, { attempt, outcome: { kind: "cancelled" } });
      } else {
        const message = "The worker that ran this task ended without a word, and the task with it.";
        this.outcome(draft, run, { attempt, outcome: { kind: "lost", error: { name: "WorkerLost", message } } });
      }
    }
  }
}
