import type { DagDefinition, TaskDefinition } from "../../core/definition.ts";
import type { TaskError, TaskOutcome } from "../../core/run.ts";
import type { RunState, TaskState } from "../../core/states.ts";
import type { Dag } from "../dag.ts";
import type { TaskLogLine } from "../host.ts";
import { nearest } from "../keys.ts";
import { executeTask, type TaskEnd } from "../runtime.ts";
import { serializeDag } from "../serialize.ts";
import { stubBody, type TaskStub } from "./stub.ts";
import { TestRun } from "./test-run.ts";
import { type TestOptions, TestWorld, type TriggeredRun } from "./world.ts";

export { type SimulatedRun, type SimulateOptions, simulate } from "./simulate.ts";
export type { TaskStub } from "./stub.ts";
export type { TestOptions, TriggeredRun } from "./world.ts";

/** What became of a task under test. */
export interface TestedTask {
  readonly state: TaskState;
  /** What it left as XCom; undefined when nothing. */
  readonly value: unknown;
  /** Why it failed. */
  readonly error?: TaskError;
  /** Tries that were begun. */
  readonly tries: number;
  /** What it printed and logged, in all tries. */
  readonly log: readonly TaskLogLine[];
}

/** What became of a run under test. */
export interface TestedRun {
  readonly state: RunState;
  readonly tasks: { readonly [taskId: string]: TestedTask };
  /** Runs of other DAGs that it has asked for. */
  readonly triggered: readonly TriggeredRun[];
  /** The variables after the run. */
  readonly variables: { readonly [key: string]: string };
}

/** What is tested in one task. */
export interface TestTaskOptions extends TestOptions {
  /** The inputs by argument name, in place of what other tasks would leave. */
  readonly inputs?: { readonly [argument: string]: unknown };
  /** Default 1. */
  readonly tryNumber?: number;
}

/** How one try of a task ended. */
export interface TestedTry {
  readonly outcome: TaskOutcome;
  readonly value: unknown;
  readonly log: readonly TaskLogLine[];
  readonly triggered: readonly TriggeredRun[];
  readonly variables: { readonly [key: string]: string };
}

/**
 * Runs one try of one task in this process.
 *
 * @example
 * ```ts
 * import { Dag, getClient } from "sluice";
 * import { testTask } from "sluice/testing";
 *
 * const dag = new Dag("prices");
 * dag.task("convert", async ({ amount }: { amount: number }) =>
 *   amount * Number(await getClient().getVariableOrThrow("rate")))({ amount: 1 });
 *
 * const { value } = await testTask(dag, "convert", { inputs: { amount: 3 }, variables: { rate: "2" } });
 * console.assert(value === 6);
 * ```
 * @throws DagDefinitionError for a DAG that cannot be; TypeError for an unknown task or params that do not fit.
 */
export async function testTask(dag: Dag<unknown>, taskId: string, options: TestTaskOptions = {}): Promise<TestedTry> {
  const definition = serializeDag(dag);
  const task = findTask(definition, taskId);
  const world = new TestWorld(definition, options);
  const inputs = Object.entries(options.inputs ?? literalInputs(task)).map(([name, value]): [string, string] => [
    name,
    JSON.stringify(value),
  ]);
  const log: TaskLogLine[] = [];
  const work = world.work(taskId, Object.fromEntries(inputs), options.tryNumber ?? 1, task.retries + 1);
  const end = await executeTask(dag, work, world.host(world.logTo(log, taskId), new AbortController().signal));
  return {
    outcome: end.outcome,
    value: xcomOf(end),
    log,
    triggered: world.triggered,
    variables: Object.fromEntries(world.variables),
  };
}

/** What is tested in a run. */
export interface TestDagOptions extends TestOptions {
  /** Stand-ins for the code of tasks, by task id: functions of the inputs, or plain values. */
  readonly tasks?: { readonly [taskId: string]: TaskStub };
}

/**
 * Runs a whole DAG in this process, one task after the other, by the rules that the scheduler follows. Retries and
 * pokes do not wait: the run's clock is moved on instead. Execution timeouts are not enforced.
 *
 * @example
 * ```ts
 * import { bash, Dag } from "sluice";
 * import { testDag } from "sluice/testing";
 *
 * const dag = new Dag("backup");
 * const dump = dag.task("dump", bash({ command: "pg_dump shop" }));
 * const size = dag.task("size", async ({ file }: { file: string }) => file.length);
 * size({ file: dump() });
 *
 * const run = await testDag(dag, { tasks: { dump: "/backup/shop.sql" } });
 * console.assert(run.state === "success" && run.tasks.size?.value === 16);
 * ```
 * @throws DagDefinitionError for a DAG that cannot be; TypeError for stubs of unknown tasks or params that do not fit.
 */
export async function testDag(dag: Dag<unknown>, options: TestDagOptions = {}): Promise<TestedRun> {
  const definition = serializeDag(dag);
  const stubs = options.tasks ?? {};
  for (const taskId of Object.keys(stubs)) findTask(definition, taskId);
  const world = new TestWorld(definition, options);
  const run = new TestRun(definition, world, (work, host) => {
    const stub = Object.hasOwn(stubs, work.taskId) ? [stubs[work.taskId]] : [];
    return executeTask(dag, work, host, stub.length === 0 ? undefined : (body) => stubBody(body, stub[0]));
  });
  await run.toEnd();
  return {
    state: run.state,
    tasks: run.tasks(),
    triggered: world.triggered,
    variables: Object.fromEntries(world.variables),
  };
}

function findTask(definition: DagDefinition, taskId: string): TaskDefinition {
  const task = definition.tasks.find((other) => other.taskId === taskId);
  if (task !== undefined) return task;
  const near = nearest(
    taskId,
    definition.tasks.map((other) => other.taskId),
  );
  throw new TypeError(
    `Dag "${definition.dagId}" has no task "${taskId}".${near === undefined ? "" : ` Did you mean "${near}"?`}`,
  );
}

function literalInputs(task: TaskDefinition): { readonly [argument: string]: unknown } {
  return Object.fromEntries(
    Object.entries(task.inputs).flatMap(([name, input]) => (input.kind === "literal" ? [[name, input.value]] : [])),
  );
}

function xcomOf({ returnValueJson }: TaskEnd): unknown {
  return returnValueJson === undefined ? undefined : JSON.parse(returnValueJson);
}
