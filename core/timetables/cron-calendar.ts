import type { CronFields } from "./cron-fields.ts";

const SECOND = 1000;
const DAY = 86_400_000;
const SECONDS_PER_DAY = 86_400;

/**
 * How far a search goes before it says "never". The rarest date that a cron expression can name, a fifth Monday (or
 * other weekday) of February, comes every 28 years, and once in four centuries after 40.
 */
const SEARCHED_MONTHS = 41 * 12;

/**
 * The wall-clock times that a cron expression matches, in no particular zone. Local times are given as the epoch ms
 * that the same digits would have in UTC, and are whole seconds.
 */
export class CronCalendar {
  readonly #fields: CronFields;
  readonly #seconds: Steps;
  readonly #minutes: Steps;
  readonly #hours: Steps;
  readonly #months: ReadonlySet<number>;
  #lastMonth: MonthDays | undefined;

  constructor(fields: CronFields) {
    this.#fields = fields;
    this.#seconds = new Steps(fields.seconds, 60);
    this.#minutes = new Steps(fields.minutes, 60);
    this.#hours = new Steps(fields.hours, 24);
    this.#months = new Set(fields.months.map((month) => month - 1));
  }

  /** The first matching local time later than `local`; undefined when 41 years hold none. */
  after(local: number): number | undefined {
    const second = Math.floor(local / SECOND) + 1;
    const today = Math.floor(second / SECONDS_PER_DAY);
    let day = this.#dayFrom(today);
    if (day === undefined) return undefined;
    if (day === today) {
      const time = this.#timeFrom(second - today * SECONDS_PER_DAY);
      if (time !== undefined) return day * DAY + time * SECOND;
      day = this.#dayFrom(today + 1);
      if (day === undefined) return undefined;
    }
    return day * DAY + (this.#timeFrom(0) ?? 0) * SECOND;
  }

  /** The last matching local time earlier than `local`; undefined when 41 years hold none. */
  before(local: number): number | undefined {
    const second = Math.ceil(local / SECOND) - 1;
    const today = Math.floor(second / SECONDS_PER_DAY);
    let day = this.#dayUntil(today);
    if (day === undefined) return undefined;
    if (day === today) {
      const time = this.#timeUntil(second - today * SECONDS_PER_DAY);
      if (time !== undefined) return day * DAY + time * SECOND;
      day = this.#dayUntil(today - 1);
      if (day === undefined) return undefined;
    }
    return day * DAY + (this.#timeUntil(SECONDS_PER_DAY - 1) ?? 0) * SECOND;
  }

  /** First matching second of the day at or after `time`. */
  #timeFrom(time: number): number | undefined {
    const hour = Math.floor(time / 3600);
    const minute = Math.floor(time / 60) % 60;
    if (this.#hours.has(hour)) {
      if (this.#minutes.has(minute)) {
        const second = this.#seconds.from(time % 60);
        if (second >= 0) return hour * 3600 + minute * 60 + second;
      }
      const laterMinute = this.#minutes.from(minute + 1);
      if (laterMinute >= 0) return hour * 3600 + laterMinute * 60 + this.#seconds.first;
    }
    const laterHour = this.#hours.from(hour + 1);
    return laterHour < 0 ? undefined : laterHour * 3600 + this.#minutes.first * 60 + this.#seconds.first;
  }

  /** Last matching second of the day at or before `time`. */
  #timeUntil(time: number): number | undefined {
    const hour = Math.floor(time / 3600);
    const minute = Math.floor(time / 60) % 60;
    if (this.#hours.has(hour)) {
      if (this.#minutes.has(minute)) {
        const second = this.#seconds.until(time % 60);
        if (second >= 0) return hour * 3600 + minute * 60 + second;
      }
      const earlierMinute = this.#minutes.until(minute - 1);
      if (earlierMinute >= 0) return hour * 3600 + earlierMinute * 60 + this.#seconds.last;
    }
    const earlierHour = this.#hours.until(hour - 1);
    return earlierHour < 0 ? undefined : earlierHour * 3600 + this.#minutes.last * 60 + this.#seconds.last;
  }

