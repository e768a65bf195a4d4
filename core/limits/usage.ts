import type { LimitsView, Occupant, PoolUse, ReadyTask } from "../limits.ts";

/** What one pick may assume besides what is in use. */
export interface UsageEnvironment {
  readonly now: number;
  readonly freeSlots: number;
  readonly place?: (task: ReadyTask) => boolean;
}

/** Who occupies what: the scheduler tells it of each instance that becomes active or stops being so. */
export class Usage {
  readonly #occupants = new Map<number, Map<number, Occupant>>();
  readonly #slots = new Map<string, number>();
  readonly #usedSlots = new Map<string, number>();
  readonly #ofTask = new Map<string, number>();
  readonly #ofTaskInRun = new Map<string, number>();
  readonly #paused = new Set<string>();

  /** Takes up its places; a second time for the same instance changes nothing. */
  add(occupant: Occupant): void {
    const { runKey, tiNo } = occupant;
    let ofRun = this.#occupants.get(runKey);
    if (ofRun === undefined) {
      ofRun = new Map();
      this.#occupants.set(runKey, ofRun);
    }
    if (ofRun.has(tiNo)) return;
    ofRun.set(tiNo, occupant);
    this.#count(occupant, 1);
  }

  /** Gives its places back; unknown instances are ignored. */
  remove(runKey: number, tiNo: number): void {
    const ofRun = this.#occupants.get(runKey);
    const occupant = ofRun?.get(tiNo);
    if (ofRun === undefined || occupant === undefined) return;
    ofRun.delete(tiNo);
    if (ofRun.size === 0) this.#occupants.delete(runKey);
    this.#count(occupant, -1);
  }

  /** Gives back all places of a run. */
  removeRun(runKey: number): void {
    for (const occupant of this.#occupants.get(runKey)?.values() ?? []) this.#count(occupant, -1);
    this.#occupants.delete(runKey);
  }

  /** Whether this instance occupies anything. */
  has(runKey: number, tiNo: number): boolean {
    return this.#occupants.get(runKey)?.has(tiNo) ?? false;
  }

  /**
   * Replaces the pools; what is in use stays counted, so that a pool made smaller fills up again only below its new
   * size.
   */
  setPools(pools: readonly { readonly name: string; readonly slots: number }[]): void {
    this.#slots.clear();
    for (const { name, slots } of pools) this.#slots.set(name, slots);
  }

  setPaused(dagId: string, isPaused: boolean): void {
    if (isPaused) this.#paused.add(dagId);
    else this.#paused.delete(dagId);
  }

  /** A pool as it stands; undefined = there is no such pool. */
  pool(name: string): PoolUse | undefined {
    const slots = this.#slots.get(name);
    return slots === undefined ? undefined : { slots, used: this.#usedSlots.get(name) ?? 0 };
  }

  /** Active instances of a run. */
  activeInRun(runKey: number): number {
    return this.#occupants.get(runKey)?.size ?? 0;
  }

  /** The limits for one pick; what it takes is added to this usage at once. */
  view(env: UsageEnvironment): LimitsView {
    return {
      now: env.now,
      freeSlots: env.freeSlots,
      pool: (name) => this.pool(name),
      activeInRun: (runKey) => this.activeInRun(runKey),
      activeOfTask: (dagId, taskId) => this.#ofTask.get(pairKey(dagId, taskId)) ?? 0,
      activeOfTaskInRun: (runKey, taskId) => this.#ofTaskInRun.get(pairKey(runKey, taskId)) ?? 0,
      isDagPaused: (dagId) => this.#paused.has(dagId),
      take: (task) => this.add(task),
      ...(env.place === undefined ? {} : { place: env.place }),
    };
  }

  #count(occupant: Occupant, by: 1 | -1): void {
    bump(this.#usedSlots, occupant.pool, by * occupant.poolSlots);
    bump(this.#ofTask, pairKey(occupant.dagId, occupant.taskId), by);
    bump(this.#ofTaskInRun, pairKey(occupant.runKey, occupant.taskId), by);
  }
}

/** Ids hold no line feed, so two pairs never share a key. */
function pairKey(scope: string | number, taskId: string): string {
  return `${scope}\n${taskId}`;
}

function bump(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
