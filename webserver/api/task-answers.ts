import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import { TASK_STATES } from "../../core/states.ts";
import type { Affected } from "../../store/commands/index.ts";
import type { DagRunRow, TaskInstanceRow } from "../../store/rows.ts";
import type { Store, TaskInstanceInRun } from "../../store/store.ts";
import { dagId, date, iso, isoNow, runId, seconds, taskId, wholeNumber } from "./conventions.ts";

/** The path of one task instance, with or without its map index. */
export const taskPath = z.object({
  dag_id: dagId,
  dag_run_id: runId,
  task_id: taskId,
  map_index: wholeNumber(-1, 1_000_000_000).optional(),
});

/** A task instance as Airflow's API shows it; `reason` and `due_at` are ours. */
export const taskAnswer = z.object({
  id: z.string(),
  dag_id: z.string(),
  dag_run_id: z.string(),
  task_id: z.string(),
  task_display_name: z.string(),
  map_index: z.number().int(),
  logical_date: date,
  run_after: date,
  start_date: date,
  end_date: date,
  duration: z.number().nullable().describe("seconds"),
  state: z.enum(TASK_STATES).nullable().describe("null = none"),
  try_number: z.number().int(),
  max_tries: z.number().int(),
  pool: z.string(),
  pool_slots: z.number().int(),
  queue: z.string(),
  priority_weight: z.number(),
  operator: z.string(),
  operator_name: z.string(),
  executor: z.string().nullable(),
  scheduled_when: date,
  queued_when: date,
  due_at: date.describe("when a waiting retry or sensor goes on"),
  note: z.string().nullable(),
  reason: z.string().nullable(),
});

/** Airflow's `max_tries` counts the tries after the first. */
export function toTaskInstance(task: TaskInstanceInRun): z.input<typeof taskAnswer> {
  return {
    id: `${task.runKey}.${task.tiNo}`,
    dag_id: task.dagId,
    dag_run_id: task.runId,
    task_id: task.taskId,
    task_display_name: task.taskId,
    map_index: task.mapIndex,
    logical_date: iso(task.logicalDate),
    run_after: isoNow(task.runAfter),
    start_date: iso(task.startDate),
    end_date: iso(task.endDate),
    duration: seconds(task.startDate, task.endDate),
    state: task.state === "none" ? null : task.state,
    try_number: task.tryNumber,
    max_tries: Math.max(0, task.maxTries - 1),
    pool: task.pool,
    pool_slots: task.poolSlots,
    queue: task.queue,
    priority_weight: task.priorityWeight,
    operator: task.operator,
    operator_name: task.operator,
    executor: task.executor,
    scheduled_when: iso(task.scheduledAt),
    queued_when: iso(task.queuedAt),
    due_at: iso(task.dueAt),
    note: task.note,
    reason: task.reason,
  };
}

/** The task instance of a path, or 404. */
export async function findTask(store: Store, path: z.output<typeof taskPath>): Promise<TaskInstanceInRun> {
  const task = await store.tasks.find(path.dag_id, path.dag_run_id, path.task_id, path.map_index ?? -1);
  if (task) return task;
  const index = path.map_index === undefined || path.map_index < 0 ? "" : `[${path.map_index}]`;
  throw new NotFoundError(
    `Run "${path.dag_run_id}" of "${path.dag_id}" has no task instance "${path.task_id}"${index}.`,
  );
}

/** A row with the ids of its run. */
export function inRun(run: DagRunRow, task: TaskInstanceRow): TaskInstanceInRun {
  return { ...task, dagId: run.dagId, runId: run.runId, logicalDate: run.logicalDate, runAfter: run.runAfter };
}

/** What a command would touch, as it is now. */
export function toAffected(affected: readonly Affected[]) {
  return {
    task_instances: affected.map(({ run, task }) => toTaskInstance(inRun(run, task))),
    total_entries: affected.length,
  };
}

/** What a command has touched, as it is afterwards. */
export async function toChanged(store: Store, affected: readonly Affected[]) {
  const after = await store.tasks.grid([...new Set(affected.map(({ run }) => run.runKey))]);
  return toAffected(
    affected.flatMap(({ run, task }) => {
      const now = after.get(run.runKey)?.find((row) => row.tiNo === task.tiNo);
      return now ? [{ run, task: now }] : [];
    }),
  );
}