  /** First matching day (days since the epoch) at or after `day`. */
  #dayFrom(day: number): number | undefined {
    const first = monthOf(day);
    for (let month = first; month < first + SEARCHED_MONTHS; month++) {
      if (!this.#months.has(month % 12)) continue;
      const { firstDay, matching } = this.#monthDays(month);
      const skipped = Math.max(0, day - firstDay);
      const ahead = matching >>> skipped;
      if (ahead !== 0) return firstDay + skipped + (31 - Math.clz32(ahead & -ahead));
    }
    return undefined;
  }

  /** Last matching day (days since the epoch) at or before `day`. */
  #dayUntil(day: number): number | undefined {
    const last = monthOf(day);
    for (let month = last; month > last - SEARCHED_MONTHS; month--) {
      if (!this.#months.has(month % 12)) continue;
      const { firstDay, matching } = this.#monthDays(month);
      const behind = month === last ? matching & ((2 << (day - firstDay)) - 1) : matching;
      if (behind !== 0) return firstDay + (31 - Math.clz32(behind));
    }
    return undefined;
  }

  #monthDays(month: number): MonthDays {
    const last = this.#lastMonth;
    if (last !== undefined && last.month === month) return last;
    const firstDay = Date.UTC(Math.floor(month / 12), month % 12, 1) / DAY;
    const length = Date.UTC(Math.floor((month + 1) / 12), (month + 1) % 12, 1) / DAY - firstDay;
    let matching = 0;
    for (let index = 0; index < length; index++) {
      if (this.#matchesDay(index + 1, length, weekdayOf(firstDay + index))) matching |= 1 << index;
    }
    this.#lastMonth = { month, firstDay, matching };
    return this.#lastMonth;
  }

  #matchesDay(dayOfMonth: number, monthLength: number, weekday: number): boolean {
    const fields = this.#fields;
    const byMonth = fields.daysOfMonth.includes(dayOfMonth) || (fields.lastDayOfMonth && dayOfMonth === monthLength);
    const byWeek =
      fields.daysOfWeek.includes(weekday) ||
      fields.nthDaysOfWeek.some(({ day, nth }) => day === weekday && nth === Math.ceil(dayOfMonth / 7)) ||
      (fields.lastDaysOfWeek.includes(weekday) && dayOfMonth > monthLength - 7);
    return fields.restrictsDayOfMonth && fields.restrictsDayOfWeek ? byMonth || byWeek : byMonth && byWeek;
  }
}

interface MonthDays {
  /** Months since the year 0. */
  readonly month: number;
  /** Days since the epoch. */
  readonly firstDay: number;
  /** Bit n is set when day n + 1 of the month matches. */
  readonly matching: number;
}

function monthOf(day: number): number {
  const date = new Date(day * DAY);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** 0 is Sunday; 1 January 1970 was a Thursday. */
function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** The allowed values of one field, with the neighbours of every value looked up beforehand. */
class Steps {
  readonly first: number;
  readonly last: number;
  readonly #from: Int8Array;
  readonly #until: Int8Array;

  constructor(values: readonly number[], size: number) {
    this.first = values[0] ?? 0;
    this.last = values.at(-1) ?? 0;
    this.#from = new Int8Array(size).fill(-1);
    this.#until = new Int8Array(size).fill(-1);
    for (let value = size - 1, nearest = -1; value >= 0; value--) {
      if (values.includes(value)) nearest = value;
      this.#from[value] = nearest;
    }
    for (let value = 0, nearest = -1; value < size; value++) {
      if (values.includes(value)) nearest = value;
      this.#until[value] = nearest;
    }
  }

  has(value: number): boolean {
    return this.#from[value] === value;
  }

  /** Smallest allowed value >= `value`, or -1. */
  from(value: number): number {
    return this.#from[value] ?? -1;
  }

  /** Largest allowed value <= `value`, or -1. */
  until(value: number): number {
    return this.#until[value] ?? -1;
  }
}
