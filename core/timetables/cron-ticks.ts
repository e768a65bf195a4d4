import { CronCalendar } from "./cron-calendar.ts";
import type { CronFields } from "./cron-fields.ts";
import { earliest, latest, type Ticks } from "./ticks.ts";
import type { OffsetSpan, ZoneClock } from "./zone.ts";

const DAY = 86_400_000;

/** More than local time can be moved by a change of offset, plus the largest offset. */
const MARGIN = 2 * DAY;

const EARLIEST = Date.UTC(1900, 0, 1);
const LATEST = Date.UTC(9999, 0, 1);

/**
 * The instants at which a cron expression fires in a time zone, from the year 1900 to 9998.
 *
 * A wall-clock time that is skipped when clocks go forward fires as much later as was skipped (02:30 at 03:30). One that
 * comes twice when they go back fires at the second, except when the hour field allows every hour: then it fires at
 * both, so that an hourly schedule runs every real hour. Instants that coincide are one tick.
 */
export class CronTicks implements Ticks {
  readonly #calendar: CronCalendar;
  readonly #zone: ZoneClock;
  readonly #isHourly: boolean;

  constructor(fields: CronFields, zone: ZoneClock) {
    this.#calendar = new CronCalendar(fields);
    this.#zone = zone;
    this.#isHourly = fields.hours.length === 24;
  }

  after(instant: number): number | undefined {
    let from = Math.max(Math.floor(instant) + 1, EARLIEST);
    while (from < LATEST) {
      const span = this.#zone.spanAt(from);
      const tick = earliest([this.#regularFrom(from, span), this.#shiftedFrom(from, span)]);
      if (tick !== undefined) return tick < LATEST ? tick : undefined;
      // A schedule that rests for years need not look at the offsets of those years.
      const ahead = this.#calendar.after(from + span.offset - MARGIN);
      if (ahead === undefined) return undefined;
      from = Math.max(span.end, ahead - MARGIN);
    }
    return undefined;
  }

  before(instant: number): number | undefined {
    let until = Math.min(Math.ceil(instant) - 1, LATEST - 1);
    while (until >= EARLIEST) {
      const span = this.#zone.spanAt(until);
      const tick = latest([this.#regularUntil(until, span), this.#shiftedUntil(until, span)]);
      if (tick !== undefined) return tick >= EARLIEST ? tick : undefined;
      const behind = this.#calendar.before(until + span.offset + MARGIN);
      if (behind === undefined) return undefined;
      until = Math.min(span.start - 1, behind + MARGIN);
    }
    return undefined;
  }

  /** First tick of the span at or after `from` whose wall-clock time matches as it stands. */
  #regularFrom(from: number, span: OffsetSpan): number | undefined {
    const local = this.#calendar.after(from + span.offset - 1);
    if (local === undefined) return undefined;
    const tick = local - span.offset;
    return tick < this.#regularEnd(span) ? tick : undefined;
  }

  #regularUntil(until: number, span: OffsetSpan): number | undefined {
    const local = this.#calendar.before(Math.min(until + 1, this.#regularEnd(span)) + span.offset);
    if (local === undefined) return undefined;
    const tick = local - span.offset;
    return tick >= span.start ? tick : undefined;
  }

  /** Where a span stops to count: the times that will come again are left to their second coming. */
  #regularEnd(span: OffsetSpan): number {
    return this.#isHourly ? span.end : span.end - span.overlap;
  }

  /** First tick at or after `from` that stands for a time skipped at the beginning of the span. */
  #shiftedFrom(from: number, span: OffsetSpan): number | undefined {
    if (span.gap === 0 || from >= span.start + span.gap) return undefined;
    const offsetBefore = span.offset - span.gap;
    const local = this.#calendar.after(Math.max(from, span.start) + offsetBefore - 1);
    if (local === undefined || local >= span.start + span.offset) return undefined;
    return local - offsetBefore;
  }

  #shiftedUntil(until: number, span: OffsetSpan): number | undefined {
    if (span.gap === 0) return undefined;
    const offsetBefore = span.offset - span.gap;
    const local = this.#calendar.before(Math.min(until + 1, span.start + span.gap) + offsetBefore);
    if (local === undefined || local < span.start + offsetBefore) return undefined;
    return local - offsetBefore;
  }
}
