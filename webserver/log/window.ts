import type { TaskLogKey, TaskLogs } from "../deps.ts";
import { logLineHtml, type TaskLogLine } from "./lines.ts";

/** Up to this many lines the whole log stands on the page. */
export const WHOLE_LIMIT = 5_000;
/** Lines of a window of a longer log. */
export const WINDOW = 1_000;
/** Lines that share a section, which the browser lays out only when it is near. */
const SECTION = 500;
/** Lines that a search looks at, and hits that it shows. */
const SEARCHED = 200_000;
const HITS = 1_000;
const CHUNK = 5_000;

export type LogLevel = TaskLogLine["level"];
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

/** What is asked of a log. */
export interface LogQuery {
  /** First line wanted, 0-based; undefined = the end of a long log. */
  readonly from: number | undefined;
  /** Only lines of this level and above. */
  readonly level: LogLevel;
  /** Only lines that contain this, whatever the case; "" = all. */
  readonly search: string;
}

/** A part of a log as it stands on the page. */
export interface LogWindow {
  readonly sectionsHtml: readonly string[];
  /** Lines in all. */
  readonly total: number;
  /** First and last line shown, 1-based; 0 when none is. */
  readonly first: number;
  readonly last: number;
  /** The line from which a stream goes on (0-based). */
  readonly next: number;
  readonly isFiltered: boolean;
  /** Number of the first error shown, 1-based; 0 = none. */
  readonly firstError: number;
  /** A search that stopped before the end of the log. */
  readonly isPartial: boolean;
  readonly shown: number;
}

/** Reads what a query asks for. */
export async function logWindow(logs: TaskLogs, key: TaskLogKey, query: LogQuery): Promise<LogWindow> {
  const total = (await logs.read(key, Number.MAX_SAFE_INTEGER, 1)).nextLine;
  const isFiltered = query.search !== "" || query.level !== "debug";
  if (isFiltered) return filtered(logs, key, query, total);
  const isLong = total > WHOLE_LIMIT;
  const start = isLong ? Math.min(query.from ?? total - WINDOW, Math.max(0, total - 1)) : 0;
  const limit = isLong ? WINDOW : WHOLE_LIMIT;
  const page = await logs.read(key, start, limit);
  const lines = page.lines.map((line, at) => ({ line, number: start + at + 1 }));
  return windowOf(lines, { total: Math.max(total, page.nextLine), next: page.nextLine, isFiltered, isPartial: false });
}

async function filtered(logs: TaskLogs, key: TaskLogKey, query: LogQuery, total: number): Promise<LogWindow> {
  const hits: NumberedLine[] = [];
  const least = LOG_LEVELS.indexOf(query.level);
  const wanted = query.search.toLowerCase();
  let at = query.from ?? 0;
  const stop = at + SEARCHED;
  for (let isEnd = false; !isEnd && at < stop && hits.length < HITS; ) {
    const page = await logs.read(key, at, CHUNK);
    for (const [offset, line] of page.lines.entries()) {
      if (LOG_LEVELS.indexOf(line.level) < least || !contains(line, wanted)) continue;
      hits.push({ line, number: at + offset + 1 });
      if (hits.length === HITS) break;
    }
    at = page.nextLine;
    isEnd = page.isEnd || page.lines.length === 0;
  }
  return windowOf(hits, { total, next: at, isFiltered: true, isPartial: at < total || hits.length === HITS });
}

function contains({ message, fields }: TaskLogLine, wanted: string): boolean {
  if (wanted === "") return true;
  return (
    message.toLowerCase().includes(wanted) ||
    (fields !== undefined && JSON.stringify(fields).toLowerCase().includes(wanted))
  );
}

interface NumberedLine {
  readonly line: TaskLogLine;
  readonly number: number;
}

function windowOf(
  lines: readonly NumberedLine[],
  rest: Pick<LogWindow, "total" | "next" | "isFiltered" | "isPartial">,
): LogWindow {
  const firstError = lines.find(({ line }) => line.level === "error")?.number ?? 0;
  const sectionsHtml: string[] = [];
  for (let from = 0; from < lines.length; from += SECTION)
    sectionsHtml.push(
      lines
        .slice(from, from + SECTION)
        .map(({ line, number }) => logLineHtml(line, number, number === firstError ? "is-first-error" : ""))
        .join(""),
    );
  return {
    ...rest,
    sectionsHtml,
    first: lines[0]?.number ?? 0,
    last: lines.at(-1)?.number ?? 0,
    firstError,
    shown: lines.length,
  };
}
