import { isActive, type TaskState } from "../../core/states.ts";
import type { EventRow, TaskInstanceRow } from "../rows.ts";
import type { RunFold } from "./fold.ts";
import { placeOf, type Report } from "./report.ts";

/** How much of something may be used at once; null = without bound. */
export interface Limit {
  readonly invariant: "I18" | "I19";
  /** "pool db", "maxActiveTasks of run x" … */
  readonly name: string;
  readonly capacity: number | null;
}

/**
 * Watches the use of limited things over the history. A limit is broken when its use has grown beyond it by the end of
 * an instant: within one commit what is freed and what is taken have no order.
 */
export class Limits {
  readonly #report: Report;
  readonly #use = new Map<string, number>();
  readonly #broken = new Map<string, { limit: Limit; event: EventRow }>();
  #at = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  /** The history has come to this event. */
  reach(event: EventRow): void {
    if (event.at !== this.#at) this.settle();
    this.#at = event.at;
  }

  /** Reports what is over its limit at the end of the instant. */
  settle(): void {
    for (const [name, { limit, event }] of this.#broken) {
      const use = this.#use.get(name) ?? 0;
      if (limit.capacity !== null && use > limit.capacity)
        this.#report.add(
          limit.invariant,
          `The ${name} was used ${use} times; ${limit.capacity} are allowed.`,
          placeOf(event),
        );
    }
    this.#broken.clear();
  }

  take(limit: Limit, amount: number, event: EventRow): void {
    const use = (this.#use.get(limit.name) ?? 0) + amount;
    this.#use.set(limit.name, use);
    if (limit.capacity !== null && use > limit.capacity) this.#broken.set(limit.name, { limit, event });
  }

  give(name: string, amount: number): void {
    const left = (this.#use.get(name) ?? 0) - amount;
    if (left === 0) this.#use.delete(name);
    else this.#use.set(name, left);
  }
}

/** A task instance took or gave back what active instances hold. */
export function countTask(
  limits: Limits,
  event: EventRow,
  before: TaskState,
  after: TaskState,
  held: readonly { readonly limit: Limit; readonly amount: number }[],
): void {
  if (isActive(before) === isActive(after)) return;
  for (const { limit, amount } of held) {
    if (isActive(after)) limits.take(limit, amount, event);
    else limits.give(limit.name, amount);
  }
}

/** What an active instance holds. */
export function heldBy(
  run: RunFold,
  row: TaskInstanceRow,
  capacities: {
    readonly pools: ReadonlyMap<string, number>;
    readonly maxActiveTasks: number | undefined;
    readonly maxActiveTisPerDag: number | undefined;
    readonly maxActiveTisPerDagrun: number | undefined;
  },
): readonly { readonly limit: Limit; readonly amount: number }[] {
  const slots = capacities.pools.get(row.pool);
  const perDag = `maxActiveTisPerDag of ${run.dagId}.${row.taskId}`;
  const perRun = `maxActiveTisPerDagrun of ${row.taskId} in run ${run.runKey}`;
  return [
    {
      limit: { invariant: "I18", name: `pool ${row.pool}`, capacity: slots === undefined || slots < 0 ? null : slots },
      amount: row.poolSlots,
    },
    {
      limit: {
        invariant: "I19",
        name: `maxActiveTasks of run ${run.runKey}`,
        capacity: capacities.maxActiveTasks ?? null,
      },
      amount: 1,
    },
    { limit: { invariant: "I19", name: perDag, capacity: capacities.maxActiveTisPerDag ?? null }, amount: 1 },
    { limit: { invariant: "I19", name: perRun, capacity: capacities.maxActiveTisPerDagrun ?? null }, amount: 1 },
  ];
}
