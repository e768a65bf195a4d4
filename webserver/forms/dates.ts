import { localTime } from "../pages/time.ts";

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?$/;

/**
 * An instant (epoch ms) from what a date or date-time control gives, read on the wall clock of `zone` unless it carries an offset.
 * A bare date is the start of that day, or with `end: true` its last millisecond. Undefined when it is no date.
 */
export function parseInstant(text: string, zone: string, end = false): number | undefined {
  if (DATE.test(text)) {
    const day = Date.parse(`${text}T00:00:00Z`);
    if (!Number.isFinite(day)) return undefined;
    return end ? fromLocal(day + 86_400_000, zone) - 1 : fromLocal(day, zone);
  }
  const match = DATE_TIME.exec(text);
  if (!match) return undefined;
  const at = Date.parse(`${match[1]}T${match[2]}${match[3] ?? "Z"}`);
  if (!Number.isFinite(at)) return undefined;
  return match[3] === undefined ? fromLocal(at, zone) : at;
}

/** An instant as the value of a `datetime-local` control, on the wall clock of `zone`. */
export function dateTimeValue(at: number, zone: string): string {
  return localTime(at, zone).replace(" ", "T").replace(/:00$/, "");
}

/** An instant as the value of a `date` control. */
export function dateValue(at: number, zone: string): string {
  return localTime(at, zone).slice(0, 10);
}

/** The instant at which clocks in `zone` show what a UTC clock shows at `wall`; one that is skipped there moves on by the gap. */
function fromLocal(wall: number, zone: string): number {
  const guess = wall - offsetAt(wall, zone);
  return wall - offsetAt(guess, zone);
}

function offsetAt(at: number, zone: string): number {
  const whole = Math.floor(at / 1_000) * 1_000;
  return Date.parse(`${localTime(whole, zone).replace(" ", "T")}Z`) - whole;
}
