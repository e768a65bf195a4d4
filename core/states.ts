/** Task instance states, Airflow's words exactly (airflow.md 1.16). The order is the byte code used in packed state columns. */
export const TASK_STATES = [
  "none",
  "scheduled",
  "queued",
  "running",
  "success",
  "failed",
  "up_for_retry",
  "up_for_reschedule",
  "upstream_failed",
  "skipped",
  "removed",
  "deferred",
  "awaiting_input",
  "restarting",
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** Run states (airflow.md 1.15). */
export const RUN_STATES = ["queued", "running", "success", "failed"] as const;
export type RunState = (typeof RUN_STATES)[number];

/** How a run came to be. */
export const RUN_TYPES = ["scheduled", "manual", "backfill", "asset_triggered"] as const;
export type RunType = (typeof RUN_TYPES)[number];

/** Who asked for a run (Airflow: triggered_by). */
export const TRIGGERED_BY = ["timetable", "ui", "rest_api", "cli", "operator", "backfill", "asset", "test"] as const;
export type TriggeredBy = (typeof TRIGGERED_BY)[number];

/** The byte that stands for a state in packed columns. */
export function taskStateCode(state: TaskState): number {
  return TASK_STATES.indexOf(state);
}

const TERMINAL: ReadonlySet<TaskState> = new Set(["success", "failed", "upstream_failed", "skipped", "removed"]);

/** Whether a task instance in this state is finished; only an audited clear leaves it. */
export function isTerminal(state: TaskState): boolean {
  return TERMINAL.has(state);
}

const ACTIVE: ReadonlySet<TaskState> = new Set(["queued", "running", "restarting"]);

/** Whether a task instance in this state holds an executor slot and pool slots. */
export function isActive(state: TaskState): boolean {
  return ACTIVE.has(state);
}

/** Whether a run in this state is finished. */
export function isRunTerminal(state: RunState): boolean {
  return state === "success" || state === "failed";
}
