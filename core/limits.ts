import type { Isolation } from "./definition.ts";
import type { WaitReason } from "./reason.ts";

/** A `scheduled` task instance that waits for a place. */
export interface ReadyTask {
  readonly runKey: number;
  readonly tiNo: number;
  readonly dagId: string;
  readonly taskId: string;
  readonly pool: string;
  readonly poolSlots: number;
  /** Effective weight. Higher first. */
  readonly priorityWeight: number;
  /** Older runs first: logical date or runAfter of the run, epoch ms. */
  readonly runAge: number;
  readonly queue: string;
  /** Name of the executor. */
  readonly executor: string;
  readonly isolation: Isolation;
  readonly maxActiveTasks: number;
  readonly maxActiveTisPerDag?: number;
  readonly maxActiveTisPerDagrun?: number;
}

/** What an active (queued, running, restarting) instance occupies. */
export type Occupant = Pick<ReadyTask, "runKey" | "tiNo" | "dagId" | "taskId" | "pool" | "poolSlots">;

/** A pool as it stands; `slots` −1 = unlimited. */
export interface PoolUse {
  readonly slots: number;
  readonly used: number;
}

/** What limits a pick. `Usage` keeps it; tests may write their own. */
export interface LimitsView {
  readonly now: number;
  /** Places in all executors together; the pick stops when they are used up. */
  readonly freeSlots: number;
  pool(name: string): PoolUse | undefined;
  /** Active instances of the run. */
  activeInRun(runKey: number): number;
  /** Active instances of the task over all runs of its DAG. */
  activeOfTask(dagId: string, taskId: string): number;
  /** Active instances of the task in one run. */
  activeOfTaskInRun(runKey: number, taskId: string): number;
  isDagPaused(dagId: string): boolean;
  /**
   * Asked last, when every other limit holds: takes a place for the task (an executor's reservation) or says no. After a no, tasks
   * for the same executor, queue and isolation are not asked for again in this pick. Absent = always yes.
   */
  place?(task: ReadyTask): boolean;
  /** The pick tells what it took, so that the next choice sees it. */
  take(task: ReadyTask): void;
}

/** Who occupies what: the scheduler tells it of each instance that becomes active or stops being so. */
export class Usage {
  /** Takes up its places; a second time for the same instance changes nothing. */
  add(_occupant: Occupant): void {
    throw new Error("not there yet");
  }
  /** Gives its places back; unknown instances are ignored. */
  remove(_runKey: number, _tiNo: number): void {
    throw new Error("not there yet");
  }
  /** Gives back all places of a run. */
  removeRun(_runKey: number): void {
    throw new Error("not there yet");
  }
  /** Replaces the pools; what is in use stays counted. */
  setPools(_pools: readonly { readonly name: string; readonly slots: number }[]): void {
    throw new Error("not there yet");
  }
  setPaused(_dagId: string, _isPaused: boolean): void {
    throw new Error("not there yet");
  }
  /** The limits for one pick; what it takes is added to this usage at once. */
  view(_env: {
    readonly now: number;
    readonly freeSlots: number;
    readonly place?: (task: ReadyTask) => boolean;
  }): LimitsView {
    throw new Error("not there yet");
  }
}

/**
 * The instances that wait for a place, in the order in which they get one: higher weight first; among equal weights the DAG that
 * was served longest ago, then the older run, then the lower tiNo. Within a pool nobody overtakes: a task that needs more slots
 * than are free holds back those behind it. A DAG that got nothing for `fairAfterMs` comes next whatever its weights.
 */
export class ReadyQueue {
  constructor(_options?: { readonly fairAfterMs?: number }) {}
  get size(): number {
    throw new Error("not there yet");
  }
  /** Adds an instance; replaces what it says if it waits already. `now`: epoch ms. */
  add(_task: ReadyTask, _now: number): void {
    throw new Error("not there yet");
  }
  has(_runKey: number, _tiNo: number): boolean {
    throw new Error("not there yet");
  }
  remove(_runKey: number, _tiNo: number): boolean {
    throw new Error("not there yet");
  }
  removeRun(_runKey: number): void {
    throw new Error("not there yet");
  }
  /** Takes out what may start now. Costs about what it takes, however many wait. */
  pick(_limits: LimitsView): ReadyTask[] {
    throw new Error("not there yet");
  }
  /** Why this instance has not been picked; undefined when it does not wait here. Linear in what waits; for pages. */
  refusal(_runKey: number, _tiNo: number, _limits: LimitsView): WaitReason | undefined {
    throw new Error("not there yet");
  }
}

/** What a pick chose and, for each that it did not choose, why. */
export interface Picked {
  readonly picked: readonly ReadyTask[];
  readonly refused: readonly { readonly task: ReadyTask; readonly reason: WaitReason }[];
}

/** One pick over a plain list, with the reason of each refusal: for previews and tests; the scheduler keeps a `ReadyQueue`. */
export function pick(_ready: readonly ReadyTask[], _limits: LimitsView): Picked {
  throw new Error("pick is not there yet");
}
