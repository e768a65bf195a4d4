import type { Clock } from "../core/clock.ts";
import { decide } from "../core/decide.ts";
import { type LimitsView, ReadyQueue, type ReadyTask, Usage } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { WaitReason } from "../core/reason.ts";
import type { Executor, Reservation } from "../executor/executor.ts";
import type { AttemptId, PoolRow, RunKey } from "../store/rows.ts";
import { Attempts } from "./attempts.ts";
import type { Draft } from "./draft.ts";
import type { OwnedRun } from "./owned-run.ts";

/** Starts in one commit at most; the next turn goes on. */
const MAX_STARTS_PER_TURN = 250;

export interface DispatcherOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly executors: ReadonlyMap<string, Executor>;
}

/**
 * Ready tasks → slots. Knows who waits and who occupies what, over all runs; in each turn it takes out what may start, reserves
 * a slot for each, and adds the start to the turn's draft. It writes nothing itself.
 */
export class Dispatcher {
  readonly attempts = new Attempts();
  readonly #o: DispatcherOptions;
  readonly #usage = new Usage();
  readonly #queue = new ReadyQueue();
  /** Ready again while their last attempt still ends: an instance never has two attempts at once. */
  readonly #held = new Map<RunKey, Set<number>>();
  #isDraining = false;

  constructor(options: DispatcherOptions) {
    this.#o = options;
  }

  /** Task instances that wait for a place. */
  get waiting(): number {
    return this.#queue.size;
  }

  setPools(pools: readonly PoolRow[]): void {
    this.#usage.setPools(pools);
  }

  setPaused(dagId: string, isPaused: boolean): void {
    this.#usage.setPaused(dagId, isPaused);
  }

  /** From here on nothing starts any more. */
  drain(): void {
    this.#isDraining = true;
  }

  /** An instance waits for a place from now on. */
  ready(run: OwnedRun, tiNo: number): void {
    if (this.attempts.get(run.runKey, tiNo) !== undefined) {
      const held = this.#held.get(run.runKey);
      if (held === undefined) this.#held.set(run.runKey, new Set([tiNo]));
      else held.add(tiNo);
      return;
    }
    this.#queue.add(run.readyTask(tiNo), this.#o.clock.now());
  }

  /** An instance left the states that wait for a place or occupy one. */
  gone(runKey: RunKey, tiNo: number): void {
    this.#queue.remove(runKey, tiNo);
    this.#held.get(runKey)?.delete(tiNo);
    this.#usage.remove(runKey, tiNo);
  }

  /** An instance occupies its places, as its row says. */
  occupies(run: OwnedRun, tiNo: number): void {
    this.#usage.add(run.readyTask(tiNo));
  }

  /** The run is over, waits for its turn, or comes into memory anew; what its attempts do in the executors is another matter. */
  forget(runKey: RunKey): void {
    this.suspend(runKey);
    this.#usage.removeRun(runKey);
  }

  /** The memory of a run is dropped until its rows are read: nobody of it waits, but what it occupies stays occupied. */
  suspend(runKey: RunKey): void {
    this.#queue.removeRun(runKey);
    this.#held.delete(runKey);
  }

  /** The attempt is over in its executor: whoever waited for its end may start. */
  ended(run: OwnedRun | undefined, runKey: RunKey, tiNo: number): void {
    if (!this.#held.get(runKey)?.delete(tiNo) || run === undefined) return;
    if (run.memory.stateOf(tiNo) === "scheduled") this.#queue.add(run.readyTask(tiNo), this.#o.clock.now());
  }

  /** Starts what may start: decides queued and started, and adds both to the draft. True when there may be more. */
  fill(draft: Draft, runOf: (runKey: RunKey) => OwnedRun | undefined): boolean {
    if (this.#isDraining || this.#queue.size === 0) return false;
    const places = new Map<ReadyTask, { readonly executor: Executor; readonly reservation: Reservation }>();
    const place = (task: ReadyTask): boolean => {
      const executor = this.#o.executors.get(task.executor);
      const reservation = executor?.reserve({ isolation: task.isolation, queue: task.queue });
      if (executor === undefined || reservation === undefined) return false;
      places.set(task, { executor, reservation });
      return true;
    };
    // Executors have places of several kinds: whether there is one is asked per task.
    for (const task of this.#queue.pick(this.#view(MAX_STARTS_PER_TURN, place))) {
      const placed = places.get(task);
      if (placed === undefined) throw new RangeError(`${task.taskId} was picked without a place`);
      const run = runOf(task.runKey);
      const live = run === undefined ? undefined : this.#begin(draft, run, task.tiNo, placed.executor);
      if (run === undefined || live === undefined) {
        placed.executor.release(placed.reservation);
        this.#usage.remove(task.runKey, task.tiNo);
        continue;
      }
      draft.start({ run, live, ...placed });
    }
    return places.size >= MAX_STARTS_PER_TURN;
  }

  /** Why an instance that is `scheduled` has not started. */
  refusal(runKey: RunKey, tiNo: number): WaitReason | undefined {
    let freeSlots = 0;
    for (const executor of this.#o.executors.values()) freeSlots += executor.freeSlots;
    return this.#queue.refusal(runKey, tiNo, this.#view(freeSlots));
  }

  /** Whether an instance waits only for the end of its last attempt. */
  isHeld(runKey: RunKey, tiNo: number): boolean {
    return this.#held.get(runKey)?.has(tiNo) ?? false;
  }

  #begin(draft: Draft, run: OwnedRun, tiNo: number, executor: Executor) {
    const now = this.#o.clock.now();
    const { transitions } = decide(run.memory, { kind: "queued", tiNo }, { now });
    if (transitions.length === 0) {
      this.#o.logger.warn({ runKey: run.runKey, tiNo }, "a task instance was ready, but could not be queued");
      return undefined;
    }
    draft.move(run, transitions);
    decide(run.memory, { kind: "started", tiNo }, { now });
    const { tryNumber, epoch } = run.instance(tiNo);
    const attempt: AttemptId = { runKey: run.runKey, tiNo, tryNumber, epoch };
    return this.attempts.add(attempt, executor);
  }

  #view(freeSlots: number, place?: (task: ReadyTask) => boolean): LimitsView {
    return this.#usage.view({ now: this.#o.clock.now(), freeSlots, ...(place === undefined ? {} : { place }) });
  }
}
