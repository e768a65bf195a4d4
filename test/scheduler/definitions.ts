import type { DagDefinition, TaskDefinition } from "../../core/definition.ts";
import type { TimetableSpec } from "../../core/timetable.ts";

/** Upstream ids, or upstream ids and what else the task says. */
export type TaskShape =
  | readonly string[]
  | (Partial<Omit<TaskDefinition, "taskId" | "upstream">> & { readonly after?: readonly string[] });

/** A definition as the loader would store it: `dagOf("etl", { extract: [], load: ["extract"] })`. */
export function dagOf(
  dagId: string,
  tasks: { readonly [taskId: string]: TaskShape },
  more: Partial<DagDefinition> = {},
): DagDefinition {
  return {
    dagId,
    tags: [],
    owners: [],
    timetable: { kind: "none" },
    timezone: "UTC",
    catchup: false,
    maxActiveRuns: 16,
    maxActiveTasks: 16,
    maxConsecutiveFailedRuns: 0,
    failFast: false,
    groups: [],
    ...more,
    tasks: Object.entries(tasks).map(([taskId, shape]) => taskOf(taskId, shape)),
  };
}

function taskOf(taskId: string, shape: TaskShape): TaskDefinition {
  const { after = [], ...more } = isList(shape) ? { after: shape } : shape;
  return {
    taskId,
    operator: "ts",
    inputs: {},
    triggerRule: "all_success",
    retries: 0,
    retryDelayMs: 300_000,
    retryFactor: 0,
    pool: "default_pool",
    poolSlots: 1,
    priorityWeight: 1,
    weightRule: "downstream",
    queue: "default",
    isolation: "process",
    dependsOnPast: false,
    ignoreFirstDependsOnPast: true,
    waitForDownstream: false,
    waitForPastDependsBeforeSkipping: false,
    doXcomPush: true,
    ...more,
    upstream: [...after].sort(),
  };
}

function isList(shape: TaskShape): shape is readonly string[] {
  return Array.isArray(shape);
}

/** A cron schedule in a zone. */
export function cron(expression: string, timezone = "UTC", intervals = false): TimetableSpec {
  return { kind: "cron", expressions: [expression], timezone, intervals };
}
