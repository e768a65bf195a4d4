import type { Json, JsonObject } from "../core/json.ts";
import type { SkipDecision, TaskError, TaskOutcome } from "../core/run.ts";
import type { AttemptWork, LogLine } from "./executor.ts";

/**
 * What host and runner say to each other over IPC. Messages are tuples, and one IPC message carries a list of them, so that a
 * burst costs one write. `id` is the host's number of an attempt; runners never see keys of the database beyond their work.
 * Runners execute author code, so the host checks every message; the checks are hand-written because they run once per task.
 */

/** Host → runner. */
export type ToRunner =
  | readonly ["run", id: number, work: AttemptWork]
  | readonly ["abort", id: number, name: "AbortError" | "TimeoutError", reason: string]
  | readonly ["reply", id: number, callId: number, isOk: boolean, value: Json, code: string]
  | readonly ["ping", serial: number];

/** Runner → host. */
export type ToHost =
  | readonly ["ready"]
  /** `wasAborted`: the attempt's signal had fired before it ended, so the outcome is the host's to name. */
  | readonly ["done", id: number, outcome: TaskOutcome, returnValueJson: string | null, wasAborted: boolean]
  | readonly ["log", id: number, lines: readonly LogLine[]]
  | readonly ["call", id: number, callId: number, method: string, args: JsonObject]
  | readonly ["spawned", id: number, pid: number]
  | readonly ["exited", id: number, pid: number]
  /** The runner wants no further attempts: it grew too large, or author code left it in doubt. */
  | readonly ["retire", reason: string]
  | readonly ["pong", serial: number];

/** What a runner is started with: its only command-line argument, as JSON. */
export interface RunnerOptions {
  readonly isolation: "process" | "shared";
  /** Absolute folder of `<hash>.mjs`. */
  readonly bundles: string;
  /** Absolute DAG folder: what `import.meta` of a DAG file refers to. Absent = the folder of bundles. */
  readonly dags?: string;
  /** Marks environments of commands: `SLUICE_ATTEMPT=<bootId>.<id>`. */
  readonly bootId: string;
  /** Log kept per attempt; what is beyond is dropped in the runner. */
  readonly logBytes: number;
  readonly logLines: number;
  /** Largest XCom, bytes of JSON. */
  readonly xcomMaxBytes: number;
  /** Resident size at which an idle runner asks to be replaced, MB. */
  readonly retireRssMb: number;
}

/** The message as a list of checked tuples, or undefined when the runner sent something else. */
export function readToHost(message: unknown): readonly ToHost[] | undefined {
  if (!Array.isArray(message)) return undefined;
  for (const item of message) if (!isToHost(item)) return undefined;
  return message;
}

function isToHost(item: unknown): item is ToHost {
  if (!Array.isArray(item)) return false;
  const [kind, first, second, third, fourth] = item as unknown[];
  switch (kind) {
    case "done":
      return isCount(first) && isOutcome(second) && (third === null || typeof third === "string") && isBoolean(fourth);
    case "log":
      return isCount(first) && Array.isArray(second) && second.every(isLogLine);
    case "call":
      return isCount(first) && isCount(second) && typeof third === "string" && isObject(fourth);
    case "spawned":
    case "exited":
      return isCount(first) && isCount(second) && second > 1;
    case "pong":
      return isCount(first);
    case "retire":
      return typeof first === "string";
    case "ready":
      return true;
    default:
      return false;
  }
}

/** Whether a value has the shape of a task's outcome. */
export function isOutcome(value: unknown): value is TaskOutcome {
  if (!isObject(value)) return false;
  switch (value.kind) {
    case "success":
      return value.branch === undefined || isSkipDecision(value.branch);
    case "failed":
      return isTaskError(value.error) && isBoolean(value.retryable) && isOptionalNumber(value.retryAfterMs);
    case "skipped":
    case "cancelled":
      return value.message === undefined || typeof value.message === "string";
    case "reschedule":
      return typeof value.at === "number" && Number.isFinite(value.at);
    default:
      // "lost" is the host's to say.
      return false;
  }
}

function isSkipDecision(value: unknown): value is SkipDecision {
  if (!isObject(value)) return false;
  return (
    isTexts(value.followed) ||
    (isTexts(value.skipped) && (value.transitive === undefined || isBoolean(value.transitive)))
  );
}

function isTaskError(value: unknown): value is TaskError {
  return (
    isObject(value) &&
    typeof value.name === "string" &&
    typeof value.message === "string" &&
    (value.stack === undefined || typeof value.stack === "string")
  );
}

const LEVELS: ReadonlySet<unknown> = new Set(["debug", "info", "warning", "error"]);

function isLogLine(value: unknown): value is LogLine {
  return (
    isObject(value) &&
    typeof value.at === "number" &&
    LEVELS.has(value.level) &&
    typeof value.source === "string" &&
    typeof value.message === "string" &&
    (value.fields === undefined || isObject(value.fields))
  );
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isOptionalNumber(value: unknown): boolean {
  return value === undefined || (typeof value === "number" && Number.isFinite(value) && value >= 0);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
