import type { WebDeps } from "../deps.ts";
import { choiceOf, type FormInput, textOf, wholeNumberOf } from "../forms/input.ts";
import { LOG_LEVELS, type LogLevel, logWindow, WHOLE_LIMIT, WINDOW } from "../log/window.ts";
import { countText, urlWith } from "./paging.ts";
import { taskPath } from "./paths.ts";
import type { TaskContext } from "./task-context.ts";

/** The log tab. */
export interface TaskLogView {
  /** Before the first try there is no log; the head says why. */
  readonly hasTry: boolean;
  readonly tryNumber: number;
  readonly error: { readonly name: string; readonly message: string; readonly stack: string } | null;
  readonly sectionsHtml: readonly string[];
  readonly isEmpty: boolean;
  readonly emptyText: string;
  /** "Lines 1–40 of 40" */
  readonly text: string;
  readonly isRunning: boolean;
  /** Where the browser follows the log; "" when it is complete or filtered. */
  readonly streamHref: string;
  /** Line from which the stream goes on. */
  readonly next: number;
  readonly rawHref: string;
  readonly firstErrorHref: string;
  readonly levels: readonly { readonly label: string; readonly href: string; readonly isCurrent: boolean }[];
  readonly level: string;
  readonly search: string;
  readonly isFiltered: boolean;
  readonly clearHref: string;
  readonly hidden: readonly { readonly name: string; readonly value: string }[];
  readonly jumps: readonly { readonly label: string; readonly href: string }[];
}

const LEVEL_LABELS: Readonly<Record<LogLevel, string>> = {
  debug: "All",
  info: "Info and up",
  warning: "Warnings and errors",
  error: "Errors",
};

/** States of a try whose log goes on; a sensor waits between its pokes. */
const UNFINISHED: ReadonlySet<string> = new Set(["queued", "running", "rescheduled", "deferred"]);

/** Reads the part of the log that the address asks for. */
export async function taskLogView(
  deps: WebDeps,
  context: TaskContext,
  url: string,
  query: FormInput,
): Promise<TaskLogView> {
  const { run, instance, attempt, tryNumber } = context;
  const level = choiceOf<LogLevel>(query, "level", LOG_LEVELS, "debug");
  const search = textOf(query, "q").slice(0, 200);
  const from = wholeNumberOf(query, "from", 0, Number.MAX_SAFE_INTEGER);
  const key = { runKey: run.runKey, tiNo: instance.tiNo, tryNumber };
  const log = await logWindow(deps.logs, key, { from, level, search });
  const isRunning = tryNumber > 0 && tryNumber === instance.tryNumber && UNFINISHED.has(attempt?.state ?? "queued");
  const isAtEnd = log.next >= log.total;
  const path = (rest: string) =>
    urlWith(taskPath(run.dagId, run.runId, instance.taskId, instance.mapIndex, `/log${rest}`), {
      try: String(tryNumber),
    });
  return {
    hasTry: tryNumber > 0,
    tryNumber,
    error: attempt?.error ? { ...attempt.error, stack: attempt.error.stack ?? "" } : null,
    sectionsHtml: log.sectionsHtml,
    isEmpty: log.shown === 0,
    emptyText: log.isFiltered ? "No line matches." : isRunning ? "Nothing printed yet." : "This try printed nothing.",
    text: textOfWindow(log),
    isRunning,
    streamHref: isRunning && !log.isFiltered && isAtEnd ? path("/stream") : "",
    next: log.next,
    rawHref: path("/raw"),
    firstErrorHref: log.firstError > 0 ? `${url}#L${log.firstError}` : "",
    levels: LOG_LEVELS.map((each) => ({
      label: LEVEL_LABELS[each],
      href: urlWith(url, { level: each === "debug" ? "" : each, from: "" }),
      isCurrent: each === level,
    })),
    level: level === "debug" ? "" : level,
    search,
    isFiltered: log.isFiltered,
    clearHref: urlWith(url, { level: "", q: "", from: "" }),
    hidden: [
      { name: "try", value: textOf(query, "try") },
      { name: "map_index", value: textOf(query, "map_index") },
    ].filter((field) => field.value !== ""),
    jumps: jumpsOf(log, url),
  };
}

type Window = Awaited<ReturnType<typeof logWindow>>;

function textOfWindow(log: Window): string {
  if (log.isFiltered)
    return `${countText(log.shown)} matching lines${log.isPartial ? " so far" : ""} of ${log.total.toLocaleString("en")}`;
  if (log.shown === 0) return "";
  const total = log.total.toLocaleString("en");
  return log.shown === log.total
    ? `${total} line${log.total === 1 ? "" : "s"}`
    : `Lines ${log.first.toLocaleString("en")}–${log.last.toLocaleString("en")} of ${total}`;
}

function jumpsOf(log: Window, url: string): TaskLogView["jumps"] {
  const to = (label: string, from: number) => ({ label, href: urlWith(url, { from: String(Math.max(0, from)) }) });
  if (log.isFiltered) return log.isPartial ? [to("Search on", log.last)] : [];
  if (log.total <= WHOLE_LIMIT) return [];
  const before = log.first > 1 ? [to("First", 0), to("Earlier", log.first - 1 - WINDOW)] : [];
  const after = log.last < log.total ? [to("Later", log.last), to("Last", log.total - WINDOW)] : [];
  return [...before, ...after];
}
