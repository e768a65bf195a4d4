import { AsyncLocalStorage } from "node:async_hooks";
import type { JsonObject } from "../core/json.ts";
import type { Dag } from "./dag.ts";
import type { RuntimeHost } from "./host.ts";

/** A time span that a run's data comes from: `start` inclusive, `end` exclusive. */
export interface DataIntervalDates {
  readonly start: Date;
  readonly end: Date;
}

/** Writes structured lines into the task's log. Fields are JSON; what JSON cannot hold is written as text. */
export interface TaskLog {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Whatever is worth noting beside a message. */
export interface LogFields {
  readonly [name: string]: unknown;
}

/** What a handler may know about the try it is. */
export interface TaskContext<P = JsonObject> {
  readonly dagId: string;
  readonly taskId: string;
  readonly runId: string;
  /** "scheduled", "manual", "backfill" or "asset_triggered". */
  readonly runType: string;
  /** 1 for the first try. */
  readonly tryNumber: number;
  /** Tries allowed in all. */
  readonly maxTries: number;
  /** −1 for a task that is not mapped. */
  readonly mapIndex: number;
  /** Null for runs without one. */
  readonly logicalDate: Date | null;
  readonly dataInterval: DataIntervalDates | null;
  /** The earliest start of the run. */
  readonly runAfter: Date;
  /** IANA zone of the DAG. */
  readonly timezone: string;
  /** The DAG's params with this run's values, passed through the schema. */
  readonly params: P;
  /** What was sent with the trigger, as it was sent. */
  readonly conf: JsonObject;
  readonly log: TaskLog;
  /** Aborts on cancel, timeout and shutdown. */
  readonly signal: AbortSignal;
}

/** What belongs to one try while it runs; for the SDK's own modules. */
export interface TaskScope {
  readonly context: TaskContext;
  /** Refuses calls and drops lines once the try has ended. */
  readonly host: RuntimeHost;
  /** Takes what was printed; drops it once the try has ended. */
  readonly print: (stream: "stdout" | "stderr", chunk: string | Uint8Array, encoding?: BufferEncoding) => void;
}

/** Finds the scope of the code that is running; one storage for all copies of this module in the process. */
const STORAGE: unique symbol = Symbol.for("sluice.scope");
const holder = globalThis as { [STORAGE]?: AsyncLocalStorage<TaskScope> };
holder[STORAGE] ??= new AsyncLocalStorage<TaskScope>();
/** The scope of the task that the running code belongs to, through promises, timers and callbacks. */
export const taskScopes: AsyncLocalStorage<TaskScope> = holder[STORAGE];

/** @throws Error outside of a task. */
export function currentScope(caller: string): TaskScope {
  const scope = taskScopes.getStore();
  if (scope !== undefined) return scope;
  throw new Error(
    `${caller} works only inside a running task. While a DAG file is evaluated there is no run yet: move the call into a handler.`,
  );
}

/**
 * The context of the task that is running. Pass the Dag to have its params typed.
 *
 * @example
 * ```ts
 * import { Dag, getContext } from "sluice";
 * import { z } from "zod";
 *
 * const dag = new Dag("report", { params: z.object({ day: z.iso.date().default("2026-01-01") }) });
 * dag.task("print", async () => {
 *   const { params, log, runId } = getContext(dag);
 *   log.info(`report for ${params.day}`, { runId });
 * })();
 * ```
 * @throws Error outside of a task, and when `dag` is not the Dag of the running task.
 */
export function getContext<P = JsonObject>(dag?: Dag<P>): TaskContext<P> {
  const { context } = currentScope("getContext()");
  if (dag !== undefined && dag.dagId !== context.dagId) {
    throw new Error(`getContext was given Dag "${dag.dagId}", but the running task belongs to Dag "${context.dagId}".`);
  }
  // The params were passed through this Dag's schema before the handler was called.
  return context as TaskContext<P>;
}
