/** A length of time: a number of seconds, or a text such as "500ms", "30s", "10m", "1h", "2d", "1w", "1h30m". */
export type Duration = number | string;

const UNIT_MS: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Longer than any sensible setting, shorter than what breaks date arithmetic: 100 years. */
const LONGEST_MS = 100 * 365.25 * 86_400_000;

/**
 * The duration in whole milliseconds.
 * @throws TypeError when it is neither a number of seconds ≥ 0 nor a text of the form above.
 */
export function durationMs(duration: unknown): number {
  const ms =
    typeof duration === "number" ? duration * 1000 : typeof duration === "string" ? textMs(duration) : Number.NaN;
  if (!(ms >= 0 && ms <= LONGEST_MS)) {
    throw new TypeError(`must be a duration: seconds (90), or a text such as "500ms", "30s", "10m", "1h30m", "2d"`);
  }
  return Math.round(ms);
}

const PART = /\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)/gy;

function textMs(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "") return Number.NaN;
  let total = 0;
  let end = 0;
  for (const [part, count, unit = ""] of trimmed.matchAll(PART)) {
    total += Number(count) * (UNIT_MS[unit] ?? Number.NaN);
    end += part.length;
  }
  return end === trimmed.length ? total : Number.NaN;
}
