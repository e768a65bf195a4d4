import { parseSchedule, timetableFromSpec } from "../../core/timetable.ts";

const WORDS = new Map<string, string>();
const MOST_WORDS = 5_000;

const PLAIN: Readonly<Record<string, string>> = {
  none: "No schedule",
  once: "Once",
  continuous: "Again as soon as a run ends",
};

/**
 * A schedule in words from what the DAG's row says of it (`scheduleSummary`, as `Timetable.summary`), without reading its
 * definition: "At 06:00 on Monday to Friday (Europe/Berlin)". A summary that is not understood stands for itself.
 */
export function scheduleWords(summary: string, timezone: string): string {
  const key = `${summary}\n${timezone}`;
  const known = WORDS.get(key);
  if (known !== undefined) return known;
  const words = describe(summary, timezone);
  // A description costs up to 100 µs, a page has 50 of them.
  if (WORDS.size >= MOST_WORDS) WORDS.clear();
  WORDS.set(key, words);
  return words;
}

function describe(summary: string, timezone: string): string {
  const plain = PLAIN[summary];
  if (plain !== undefined) return plain;
  const delta = /^every (.+)$/.exec(summary);
  if (delta?.[1] !== undefined) return `Every ${delta[1]}`;
  try {
    return timetableFromSpec(parseSchedule(summary, timezone)).description;
  } catch {
    return summary;
  }
}
