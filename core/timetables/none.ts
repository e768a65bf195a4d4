import type { DataInterval, ScheduledSlot, Timetable } from "../timetable.ts";

/** Never runs by itself: only by hand, by the API or from another DAG. */
export class NoTimetable implements Timetable {
  readonly summary = "none";
  readonly description = "Never by itself, only when triggered";

  next(): ScheduledSlot | undefined {
    return undefined;
  }

  between(): ScheduledSlot[] {
    return [];
  }

  manualInterval(runAfter: number): DataInterval {
    return { start: runAfter, end: runAfter };
  }

  upcoming(): ScheduledSlot[] {
    return [];
  }
}
