import type { LimitsView, ReadyTask } from "../limits.ts";
import type { WaitReason } from "../reason.ts";
import { comesBefore, DagLanes, type Entry, type Group, Lane, placeKind } from "./lanes.ts";
import { isRunFull, isTaskFull, Line } from "./refusal.ts";

/** A DAG that was given nothing for so long comes next, whatever its weights. */
export const FAIR_AFTER_MS = 10_000;

/** When a DAG was served last. */
interface Turn {
  /** Number of the pick; 0 = never. */
  served: number;
  /** Since when it waits for its next one, epoch ms. */
  since: number;
  waiting: number;
}

/**
 * The instances that wait for a place, in the order in which they get one: higher weight first; among equal weights
 * the DAG that was served longest ago, then the older run, then the lower tiNo. Within a pool nobody overtakes: a
 * task that needs more slots than are free holds back those behind it. A DAG that got nothing for `fairAfterMs` comes
 * next whatever its weights.
 */
export class ReadyQueue {
  readonly #fairAfterMs: number;
  readonly #entries = new Map<number, Map<number, Entry>>();
  readonly #groups = new Map<string, Group>();
  readonly #turns = new Map<string, Turn>();
  #size = 0;
  #picks = 0;

  /** `fairAfterMs`: default `FAIR_AFTER_MS`. */
  constructor(options: { readonly fairAfterMs?: number } = {}) {
    this.#fairAfterMs = options.fairAfterMs ?? FAIR_AFTER_MS;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds an instance; one that waits already is replaced. `now`: epoch ms. */
  add(task: ReadyTask, now: number): void {
    this.remove(task.runKey, task.tiNo);
    const lane = this.#laneFor(task);
    const entry: Entry = { task, lane, isWaiting: true };
    let ofRun = this.#entries.get(task.runKey);
    if (ofRun === undefined) {
      ofRun = new Map();
      this.#entries.set(task.runKey, ofRun);
    }
    ofRun.set(task.tiNo, entry);
    this.#size++;
    const turn = this.#turnOf(task.dagId, now);
    if (turn.waiting === 0) turn.since = now;
    turn.waiting++;
    lane.add(entry);
  }

  has(runKey: number, tiNo: number): boolean {
    return this.#entries.get(runKey)?.has(tiNo) ?? false;
  }

  /** Takes an instance out; false when it does not wait here. */
  remove(runKey: number, tiNo: number): boolean {
    const entry = this.#entries.get(runKey)?.get(tiNo);
    if (entry === undefined) return false;
    this.#takeOut(entry);
    return true;
  }

  removeRun(runKey: number): void {
    for (const entry of this.#entries.get(runKey)?.values() ?? []) this.#takeOut(entry);
  }

  /** Takes out what may start now, in order. Costs about what it takes, however many wait. */
  pick(limits: LimitsView): ReadyTask[] {
    const picked: ReadyTask[] = [];
    const round: Round = { limits, pools: new Set(), groups: new Set(), placeKinds: new Set(), aside: [] };
    while (picked.length < limits.freeSlots) {
      const entry = this.#next(round);
      if (entry === undefined) break;
      if (!this.#isAllowed(entry, round)) continue;
      this.#takeOut(entry);
      this.#serve(entry.task.dagId, limits.now);
      limits.take(entry.task);
      picked.push(entry.task);
    }
    for (const lane of round.aside) {
      lane.isAside = false;
      const head = lane.head();
      if (head !== undefined) lane.dag.offer(head);
    }
    return picked;
  }

  /**
   * Why this instance has not been picked; undefined when it does not wait here. Looks at all that waits: for pages.
   */
  refusal(runKey: number, tiNo: number, limits: LimitsView): WaitReason | undefined {
    const task = this.#entries.get(runKey)?.get(tiNo)?.task;
    if (task === undefined) return undefined;
    const line = new Line(limits, this.waiting());
    for (const other of this.waiting()) if (comesBefore(other, task)) line.pass(other);
    return line.refusal(task);
  }

  /** Everything that waits with its reason, in order. */
  refusals(limits: LimitsView): { readonly task: ReadyTask; readonly reason: WaitReason }[] {
    const line = new Line(limits, this.waiting());
    return [...this.waiting()]
      .sort((a, b) => (comesBefore(a, b) ? -1 : 1))
      .map((task) => {
        const reason = line.refusal(task);
        line.pass(task);
        return { task, reason };
      });
  }

  /** What waits, in no particular order. */
  *waiting(): Iterable<ReadyTask> {
    for (const ofRun of this.#entries.values()) for (const entry of ofRun.values()) yield entry.task;
  }

  /** The best of the first instances of each DAG in each group that nothing has ruled out in this pick. */
  #next(round: Round): Entry | undefined {
    let best: Entry | undefined;
    for (const group of this.#groups.values()) {
      if (round.groups.has(group.key) || round.pools.has(group.pool) || round.placeKinds.has(group.placeKind)) continue;
      for (const dag of group.dags.values()) {
        const entry = dag.first();
        if (entry === undefined || round.limits.isDagPaused(dag.dagId)) continue;
        if (best === undefined || this.#isServedBefore(entry.task, best.task, round.limits.now)) best = entry;
      }
    }
    return best;
  }

  #isServedBefore(a: ReadyTask, b: ReadyTask, now: number): boolean {
    if (a.dagId === b.dagId) return comesBefore(a, b);
    const turnA = this.#turnOf(a.dagId, now);
    const turnB = this.#turnOf(b.dagId, now);
    const isLateA = now - turnA.since >= this.#fairAfterMs;
    const isLateB = now - turnB.since >= this.#fairAfterMs;
    if (isLateA !== isLateB) return isLateA;
    if (!isLateA && a.priorityWeight !== b.priorityWeight) return a.priorityWeight > b.priorityWeight;
    if (turnA.served !== turnB.served) return turnA.served < turnB.served;
    return comesBefore(a, b);
  }

  /** Asks all limits; a no rules out whatever it holds for. */
  #isAllowed({ task, lane }: Entry, round: Round): boolean {
    const { limits } = round;
    const pool = limits.pool(task.pool);
    if (pool === undefined) {
      round.pools.add(task.pool);
      return false;
    }
    if (pool.slots >= 0 && task.poolSlots > pool.slots) {
      round.groups.add(groupKey(task));
      return false;
    }
    if (isRunFull(task, limits) || isTaskFull(task, limits)) {
      lane.isAside = true;
      round.aside.push(lane);
      return false;
    }
    if (pool.slots >= 0 && pool.used + task.poolSlots > pool.slots) {
      round.pools.add(task.pool);
      return false;
    }
    if (limits.place !== undefined && !limits.place(task)) {
      round.placeKinds.add(placeKind(task));
      return false;
    }
    return true;
  }

  #laneFor(task: ReadyTask): Lane {
    const group = this.#groupFor(task);
    let dag = group.dags.get(task.dagId);
    if (dag === undefined) {
      dag = new DagLanes(task.dagId);
      group.dags.set(task.dagId, dag);
    }
    const isLimited = task.maxActiveTisPerDag !== undefined || task.maxActiveTisPerDagrun !== undefined;
    const key = isLimited ? `${task.runKey}\n${task.taskId}` : String(task.runKey);
    let lane = dag.lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key, dag);
      dag.lanes.set(key, lane);
    }
    return lane;
  }

  #groupFor(task: ReadyTask): Group {
    const key = groupKey(task);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const { pool, poolSlots } = task;
      group = { key, pool, poolSlots, placeKind: placeKind(task), dags: new Map() };
      this.#groups.set(key, group);
    }
    return group;
  }

  #takeOut(entry: Entry): void {
    const { task, lane } = entry;
    const ofRun = this.#entries.get(task.runKey);
    ofRun?.delete(task.tiNo);
    if (ofRun?.size === 0) this.#entries.delete(task.runKey);
    this.#size--;
    this.#turnOf(task.dagId, 0).waiting--;
    lane.remove(entry);
    if (lane.waiting > 0) return;
    lane.dag.lanes.delete(lane.key);
    if (lane.dag.lanes.size > 0) return;
    const key = groupKey(task);
    const group = this.#groups.get(key);
    group?.dags.delete(task.dagId);
    if (group?.dags.size === 0) this.#groups.delete(key);
  }

  #serve(dagId: string, now: number): void {
    const turn = this.#turnOf(dagId, now);
    turn.served = ++this.#picks;
    turn.since = now;
  }

  /** Kept for as long as the queue lives: a DAG whose tasks come one by one must not be first each time. */
  #turnOf(dagId: string, now: number): Turn {
    let turn = this.#turns.get(dagId);
    if (turn === undefined) {
      turn = { served: 0, since: now, waiting: 0 };
      this.#turns.set(dagId, turn);
    }
    return turn;
  }
}

/** What one pick has ruled out so far. */
interface Round {
  readonly limits: LimitsView;
  readonly pools: Set<string>;
  readonly groups: Set<string>;
  readonly placeKinds: Set<string>;
  readonly aside: Lane[];
}

function groupKey(task: ReadyTask): string {
  return `${task.pool}\n${task.poolSlots}\n${placeKind(task)}`;
}
