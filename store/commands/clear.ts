import { clearTransitions, selectForClear } from "../../core/clear.ts";
import { InvalidInputError, NotFoundError } from "../../core/errors.ts";
import { type CompiledGraph, compileGraph } from "../../core/graph.ts";
import { isRunTerminal } from "../../core/states.ts";
import type { Change } from "../changes.ts";
import { taskFacts } from "../facts.ts";
import type { DagRow, DagRunRow, TaskInstanceRow } from "../rows.ts";
import {
  type CommandContext,
  carryOut,
  dagOf,
  type RunPlan,
  runOf,
  runsAround,
  UNFINISHED_RUN_STATES,
  versionOf,
} from "./context.ts";
import { planMove, stopAttempts, type VersionMove } from "./move.ts";

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
  /** Default true: finished runs are queued again. False is refused for them: what is cleared would never run. */
  readonly resetDagRuns?: boolean;
}

/** A task instance that a command touches or would touch. */
export interface Affected {
  readonly run: DagRunRow;
  readonly task: TaskInstanceRow;
  /** The version that its run moves to no longer has the task: it becomes `removed` instead of running again. */
  readonly isDropped?: boolean;
}

/** What a clear would touch, in run and task order. Changes nothing. */
export async function previewClear(context: CommandContext, input: ClearInput): Promise<readonly Affected[]> {
  return (await planClear(context, input)).plans.flatMap((plan) => plan.affected);
}

/**
 * Clears task instances: finished ones become `none` and run again, running ones become `restarting` and are stopped first. Tries go on
 * counting (Airflow: max_tries = tries so far + retries). One atom per run.
 */
export async function clearTasks(context: CommandContext, input: ClearInput): Promise<readonly Affected[]> {
  const { dag, plans } = await planClear(context, input);
  const done = await carryOut(context, plans, (run) => planRunClear(context, run, input, dag));
  return done.flatMap((plan) => plan.affected);
}

interface ClearPlan extends RunPlan {
  readonly affected: readonly Affected[];
}

async function planClear(
  context: CommandContext,
  input: ClearInput,
): Promise<{ readonly dag: DagRow; readonly plans: readonly ClearPlan[] }> {
  if (input.taskIds?.length === 0)
    throw new InvalidInputError("Name at least one task to clear.", [{ path: "task_ids", message: "is empty" }]);
  const dag = await dagOf(context.store, input.dagId);
  const run = await runOf(context.store, input.dagId, input.runId);
  const runs = await runsAround(context.store, run, input.past ?? false, input.future ?? false);
  const plans: ClearPlan[] = [];
  for (const each of runs) plans.push(await planRunClear(context, each, input, dag));
  return { dag, plans };
}

async function planRunClear(
  context: CommandContext,
  run: DagRunRow,
  input: ClearInput,
  dag: DagRow,
): Promise<ClearPlan> {
  const graph = compileGraph((await versionOf(context.store, run.versionId)).definition);
  const tasks = await context.store.tasks.ofRun(run.runKey);
  const move =
    input.runOnLatestVersion && run.versionId !== dag.currentVersionId
      ? await planMove(context.store, run, tasks, dag.currentVersionId)
      : undefined;
  const chosen = choose(graph, run, tasks, input, move);
  const dropped = new Set(move?.dropped.map(({ tiNo }) => tiNo));
  const affected = chosen.map((task) => ({ run, task, ...(dropped.has(task.tiNo) && { isDropped: true }) }));
  if (chosen.length === 0 && !isForNewTasks(input, move)) return { run, affected, changes: [] };
  const isEnded = isRunTerminal(run.state);
  if (isEnded && input.resetDagRuns === false)
    throw new InvalidInputError(
      `Run "${run.runId}" has ended, and nothing runs in an ended run: its tasks can be cleared only together with the run.`,
      [{ path: "reset_dag_runs", message: "must not be false for a run that has ended" }],
    );
  const reason = `cleared by ${context.actor}`;
  const kept = chosen.filter(({ tiNo }) => !dropped.has(tiNo));
  const transitions = clearTransitions(
    move?.graph ?? graph,
    tasks.map(taskFacts),
    kept.map(({ tiNo }) => tiNo),
    reason,
  );
  const changes: Change[] = [
    ...stopAttempts(run, move?.dropped ?? [], reason),
    {
      kind: "task.transitions",
      runKey: run.runKey,
      transitions: [...transitions, ...(move?.transitions ?? [])],
      bumpRevision: true,
      // One that ends meanwhile must be queued again, or what is cleared would never run.
      ...(isEnded ? {} : { runIn: UNFINISHED_RUN_STATES }),
      revision: run.revision,
    },
  ];
  for (const task of kept)
    if (task.state !== "running") changes.push({ kind: "xcom.delete", runKey: run.runKey, tiNo: task.tiNo });
  if (move || isEnded)
    changes.push(...(move?.changes ?? []), {
      kind: "run.state",
      runKey: run.runKey,
      from: [run.state],
      to: isEnded ? "queued" : run.state,
      reason: move ? `${reason}, moved to version ${move.versionNumber}` : reason,
      ...(move && { versionId: move.versionId, params: move.params }),
      countClear: true,
      bumpRevision: true,
    });
  return { run, affected, changes };
}

/** The instances to clear. In earlier and later runs tasks that they do not have are passed over. */
function choose(
  graph: CompiledGraph,
  run: DagRunRow,
  tasks: readonly TaskInstanceRow[],
  input: ClearInput,
  move: VersionMove | undefined,
): readonly TaskInstanceRow[] {
  const { mapIndex } = input;
  const isHere = (taskId: string) =>
    graph.taskIndex.has(taskId) &&
    tasks.some((task) => task.taskId === taskId && (mapIndex === undefined || task.mapIndex === mapIndex));
  const missing = input.taskIds?.find((taskId) => !isHere(taskId) && !move?.graph.taskIndex.has(taskId));
  if (missing !== undefined && run.runId === input.runId)
    throw new NotFoundError(
      `Run "${run.runId}" of "${run.dagId}" has no task instance "${missing}"${mapIndex === undefined ? "" : `[${mapIndex}]`}.`,
    );
  const taskIds = input.taskIds?.filter(isHere);
  if (taskIds?.length === 0) return [];
  const selected = new Set(
    selectForClear(graph, tasks.map(taskFacts), {
      tasks: taskIds?.map((taskId) => (mapIndex === undefined ? taskId : { taskId, mapIndex })),
      includeUpstream: input.upstream,
      includeDownstream: input.downstream,
      onlyFailed: input.onlyFailed,
      onlyRunning: input.onlyRunning,
    }),
  );
  return tasks.filter((task) => selected.has(task.tiNo));
}

/** Whether somebody asks for tasks by name that only the newest version has. */
function isForNewTasks(input: ClearInput, move: VersionMove | undefined): boolean {
  return move?.addedIds.some((taskId) => input.taskIds?.includes(taskId)) ?? false;
}
