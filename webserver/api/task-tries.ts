import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import type { AttemptRow } from "../../store/rows.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import { collection, date, iso, seconds, wholeNumber } from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { findTask, taskPath } from "./task-answers.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id";

const tryAnswer = z.object({
  dag_id: z.string(),
  dag_run_id: z.string(),
  task_id: z.string(),
  map_index: z.number().int(),
  try_number: z.number().int(),
  state: z.string(),
  queued_when: date,
  start_date: date,
  end_date: date,
  duration: z.number().nullable().describe("seconds"),
  hostname: z.string().nullable(),
  pid: z.number().int().nullable(),
  worker_id: z.string().nullable(),
  error: z.record(z.string(), z.unknown()).nullable(),
});

/** `…/tries`: every try of a task instance with how it ended. */
export const TRY_ROUTES: readonly AnyRoute[] = ["", "/:map_index"].flatMap((suffix) => [
  defineRoute({
    method: "get",
    path: `${BASE}${suffix}/tries`,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "All tries",
    params: taskPath,
    response: collection("task_instances", tryAnswer),
    async handler({ store, path }) {
      const task = await findTask(store, path);
      const attempts = await store.tasks.attempts(task.runKey, task.tiNo);
      return { task_instances: attempts.map((attempt) => toTry(task, attempt)), total_entries: attempts.length };
    },
  }),
  defineRoute({
    method: "get",
    path: `${BASE}${suffix}/tries/:try_number`,
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "One try",
    params: taskPath.extend({ try_number: wholeNumber(1, 1_000_000) }),
    response: tryAnswer,
    async handler({ store, path }) {
      const task = await findTask(store, path);
      const attempt = await store.tasks.attempt(task.runKey, task.tiNo, path.try_number);
      if (!attempt) throw new NotFoundError(`"${task.taskId}" has no try ${path.try_number}.`);
      return toTry(task, attempt);
    },
  }),
]);

function toTry(task: TaskInstanceInRun, attempt: AttemptRow): z.input<typeof tryAnswer> {
  return {
    dag_id: task.dagId,
    dag_run_id: task.runId,
    task_id: task.taskId,
    map_index: task.mapIndex,
    try_number: attempt.tryNumber,
    state: attempt.state,
    queued_when: iso(attempt.queuedAt),
    start_date: iso(attempt.startDate),
    end_date: iso(attempt.endDate),
    duration: seconds(attempt.startDate, attempt.endDate),
    hostname: attempt.hostname,
    pid: attempt.pid,
    worker_id: attempt.workerId,
    error: attempt.error ? { ...attempt.error } : null,
  };
}
