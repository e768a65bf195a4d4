import type { Timetable } from "../timetable.ts";
import { parseCronFields } from "./cron-fields.ts";
import { CronTicks } from "./cron-ticks.ts";
import { describeCron } from "./describe-cron.ts";
import { InvalidScheduleError } from "./invalid-schedule.ts";
import { IntervalTimetable, TriggerTimetable } from "./periodic.ts";
import { union } from "./ticks.ts";
import { zoneClock } from "./zone.ts";

const MOST_EXPRESSIONS = 100;

/**
 * Fires by the wall clock of a time zone. See `CronTicks` for what happens when clocks change.
 * @throws InvalidScheduleError for a bad expression or zone, for none, and for several with data intervals.
 */
export function cronTimetable(expressions: readonly string[], timezone: string, intervals: boolean): Timetable {
  const summary = expressions.map((expression) => expression.trim()).join(", ");
  if (expressions.length === 0 || expressions.length > MOST_EXPRESSIONS) {
    throw new InvalidScheduleError(
      summary,
      `it consists of ${expressions.length} cron expressions`,
      `Give 1 to ${MOST_EXPRESSIONS} of them`,
    );
  }
  if (intervals && expressions.length > 1) {
    throw new InvalidScheduleError(
      summary,
      "data intervals come from one cron expression, not from several",
      "Give a single expression, or use the plain cron strings without intervals",
    );
  }
  const zone = zoneClock(timezone);
  const schedules = expressions.map(parseCronFields);
  const ticks = union(schedules.map((fields) => new CronTicks(fields, zone)));
  const sentences = schedules.map((fields, index) => describeCron(fields, expressions[index] ?? "", timezone));
  return intervals
    ? new IntervalTimetable(ticks, summary, `${sentences.join("; ")}, for the interval that ends then`)
    : new TriggerTimetable(ticks, summary, sentences.join("; "));
}
