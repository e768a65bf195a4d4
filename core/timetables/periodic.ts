import type { DataInterval, ScheduleBounds, ScheduledSlot, Timetable } from "../timetable.ts";
import { atOrAfter, atOrBefore, type Ticks } from "./ticks.ts";

/**
 * What all schedules made of ticks share: bounds, catch-up, previews. A subclass says what a tick means:
 * `TriggerTimetable` runs at it, `IntervalTimetable` runs when the next one closes the interval.
 */
abstract class PeriodicTimetable implements Timetable {
  readonly summary: string;
  readonly description: string;
  protected readonly ticks: Ticks;

  constructor(ticks: Ticks, summary: string, description: string) {
    this.ticks = ticks;
    this.summary = summary;
    this.description = description;
  }

  /** The slot of the tick `logicalDate`; undefined when its interval never closes. */
  protected abstract slotAt(logicalDate: number): ScheduledSlot | undefined;

  /** The newest logical date whose run is due at `now`. */
  protected abstract newestDue(now: number): number | undefined;

  /** The first logical date whose run is due at `now` or later. */
  protected abstract firstUpcoming(now: number): number | undefined;

  /** The first logical date of a DAG that has neither a start date nor an earlier run. */
  protected abstract firstEver(now: number): number | undefined;

  abstract manualInterval(runAfter: number): DataInterval;

  next(bounds: ScheduleBounds): ScheduledSlot | undefined {
    const { startDate, endDate, lastLogicalDate, now } = bounds;
    let date: number | undefined;
    if (lastLogicalDate !== undefined) date = this.ticks.after(lastLogicalDate);
    else if (startDate !== undefined) date = atOrAfter(this.ticks, startDate);
    else date = this.firstEver(now);

    // The start date may have been moved past the last run.
    if (date !== undefined && startDate !== undefined && date < startDate) date = atOrAfter(this.ticks, startDate);
    if (date === undefined) return undefined;

    if (!bounds.catchup) {
      const newest = this.newestDue(now);
      if (newest !== undefined && newest > date) date = newest;
    }
    return endDate !== undefined && date > endDate ? undefined : this.slotAt(date);
  }

  between(from: number, to: number, limit: number): ScheduledSlot[] {
    return this.#collect(atOrAfter(this.ticks, from), to, limit);
  }

  upcoming(now: number, n: number, bounds: Partial<ScheduleBounds> = {}): ScheduledSlot[] {
    const { startDate, endDate = Infinity, lastLogicalDate } = bounds;
    let date = this.firstUpcoming(now);
    if (date !== undefined && startDate !== undefined && date < startDate) date = atOrAfter(this.ticks, startDate);
    if (date !== undefined && lastLogicalDate !== undefined && date <= lastLogicalDate) {
      date = this.ticks.after(lastLogicalDate);
    }
    return this.#collect(date, endDate, n);
  }

  #collect(first: number | undefined, to: number, limit: number): ScheduledSlot[] {
    const slots: ScheduledSlot[] = [];
    for (let date = first; date !== undefined && date <= to && slots.length < limit; date = this.ticks.after(date)) {
      const slot = this.slotAt(date);
      if (slot === undefined) break;
      slots.push(slot);
    }
    return slots;
  }
}

/** Runs at every tick; the data interval has no length. What a cron string means. */
export class TriggerTimetable extends PeriodicTimetable {
  manualInterval(runAfter: number): DataInterval {
    return { start: runAfter, end: runAfter };
  }

  protected slotAt(logicalDate: number): ScheduledSlot {
    return { logicalDate, dataInterval: { start: logicalDate, end: logicalDate }, runAfter: logicalDate };
  }

  protected newestDue(now: number): number | undefined {
    return atOrBefore(this.ticks, now);
  }

  protected firstUpcoming(now: number): number | undefined {
    return atOrAfter(this.ticks, now);
  }

  /** A new DAG waits for its next tick: nothing was missed before it existed. */
  protected firstEver(now: number): number | undefined {
    return this.firstUpcoming(now);
  }
}

/** Runs when an interval from tick to tick has closed; the logical date is the interval's start. */
export class IntervalTimetable extends PeriodicTimetable {
  /** The last interval that was complete at `runAfter`. */
  manualInterval(runAfter: number): DataInterval {
    const end = atOrBefore(this.ticks, runAfter) ?? runAfter;
    return { start: this.ticks.before(end) ?? end, end };
  }

  protected slotAt(logicalDate: number): ScheduledSlot | undefined {
    const end = this.ticks.after(logicalDate);
    return end === undefined ? undefined : { logicalDate, dataInterval: { start: logicalDate, end }, runAfter: end };
  }

  protected newestDue(now: number): number | undefined {
    const end = atOrBefore(this.ticks, now);
    return end === undefined ? undefined : this.ticks.before(end);
  }

  protected firstUpcoming(now: number): number | undefined {
    const end = atOrAfter(this.ticks, now);
    return end === undefined ? undefined : (this.ticks.before(end) ?? end);
  }

  /** A new DAG begins with the last complete interval, at once. */
  protected firstEver(now: number): number | undefined {
    return this.newestDue(now) ?? this.firstUpcoming(now);
  }
}
