import { clearTransitions } from "../../core/clear.ts";
import { NotFoundError } from "../../core/errors.ts";
import { type CompiledGraph, compileGraph } from "../../core/graph.ts";
import type { TaskTransition } from "../../core/run.ts";
import { isActive, isRunTerminal, isTerminal, type RunState, type TaskState } from "../../core/states.ts";
import type { Change } from "../changes.ts";
import { taskFacts } from "../facts.ts";
import type { DagRunRow, TaskInstanceRow } from "../rows.ts";
import type { Affected } from "./clear.ts";
import {
  type CommandContext,
  carryOut,
  commitOrThrow,
  type RunPlan,
  retryWhenStale,
  runOf,
  runsAround,
  UNFINISHED_RUN_STATES,
  versionOf,
} from "./context.ts";
import { stopAttempts } from "./move.ts";

export interface MarkTaskInput {
  readonly dagId: string;
  readonly runId: string;
  readonly taskId: string;
  readonly mapIndex?: number;
  readonly newState: "success" | "failed" | "skipped";
  readonly upstream?: boolean;
  readonly downstream?: boolean;
  readonly past?: boolean;
  readonly future?: boolean;
}

/** Which instances a mark would change. Changes nothing. */
export async function previewMarkTask(context: CommandContext, input: MarkTaskInput): Promise<readonly Affected[]> {
  return (await planMarks(context, input)).flatMap((plan) => plan.affected);
}

/**
 * Sets task instances to a final state. A running attempt is fenced at once and stopped. What failed below because of them is
 * cleared, and a finished run is opened again, so that the run goes on from the mark (as Airflow does). One atom per run.
 */
export async function markTask(context: CommandContext, input: MarkTaskInput): Promise<readonly Affected[]> {
  const done = await carryOut(context, await planMarks(context, input), (run) => planMark(context, run, input));
  return done.flatMap((plan) => plan.affected);
}

interface MarkPlan extends RunPlan {
  readonly affected: readonly Affected[];
}

async function planMarks(context: CommandContext, input: MarkTaskInput): Promise<readonly MarkPlan[]> {
  const run = await runOf(context.store, input.dagId, input.runId);
  const runs = await runsAround(context.store, run, input.past ?? false, input.future ?? false);
  return Promise.all(runs.map((each) => planMark(context, each, input)));
}

async function planMark(context: CommandContext, run: DagRunRow, input: MarkTaskInput): Promise<MarkPlan> {
  const graph = compileGraph((await versionOf(context.store, run.versionId)).definition);
  const tasks = await context.store.tasks.ofRun(run.runKey);
  const { mapIndex } = input;
  const isNamed = (task: TaskInstanceRow) =>
    task.taskId === input.taskId && (mapIndex === undefined || task.mapIndex === mapIndex);
  if (!tasks.some(isNamed)) {
    if (run.runId !== input.runId) return { run, affected: [], changes: [] };
    throw new NotFoundError(
      `Run "${run.runId}" of "${run.dagId}" has no task instance "${input.taskId}"${mapIndex === undefined ? "" : `[${mapIndex}]`}.`,
    );
  }
  const wanted = reach(graph, [input.taskId], input);
  const marked = tasks.filter(
    (task) =>
      wanted.has(task.taskId) &&
      task.state !== input.newState &&
      task.state !== "removed" &&
      (task.taskId !== input.taskId || isNamed(task)),
  );
  if (marked.length === 0) return { run, affected: [], changes: [] };
  const reopened = input.newState === "failed" ? [] : failedBelow(graph, tasks, marked);
  const reason = `marked ${input.newState} by ${context.actor}`;
  const transitions = [
    ...marked.map((task) => endTransition(task, input.newState, reason)),
    ...clearTransitions(graph, tasks.map(taskFacts), reopened, reason),
  ];
  const changes: Change[] = [
    ...stopAttempts(run, marked, reason),
    {
      kind: "task.transitions",
      runKey: run.runKey,
      transitions,
      bumpRevision: true,
      // One that ends meanwhile must be opened again for what follows from the mark.
      ...(isRunTerminal(run.state) ? {} : { runIn: UNFINISHED_RUN_STATES }),
      revision: run.revision,
    },
  ];
  for (const tiNo of reopened) changes.push({ kind: "xcom.delete", runKey: run.runKey, tiNo });
  if (isRunTerminal(run.state))
    changes.push({
      kind: "run.state",
      runKey: run.runKey,
      from: ["success", "failed"],
      to: "queued",
      reason,
      bumpRevision: true,
    });
  return { run, affected: marked.map((task) => ({ run, task })), changes };
}

