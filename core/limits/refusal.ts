import type { LimitsView, ReadyTask } from "../limits.ts";
import type { WaitReason } from "../reason.ts";
import { placeKind } from "./lanes.ts";

/** The tasks that wait, walked in order: counts who stands before whom, and says what keeps each from starting. */
export class Line {
  readonly #limits: LimitsView;
  readonly #beforeInPool = new Map<string, number>();
  readonly #beforeInKind = new Map<string, number>();
  /** Pools in which a task that needs more slots than are free holds back those behind it. */
  readonly #heldBack = new Set<string>();
  /** The same, wherever that task stands: by turns it may have come first. */
  readonly #heldByAnyone = new Set<string>();

  constructor(limits: LimitsView, waiting: Iterable<ReadyTask>) {
    this.#limits = limits;
    for (const task of waiting) if (isHolding(task, limits)) this.#heldByAnyone.add(task.pool);
  }

  /** This task stands before those asked about later. */
  pass(task: ReadyTask): void {
    const limits = this.#limits;
    if (limits.isDagPaused(task.dagId)) return;
    bump(this.#beforeInPool, task.pool);
    bump(this.#beforeInKind, placeKind(task));
    if (isPoolFull(task, limits) && !isRunFull(task, limits) && !isTaskFull(task, limits))
      this.#heldBack.add(task.pool);
  }

  /** The first limit, in the order in which a pick asks them, that keeps a ready task from starting. */
  refusal(task: ReadyTask): WaitReason {
    const limits = this.#limits;
    if (limits.isDagPaused(task.dagId)) return { code: "dagPaused" };
    const pool = limits.pool(task.pool);
    if (pool === undefined) return { code: "poolMissing", pool: task.pool };
    const needs = task.poolSlots;
    if (pool.slots >= 0 && needs > pool.slots) {
      return { code: "poolTooSmall", pool: task.pool, needs, slots: pool.slots };
    }
    const active = limits.activeInRun(task.runKey);
    if (isRunFull(task, limits)) return { code: "runFull", active, limit: task.maxActiveTasks };
    const taskFull = taskRefusal(task, limits);
    if (taskFull !== undefined) return taskFull;
    const place = (this.#beforeInKind.get(placeKind(task)) ?? 0) + 1;
    const isNext = place <= limits.freeSlots;
    const isHeld = this.#heldBack.has(task.pool) || (isNext && this.#heldByAnyone.has(task.pool));
    if (isHeld || isPoolFull(task, limits)) {
      const inPool = (this.#beforeInPool.get(task.pool) ?? 0) + 1;
      return { code: "poolFull", pool: task.pool, needs, used: pool.used, slots: pool.slots, place: inPool };
    }
    return isNext ? { code: "next" } : { code: "noSlot", place, queue: task.queue };
  }
}

/** maxActiveTasks of the run. */
export function isRunFull(task: ReadyTask, limits: LimitsView): boolean {
  return limits.activeInRun(task.runKey) >= task.maxActiveTasks;
}

/** maxActiveTisPerDag and maxActiveTisPerDagrun of the task. */
export function isTaskFull(task: ReadyTask, limits: LimitsView): boolean {
  return taskRefusal(task, limits) !== undefined;
}

function taskRefusal(task: ReadyTask, limits: LimitsView): WaitReason | undefined {
  const { taskId, maxActiveTisPerDagrun: perRun, maxActiveTisPerDag: perDag } = task;
  const inRun = perRun === undefined ? 0 : limits.activeOfTaskInRun(task.runKey, taskId);
  if (perRun !== undefined && inRun >= perRun) {
    return { code: "taskFull", scope: "run", taskId, active: inRun, limit: perRun };
  }
  const inDag = perDag === undefined ? 0 : limits.activeOfTask(task.dagId, taskId);
  if (perDag !== undefined && inDag >= perDag) {
    return { code: "taskFull", scope: "dag", taskId, active: inDag, limit: perDag };
  }
  return undefined;
}

/** Whether it could start but for the pool's slots, which it then keeps from those behind it. */
function isHolding(task: ReadyTask, limits: LimitsView): boolean {
  if (limits.isDagPaused(task.dagId) || !isPoolFull(task, limits)) return false;
  return !isRunFull(task, limits) && !isTaskFull(task, limits);
}

/** Whether the pool has the slots, but not free. */
function isPoolFull(task: ReadyTask, limits: LimitsView): boolean {
  const pool = limits.pool(task.pool);
  return pool !== undefined && pool.slots >= task.poolSlots && pool.used + task.poolSlots > pool.slots;
}

function bump(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
