import type { Timetable } from "../timetable.ts";
import { InvalidScheduleError } from "./invalid-schedule.ts";
import { IntervalTimetable, TriggerTimetable } from "./periodic.ts";
import type { Ticks } from "./ticks.ts";

const SHORTEST_MS = 1000;
const LONGEST_MS = 3653 * 86_400_000;
const LAST_INSTANT = 8.64e15;

/**
 * Fires every `everyMs` milliseconds of real time, whatever the clocks do, counted from `anchor` (epoch ms; the DAG's
 * start date, or 0).
 * @throws InvalidScheduleError when `everyMs` is not a whole number from 1 second to 10 years.
 */
export function deltaTimetable(everyMs: number, intervals: boolean, anchor = 0): Timetable {
  if (!Number.isSafeInteger(everyMs) || everyMs < SHORTEST_MS || everyMs > LONGEST_MS) {
    throw new InvalidScheduleError(
      `every ${everyMs} ms`,
      "the distance between runs must be a whole number of milliseconds from 1 second to 10 years",
      'Write a duration such as every("15m") or every("1d")',
    );
  }
  const ticks = new DeltaTicks(everyMs, anchor);
  const summary = `every ${shortDuration(everyMs)}`;
  const description = `Every ${longDuration(everyMs)}`;
  return intervals
    ? new IntervalTimetable(ticks, summary, `${description}, for the interval that ends then`)
    : new TriggerTimetable(ticks, summary, description);
}

class DeltaTicks implements Ticks {
  readonly #step: number;
  readonly #anchor: number;

  constructor(step: number, anchor: number) {
    this.#step = step;
    this.#anchor = anchor;
  }

  after(instant: number): number | undefined {
    return validInstant(this.#anchor + (Math.floor((instant - this.#anchor) / this.#step) + 1) * this.#step);
  }

  before(instant: number): number | undefined {
    return validInstant(this.#anchor + (Math.ceil((instant - this.#anchor) / this.#step) - 1) * this.#step);
  }
}

function validInstant(instant: number): number | undefined {
  return Math.abs(instant) <= LAST_INSTANT ? instant : undefined;
}

const UNITS = [
  { short: "d", long: "day", ms: 86_400_000 },
  { short: "h", long: "hour", ms: 3_600_000 },
  { short: "m", long: "minute", ms: 60_000 },
  { short: "s", long: "second", ms: 1000 },
  { short: "ms", long: "millisecond", ms: 1 },
] as const;

function split(ms: number): { count: number; unit: (typeof UNITS)[number] }[] {
  let rest = ms;
  return UNITS.map((unit) => {
    const count = Math.floor(rest / unit.ms);
    rest -= count * unit.ms;
    return { count, unit };
  }).filter(({ count }) => count > 0);
}

function shortDuration(ms: number): string {
  return split(ms)
    .map(({ count, unit }) => `${count}${unit.short}`)
    .join(" ");
}

function longDuration(ms: number): string {
  const parts = split(ms);
  const [first] = parts;
  if (parts.length === 1 && first?.count === 1) return first.unit.long;
  return parts.map(({ count, unit }) => `${count} ${unit.long}${count === 1 ? "" : "s"}`).join(" ");
}
