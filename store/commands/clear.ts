import { clearTransitions, selectForClear } from "../../core/clear.ts";
import type { DagDefinition } from "../../core/definition.ts";
import { InvalidInputError, NotFoundError } from "../../core/errors.ts";
import { compileGraph, materializeTasks } from "../../core/graph.ts";
import type { NewTaskInstance, TaskTransition } from "../../core/run.ts";
import { isRunTerminal } from "../../core/states.ts";
import type { Change } from "../changes.ts";
import { taskFacts } from "../facts.ts";
import type { DagRunRow, TaskInstanceRow } from "../rows.ts";
import {
  type CommandContext,
  commitOrThrow,
  dagOf,
  retryWhenStale,
  runOf,
  runsAround,
  UNFINISHED_RUN_STATES,
  versionOf,
} from "./context.ts";

export interface ClearInput {
  readonly dagId: string;
  readonly runId: string;
  /** Absent = every task of the run. */
  readonly taskIds?: readonly string[];
  readonly mapIndex?: number;
  readonly upstream?: boolean;
  readonly downstream?: boolean;
  /** The same tasks in earlier / later runs (by logical date) as well. */
  readonly past?: boolean;
  readonly future?: boolean;
  readonly onlyFailed?: boolean;
  readonly onlyRunning?: boolean;
  /** Move the runs to the newest version of the DAG; default: each keeps the version it began with. */
  readonly runOnLatestVersion?: boolean;
  /** Default true: finished runs are queued again. */
  readonly resetDagRuns?: boolean;
}

/** A task instance that a command touches or would touch. */
export interface Affected {
  readonly run: DagRunRow;
  readonly task: TaskInstanceRow;
}

/** What a clear would touch, in run and task order. Changes nothing. */
export async function previewClear(context: CommandContext, input: ClearInput): Promise<readonly Affected[]> {
  const plans = await planClear(context, input);
  return plans.flatMap((plan) => plan.affected);
}

/**
 * Clears task instances: finished ones become `none` and run again, running ones become `restarting` and are stopped first. Tries go on
 * counting (Airflow: max_tries = tries so far + retries). One atom per run.
 */
export async function clearTasks(context: CommandContext, input: ClearInput): Promise<readonly Affected[]> {
  return retryWhenStale(async () => {
    const plans = (await planClear(context, input)).filter((plan) => plan.changes.length > 0);
    for (const plan of plans) await commitOrThrow(context, plan.changes);
    return plans.flatMap((plan) => plan.affected);
  });
}

interface ClearPlan {
  readonly affected: readonly Affected[];
  readonly changes: readonly Change[];
}

async function planClear(context: CommandContext, input: ClearInput): Promise<readonly ClearPlan[]> {
  const dag = await dagOf(context.store, input.dagId);
  const run = await runOf(context.store, input.dagId, input.runId);
  const runs = await runsAround(context.store, run, input.past ?? false, input.future ?? false);
  const plans: ClearPlan[] = [];
  for (const each of runs) plans.push(await planRunClear(context, each, input, dag.currentVersionId));
  return plans;
}

async function planRunClear(
  context: CommandContext,
  run: DagRunRow,
  input: ClearInput,
  latestVersionId: number,
): Promise<ClearPlan> {
  const { definition } = await versionOf(context.store, run.versionId);
  const tasks = await context.store.tasks.ofRun(run.runKey);
  rejectUnknownTasks(definition, input);
  const graph = compileGraph(definition);
  const facts = tasks.map(taskFacts);
  const { mapIndex } = input;
  const selected = new Set(
    selectForClear(graph, facts, {
      tasks: input.taskIds?.map((taskId) => (mapIndex === undefined ? taskId : { taskId, mapIndex })),
      includeUpstream: input.upstream,
      includeDownstream: input.downstream,
      onlyFailed: input.onlyFailed,
      onlyRunning: input.onlyRunning,
    }),
  );
  const chosen = tasks.filter((task) => selected.has(task.tiNo));
  const affected = chosen.map((task) => ({ run, task }));
  if (chosen.length === 0) return { affected, changes: [] };
  const transitions = clearTransitions(graph, facts, [...selected], `cleared by ${context.actor}`);
  const move =
    input.runOnLatestVersion && run.versionId !== latestVersionId
      ? await planMove(context, run, tasks, latestVersionId)
      : undefined;
  const changes: Change[] = [
    {
      kind: "task.transitions",
      runKey: run.runKey,
      transitions: [...transitions, ...(move?.transitions ?? [])],
      bumpRevision: true,
      // One that ends meanwhile must be queued again, or what is cleared would never run.
      ...(isRunTerminal(run.state) ? {} : { runIn: UNFINISHED_RUN_STATES }),
    },
  ];
  if (move?.added.length) changes.push({ kind: "task.append", runKey: run.runKey, tasks: move.added });
  for (const task of chosen)
    if (task.state !== "running") changes.push({ kind: "xcom.delete", runKey: run.runKey, tiNo: task.tiNo });
  if (move)
    changes.push({
      kind: "run.state",
      runKey: run.runKey,
      from: ["queued", "running", "success", "failed"],
      to: isRunTerminal(run.state) ? "queued" : run.state,
      reason: `moved to version ${move.versionNumber}`,
      versionId: latestVersionId,
      countClear: true,
      bumpRevision: true,
    });
  else if (isRunTerminal(run.state) && input.resetDagRuns !== false)
    changes.push({
      kind: "run.state",
      runKey: run.runKey,
      from: ["success", "failed"],
      to: "queued",
      reason: `cleared by ${context.actor}`,
      countClear: true,
      bumpRevision: true,
    });
  return { affected, changes };
}

function rejectUnknownTasks(definition: DagDefinition, input: ClearInput): void {
  const known = new Set(definition.tasks.map((task) => task.taskId));
  const unknown = input.taskIds?.find((taskId) => !known.has(taskId));
  if (unknown !== undefined)
    throw new NotFoundError(`DAG "${definition.dagId}" has no task "${unknown}" in the version of this run.`);
  if (input.taskIds?.length === 0)
    throw new InvalidInputError("Name at least one task to clear.", [{ path: "task_ids", message: "is empty" }]);
}

interface MovePlan {
  readonly transitions: readonly TaskTransition[];
  readonly added: readonly NewTaskInstance[];
  readonly versionNumber: number;
}

/** What changes in a run's rows when it goes over to another version: new tasks appear at the end, dropped ones are `removed`. */
async function planMove(
  context: CommandContext,
  run: DagRunRow,
  tasks: readonly TaskInstanceRow[],
  versionId: number,
): Promise<MovePlan> {
  const version = await versionOf(context.store, versionId);
  const wanted = new Set(version.definition.tasks.map((task) => task.taskId));
  const present = new Set(tasks.map((task) => task.taskId));
  const first = tasks.reduce((max, task) => Math.max(max, task.tiNo), -1) + 1;
  const added = materializeTasks(version.definition)
    .filter((task) => !present.has(task.taskId))
    .map((task, index) => ({ ...task, tiNo: first + index }));
  const transitions = tasks
    .filter((task) => !wanted.has(task.taskId) && task.state !== "removed" && task.state !== "running")
    .map(
      (task): TaskTransition => ({
        tiNo: task.tiNo,
        from: task.state,
        to: "removed",
        epoch: task.epoch,
        newEpoch: task.epoch + 1,
        reason: `version ${version.versionNumber} of "${run.dagId}" no longer has it`,
      }),
    );
  return { transitions, added, versionNumber: version.versionNumber };
}
