import type { JsonObject } from "../core/json.ts";
import type { SkipDecision, TaskOutcome } from "../core/run.ts";
import type { TaskRecord } from "./blueprint.ts";
import { installCapture, Printer } from "./capture.ts";
import { type TaskContext, type TaskLog, type TaskScope, taskScopes } from "./context.ts";
import { type Dag, type DagInternals, internalsOf } from "./dag.ts";
import { FailFast } from "./errors.ts";
import { describeError, outcomeOf, truncate } from "./failure.ts";
import type { RuntimeHost, TaskLogLine } from "./host.ts";
import { logFields } from "./log-fields.ts";
import { endpointOf } from "./node.ts";
import type { OperatorBody } from "./operator.ts";
import { decide } from "./operators/decision.ts";
import { parseParams } from "./params.ts";
import { groupEnds, type Plan, planOf, reachable } from "./plan.ts";
import { effectiveSettings } from "./serialize.ts";
import type { TaskSettings } from "./spec.ts";
import type { TaskResult, TaskRun } from "./task-run.ts";
import { xcomText } from "./xcom.ts";

export type { HostCalls, RuntimeHost, TaskLogLine } from "./host.ts";

/** What one try of a task needs to know; `AttemptWork` of the executor has all of it. */
export interface TaskWork {
  readonly attempt: { readonly tryNumber: number };
  readonly runId: string;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly context: {
    readonly runType: string;
    readonly logicalDate: string | null;
    readonly dataIntervalStart: string | null;
    readonly dataIntervalEnd: string | null;
    readonly runAfter: string;
    readonly timezone: string;
    readonly params: JsonObject;
    readonly conf: JsonObject;
    readonly maxTries: number;
    readonly firstPokeAt?: number;
  };
  /** Inputs as JSON texts by argument name; absent = undefined. */
  readonly inputs: { readonly [argument: string]: string };
}

/** How one try ended. `returnValueJson` is set when there is an XCom to store. */
export interface TaskEnd {
  readonly outcome: TaskOutcome;
  readonly returnValueJson?: string;
}

/**
 * Runs one try (or one poke of a sensor) of a task of an evaluated DAG. Many may run at once in one process: each has
 * its own context and log. Never rejects: whatever goes wrong is the outcome.
 *
 * When the host's signal aborts and the body then throws, the outcome is `cancelled`, or a retryable failure when
 * the signal's reason is a `TimeoutError`. Killing a body that does not react is the host's business.
 *
 * `replaceBody` is for tests, which put stand-ins in the place of an author's code.
 */
export async function executeTask(
  dag: Dag<unknown>,
  work: TaskWork,
  host: RuntimeHost,
  replaceBody?: (body: OperatorBody) => OperatorBody,
): Promise<TaskEnd> {
  installCapture();
  const life = { isOver: false };
  const guarded = guardHost(host, life);
  const printer = new Printer(guarded.log);
  const now = () => host.now?.() ?? Date.now();
  let settings: TaskSettings = {};
  try {
    const task = findTask(dag, work);
    settings = effectiveSettings(task.record, task.inner);
    const scope = await openScope(task.inner, work, guarded, printer, life);
    const run = openRun(task, work, guarded, scope, now);
    const body = replaceBody?.(task.record.body) ?? task.record.body;
    const result = await taskScopes.run(scope, () => body.execute(run));
    return endOf(task.record, settings, result, run, host);
  } catch (thrown) {
    return { outcome: failureOf(thrown, settings, guarded, now()) };
  } finally {
    printer.end();
    life.isOver = true;
  }
}

/** Whether the try is over; from then on nothing that it left behind has any effect. */
interface Life {
  isOver: boolean;
}

/** The host as the task's code reaches it: never from inside the task's own scope, and no longer once the try is over. */
function guardHost(host: RuntimeHost, life: Life): RuntimeHost {
  return {
    call: async (method, args) => {
      if (life.isOver)
        throw new Error(`${method} was called after the task had ended. Await everything before returning.`);
      return taskScopes.exit(() => host.call(method, args));
    },
    log: (line) => {
      if (!life.isOver) taskScopes.exit(() => host.log(line));
    },
    signal: host.signal,
    spawned: (pid) => host.spawned(pid),
    exited: (pid) => host.exited(pid),
    xcomMaxBytes: host.xcomMaxBytes,
  };
}

interface FoundTask {
  readonly record: TaskRecord;
  readonly inner: DagInternals;
  readonly plan: Plan;
}

function findTask(dag: Dag<unknown>, work: TaskWork): FoundTask {
  const inner = internalsOf(dag);
  const plan = planOf(inner.blueprint);
  const record = plan.tasks.get(work.taskId);
  if (record === undefined) {
    throw new FailFast(
      `Dag "${dag.dagId}" has no task "${work.taskId}" in this version of its code. Clear the task on the newest version.`,
    );
  }
  return { record, inner, plan };
}

