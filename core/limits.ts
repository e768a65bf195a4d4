import type { Isolation } from "./definition.ts";
import { ReadyQueue } from "./limits/ready-queue.ts";
import type { WaitReason } from "./reason.ts";

export { ReadyQueue } from "./limits/ready-queue.ts";
export { Usage } from "./limits/usage.ts";

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

/** What limits a pick. `Usage.view` gives one; tests may write their own. */
export interface LimitsView {
  readonly now: number;
  /** Places in all executors together; the pick stops when they are used up. */
  readonly freeSlots: number;
  /** Undefined = there is no such pool. */
  pool(name: string): PoolUse | undefined;
  /** Active instances of the run. */
  activeInRun(runKey: number): number;
  /** Active instances of the task over all runs of its DAG. */
  activeOfTask(dagId: string, taskId: string): number;
  /** Active instances of the task in one run. */
  activeOfTaskInRun(runKey: number, taskId: string): number;
  isDagPaused(dagId: string): boolean;
  /**
   * Asked last, when every other limit holds: takes a place for the task (an executor's reservation) or says no.
   * After a no, tasks for the same executor, queue and isolation are not asked for again in this pick. Absent =
   * always yes.
   */
  place?(task: ReadyTask): boolean;
  /** The pick tells what it took, so that the next choice sees it. */
  take(task: ReadyTask): void;
}

/** What a pick chose and, for each that it did not choose, why. */
export interface Picked {
  readonly picked: readonly ReadyTask[];
  readonly refused: readonly { readonly task: ReadyTask; readonly reason: WaitReason }[];
}

/**
 * One pick over a plain list, with the reason of each refusal, for previews and tests. The scheduler keeps a
 * `ReadyQueue`, which does not look at all that waits for each pick.
 */
export function pick(ready: readonly ReadyTask[], limits: LimitsView): Picked {
  const queue = new ReadyQueue();
  for (const task of ready) queue.add(task, limits.now);
  const picked = queue.pick(limits);
  return { picked, refused: queue.refusals({ ...limits, freeSlots: limits.freeSlots - picked.length }) };
}
