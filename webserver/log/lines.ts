import type { TaskLogPage } from "../deps.ts";
import { escapeHtml } from "../html.ts";
import { ansiHtml } from "./ansi.ts";

/** One line of a task's log. */
export type TaskLogLine = TaskLogPage["lines"][number];

/** Characters of one line that are shown; the raw log has all. */
const LINE_LIMIT = 10_000;

/** A line as HTML; `number` counts from 1 and is its permalink. `mark`: an extra class. */
export function logLineHtml(line: TaskLogLine, number: number, mark = ""): string {
  const level = LEVELS[line.level] ?? LEVELS.info;
  const fields = line.fields === undefined ? "" : ` <span class="line__fields">${jsonHtml(line.fields)}</span>`;
  const source = line.source === "sluice" ? " l-sluice" : "";
  return (
    `<div class="line ${level.className}${source}${mark === "" ? "" : ` ${mark}`}" id="L${number}">` +
    `<a class="line__no" href="#L${number}" aria-label="Line ${number}">${number}</a>` +
    `<span class="line__at">${timeOfDay(line.at)}</span><span class="line__level">${level.word}</span>` +
    `<span class="line__text">${cut(line.message)}${fields}</span></div>`
  );
}

const LEVELS = {
  debug: { className: "l-debug", word: "debug" },
  info: { className: "l-info", word: "info" },
  warning: { className: "l-warning", word: "warning" },
  error: { className: "l-error", word: "error" },
} as const;

function cut(message: string): string {
  if (message.length <= LINE_LIMIT) return ansiHtml(message);
  const more = (message.length - LINE_LIMIT).toLocaleString("en");
  return `${ansiHtml(message.slice(0, LINE_LIMIT))} <span class="a-x">… ${more} more characters in the raw log</span>`;
}

function jsonHtml(fields: object): string {
  const text = JSON.stringify(fields);
  return cut(text.length > LINE_LIMIT ? `${text.slice(0, LINE_LIMIT)}…` : text);
}

function timeOfDay(at: number): string {
  return at > 0 ? escapeHtml(new Date(at).toISOString().slice(11, 23)) : "";
}
