import type { Timetable } from "../timetable.ts";
import { InvalidScheduleError } from "./invalid-schedule.ts";
import { TriggerTimetable } from "./periodic.ts";
import type { Ticks } from "./ticks.ts";

const MOST_EVENTS = 10_000;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

/**
 * Fires at each of a list of instants, in order; an instant that is listed twice fires once.
 * @throws InvalidScheduleError for text that is not an ISO instant with Z or an offset, and for more than 10,000.
 */
export function eventsTimetable(dates: readonly string[]): Timetable {
  if (dates.length > MOST_EVENTS) {
    throw new InvalidScheduleError(
      `${dates.length} events`,
      `at most ${MOST_EVENTS} are allowed`,
      "Use a cron expression, or list the nearest events only",
    );
  }
  const instants = [...new Set(dates.map(parseInstant))].sort((a, b) => a - b);
  const summary = `${instants.length} ${instants.length === 1 ? "event" : "events"}`;
  return new TriggerTimetable(new EventTicks(instants), summary, describe(instants, summary));
}

function parseInstant(text: string): number {
  const instant = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(instant)) {
    throw new InvalidScheduleError(
      String(text),
      "it is not an instant",
      'Write each event with its offset, such as "2026-03-29T06:00:00Z"',
    );
  }
  return instant;
}

function describe(instants: readonly number[], summary: string): string {
  const [first] = instants;
  const last = instants.at(-1);
  if (first === undefined || last === undefined) return "Never: the list of events is empty";
  if (instants.length === 1) return `Once, at ${shown(first)}`;
  return `${summary} from ${shown(first)} to ${shown(last)}`;
}

function shown(instant: number): string {
  return `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

class EventTicks implements Ticks {
  readonly #instants: readonly number[];

  constructor(instants: readonly number[]) {
    this.#instants = instants;
  }

  after(instant: number): number | undefined {
    return this.#instants[this.#countUntil(instant)];
  }

  before(instant: number): number | undefined {
    const count = this.#countUntil(instant);
    return this.#instants[this.#instants[count - 1] === instant ? count - 2 : count - 1];
  }

  /** How many events are at or before `instant`. */
  #countUntil(instant: number): number {
    let low = 0;
    let high = this.#instants.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#instants[middle] ?? 0) <= instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