async function openScope(
  inner: DagInternals,
  work: TaskWork,
  host: RuntimeHost,
  printer: Printer,
  life: Life,
): Promise<TaskScope> {
  const context = Object.freeze({
    dagId: inner.blueprint.dagId,
    taskId: work.taskId,
    runId: work.runId,
    runType: work.context.runType,
    tryNumber: work.attempt.tryNumber,
    maxTries: work.context.maxTries,
    mapIndex: work.mapIndex,
    logicalDate: dateOrNull(work.context.logicalDate),
    dataInterval: intervalOf(work),
    runAfter: new Date(work.context.runAfter),
    timezone: work.context.timezone,
    params: await paramsOf(inner, work),
    conf: work.context.conf,
    log: taskLog(host.log),
    signal: host.signal,
  }) satisfies TaskContext;
  return {
    context,
    host,
    print: (stream, chunk, encoding) => {
      if (!life.isOver) printer.print(stream, chunk, encoding);
    },
  };
}

async function paramsOf(inner: DagInternals, work: TaskWork): Promise<JsonObject> {
  const schema = inner.settings.params;
  if (schema === undefined) return work.context.params;
  try {
    return (await parseParams(schema, work.context.params)) as JsonObject;
  } catch (error) {
    throw new FailFast(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function dateOrNull(iso: string | null): Date | null {
  return iso === null ? null : new Date(iso);
}

function intervalOf({ context }: TaskWork): TaskContext["dataInterval"] {
  const { dataIntervalStart, dataIntervalEnd } = context;
  if (dataIntervalStart === null || dataIntervalEnd === null) return null;
  return { start: new Date(dataIntervalStart), end: new Date(dataIntervalEnd) };
}

function taskLog(log: (line: TaskLogLine) => void): TaskLog {
  const write = (level: TaskLogLine["level"]) => (message: unknown, fields?: unknown) => {
    const json = logFields(fields);
    log({
      level,
      source: "task",
      message: truncate(String(message), 64 * 1024),
      ...(json === undefined ? {} : { fields: json }),
    });
  };
  return { debug: write("debug"), info: write("info"), warn: write("warning"), error: write("error") };
}

function openRun(
  { record, inner, plan }: FoundTask,
  work: TaskWork,
  host: RuntimeHost,
  scope: TaskScope,
  now: () => number,
): TaskRun {
  const inputs = Object.entries(work.inputs).map(([name, text]): [string, unknown] => [name, JSON.parse(text)]);
  return {
    context: scope.context,
    dag: inner,
    host,
    inputs: Object.fromEntries(inputs),
    downstream: plan.downstream.get(record.taskId) ?? [],
    choices: record.choice?.choices.map(({ label, task }) => ({ label, taskId: task.taskId })) ?? [],
    resolveTasks: (value) => resolveTasks(inner, value),
    reachable: (taskIds) => reachable(plan, taskIds),
    nativeTemplates: inner.settings.renderTemplateAsNativeObj ?? false,
    rawParams: work.context.params,
    firstPokeAt: work.context.firstPokeAt,
    now,
  };
}

function resolveTasks({ blueprint }: DagInternals, value: unknown): readonly string[] | undefined {
  const endpoint = typeof value === "string" ? blueprint.find(value) : endpointOf(value);
  if (endpoint === undefined || endpoint.blueprint !== blueprint) return undefined;
  return groupEnds(blueprint).first(endpoint);
}

function endOf(
  record: TaskRecord,
  settings: TaskSettings,
  result: TaskResult,
  run: TaskRun,
  host: RuntimeHost,
): TaskEnd {
  if (result.kind === "reschedule") return { outcome: { kind: "reschedule", at: result.at } };
  const { value, branch } = record.choice === undefined ? result : decide(record.choice.kind, result.value, run);
  const outcome = success(branch);
  if (settings.doXcomPush === false) return { outcome };
  const returnValueJson = xcomText(value, record.taskId, host);
  return returnValueJson === undefined ? { outcome } : { outcome, returnValueJson };
}

function success(branch: SkipDecision | undefined): TaskOutcome {
  return branch === undefined ? { kind: "success" } : { kind: "success", branch };
}

function failureOf(thrown: unknown, settings: TaskSettings, host: RuntimeHost, now: number): TaskOutcome {
  if (host.signal.aborted) {
    const reason: unknown = host.signal.reason;
    const { name, message } = describeError(reason);
    if (name === "TimeoutError") return { kind: "failed", error: describeError(reason), retryable: true };
    return { kind: "cancelled", message };
  }
  return outcomeOf(thrown, {
    now,
    retryOn: settings.retryOn,
    onBadPolicy: (error) =>
      host.log({
        level: "warning",
        source: "sluice",
        message: `retry.on threw, so the failure counts as retryable: ${error.message}`,
      }),
  });
}
