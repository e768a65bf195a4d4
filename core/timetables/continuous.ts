import type { DataInterval, ScheduleBounds, ScheduledSlot, Timetable } from "../timetable.ts";

/**
 * Begins the next run as soon as the one before has ended. Ask `next` at that moment: the logical date is `now`, and
 * the data interval reaches back to the run before. Runs must not overlap, so the DAG's `maxActiveRuns` must be 1.
 */
export class ContinuousTimetable implements Timetable {
  readonly summary = "continuous";
  readonly description = "Again as soon as the run before has ended";

  next(bounds: ScheduleBounds): ScheduledSlot | undefined {
    const { startDate, endDate, lastLogicalDate, now } = bounds;
    // Two runs within one millisecond still need two logical dates.
    const date = Math.max(now, startDate ?? now, lastLogicalDate === undefined ? now : lastLogicalDate + 1);
    if (endDate !== undefined && date > endDate) return undefined;
    const start = Math.min(date, lastLogicalDate ?? startDate ?? date);
    return { logicalDate: date, dataInterval: { start, end: date }, runAfter: date };
  }

  /** Empty: nobody can say beforehand, or afterwards, when a run would have ended. */
  between(): ScheduledSlot[] {
    return [];
  }

  manualInterval(runAfter: number): DataInterval {
    return { start: runAfter, end: runAfter };
  }

  upcoming(now: number, n: number, bounds: Partial<ScheduleBounds> = {}): ScheduledSlot[] {
    const slot = this.next({ catchup: false, ...bounds, now });
    return slot !== undefined && n >= 1 ? [slot] : [];
  }
}
