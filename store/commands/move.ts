import { InvalidInputError } from "../../core/errors.ts";
import { type CompiledGraph, compileGraph, materializeTasks } from "../../core/graph.ts";
import type { JsonObject } from "../../core/json.ts";
import { mergeParams } from "../../core/params.ts";
import type { NewTaskInstance, TaskTransition } from "../../core/run.ts";
import type { Change } from "../changes.ts";
import type { AttemptId, DagRunRow, TaskInstanceRow } from "../rows.ts";
import type { Store } from "../store.ts";
import { versionOf } from "./context.ts";

/** What it takes for a run to go over to another version of its DAG. */
export interface VersionMove {
  readonly versionId: number;
  readonly versionNumber: number;
  /** The tasks of the new version. */
  readonly graph: CompiledGraph;
  /** The run's conf with the defaults of the new version. */
  readonly params: JsonObject;
  /** Instances whose task is no more; their attempts must be ended first. */
  readonly dropped: readonly TaskInstanceRow[];
  /** Dropped instances become `removed`; those that were removed earlier and are tasks again begin anew. */
  readonly transitions: readonly TaskTransition[];
  /** Tasks that the run gets or has again. */
  readonly addedIds: readonly string[];
  /** New instances at the end, and what the version says of those that stay. Come after the transitions. */
  readonly changes: readonly Change[];
}

/**
 * Plans the move. Rows keep their numbers whatever the order of the tasks in the new version: a task is found by its id.
 * @throws InvalidInputError when the conf of the run does not fit the params of the version.
 */
export async function planMove(
  store: Store,
  run: DagRunRow,
  tasks: readonly TaskInstanceRow[],
  versionId: number,
): Promise<VersionMove> {
  const { definition, versionNumber } = await versionOf(store, versionId);
  const merged = mergeParams(definition, run.conf);
  if (!merged.ok)
    throw new InvalidInputError(
      `Run "${run.runId}" cannot go over to version ${versionNumber} of "${run.dagId}": its conf does not fit the params there. Trigger a new run instead.`,
      merged.issues,
    );
  const wanted = new Map(materializeTasks(definition).map((task) => [task.taskId, task]));
  const present = new Set(tasks.map((task) => task.taskId));
  const first = tasks.reduce((max, task) => Math.max(max, task.tiNo), -1) + 1;
  const added = [...wanted.values()]
    .filter((task) => !present.has(task.taskId))
    .map((task, index) => ({ ...task, tiNo: first + index }));
  const dropped = tasks.filter((task) => !wanted.has(task.taskId) && task.state !== "removed");
  const revived = tasks.filter((task) => wanted.has(task.taskId) && task.state === "removed");
  const kept = tasks.flatMap((task): NewTaskInstance[] => {
    const now = wanted.get(task.taskId);
    return now === undefined || isAlike(now, task) ? [] : [{ ...now, tiNo: task.tiNo, mapIndex: task.mapIndex }];
  });
  const changes: Change[] = [];
  if (added.length > 0) changes.push({ kind: "task.append", runKey: run.runKey, tasks: added });
  if (kept.length > 0) changes.push({ kind: "task.refit", runKey: run.runKey, tasks: kept });
  return {
    versionId,
    versionNumber,
    graph: compileGraph(definition),
    params: merged.params,
    dropped,
    transitions: [
      ...dropped.map((task) =>
        resetTo("removed", task, `version ${versionNumber} of "${run.dagId}" no longer has it`, {}),
      ),
      ...revived.map((task) =>
        resetTo("none", task, `version ${versionNumber} of "${run.dagId}" has it again`, {
          maxTries: task.tryNumber + (wanted.get(task.taskId)?.maxTries ?? 1),
          firstPokeAt: null,
          lostCount: 0,
          branch: null,
        }),
      ),
    ],
    addedIds: [...added, ...revived].map((task) => task.taskId),
    changes,
  };
}

function resetTo(
  to: "none" | "removed",
  task: TaskInstanceRow,
  reason: string,
  more: Partial<TaskTransition>,
): TaskTransition {
  return {
    tiNo: task.tiNo,
    from: task.state,
    to,
    epoch: task.epoch,
    newEpoch: task.epoch + 1,
    dueAt: null,
    ...more,
    reason,
  };
}

function isAlike(now: NewTaskInstance, task: TaskInstanceRow): boolean {
  return (
    now.operator === task.operator &&
    now.pool === task.pool &&
    now.poolSlots === task.poolSlots &&
    now.queue === task.queue &&
    now.executor === task.executor &&
    now.priorityWeight === task.priorityWeight
  );
}

/** Closes the attempt rows of running instances before their instances are decided; the executor stops the processes on the hint. */
export function stopAttempts(run: DagRunRow, tasks: readonly TaskInstanceRow[], message: string): Change[] {
  return tasks
    .filter((task) => task.state === "running" || task.state === "restarting")
    .map((task): Change => {
      const attempt: AttemptId = { runKey: run.runKey, tiNo: task.tiNo, tryNumber: task.tryNumber, epoch: task.epoch };
      return { kind: "attempt.finish", attempt, state: "cancelled", error: { name: "Cancelled", message } };
    });
}
