import { describe } from "../checks.ts";
import { FailFast } from "../errors.ts";
import type { TaskRun } from "../task-run.ts";

/**
 * The full ids that a `branch` handler has named.
 * @throws FailFast for anything that is not a task or group directly below.
 */
export function followedTasks(value: unknown, run: TaskRun): string[] {
  if (value === null || value === undefined) return [];
  const named = Array.isArray(value) ? value : [value];
  const followed = named.flatMap((choice) => tasksOf(choice, run));
  return [...new Set(followed)];
}

function tasksOf(choice: unknown, run: TaskRun): readonly string[] {
  const ids = run.resolveTasks(choice);
  const below = new Set(run.downstream);
  if (ids?.every((id) => below.has(id))) return ids;
  const shown = typeof choice !== "string" && ids?.length === 1 ? `task "${ids[0]}"` : describe(choice);
  const allowed = run.downstream.map((id) => `"${id}"`).join(", ");
  throw new FailFast(
    `The branch "${run.context.taskId}" returned ${shown}, which is not directly below it. Return one or several of: ${allowed || "(there is nothing below it)"}, or null for none.`,
  );
}
