import { SluiceError } from "../core/errors.ts";
import { type Duration, durationMs } from "./durations.ts";
import { authorFrames, authorLocation, type Site, type SourceLocation } from "./location.ts";

/**
 * A DAG file describes something that cannot be. Raised while the file is evaluated or its DAG is read, and shown as
 * an import error. `code` is `dag_definition`; `location` is the author's line, when the stack shows it.
 */
export class DagDefinitionError extends SluiceError {
  readonly location: SourceLocation | undefined;

  /** `site` is the declaration at fault; without it, the place where the error is raised. */
  constructor(message: string, site?: Site) {
    super("dag_definition", message);
    this.name = "DagDefinitionError";
    keepMoreFrames(this);
    if (site !== undefined) {
      const frames = authorFrames(site.stack);
      if (frames.length > 0) this.stack = `${this.name}: ${message}\n${frames.join("\n")}`;
    }
    this.location = authorLocation(this.stack ?? "");
  }
}

/** Between the author's line and this one may lie more frames of the SDK than Node keeps by default. */
function keepMoreFrames(error: Error): void {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1000;
  Error.captureStackTrace(error, DagDefinitionError);
  Error.stackTraceLimit = limit;
}

/**
 * Thrown by a handler: fails the task at once, whatever tries are left.
 *
 * @example
 * ```ts
 * import { Dag, FailFast } from "sluice";
 * const dag = new Dag("import_orders");
 * dag.task("check", async ({ rows }: { rows: number }) => {
 *   if (rows < 0) throw new FailFast("the export is broken; trying again will not help");
 * }, { retries: 5 })({ rows: 3 });
 * ```
 */
export class FailFast extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super("fail_fast", message, options);
    this.name = "FailFast";
  }
}

/** Thrown by a handler: marks the task skipped. What lies below it follows its trigger rules. */
export class Skip extends SluiceError {
  constructor(message = "the task skipped itself", options?: ErrorOptions) {
    super("skip", message, options);
    this.name = "Skip";
  }
}

/**
 * Thrown by a handler: fails this try and sets when the next one begins, in place of the policy's delay. Uses up one
 * of the task's retries like any failure. `delay`: seconds, a text such as "1h", or the instant itself.
 */
export class RetryAfter extends SluiceError {
  readonly #delayMs: number | undefined;
  readonly #until: number | undefined;

  constructor(delay: Duration | Date, message?: string, options?: ErrorOptions) {
    super("retry_after", message ?? `asked to be tried again ${describeDelay(delay)}`, options);
    this.name = "RetryAfter";
    if (delay instanceof Date) this.#until = delay.getTime();
    else this.#delayMs = durationMs(delay);
  }

  /** Milliseconds to wait, seen from `now` (epoch ms); never negative. */
  delayMs(now: number): number {
    return Math.max(0, this.#delayMs ?? (this.#until ?? now) - now);
  }
}

function describeDelay(delay: Duration | Date): string {
  if (delay instanceof Date) return `at ${Number.isNaN(delay.getTime()) ? "an invalid date" : delay.toISOString()}`;
  return `in ${typeof delay === "number" ? `${delay} s` : delay}`;
}

/** `getVariableOrThrow` found no variable of this key. */
export class VariableNotFoundError extends SluiceError {
  readonly key: string;

  constructor(key: string) {
    super(
      "variable_not_found",
      `There is no variable ${JSON.stringify(key)}. Create it on the Variables page or with "sluice variables set".`,
    );
    this.name = "VariableNotFoundError";
    this.key = key;
  }
}

/** `getConnectionOrThrow` found no connection of this id. */
export class ConnectionNotFoundError extends SluiceError {
  readonly connId: string;

  constructor(connId: string) {
    super(
      "connection_not_found",
      `There is no connection ${JSON.stringify(connId)}. Create it on the Connections page or with "sluice connections add".`,
    );
    this.name = "ConnectionNotFoundError";
    this.connId = connId;
  }
}

/** A task returned, or sent, something that an XCom cannot hold. Fails the task at once. */
export class XComValueError extends FailFast {
  /** Where in the value, as in "$.rows[3]"; "$" is the whole. */
  readonly path: string;

  constructor(message: string, path = "$") {
    super(message);
    this.name = "XComValueError";
    this.path = path;
  }
}
