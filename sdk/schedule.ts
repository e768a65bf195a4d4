import { parseSchedule, type TimetableSpec, timetableFromSpec } from "../core/timetable.ts";
import { zoneClock } from "../core/timetables/zone.ts";
import { type Duration, durationMs } from "./durations.ts";

/**
 * When a DAG runs: `null` (only when asked), a cron expression of 5 or 6 fields, a preset such as "@daily", "@once",
 * "@continuous", or what `every`, `cronInterval`, `crons` and `events` give.
 */
export type Schedule = string | null | ScheduleSpec;

/** A schedule made by `every`, `cronInterval`, `crons` or `events`. */
export type ScheduleSpec =
  | {
      readonly kind: "cron";
      readonly expressions: readonly string[];
      readonly intervals: boolean;
      readonly timezone?: string;
    }
  | { readonly kind: "delta"; readonly everyMs: number; readonly intervals: boolean }
  | { readonly kind: "events"; readonly dates: readonly string[] };

/**
 * A fixed distance of real time between runs, counted from the DAG's start date. Unlike cron it takes no notice of
 * clock changes.
 *
 * @example
 * ```ts
 * import { Dag, every } from "sluice";
 * new Dag("poll", { schedule: every("15m") });
 * ```
 * @throws TypeError when `distance` is no duration.
 */
export function every(distance: Duration, options: { readonly intervals?: boolean } = {}): ScheduleSpec {
  try {
    return Object.freeze({ kind: "delta", everyMs: durationMs(distance), intervals: options.intervals ?? false });
  } catch (error) {
    throw new TypeError(
      `every(${JSON.stringify(distance)}): the distance ${error instanceof Error ? error.message : error}`,
    );
  }
}

/**
 * A cron schedule whose runs cover the time from one tick to the next, and start when that time is over (Airflow's
 * CronDataIntervalTimetable). A plain cron string runs at each tick instead, with an interval of no length.
 */
export function cronInterval(expression: string): ScheduleSpec {
  return Object.freeze({ kind: "cron", expressions: Object.freeze([expression]), intervals: true });
}

/** Several cron expressions; the DAG runs whenever one of them fires. */
export function crons(...expressions: readonly string[]): ScheduleSpec {
  return Object.freeze({ kind: "cron", expressions: Object.freeze([...expressions]), intervals: false });
}

/** A finite list of instants: `Date`s, or ISO 8601 texts with `Z` or an offset. */
export function events(dates: readonly (string | Date)[]): ScheduleSpec {
  const instants = dates.map((date) => (date instanceof Date ? date.toISOString() : date));
  return Object.freeze({ kind: "events", dates: Object.freeze(instants) });
}

/**
 * The stored form of a schedule.
 * @throws InvalidScheduleError when it or the time zone is not valid.
 */
export function resolveSchedule(schedule: Schedule | undefined, timezone: string): TimetableSpec {
  if (typeof schedule !== "object" || schedule === null) return parseSchedule(schedule, timezone);
  const spec: TimetableSpec =
    schedule.kind === "cron" ? { ...schedule, timezone: schedule.timezone ?? timezone } : schedule;
  timetableFromSpec(spec);
  return spec;
}

/**
 * An author's date as ISO 8601 in UTC. A text without offset is a wall-clock time of `timezone`: one that a clock
 * change skips is shifted by the gap, one that comes twice is the later.
 */
export function resolveInstant(date: string | Date, timezone: string): string {
  if (date instanceof Date) return date.toISOString();
  if (/(?:Z|[+-]\d{2}:?\d{2})$/.test(date) && date.length > 10) return new Date(date).toISOString();
  const local = Date.parse(`${date.length === 10 ? `${date}T00:00` : date.replace(" ", "T")}Z`);
  const clock = zoneClock(timezone);
  const later = local - clock.spanAt(local + 86_400_000).offset;
  const span = clock.spanAt(later);
  const at =
    later >= span.start && later + span.offset === local ? later : local - clock.spanAt(local - 86_400_000).offset;
  return new Date(at).toISOString();
}
