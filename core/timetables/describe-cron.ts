import type { CronFields } from "./cron-fields.ts";

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ORDINALS = ["", "first", "second", "third", "fourth", "fifth"];
const MOST_TIMES = 6;

/**
 * A cron expression as a sentence: "At 06:00 on Monday to Friday (Europe/Berlin)". An expression too tangled for one is
 * quoted instead.
 */
export function describeCron(fields: CronFields, expression: string, timezone: string): string {
  const time = describeTime(fields);
  if (time === undefined) return `Cron "${expression.trim()}" (${timezone})`;
  const day = describeDay(fields);
  // "Every 15 minutes" is the same everywhere.
  if (day === "" && !time.isOfDay) return time.text;
  return `${time.text}${day === "" && time.isMoment ? " every day" : day} (${timezone})`;
}

interface TimeText {
  readonly text: string;
  /** True when the hour is part of it, so that the time zone matters. */
  readonly isOfDay: boolean;
  /** True for times of the day ("At 06:00"), false for a rhythm ("Every 5 minutes"). */
  readonly isMoment: boolean;
}

function describeTime({ seconds, minutes, hours }: CronFields): TimeText | undefined {
  const rhythm = describeRhythm(seconds, minutes);
  if (rhythm !== undefined && hours.length === 24) return { text: rhythm, isOfDay: false, isMoment: false };

  const [second] = seconds;
  if (seconds.length !== 1 || second === undefined) return undefined;
  const suffix = second === 0 ? "" : `:${two(second)}`;
  const [minute] = minutes;
  const hourStep = stepOf(hours, 24);
  if (minutes.length === 1 && minute !== undefined && suffix === "" && hourStep !== undefined && hours.length > 2) {
    const every = hourStep === 1 ? "hour" : `${hourStep} hours`;
    const text = minute === 0 ? `Every ${every}` : `Every ${every} at ${minute} ${plural(minute, "minute")} past`;
    return { text, isOfDay: hourStep !== 1, isMoment: false };
  }
  if (minutes.length * hours.length <= MOST_TIMES) {
    const times = hours.flatMap((hour) => minutes.map((each) => `${two(hour)}:${two(each)}${suffix}`));
    return { text: `At ${joined(times)}`, isOfDay: true, isMoment: true };
  }
  const firstHour = hours[0] ?? 0;
  const lastHour = hours.at(-1) ?? 0;
  const isRange = lastHour - firstHour === hours.length - 1;
  if (!isRange || suffix !== "") return undefined;
  const span = `from ${two(firstHour)}:${two(minutes[0] ?? 0)} to ${two(lastHour)}:${two(minutes.at(-1) ?? 0)}`;
  if (rhythm !== undefined) return { text: `${rhythm} ${span}`, isOfDay: true, isMoment: false };
  return minutes.length === 1 ? { text: `Every hour ${span}`, isOfDay: true, isMoment: false } : undefined;
}

/** "Every 5 minutes", where seconds and minutes alone make an even rhythm. */
function describeRhythm(seconds: readonly number[], minutes: readonly number[]): string | undefined {
  if (minutes.length === 60 && seconds.length > 1) {
    const step = stepOf(seconds, 60);
    return step === undefined ? undefined : step === 1 ? "Every second" : `Every ${step} seconds`;
  }
  if (seconds.length !== 1 || seconds[0] !== 0 || minutes.length < 2) return undefined;
  const step = stepOf(minutes, 60);
  return step === undefined ? undefined : step === 1 ? "Every minute" : `Every ${step} minutes`;
}

/** The even distance of values that fill `size` from 0 on, or undefined when they do not. */
function stepOf(values: readonly number[], size: number): number | undefined {
  const step = size / values.length;
  return Number.isInteger(step) && values.every((value, index) => value === index * step) ? step : undefined;
}

/** " on Monday to Friday in March", or "" for every day. */
function describeDay(fields: CronFields): string {
  const inMonths = fields.months.length === 12 ? "" : ` in ${ranges(fields.months, (month) => MONTHS[month - 1])}`;
  if (fields.restrictsDayOfMonth && !fields.restrictsDayOfWeek && fields.months.length === 1) {
    const [day] = fields.daysOfMonth;
    if (fields.daysOfMonth.length === 1 && !fields.lastDayOfMonth) {
      return ` on ${day} ${MONTHS[(fields.months[0] ?? 1) - 1]}`;
    }
  }
  const days = [
    ...(fields.restrictsDayOfMonth ? [daysOfMonth(fields)] : []),
    ...(fields.restrictsDayOfWeek ? [daysOfWeek(fields)] : []),
  ];
  if (days.length === 0) return inMonths === "" ? "" : ` every day${inMonths}`;
  return ` on ${days.join(" or on ")}${inMonths}`;
}

function daysOfMonth({ daysOfMonth: days, lastDayOfMonth }: CronFields): string {
  const texts: string[] = [];
  if (days.length > 0) texts.push(`${plural(days.length, "day")} ${ranges(days, String)}`);
  if (lastDayOfMonth) texts.push("the last day");
  return `${joined(texts)} of the month`;
}

function daysOfWeek({ daysOfWeek: days, nthDaysOfWeek, lastDaysOfWeek }: CronFields): string {
  // A week is read from Monday on, so that "Friday to Sunday" stays together.
  const fromMonday = days.map((day) => (day === 0 ? 7 : day)).sort((a, b) => a - b);
  const texts = fromMonday.length > 0 ? [ranges(fromMonday, (day) => WEEKDAYS[day % 7])] : [];
  const ofMonth = [
    ...nthDaysOfWeek.map(({ day, nth }) => `the ${ORDINALS[nth]} ${WEEKDAYS[day]}`),
    ...lastDaysOfWeek.map((day) => `the last ${WEEKDAYS[day]}`),
  ];
  if (ofMonth.length > 0) texts.push(`${joined(ofMonth)} of the month`);
  return joined(texts);
}

/** "1, 3 and 5 to 7": runs of three and more become ranges. */
function ranges(values: readonly number[], name: (value: number) => string | undefined): string {
  const texts: string[] = [];
  for (let index = 0; index < values.length; ) {
    let end = index;
    while (values[end + 1] === (values[end] ?? 0) + 1) end++;
    if (end - index >= 2) {
      texts.push(`${name(values[index] ?? 0)} to ${name(values[end] ?? 0)}`);
      index = end + 1;
    } else {
      texts.push(String(name(values[index] ?? 0)));
      index++;
    }
  }
  return joined(texts);
}

function joined(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

function plural(count: number, noun: string): string {
  return count === 1 ? noun : `${noun}s`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
