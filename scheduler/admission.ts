import type { RunWaitReason } from "../core/reason.ts";
import type { DagRow, DagRunRow, RunKey } from "../store/rows.ts";

interface Waiting {
  readonly runKey: RunKey;
  readonly runAfter: number;
  /** Older dates first; runs without a date by their runAfter. */
  readonly age: number;
  readonly backfillId: number | null;
}

interface DagQueue {
  /** Oldest first. */
  readonly waiting: Waiting[];
  /** Running runs that count against `maxActiveRuns`. */
  readonly running: Set<RunKey>;
  readonly runningBackfill: Map<number, Set<RunKey>>;
}

/** What a backfill allows; undefined once it has ended. */
export interface BackfillLimits {
  readonly maxActiveRuns: number;
  readonly isPaused: boolean;
}

/** Decides which queued runs may begin: `maxActiveRuns` of the DAG, or of the backfill; oldest first; not before `runAfter`. Pure data. */
export class Admission {
  readonly #queues = new Map<string, DagQueue>();
  readonly #dagOf: (dagId: string) => DagRow | undefined;
  readonly #backfillOf: (backfillId: number) => BackfillLimits | undefined;

  constructor(
    dagOf: (dagId: string) => DagRow | undefined,
    backfillOf: (backfillId: number) => BackfillLimits | undefined,
  ) {
    this.#dagOf = dagOf;
    this.#backfillOf = backfillOf;
  }

  /** A queued run waits for its turn. */
  wait(row: DagRunRow): void {
    const { runKey, dagId, runAfter, logicalDate, backfillId } = row;
    this.remove(dagId, runKey);
    const entry: Waiting = { runKey, runAfter, age: logicalDate ?? runAfter, backfillId };
    const { waiting } = this.#queueOf(dagId);
    const index = waiting.findIndex((other) => isBefore(entry, other));
    if (index < 0) waiting.push(entry);
    else waiting.splice(index, 0, entry);
  }

  /** The run is running and counts. */
  run(row: DagRunRow): void {
    const { runKey, dagId, backfillId } = row;
    this.remove(dagId, runKey);
    const queue = this.#queueOf(dagId);
    if (backfillId === null) {
      queue.running.add(runKey);
      return;
    }
    const ofBackfill = queue.runningBackfill.get(backfillId);
    if (ofBackfill === undefined) queue.runningBackfill.set(backfillId, new Set([runKey]));
    else ofBackfill.add(runKey);
  }

  /** The run neither waits nor runs any more. */
  remove(dagId: string, runKey: RunKey): void {
    const queue = this.#queues.get(dagId);
    if (queue === undefined) return;
    const index = queue.waiting.findIndex((entry) => entry.runKey === runKey);
    if (index >= 0) queue.waiting.splice(index, 1);
    queue.running.delete(runKey);
    for (const [backfillId, runs] of queue.runningBackfill) {
      if (runs.delete(runKey) && runs.size === 0) queue.runningBackfill.delete(backfillId);
    }
    if (queue.waiting.length + queue.running.size + queue.runningBackfill.size === 0) this.#queues.delete(dagId);
  }

  /** Takes out the runs of a DAG that may begin now, and when the next one of those that wait for their time is due. */
  admit(dagId: string, now: number): { readonly admitted: readonly RunKey[]; readonly nextAt?: number } {
    const queue = this.#queues.get(dagId);
    if (queue === undefined) return { admitted: [] };
    const admitted: RunKey[] = [];
    let nextAt: number | undefined;
    const extra = new Map<number, number>();
    let room = queue.running.size;
    for (const entry of queue.waiting) {
      if (entry.runAfter > now) {
        nextAt = Math.min(nextAt ?? entry.runAfter, entry.runAfter);
        continue;
      }
      if (this.#reasonOf(dagId, queue, entry, now, room, extra) !== undefined) continue;
      if (entry.backfillId === null) room++;
      else extra.set(entry.backfillId, (extra.get(entry.backfillId) ?? 0) + 1);
      admitted.push(entry.runKey);
    }
    return { admitted, ...(nextAt === undefined ? {} : { nextAt }) };
  }

  /** How many queued live runs of a DAG with an earlier date than this could begin but for `maxActiveRuns`. */
  earlierThan(row: DagRunRow, now: number): number {
    const queue = this.#queues.get(row.dagId);
    if (queue === undefined) return 0;
    const age = row.logicalDate ?? row.runAfter;
    const isHeldUp = (entry: Waiting) =>
      entry.backfillId === null &&
      entry.age < age &&
      this.#reasonOf(row.dagId, queue, entry, now, queue.running.size, new Map())?.code === "maxActiveRuns";
    return queue.waiting.filter(isHeldUp).length;
  }

  /** Why a queued run has not begun; undefined when it does not wait here. */
  reason(row: DagRunRow, now: number): RunWaitReason | undefined {
    const queue = this.#queues.get(row.dagId);
    const index = queue?.waiting.findIndex(({ runKey }) => runKey === row.runKey) ?? -1;
    const entry = queue?.waiting[index];
    if (queue === undefined || entry === undefined) return undefined;
    const reason = this.#reasonOf(row.dagId, queue, entry, now, queue.running.size, new Map());
    const place = 1 + queue.waiting.slice(0, index).filter((other) => other.backfillId === entry.backfillId).length;
    if (reason?.code === "maxActiveRuns" || reason?.code === "backfillFull") return { ...reason, place };
    return reason ?? { code: "next" };
  }

  /** DAGs with queued runs. */
  dagIds(): Iterable<string> {
    return this.#queues.keys();
  }

  /** Waiting runs of a DAG. */
  waitingCount(dagId: string): number {
    return this.#queues.get(dagId)?.waiting.length ?? 0;
  }

  #reasonOf(
    dagId: string,
    queue: DagQueue,
    entry: Waiting,
    now: number,
    running: number,
    extra: ReadonlyMap<number, number>,
  ): RunWaitReason | undefined {
    const dag = this.#dagOf(dagId);
    if (dag?.isPaused) return { code: "dagPaused" };
    if (entry.runAfter > now) return { code: "notDue", at: entry.runAfter };
    const { backfillId } = entry;
    if (backfillId === null) {
      const limit = dag?.maxActiveRuns ?? 1;
      return running >= limit ? { code: "maxActiveRuns", active: running, limit } : undefined;
    }
    // The runs of a backfill that has ended are none of its business: they may finish.
    const backfill = this.#backfillOf(backfillId);
    if (backfill === undefined) return undefined;
    if (backfill.isPaused) return { code: "backfillPaused", backfillId };
    const active = (queue.runningBackfill.get(backfillId)?.size ?? 0) + (extra.get(backfillId) ?? 0);
    const limit = backfill.maxActiveRuns;
    return active >= limit ? { code: "backfillFull", backfillId, active, limit } : undefined;
  }

  #queueOf(dagId: string): DagQueue {
    let queue = this.#queues.get(dagId);
    if (queue === undefined) {
      queue = { waiting: [], running: new Set(), runningBackfill: new Map() };
      this.#queues.set(dagId, queue);
    }
    return queue;
  }
}

/** Live runs before those of a backfill, then the oldest date. */
function isBefore(a: Waiting, b: Waiting): boolean {
  const rank = (entry: Waiting) => (entry.backfillId === null ? 0 : 1);
  return (rank(a) - rank(b) || a.age - b.age || a.runAfter - b.runAfter || a.runKey - b.runKey) < 0;
}
