import { dirname, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** A place in an author's file. `line` and `column` count from 1. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A remembered call stack. It is formatted, and source maps are applied, only when `stack` is read. */
export interface Site {
  readonly stack: string;
}

const SDK_FOLDER = dirname(fileURLToPath(import.meta.url)) + sep;
const ROOT = dirname(dirname(fileURLToPath(import.meta.url))) + sep;
/** Between an author's handler and the start of the process. */
const MACHINERY = ["sdk", "core", "executor", "workflow", "cli"].map((room) => ROOT + room + sep);
const FRAMES_KEPT = 16;

/** Remembers who called `below` (a function of the SDK), cheaply enough to do it for each of 10,000 tasks. */
export function captureSite(below: (...args: never[]) => unknown): Site {
  const site = { stack: "" };
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES_KEPT;
  Error.captureStackTrace(site, below);
  Error.stackTraceLimit = limit;
  return site;
}

/** The frames of a site that lie in the author's files, innermost first, one text line each. */
export function authorFrames(stack: string): readonly string[] {
  return stack.split("\n").filter((line) => {
    const location = parseFrame(line);
    return location !== undefined && isAuthorFile(location.file);
  });
}

/** A stack without the frames that are Sluice's own, as an author wants to read it. */
export function withoutMachinery(stack: string): string {
  const lines = stack.split("\n").filter((line) => {
    const file = parseFrame(line)?.file;
    if (file === undefined) return true;
    return !file.startsWith("node:internal/process/") && !MACHINERY.some((room) => file.startsWith(room));
  });
  return lines.join("\n");
}

/** Where in the author's files a stack begins; undefined when no frame of it is the author's. */
export function authorLocation(stack: string): SourceLocation | undefined {
  const [frame] = authorFrames(stack);
  return frame === undefined ? undefined : parseFrame(frame);
}

/** "dags/sales.ts:12:5", for messages. */
export function describeLocation(location: SourceLocation): string {
  return `${location.file}:${location.line}:${location.column}`;
}

const FRAME = /^\s+at (?:.*\()?([^()]+):(\d+):(\d+)\)?$/;

function parseFrame(line: string): SourceLocation | undefined {
  const match = FRAME.exec(line);
  if (match === null) return undefined;
  const [, place = "", row = "", column = ""] = match;
  const path = place.replace(/^async /, "");
  return { file: pathOf(path), line: Number(row), column: Number(column) };
}

function pathOf(place: string): string {
  if (!place.startsWith("file://")) return place;
  try {
    return fileURLToPath(place);
  } catch {
    return place;
  }
}

function isAuthorFile(file: string): boolean {
  return !file.startsWith("node:") && !file.startsWith(SDK_FOLDER) && file !== "native" && file !== "<anonymous>";
}
