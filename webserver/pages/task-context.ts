import type { Request } from "express";
import type { TaskDefinition } from "../../core/definition.ts";
import { NotFoundError } from "../../core/errors.ts";
import type { AttemptRow } from "../../store/rows.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import type { WebDeps } from "../deps.ts";
import { wholeNumberOf } from "../forms/input.ts";
import { pathParameter } from "./context.ts";
import { type RunContext, runContext } from "./run-context.ts";

/** What every page about one task instance has. */
export interface TaskContext extends RunContext {
  readonly instance: TaskInstanceInRun;
  /** Undefined when the version of the run no longer has the task. */
  readonly task: TaskDefinition | undefined;
  readonly attempts: readonly AttemptRow[];
  /** The try that is looked at: the newest, or `?try=`; 0 before the first. */
  readonly tryNumber: number;
  readonly attempt: AttemptRow | undefined;
}

/** Reads the task instance that an address names; 404 when there is none. */
export async function taskContext(deps: WebDeps, request: Request): Promise<TaskContext> {
  const context = await runContext(deps, request);
  const { run, definition } = context;
  const taskId = pathParameter(request, "task");
  const mapIndex = wholeNumberOf(request.query, "map_index", 0, 1_000_000) ?? -1;
  const instance = await deps.store.tasks.find(run.dagId, run.runId, taskId, mapIndex);
  if (!instance)
    throw new NotFoundError(
      `Run "${run.runId}" of DAG "${run.dagId}" has no task "${taskId}"${mapIndex < 0 ? "" : ` with map index ${mapIndex}`}.`,
    );
  const attempts = await deps.store.tasks.attempts(run.runKey, instance.tiNo);
  const newest = Math.max(instance.tryNumber, attempts.at(-1)?.tryNumber ?? 0);
  const tryNumber = wholeNumberOf(request.query, "try", 1, newest) ?? newest;
  return {
    ...context,
    instance,
    task: definition.tasks.find((each) => each.taskId === taskId),
    attempts,
    tryNumber,
    attempt: attempts.find((each) => each.tryNumber === tryNumber),
  };
}
