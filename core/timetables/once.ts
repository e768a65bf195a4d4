import type { DataInterval, ScheduleBounds, ScheduledSlot, Timetable } from "../timetable.ts";

/** Runs a single time: at the start date, or at once when there is none. Catch-up makes no difference. */
export class OnceTimetable implements Timetable {
  readonly summary = "once";
  readonly description: string;
  readonly #startDate: number | undefined;

  /** `startDate` (epoch ms) stands in where the bounds of a question name none. */
  constructor(startDate?: number) {
    this.#startDate = startDate;
    this.description = startDate === undefined ? "Once, as soon as possible" : "Once, at the start date";
  }

  next(bounds: ScheduleBounds): ScheduledSlot | undefined {
    if (bounds.lastLogicalDate !== undefined) return undefined;
    const date = bounds.startDate ?? this.#startDate ?? bounds.now;
    return bounds.endDate !== undefined && date > bounds.endDate ? undefined : slotAt(date);
  }

  between(from: number, to: number, limit: number): ScheduledSlot[] {
    const date = this.#startDate;
    return date !== undefined && date >= from && date <= to && limit >= 1 ? [slotAt(date)] : [];
  }

  manualInterval(runAfter: number): DataInterval {
    return { start: runAfter, end: runAfter };
  }

  upcoming(now: number, n: number, bounds: Partial<ScheduleBounds> = {}): ScheduledSlot[] {
    const slot = this.next({ catchup: false, ...bounds, now });
    return slot !== undefined && n >= 1 ? [slot] : [];
  }
}

function slotAt(date: number): ScheduledSlot {
  return { logicalDate: date, dataInterval: { start: date, end: date }, runAfter: date };
}
