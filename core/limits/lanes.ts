import { Heap } from "../heap.ts";
import type { ReadyTask } from "../limits.ts";

/** A waiting instance. Removed ones stay in the heaps, marked, until they come to the top. */
export interface Entry {
  readonly task: ReadyTask;
  readonly lane: Lane;
  isWaiting: boolean;
}

/** The order among the instances of one DAG, and among all when turns are left out. */
export function comesBefore(a: ReadyTask, b: ReadyTask): boolean {
  if (a.priorityWeight !== b.priorityWeight) return a.priorityWeight > b.priorityWeight;
  if (a.runAge !== b.runAge) return a.runAge < b.runAge;
  if (a.runKey !== b.runKey) return a.runKey < b.runKey;
  return a.tiNo < b.tiNo;
}

/** Instances that the same limits hold: of one run, and of one task when that has a limit of its own. */
export class Lane {
  readonly key: string;
  readonly dag: DagLanes;
  /** Set aside for the rest of a pick. */
  isAside = false;
  waiting = 0;
  readonly #entries = new Heap<Entry>((a, b) => comesBefore(a.task, b.task));

  constructor(key: string, dag: DagLanes) {
    this.key = key;
    this.dag = dag;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.waiting++;
    if (this.head() === entry) this.dag.offer(entry);
  }

  /** Its first waiting instance. */
  head(): Entry | undefined {
    let first = this.#entries.peek();
    while (first !== undefined && !first.isWaiting) {
      this.#entries.pop();
      first = this.#entries.peek();
    }
    return first;
  }

  /** Takes an instance out; the next one steps forward. */
  remove(entry: Entry): void {
    const wasFirst = this.head() === entry;
    entry.isWaiting = false;
    this.waiting--;
    const next = this.head();
    if (wasFirst && next !== undefined && !this.isAside) this.dag.offer(next);
  }
}

/**
 * The lanes of one DAG in one group. Its heap holds the heads of lanes, and outdated heads until they come to the
 * top.
 */
export class DagLanes {
  readonly dagId: string;
  readonly lanes = new Map<string, Lane>();
  readonly #heads = new Heap<Entry>((a, b) => comesBefore(a.task, b.task));

  constructor(dagId: string) {
    this.dagId = dagId;
  }

  offer(entry: Entry): void {
    this.#heads.push(entry);
  }

  /** The first instance of the lanes that are not set aside. */
  first(): Entry | undefined {
    let entry = this.#heads.peek();
    while (entry !== undefined && (entry.lane.isAside || !entry.isWaiting || entry.lane.head() !== entry)) {
      this.#heads.pop();
      entry = this.#heads.peek();
    }
    return entry;
  }
}

/** Instances that need the same of the same pool and the same kind of place: what refuses one of them refuses all. */
export interface Group {
  readonly key: string;
  readonly pool: string;
  readonly poolSlots: number;
  /** Executor, queue and isolation. */
  readonly placeKind: string;
  readonly dags: Map<string, DagLanes>;
}

/** What an executor's places differ in. Ids hold no line feed, so two kinds never share a key. */
export function placeKind(task: ReadyTask): string {
  return `${task.executor}\n${task.queue}\n${task.isolation}`;
}
