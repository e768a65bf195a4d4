import type { SkipDecision, TaskTransition } from "../run.ts";
import { TASK_STATES } from "../states.ts";
import {
  IS_TERMINAL,
  NONE,
  REMOVED,
  SCHEDULED,
  SKIPPED,
  SUCCESS,
  TALLY_SIZE,
  TALLY_SLOT,
  UPSTREAM_FAILED,
} from "./codes.ts";
import { describe, rootCause } from "./describe.ts";
import { type Judgement, judge } from "./evaluate.ts";
import type { RunMemory } from "./memory.ts";
import { applySkips } from "./skips.ts";
import type { Decision } from "./types.ts";

/** New values that go with a change of state; absent = unchanged. */
export interface Patch {
  readonly newEpoch?: number;
  readonly tryNumber?: number;
  readonly maxTries?: number;
  readonly dueAt?: number | null;
  readonly firstPokeAt?: number | null;
  readonly lostCount?: number;
  readonly branch?: SkipDecision | null;
}

type Draft = { -readonly [key in keyof TaskTransition]: TaskTransition[key] };

const WHERE_TO = { wait: NONE, waitPast: NONE, skipped: SKIPPED, upstream_failed: UPSTREAM_FAILED, removed: REMOVED };

/**
 * The decision in the making: moves instances, tells their downstreams, and looks at these until nothing changes any
 * more.
 */
export class Step {
  readonly run: RunMemory;
  readonly now: number;
  readonly stop: number[] = [];
  runState: Decision["runState"];
  readonly #drafts = new Map<number, Draft>();
  readonly #ready = new Set<number>();
  #isFullPass = false;

  constructor(run: RunMemory, now: number) {
    this.run = run;
    this.now = now;
    run.rootCause.clear();
  }

  /**
   * Changes the state of an instance in the memory, and writes the transition. Several moves of one instance become
   * one.
   */
  move(tiNo: number, to: number, patch: Patch, reason: string): void {
    const run = this.run;
    const from = run.state[tiNo] as number;
    const draft = this.#drafts.get(tiNo);
    if (draft === undefined) {
      this.#drafts.set(tiNo, {
        tiNo,
        from: TASK_STATES[from] as Draft["from"],
        to: TASK_STATES[to] as Draft["to"],
        epoch: run.epoch[tiNo] as number,
        ...patch,
        reason,
      });
    } else {
      Object.assign(draft, patch, { to: TASK_STATES[to], reason });
    }
    this.#write(tiNo, patch);
    run.state[tiNo] = to;
    run.counts[from] = (run.counts[from] as number) - 1;
    run.counts[to] = (run.counts[to] as number) + 1;
    if (to === SCHEDULED) this.#ready.add(tiNo);
    else this.#ready.delete(tiNo);
    if (IS_TERMINAL[to] === 1) {
      run.unfinished--;
      run.startedAt.delete(tiNo);
      this.#tellDownstream(tiNo, to);
    }
  }

  /** Moves an instance to where a judgement sends it; `reason` replaces the judgement's own when it may run. */
  settleInstance(tiNo: number, judgement: Judgement, patch: Patch = {}, reason?: string): void {
    const run = this.run;
    const state = run.state[tiNo];
    if (judgement.verdict === "run") {
      if (state === SCHEDULED) return;
      const to = run.taskOf(tiNo)?.isNoop ? SUCCESS : SCHEDULED;
      this.move(tiNo, to, patch, reason ?? describe(run, tiNo, judgement));
      return;
    }
    const to = WHERE_TO[judgement.verdict];
    if (to !== state) this.move(tiNo, to, patch, describe(run, tiNo, judgement));
    if (to === UPSTREAM_FAILED) rootCause(run, tiNo);
  }

  /** Lets an instance wait for a slot again if its dependencies still hold, else for these. */
  readmit(tiNo: number, patch: Patch, reason: string): void {
    this.settleInstance(tiNo, judge(this.run, tiNo), patch, reason);
  }

  /** Remembers a branch decision and looks at the tasks that it skips. */
  decideSkips(decider: number, decision: SkipDecision): void {
    for (const task of applySkips(this.run, decider, decision)) this.look(task);
  }

  /** Asks to look at a task's instances once what is above them is settled. */
  look(task: number): void {
    if (!this.#isFullPass) this.run.dirty.add(task);
  }

  /** Looks at the tasks that were asked for, upstream first; what changes asks for its downstreams. */
  settle(): void {
    for (let task = this.run.dirty.take(); task !== undefined; task = this.run.dirty.take()) this.#lookAt(task);
  }

  /** Looks at everything, upstream first: what an instance needs is settled before it is looked at. */
  settleAll(): void {
    this.#isFullPass = true;
    for (const task of this.run.graph.order) this.#lookAt(task);
    this.#isFullPass = false;
  }

  #lookAt(task: number): void {
    const run = this.run;
    for (let tiNo = run.firstTi[task] as number; tiNo >= 0; tiNo = run.nextTi[tiNo] as number) {
      const state = run.state[tiNo];
      if (state === NONE || state === SCHEDULED) this.settleInstance(tiNo, judge(run, tiNo));
    }
  }

  /** An instance that is ready without a transition in this decision. */
  addReady(tiNo: number): void {
    this.#ready.add(tiNo);
  }

  finish(): Decision {
    return {
      transitions: [...this.#drafts.values()],
      newlyReady: [...this.#ready],
      stop: this.stop,
      ...(this.runState === undefined ? {} : { runState: this.runState }),
    };
  }

  #write(tiNo: number, patch: Patch): void {
    const run = this.run;
    if (patch.newEpoch !== undefined) run.epoch[tiNo] = patch.newEpoch;
    if (patch.tryNumber !== undefined) run.tryNumber[tiNo] = patch.tryNumber;
    if (patch.maxTries !== undefined) run.maxTries[tiNo] = patch.maxTries;
    if (patch.dueAt !== undefined) run.dueAt[tiNo] = patch.dueAt ?? Number.NaN;
    if (patch.firstPokeAt !== undefined) run.firstPokeAt[tiNo] = patch.firstPokeAt ?? Number.NaN;
    if (patch.lostCount !== undefined) run.lostCount[tiNo] = patch.lostCount;
    if (patch.branch === null) run.branch.delete(tiNo);
    else if (patch.branch !== undefined) run.branch.set(tiNo, patch.branch);
  }

  #tellDownstream(tiNo: number, state: number): void {
    const run = this.run;
    const task = run.taskOfTi[tiNo] as number;
    if (task < 0) return;
    const slot = TALLY_SLOT[state] as number;
    for (const next of run.graph.downstream[task] as readonly number[]) {
      const at = next * TALLY_SIZE + slot;
      run.tally[at] = (run.tally[at] as number) + 1;
      this.#lookIfWaiting(next);
    }
    const dependents = run.graph.setupDependents.get(task);
    if (dependents !== undefined) for (const next of dependents) this.#lookIfWaiting(next);
  }

  /** A task with one instance that is past waiting need not be looked at. */
  #lookIfWaiting(task: number): void {
    const first = this.run.firstTi[task] as number;
    if (first < 0) return;
    const state = this.run.state[first];
    if (state === NONE || state === SCHEDULED || (this.run.nextTi[first] as number) >= 0) this.look(task);
  }
}
