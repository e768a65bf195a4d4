/** What `partials/time` shows of an instant; `iso` is empty when there is none. */
export interface TimeView {
  readonly iso: string;
  /** "3 min ago", "in 2 h" */
  readonly relative: string;
  /** "2026-11-22 06:00 UTC" */
  readonly absolute: string;
  /** Which of the two stands in the text; the other one is the tooltip. */
  readonly style: TimeStyle;
}

export type TimeStyle = "relative" | "absolute" | "both";

/** The view of an instant (epoch ms) as seen at `now`, in the zone `zone` (IANA name). */
export function timeView(at: number | null, now: number, style: TimeStyle = "relative", zone = "UTC"): TimeView {
  if (at === null || !Number.isFinite(at)) return { iso: "", relative: "", absolute: "", style };
  return {
    iso: new Date(at).toISOString(),
    relative: relativeTime(at, now),
    absolute: absoluteTime(at, zone),
    style,
  };
}

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [365 * 86_400_000, "y"],
  [30 * 86_400_000, "mo"],
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** Distance between an instant and now in its largest unit: "40 s ago", "in 3 h", "now". */
export function relativeTime(at: number, now: number): string {
  const distance = Math.abs(at - now);
  const unit = UNITS.find(([ms]) => distance >= ms);
  if (!unit) return "now";
  const count = `${Math.floor(distance / unit[0])} ${unit[1]}`;
  return at > now ? `in ${count}` : `${count} ago`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Date and time with the zone; seconds only where there are any. */
export function absoluteTime(at: number, zone = "UTC"): string {
  return `${localTime(at, zone).replace(/:00$/, "")} ${zone}`;
}

/** Wall-clock time in a zone: "2026-11-22 06:00:00". */
export function localTime(at: number, zone = "UTC"): string {
  if (zone === "UTC") return new Date(at).toISOString().slice(0, 19).replace("T", " ");
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
    formats.set(zone, format);
  }
  return format.format(at);
}

/** A length of time for people: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "4 d 2 h"; "" for none. */
export function durationText(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return "";
  if (ms < 10_000) return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return pair(seconds, 60, "min", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return pair(minutes, 60, "h", "min");
  return pair(Math.round(minutes / 60), 24, "d", "h");
}

function pair(count: number, size: number, large: string, small: string): string {
  const rest = count % size;
  return `${Math.floor(count / size)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}
