import { ContinuousTimetable } from "./timetables/continuous.ts";
import { cronTimetable } from "./timetables/cron.ts";
import { CRON_PRESETS, parseCronFields } from "./timetables/cron-fields.ts";
import { deltaTimetable } from "./timetables/delta.ts";
import { eventsTimetable } from "./timetables/events.ts";
import { InvalidScheduleError } from "./timetables/invalid-schedule.ts";
import { NoTimetable } from "./timetables/none.ts";
import { OnceTimetable } from "./timetables/once.ts";
import { zoneClock } from "./timetables/zone.ts";

export { InvalidScheduleError } from "./timetables/invalid-schedule.ts";
export { isTimeZone } from "./timetables/zone.ts";

/** A schedule as it is stored in a DAG definition: JSON only. */
export type TimetableSpec =
  /** Never by itself: manual and triggered runs only. */
  | { readonly kind: "none" }
  /** A single run, at the start date or at once. */
  | { readonly kind: "once" }
  /** A new run whenever the one before has ended. */
  | { readonly kind: "continuous" }
  /**
   * By the wall clock of an IANA time zone. Expressions have 5 or 6 fields (seconds first) or are presets such as
   * `@daily`; several fire at the union of their times. `intervals: false` runs at each time with an interval of no
   * length; `true` (one expression only) runs at the end of each interval from time to time.
   */
  | {
      readonly kind: "cron";
      readonly expressions: readonly string[];
      readonly timezone: string;
      readonly intervals: boolean;
    }
  /** A fixed distance of real time, counted from the start date, or from 1970-01-01T00:00Z when there is none. */
  | { readonly kind: "delta"; readonly everyMs: number; readonly intervals: boolean }
  /** A finite list of instants, ISO 8601 with Z or an offset. */
  | { readonly kind: "events"; readonly dates: readonly string[] };

/** The time that a run's data comes from: `start` inclusive, `end` exclusive, epoch ms. Both are equal for a plain trigger. */
export interface DataInterval {
  readonly start: number;
  readonly end: number;
}

/** One automated run that a timetable wants: `runAfter` is the earliest moment to create it. All epoch ms. */
export interface ScheduledSlot {
  /** Names the run, unique per DAG: the time of the trigger, or the start of the data interval. */
  readonly logicalDate: number;
  readonly dataInterval: DataInterval;
  readonly runAfter: number;
}

/** What limits the choice of the next slot. Instants are epoch ms. */
export interface ScheduleBounds {
  /** Earliest logical date, inclusive. */
  readonly startDate?: number;
  /** Latest logical date, inclusive. */
  readonly endDate?: number;
  /** True: every missed slot is created in turn. False: of several that are due, only the newest. */
  readonly catchup: boolean;
  readonly now: number;
  /** The logical date of the newest automated run; undefined when there was none yet. */
  readonly lastLogicalDate?: number;
}

/** Decides when a DAG runs. Pure: the same question always has the same answer. */
export interface Timetable {
  /** Short form for lists: the cron string, "@daily", "every 15m", "once", "continuous", "3 events" or "none". */
  readonly summary: string;
  /** A sentence: "At 06:00 on Monday to Friday (Europe/Berlin)". */
  readonly description: string;
  /**
   * The next automated slot; always later than `lastLogicalDate`, undefined when there will never be one. Its
   * `runAfter` may lie in the past: then it is due now.
   *
   * With neither `lastLogicalDate` nor `startDate`, a trigger schedule waits for the first time at or after `now`.
   * Whoever asks must therefore keep the answer until its run exists (or pass the moment the DAG was enabled as
   * `startDate`): asked again one millisecond late, it names the time after that.
   */
  next(bounds: ScheduleBounds): ScheduledSlot | undefined;
  /**
   * The slots whose logical date lies in [`from`, `to`], ascending, at most `limit`, for backfills and previews. A
   * DAG's start and end date are not applied.
   */
  between(from: number, to: number, limit: number): ScheduledSlot[];
  /** The data interval of a manual run: nothing but `runAfter` itself, or the last interval complete by then. */
  manualInterval(runAfter: number): DataInterval;
  /** The next `n` slots that become due at `now` or later, for display. Of `bounds`, `catchup` and `now` have no say. */
  upcoming(now: number, n: number, bounds?: Partial<ScheduleBounds>): ScheduledSlot[];
}

/**
 * The timetable of a stored schedule. Building one costs some 100 µs; keep it as long as the definition lives.
 * `startDate` (epoch ms) is the DAG's: `delta` counts from it, and `once` runs at it.
 * @throws InvalidScheduleError when the schedule can not be understood.
 */
export function timetableFromSpec(spec: TimetableSpec, opts: { readonly startDate?: number } = {}): Timetable {
  switch (spec.kind) {
    case "none":
      return new NoTimetable();
    case "once":
      return new OnceTimetable(opts.startDate);
    case "continuous":
      return new ContinuousTimetable();
    case "cron":
      return cronTimetable(spec.expressions, spec.timezone, spec.intervals);
    case "delta":
      return deltaTimetable(spec.everyMs, spec.intervals, opts.startDate);
    case "events":
      return eventsTimetable(spec.dates);
    default:
      throw unknownKind(spec);
  }
}

function unknownKind(spec: never): InvalidScheduleError {
  return new InvalidScheduleError(
    JSON.stringify(spec) ?? String(spec),
    "its kind is unknown to this version of Sluice",
    "Load the DAG file again with this version, or update Sluice",
  );
}

/**
 * Reads what an author writes as `schedule`: a cron expression, a preset (`@hourly @daily @weekly @monthly @quarterly
 * @yearly`), `@once`, `@continuous`, or null/undefined for none. A cron string means trigger style (`intervals: false`).
 * @throws InvalidScheduleError for an expression or a time zone that is not valid; the message says what to write.
 */
export function parseSchedule(schedule: string | null | undefined, timezone: string): TimetableSpec {
  if (schedule === null || schedule === undefined) return { kind: "none" };
  if (typeof schedule !== "string" || schedule.trim() === "") {
    throw new InvalidScheduleError(
      String(schedule),
      typeof schedule === "string" ? "it is empty" : "it is not a string",
      'Write a cron expression such as "0 6 * * *", a preset such as "@daily", or null for no schedule',
    );
  }
  const text = schedule.trim();
  const word = text.toLowerCase();
  if (word === "@once") return { kind: "once" };
  if (word === "@continuous") return { kind: "continuous" };
  parseCronFields(text);
  zoneClock(timezone);
  return { kind: "cron", expressions: [CRON_PRESETS.has(word) ? word : text], timezone, intervals: false };
}
