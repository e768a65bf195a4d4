import { expect } from "chai";
import type { JsonObject } from "../../core/json.ts";
import { Dag } from "../../sdk/dag.ts";
import { DagDefinitionError } from "../../sdk/errors.ts";
import type { TaskLogLine } from "../../sdk/host.ts";
import { executeTask, type TaskEnd, type TaskWork } from "../../sdk/runtime.ts";
import type { TaskSpec } from "../../sdk/spec.ts";

/** The error that a declaration raises; its message must match, and its location must lie in the calling test file. */
export function refused(declare: () => unknown, message: RegExp): DagDefinitionError {
  try {
    declare();
  } catch (error) {
    expect(error).to.be.instanceOf(DagDefinitionError);
    const problem = error as DagDefinitionError;
    expect(problem.message).to.match(message);
    expect(problem.message, "ends as a sentence").to.match(/[.?)]$/);
    expect(problem.location?.file ?? "nowhere").to.match(/\.test\.ts$/);
    return problem;
  }
  throw new Error(`nothing was refused, expected ${message}`);
}

export interface Trial {
  readonly dag: Dag<unknown>;
  readonly taskId: string;
  readonly inputs?: { readonly [name: string]: unknown };
  readonly context?: Partial<TaskWork["context"]>;
  readonly runId?: string;
  readonly tryNumber?: number;
  readonly signal?: AbortSignal;
  readonly xcomMaxBytes?: number;
  readonly now?: () => number;
  /** Answers the task's calls; default: every call gives null. */
  readonly answer?: (method: string, args: JsonObject) => unknown;
}

export interface TrialEnd extends TaskEnd {
  readonly lines: readonly TaskLogLine[];
  readonly calls: readonly { readonly method: string; readonly args: JsonObject }[];
  readonly spawned: readonly number[];
  readonly exited: readonly number[];
}

/** One try of one task, with what it wrote and asked for. */
export async function attempt(trial: Trial): Promise<TrialEnd> {
  const lines: TaskLogLine[] = [];
  const calls: { method: string; args: JsonObject }[] = [];
  const spawned: number[] = [];
  const exited: number[] = [];
  const end = await executeTask(trial.dag, workFor(trial), {
    call: async (method, args) => {
      calls.push({ method, args });
      return trial.answer?.(method, args) ?? null;
    },
    log: (line) => void lines.push(line),
    signal: trial.signal ?? new AbortController().signal,
    spawned: (pid) => void spawned.push(pid),
    exited: (pid) => void exited.push(pid),
    xcomMaxBytes: trial.xcomMaxBytes,
    now: trial.now,
  });
  return { ...end, lines, calls, spawned, exited };
}

export function workFor({ taskId, inputs = {}, context = {}, runId = "manual__x", tryNumber = 1 }: Trial): TaskWork {
  return {
    attempt: { tryNumber },
    runId,
    taskId,
    mapIndex: -1,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, JSON.stringify(value)])),
    context: {
      runType: "manual",
      logicalDate: "2026-01-31T06:00:00.000Z",
      dataIntervalStart: "2026-01-30T06:00:00.000Z",
      dataIntervalEnd: "2026-01-31T06:00:00.000Z",
      runAfter: "2026-01-31T06:00:00.000Z",
      timezone: "UTC",
      params: {},
      conf: {},
      maxTries: 3,
      ...context,
    },
  };
}

/** The messages of all lines of one source. */
export function printed(end: TrialEnd, source: string): readonly string[] {
  return end.lines.filter((line) => line.source === source).map((line) => line.message);
}

/** The error of a failed try. @throws when it did not fail. */
export function failure(end: TaskEnd): {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly retryable: boolean;
} {
  if (end.outcome.kind !== "failed") throw new Error(`expected a failure, got ${JSON.stringify(end.outcome)}`);
  return { ...end.outcome.error, retryable: end.outcome.retryable };
}

/** One try of a DAG with a single task. */
export function run(handler: (inputs: never) => unknown, trial: Partial<Trial> = {}, spec?: TaskSpec) {
  const dag = new Dag("d");
  dag.task("t", handler as () => unknown, spec)();
  return attempt({ dag, taskId: "t", ...trial });
}

/** Lets everything that waits for nothing else go on. */
export const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
