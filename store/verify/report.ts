import type { EventRow, RunKey } from "../rows.ts";

/** A broken promise, with the rows that show it. */
export interface Violation {
  /** Number of the invariant in the reliability contract: "I4", "I36" … */
  readonly invariant: string;
  readonly message: string;
  readonly dagId?: string;
  readonly runId?: string;
  readonly runKey?: RunKey;
  readonly tiNo?: number;
  readonly taskId?: string;
  readonly eventId?: number;
}

/** Where something was seen. */
export type Place = Omit<Violation, "invariant" | "message">;

/** Collects violations, up to a bound: what is wrong everywhere need not be said a million times. */
export class Report {
  readonly violations: Violation[] = [];
  readonly #limit: number;

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.violations.length >= this.#limit;
  }

  add(invariant: string, message: string, place: Place = {}): void {
    if (!this.isFull) this.violations.push({ invariant, message, ...place });
  }
}

/** The place of an event. */
export function placeOf(event: EventRow): Place {
  return {
    ...(event.dagId === null ? {} : { dagId: event.dagId }),
    ...(event.runId === null ? {} : { runId: event.runId }),
    ...(event.runKey === null ? {} : { runKey: event.runKey }),
    ...(event.tiNo === null ? {} : { tiNo: event.tiNo }),
    ...(event.taskId === null ? {} : { taskId: event.taskId }),
    eventId: event.id,
  };
}
