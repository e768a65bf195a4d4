/**
 * A slow, independent idea of when a cron expression fires: it walks over every minute of real time, looks at the wall
 * clock, and notes the minutes that the wall clock skipped or showed twice. It shares no code with core/timetables.
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export function instant(text: string): number {
  const value = Date.parse(text);
  if (Number.isNaN(value)) throw new Error(`not an instant: ${text}`);
  return value;
}

export function iso(instants: readonly number[]): string[] {
  return instants.map((value) => new Date(value).toISOString().slice(0, 16));
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Offset of a zone in ms, read from the text "GMT+05:30". */
export function offsetOf(zone: string, at: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    formats.set(zone, format);
  }
  const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?/.exec(format.format(at));
  if (match === null) throw new Error(`no offset for ${zone}`);
  const [, sign, hours = "0", minutes = "0", seconds = "0"] = match;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
}

/** The minutes at which a zone changes its offset in [from, to). */
export function transitions(zone: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let hour = from; hour < to; hour += HOUR) {
    if (offsetOf(zone, hour) === offsetOf(zone, hour + HOUR)) continue;
    for (let minute = hour; minute < hour + HOUR; minute += MINUTE) {
      if (offsetOf(zone, minute) !== offsetOf(zone, minute + MINUTE)) found.push(minute + MINUTE);
    }
  }
  return found;
}

interface Fields {
  minutes: Set<number>;
  hours: Set<number>;
  days: Set<number>;
  lastDay: boolean;
  months: Set<number>;
  weekdays: Set<number>;
  nth: [number, number][];
  lastWeekdays: Set<number>;
  text: string[];
}

function expand(text: string, min: number, max: number): Set<number> {
  const all = new Set<number>();
  for (const item of text.split(",")) {
    const [range = "", step = "1"] = item.split("/");
    const [low, high] = range === "*" ? [min, max] : range.split("-").map(Number);
    const end = high ?? (item.includes("/") ? max : low!);
    for (let value = low!; value <= end; value += Number(step)) all.add(value);
  }
  return all;
}

/** Reads 5 numeric fields. */
function read(cron: string): Fields {
  const text = cron.split(" ");
  const [minute, hour, day, month, weekday] = text as [string, string, string, string, string];
  const isPlain = (item: string) => !item.includes("L") && !item.includes("#");
  const plainDays = day.split(",").filter(isPlain).join(",");
  const weekdayItems = weekday.split(",");
  const plainWeekdays = weekdayItems.filter(isPlain).join(",");
  return {
    minutes: expand(minute, 0, 59),
    hours: expand(hour, 0, 23),
    days: plainDays === "" ? new Set() : expand(plainDays, 1, 31),
    lastDay: day.includes("L"),
    months: expand(month, 1, 12),
    weekdays: plainWeekdays === "" ? new Set() : new Set([...expand(plainWeekdays, 0, 6)].map((value) => value % 7)),
    nth: weekdayItems
      .filter((item) => item.includes("#"))
      .map((item) => item.split("#").map(Number) as [number, number]),
    lastWeekdays: new Set(weekdayItems.filter((item) => item.includes("L")).map((item) => Number.parseInt(item, 10))),
    text,
  };
}

function matches(fields: Fields, local: number): boolean {
  const minuteOfDay = Math.floor(local / MINUTE) % 1440;
  if (!fields.minutes.has(minuteOfDay % 60) || !fields.hours.has(Math.floor(minuteOfDay / 60))) return false;
  const date = new Date(local);
  if (!fields.months.has(date.getUTCMonth() + 1)) return false;
  const day = date.getUTCDate();
  const weekday = date.getUTCDay();
  const isLast = (distance: number) => new Date(local + distance * DAY).getUTCMonth() !== date.getUTCMonth();
  const byDay = fields.days.has(day) || (fields.lastDay && isLast(1));
  const byWeekday =
    fields.weekdays.has(weekday) ||
    fields.nth.some(([each, nth]) => each === weekday && day > (nth - 1) * 7 && day <= nth * 7) ||
    (fields.lastWeekdays.has(weekday) && isLast(7));
  if (fields.text[2] === "*") return byWeekday;
  if (fields.text[4] === "*") return byDay;
  return byDay || byWeekday;
}

/** The local time of every minute of real time in a window, and the facts about it that matter. */
export interface Walls {
  from: number;
  /** Local ms of each minute. */
  local: number[];
  /** Local times that a later minute of the window shows again. */
  repeated: Set<number>;
}

export function walls(zone: string, from: number, to: number): Walls {
  const local: number[] = [];
  let here = offsetOf(zone, from);
  for (let hour = from; hour < to; hour += HOUR) {
    const next = offsetOf(zone, hour + HOUR);
    for (let minute = hour; minute < hour + HOUR && minute < to; minute += MINUTE) {
      local.push(minute + (here === next ? here : offsetOf(zone, minute)));
    }
    here = next;
  }
  const repeated = new Set<number>();
  for (let index = 1; index < local.length; index++) {
    for (let wall = local[index]!; wall <= local[index - 1]!; wall += MINUTE) repeated.add(wall);
  }
  return { from, local, repeated };
}

/** Every instant in the window at which the expression fires, ascending. */
export function fires(cron: string, { from, local, repeated }: Walls): number[] {
  const fields = read(cron);
  const isHourly = fields.hours.size === 24;
  const found = new Set<number>();
  const shown = new Set<number>();
  for (let index = 0; index < local.length; index++) {
    const wall = local[index]!;
    const now = from + index * MINUTE;
    const previous = local[index - 1];
    // Skipped minutes fire as much later as was skipped.
    if (previous !== undefined) {
      for (let skipped = previous + MINUTE; skipped < wall; skipped += MINUTE) {
        if (matches(fields, skipped)) found.add(now + (skipped - (previous + MINUTE)));
      }
    }
    if (!matches(fields, wall)) continue;
    if (isHourly || !repeated.has(wall) || shown.has(wall)) found.add(now);
    shown.add(wall);
  }
  return [...found].sort((a, b) => a - b);
}
