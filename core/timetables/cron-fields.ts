import { createRequire } from "node:module";
import { InvalidScheduleError } from "./invalid-schedule.ts";

/** A cron expression as sets of numbers. Lists rise and hold no value twice. */
export interface CronFields {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** 1 to 31. */
  readonly daysOfMonth: readonly number[];
  /** `L` in the day-of-month field. */
  readonly lastDayOfMonth: boolean;
  /** 1 to 12. */
  readonly months: readonly number[];
  /** 0 (Sunday) to 6. */
  readonly daysOfWeek: readonly number[];
  /** `5#2`: the second Friday of the month. */
  readonly nthDaysOfWeek: readonly { readonly day: number; readonly nth: number }[];
  /** `5L`: the last Friday of the month. */
  readonly lastDaysOfWeek: readonly number[];
  /** False when the field is a star. When both day fields are restricted, either of them suffices (as in cron). */
  readonly restrictsDayOfMonth: boolean;
  readonly restrictsDayOfWeek: boolean;
}

/** The names that stand for a cron expression, in lower case. */
export const CRON_PRESETS: ReadonlyMap<string, string> = new Map([
  ["@hourly", "0 * * * *"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@weekly", "0 0 * * 0"],
  ["@monthly", "0 0 1 * *"],
  ["@quarterly", "0 0 1 */3 *"],
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
]);

const LONGEST_EXPRESSION = 1024;
const MONTH_NAMES = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAY_NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

interface FieldKind {
  readonly key: "second" | "minute" | "hour" | "dayOfMonth" | "month" | "dayOfWeek";
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const SECOND: FieldKind = { key: "second", title: "second", min: 0, max: 59, names: [] };
const MINUTE: FieldKind = { key: "minute", title: "minute", min: 0, max: 59, names: [] };
const HOUR: FieldKind = { key: "hour", title: "hour", min: 0, max: 23, names: [] };
const DAY_OF_MONTH: FieldKind = { key: "dayOfMonth", title: "day-of-month", min: 1, max: 31, names: [] };
const MONTH: FieldKind = { key: "month", title: "month", min: 1, max: 12, names: MONTH_NAMES };
const DAY_OF_WEEK: FieldKind = { key: "dayOfWeek", title: "day-of-week", min: 0, max: 6, names: DAY_NAMES };
const POSITIONS = [SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK] as const;

/**
 * Reads a cron expression of 5 fields (minute first) or 6 (second first), or a preset. Letter case does not matter;
 * ranges may wrap (`22-2`, `FRI-MON`); lists may repeat a value.
 * @throws InvalidScheduleError that names the field at fault, also for dates that never exist (`0 0 30 2 *`).
 */
export function parseCronFields(expression: string): CronFields {
  const texts = splitFields(expression);
  const read = (kind: FieldKind): FieldSet => readField(expression, kind, texts[POSITIONS.indexOf(kind)] ?? "0");

  const daysOfMonth = read(DAY_OF_MONTH);
  const daysOfWeek = read(DAY_OF_WEEK);
  const fields: CronFields = {
    seconds: read(SECOND).values,
    minutes: read(MINUTE).values,
    hours: read(HOUR).values,
    daysOfMonth: daysOfMonth.values,
    lastDayOfMonth: daysOfMonth.last.length > 0,
    months: read(MONTH).values,
    daysOfWeek: daysOfWeek.values,
    nthDaysOfWeek: daysOfWeek.nth,
    lastDaysOfWeek: daysOfWeek.last,
    restrictsDayOfMonth: daysOfMonth.isRestricted,
    restrictsDayOfWeek: daysOfWeek.isRestricted,
  };
  rejectImpossibleDate(expression, fields);
  return fields;
}

/** The six field texts, seconds first, in upper case. */
function splitFields(expression: string): string[] {
  if (expression.length > LONGEST_EXPRESSION) {
    throw new InvalidScheduleError(
      expression,
      `it is ${expression.length} characters long, and at most ${LONGEST_EXPRESSION} are allowed`,
      "Use ranges and steps in place of long lists",
    );
  }
  const trimmed = expression.trim();
  const cron = trimmed.startsWith("@") ? CRON_PRESETS.get(trimmed.toLowerCase()) : trimmed;
  if (cron === undefined) throw unknownPreset(trimmed);
  const texts = cron === "" ? [] : cron.toUpperCase().split(/\s+/);
  if (texts.length === 5) texts.unshift("0");
  if (texts.length !== 6) {
    throw new InvalidScheduleError(
      expression,
      `it has ${texts.length} ${texts.length === 1 ? "field" : "fields"}, and cron has 5 (or 6, seconds first; no year)`,
      'Write "minute hour day-of-month month day-of-week", such as "0 6 * * 1-5"',
    );
  }
  return texts;
}

/** The error for a word with @ that is no preset. */
export function unknownPreset(text: string): InvalidScheduleError {
  return new InvalidScheduleError(
    text,
    "there is no such preset",
    `Write one of ${[...CRON_PRESETS.keys(), "@once", "@continuous"].join(" ")}, or a cron expression`,
  );
}

interface FieldSet {
  readonly values: readonly number[];
  readonly nth: readonly { readonly day: number; readonly nth: number }[];
  /** Weekdays with L behind them; any entry in the day-of-month field means its last day. */
  readonly last: readonly number[];
  /** False for a star. A full range (1-31) is a restriction, as in every cron. */
  readonly isRestricted: boolean;
}

function readField(expression: string, kind: FieldKind, text: string): FieldSet {
  const values = new Set<number>();
  const nth: { day: number; nth: number }[] = [];
  const last = new Set<number>();
  for (const item of text.split(",")) {
    const plain = readPlainItem(expression, kind, item);
    if (plain !== undefined) {
      for (const value of plain) values.add(value);
      continue;
    }
    const special = readSpecialItem(expression, kind, item);
    for (const value of special.values) {
      if (typeof value === "string") last.add(kind === DAY_OF_WEEK ? Number.parseInt(value, 10) % 7 : kind.max);
      else nth.push({ day: value % 7, nth: special.nth });
    }
  }
  return {
    values: [...values].sort((a, b) => a - b),
    nth,
    last: [...last],
    isRestricted: !/^[*?](\/0*1)?$/.test(text),
  };
}

/** The values of `*`, `?`, a value, a range (it may wrap), each with or without a step; undefined for any other item. */
function readPlainItem(expression: string, kind: FieldKind, item: string): number[] | undefined {
  const parts = /^(?:[*?]|([A-Z]{3}|\d{1,2})(?:-([A-Z]{3}|\d{1,2}))?)(?:\/(\d{1,4}))?$/.exec(item);
  if (parts === null) return undefined;
  const [, from, to, stepText] = parts;
  // Sunday is 0 and 7.
  const highest = kind === DAY_OF_WEEK ? 7 : kind.max;
  const first = from === undefined ? kind.min : fieldValue(kind, from);
  const isSingle = from !== undefined && to === undefined && stepText === undefined;
  const final = isSingle ? first : to === undefined ? kind.max : fieldValue(kind, to);
  const step = Number(stepText ?? 1);
  const length = kind.max - kind.min + 1;
  if (first === undefined || final === undefined || step < 1 || step > length) {
    throw invalidItem(expression, kind, item);
  }
  if (Math.min(first, final) < kind.min || Math.max(first, final) > highest) throw invalidItem(expression, kind, item);

  const values: number[] = [];
  const end = first > final ? final + length : final;
  for (let value = first; value <= end; value += step) values.push(((value - kind.min) % length) + kind.min);
  return values;
}

/** `L`, `5L` and `5#2`, read by cron-parser in a field of their own, so that a mistake can be blamed on it. */
function readSpecialItem(
  expression: string,
  kind: FieldKind,
  item: string,
): { readonly values: readonly (number | string)[]; readonly nth: number } {
  try {
    // Anything else with letters that it would take is `H`, a random number: another one on every load.
    if (!/^[A-Z\d]*L$|#/.test(item)) throw new Error("not a special item");
    const texts = POSITIONS.map((position) => (position === kind ? item : "*"));
    const { fields } = loadCronParser().CronExpressionParser.parse(texts.join(" "));
    return { values: [...fields[kind.key].values], nth: kind === DAY_OF_WEEK ? fields.dayOfWeek.nthDay : 0 };
  } catch (cause) {
    throw invalidItem(expression, kind, item, { cause });
  }
}

// cron-parser brings a date library: 30 ms to load and warm up, in every process that evaluates a DAG file. The plain
// forms, which are nearly all there are, do not need it.
const requireModule = createRequire(import.meta.url);

function loadCronParser(): typeof import("cron-parser") {
  return requireModule("cron-parser");
}

function fieldValue(kind: FieldKind, text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const index = kind.names.indexOf(text);
  return index < 0 ? undefined : index + kind.min;
}

function invalidItem(expression: string, kind: FieldKind, item: string, options?: ErrorOptions): InvalidScheduleError {
  const shown = item.length > 30 ? `${item.slice(0, 30)}…` : item;
  const names = kind.names.length > 0 ? ` or ${kind.names[0]}-${kind.names.at(-1)}` : "";
  return new InvalidScheduleError(
    expression,
    `${JSON.stringify(shown)} cannot stand in the ${kind.title} field (${kind.min}-${kind.max}${names})`,
    adviceFor(kind, item),
    options,
  );
}

function adviceFor(kind: FieldKind, item: string): string {
  if (item === "") return "Remove the comma that has nothing beside it";
  if (item.includes("/")) {
    return `A step must be from 1 to ${kind.max - kind.min + 1}; a rhythm that fits no field is every("90m")`;
  }
  if (item === "L" && kind === DAY_OF_WEEK) return 'Say which weekday: "5L" is the last Friday of the month';
  if (/W/.test(item) && kind === DAY_OF_MONTH) return 'The nearest weekday ("15W") is not supported; list the days';
  if (/(^|[^A-Z])H([^A-Z]|$)/.test(item)) return "H stands for a random number; write the number";
  return 'Write a value, a list "1,5", a range "1-5" or a step "*/5"';
}

function rejectImpossibleDate(expression: string, fields: CronFields): void {
  if (!fields.restrictsDayOfMonth || fields.restrictsDayOfWeek || fields.lastDayOfMonth) return;
  const firstDay = fields.daysOfMonth[0] ?? 1;
  if (fields.months.some((month) => firstDay <= (LONGEST_MONTHS[month - 1] ?? 0))) return;
  throw new InvalidScheduleError(
    expression,
    `no month it names has a day ${firstDay}, so it would never run`,
    'Name a day that exists, or "L" for the last day of the month',
  );
}
