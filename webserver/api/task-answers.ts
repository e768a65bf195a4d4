import { z } from "zod";
import { TASK_STATES } from "../../core/states.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import { date, iso, isoNow, seconds } from "./conventions.ts";

/** A task instance as Airflow's API shows it; `reason` and `epoch` are ours. */
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
    operator_name: task.operator,
    executor: task.executor,
    scheduled_when: iso(task.scheduledAt),
    queued_when: iso(task.queuedAt),
    due_at: iso(task.dueAt),
    note: task.note,
    reason: task.reason,
  };
}