/** The ids of these tasks and, as asked, of everything above or below them. */
function reach(
  graph: CompiledGraph,
  taskIds: readonly string[],
  directions: { readonly upstream?: boolean; readonly downstream?: boolean },
): ReadonlySet<string> {
  const found = new Set(taskIds);
  for (const edges of [directions.upstream ? graph.upstream : [], directions.downstream ? graph.downstream : []]) {
    const queue = taskIds.flatMap((taskId) => graph.taskIndex.get(taskId) ?? []);
    for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
      for (const next of edges[index] ?? []) {
        const taskId = graph.tasks[next]?.taskId;
        if (taskId === undefined || found.has(taskId)) continue;
        found.add(taskId);
        queue.push(next);
      }
    }
  }
  return found;
}

const FAILED_STATES: readonly TaskState[] = ["failed", "upstream_failed"];

/** Instances below the marked ones that failed, or could not begin because something above them had (as Airflow). */
function failedBelow(
  graph: CompiledGraph,
  tasks: readonly TaskInstanceRow[],
  marked: readonly TaskInstanceRow[],
): readonly number[] {
  const below = reach(graph, [...new Set(marked.map((task) => task.taskId))], { downstream: true });
  const own = new Set(marked.map((task) => task.tiNo));
  return tasks
    .filter((task) => below.has(task.taskId) && !own.has(task.tiNo) && FAILED_STATES.includes(task.state))
    .map((task) => task.tiNo);
}

/** A final state decided by a person; the epoch moves on, so that a running attempt can no longer say otherwise. */
export function endTransition(task: TaskInstanceRow, to: TaskState, reason: string): TaskTransition {
  return { tiNo: task.tiNo, from: task.state, to, epoch: task.epoch, newEpoch: task.epoch + 1, dueAt: null, reason };
}

export interface MarkRunInput {
  readonly dagId: string;
  readonly runId: string;
  readonly newState: "success" | "failed" | "queued";
}

/** Which instances marking the run would change. Changes nothing. */
export async function previewMarkRun(context: CommandContext, input: MarkRunInput): Promise<readonly Affected[]> {
  const run = await runOf(context.store, input.dagId, input.runId);
  return (await unfinished(context, run, input.newState)).map((task) => ({ run, task }));
}

/**
 * Ends a run now (`success`, `failed`), or puts a finished one back into the queue (`queued`). With `failed`, running tasks fail and the others are
 * skipped; with `success` every task that is not yet a success becomes one.
 */
export async function markRun(context: CommandContext, input: MarkRunInput): Promise<readonly Affected[]> {
  return endRun(context, input, ["queued", "running", "success", "failed"]);
}

/** As `markRun`, but leaves a run alone that is in none of the states `onlyFrom` (any more). */
async function endRun(
  context: CommandContext,
  input: MarkRunInput,
  onlyFrom: readonly RunState[],
): Promise<readonly Affected[]> {
  return retryWhenStale(async () => {
    const run = await runOf(context.store, input.dagId, input.runId);
    if (!onlyFrom.includes(run.state)) return [];
    const reason = `marked ${input.newState} by ${context.actor}`;
    const tasks = await unfinished(context, run, input.newState);
    const transitions = tasks.map((task) => endTransition(task, endState(task, input.newState), reason));
    const changes: Change[] = [...stopAttempts(run, tasks, reason)];
    // Even without transitions: what another command has cleared meanwhile must not stay open in a run that ends.
    if (transitions.length > 0 || run.state !== input.newState)
      changes.push({
        kind: "task.transitions",
        runKey: run.runKey,
        transitions,
        bumpRevision: true,
        runIn: [run.state],
        revision: run.revision,
      });
    if (run.state !== input.newState)
      changes.push({
        kind: "run.state",
        runKey: run.runKey,
        from: [run.state],
        to: input.newState,
        reason,
        bumpRevision: true,
      });
    if (changes.length > 0) await commitOrThrow(context, changes);
    return tasks.map((task) => ({ run, task }));
  });
}

async function unfinished(
  context: CommandContext,
  run: DagRunRow,
  newState: MarkRunInput["newState"],
): Promise<readonly TaskInstanceRow[]> {
  if (newState === "queued") return [];
  const tasks = await context.store.tasks.ofRun(run.runKey);
  return tasks.filter((task) =>
    newState === "failed"
      ? !isTerminal(task.state)
      : task.state !== "success" && task.state !== "skipped" && task.state !== "removed",
  );
}

function endState(task: TaskInstanceRow, newState: MarkRunInput["newState"]): TaskState {
  if (newState === "success") return "success";
  return isActive(task.state) ? "failed" : "skipped";
}

/**
 * Cancels a run: running tasks are stopped and fail, the rest is skipped, the run fails. A finished run is left alone; so is one that
 * is in none of the states `onlyFrom` when the cancel arrives (default: queued or running).
 */
export function cancelRun(
  context: CommandContext,
  dagId: string,
  runId: string,
  onlyFrom: readonly RunState[] = UNFINISHED_RUN_STATES,
): Promise<readonly Affected[]> {
  return endRun(context, { dagId, runId, newState: "failed" }, onlyFrom);
}
