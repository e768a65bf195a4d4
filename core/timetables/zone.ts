import { InvalidScheduleError } from "./invalid-schedule.ts";

/** A stretch of time in which a zone keeps one offset, as far as it is of use around the instant that was asked for. */
export interface OffsetSpan {
  /** First instant, epoch ms. */
  readonly start: number;
  /** First instant no longer in it, epoch ms. */
  readonly end: number;
  /** Local wall clock minus UTC, ms. */
  readonly offset: number;
  /** Wall-clock time that was skipped at `start`, ms; 0 when the clock was not put forward there. */
  readonly gap: number;
  /** Wall-clock time at the end of the span that comes a second time after `end`, ms; 0 when it is not put back. */
  readonly overlap: number;
}

/** The offsets of one time zone. Instants from the year 1900 to 9999. */
export interface ZoneClock {
  /** The span that holds `instant` (epoch ms). */
  spanAt(instant: number): OffsetSpan;
}

interface Transition {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

const SECOND = 1000;
const DAY = 86_400_000;

/** No offset of the time zone database has lasted less than 3.98 days (1939), or 6.9 days since 1970. */
const PROBE_STEP = 3 * DAY;

/**
 * A span without a known transition at one of its ends is cut this much short of what was probed, so that a gap or an
 * overlap caused from beyond can not reach into it. No clock was ever moved by more than a day.
 */
const UNKNOWN_MARGIN = 2 * DAY;

const CACHED_YEARS = 256;
const LONGEST_NAME = 64;

const utcSpan: OffsetSpan = { start: -Infinity, end: Infinity, offset: 0, gap: 0, overlap: 0 };
const utcClock: ZoneClock = { spanAt: () => utcSpan };

// Formatters cost 50 µs and some kB each, and offsets never change: one memo per name serves every timetable. Letter case
// makes many names of one zone, hence the limit.
const clocks = new Map<string, ZoneClock>();
const MOST_CLOCKS = 1000;

/**
 * The clock of an IANA time zone ("Europe/Berlin", "UTC"; letter case does not matter).
 * @throws InvalidScheduleError when this machine knows no such zone.
 */
export function zoneClock(timezone: string): ZoneClock {
  const clock = findClock(timezone);
  if (clock === undefined) {
    throw new InvalidScheduleError(
      String(timezone),
      "that is not a time zone of the IANA database",
      'Write a name such as "Europe/Berlin", "America/New_York" or "UTC"',
    );
  }
  return clock;
}

/** True when `timezone` is the name of a time zone that this machine knows. Plain offsets ("+01:00") are not names. */
export function isTimeZone(timezone: string): boolean {
  return findClock(timezone) !== undefined;
}

function findClock(timezone: unknown): ZoneClock | undefined {
  if (typeof timezone !== "string" || timezone.length > LONGEST_NAME || !/^[A-Za-z][\w+/-]*$/.test(timezone)) {
    return undefined;
  }
  // The most common zone needs no Intl, whose first use costs a process 10 ms.
  if (timezone.toUpperCase() === "UTC") return utcClock;
  const known = clocks.get(timezone);
  if (known !== undefined) return known;
  try {
    const clock = new IntlZoneClock(timezone);
    if (clocks.size >= MOST_CLOCKS) clocks.clear();
    clocks.set(timezone, clock);
    return clock;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Finds the transitions of a zone year by year, by probing the offset and halving where it differs. */
class IntlZoneClock implements ZoneClock {
  readonly #format: Intl.DateTimeFormat;
  readonly #transitionsByYear = new Map<number, readonly Transition[]>();
  // Neighbouring questions nearly always fall into the same span.
  #lastSpan: OffsetSpan | undefined;

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
  }

  spanAt(instant: number): OffsetSpan {
    const last = this.#lastSpan;
    if (last !== undefined && instant >= last.start && instant < last.end) return last;
    const span = this.#findSpan(instant);
    this.#lastSpan = span;
    return span;
  }

  #findSpan(instant: number): OffsetSpan {
    const year = new Date(instant).getUTCFullYear();
    const thisYear = this.#transitionsOf(year);
    const opening = thisYear.findLast((transition) => transition.at <= instant) ?? this.#transitionsOf(year - 1).at(-1);
    const closing = thisYear.find((transition) => transition.at > instant) ?? this.#transitionsOf(year + 1).at(0);
    return {
      start: opening?.at ?? Date.UTC(year - 1, 0, 1) + UNKNOWN_MARGIN,
      end: closing?.at ?? Date.UTC(year + 2, 0, 1) - UNKNOWN_MARGIN,
      offset: opening?.after ?? closing?.before ?? this.#offsetAt(Math.floor(instant / SECOND) * SECOND),
      gap: opening === undefined ? 0 : Math.max(0, opening.after - opening.before),
      overlap: closing === undefined ? 0 : Math.max(0, closing.before - closing.after),
    };
  }

  #transitionsOf(year: number): readonly Transition[] {
    const known = this.#transitionsByYear.get(year);
    if (known !== undefined) return known;
    if (this.#transitionsByYear.size >= CACHED_YEARS) this.#transitionsByYear.clear();

    const found: Transition[] = [];
    const end = Date.UTC(year + 1, 0, 1);
    let low = Date.UTC(year, 0, 1) - SECOND;
    let before = this.#offsetAt(low);
    while (low < end - SECOND) {
      const high = Math.min(low + PROBE_STEP, end - SECOND);
      const after = this.#offsetAt(high);
      if (after !== before) found.push({ at: this.#firstInstantOf(after, low, high), before, after });
      low = high;
      before = after;
    }
    this.#transitionsByYear.set(year, found);
    return found;
  }

  /** The second in (low, high] at which the offset becomes `offset`. */
  #firstInstantOf(offset: number, low: number, high: number): number {
    let early = low / SECOND;
    let late = high / SECOND;
    while (late - early > 1) {
      const middle = Math.floor((early + late) / 2);
      if (this.#offsetAt(middle * SECOND) === offset) late = middle;
      else early = middle;
    }
    return late * SECOND;
  }

  /** Local wall clock minus UTC at a whole second, ms. */
  #offsetAt(instant: number): number {
    const parts = /(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)/.exec(this.#format.format(instant));
    if (parts === null) throw new Error(`Cannot read the local time at ${instant}`);
    const [month, day, year, hour, minute, second] = parts.slice(1).map(Number) as Six<number>;
    return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
  }
}

type Six<T> = [T, T, T, T, T, T];
