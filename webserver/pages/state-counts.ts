import { TASK_STATES, type TaskState } from "../../core/states.ts";

/** How many task instances are in one state. */
export interface StateCount {
  readonly state: TaskState;
  readonly count: number;
  /** "12 success" */
  readonly label: string;
}

/** What needs attention first, then what moves, then what is done. */
const ORDER: readonly TaskState[] = [
  "failed",
  "upstream_failed",
  "up_for_retry",
  "running",
  "queued",
  "scheduled",
  "restarting",
  "awaiting_input",
  "deferred",
  "up_for_reschedule",
  "none",
  "success",
  "skipped",
  "removed",
];

/** Counts by state as `partials/counts` shows them. */
export function stateCounts(counts: { readonly [state in TaskState]?: number }): readonly StateCount[] {
  return ORDER.flatMap((state) => {
    const count = counts[state] ?? 0;
    return count === 0 ? [] : [{ state, count, label: `${count} ${stateWord(state)}` }];
  });
}

/** Counts of a list of states. */
export function countStates(states: Iterable<TaskState>): { readonly [state in TaskState]?: number } {
  const counts: { [state in TaskState]?: number } = {};
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** The state that stands for several: the one that needs attention most. */
export function worstState(states: Iterable<TaskState>): TaskState {
  const present = new Set(states);
  return ORDER.find((state) => present.has(state)) ?? "none";
}

/** A state in words: "up for retry", "not started". */
export function stateWord(state: string): string {
  if (state === "none") return "not started";
  return (TASK_STATES as readonly string[]).includes(state) ? state.replaceAll("_", " ") : state;
}

/** Whether the reason of such a task instance names a time, which comes nearer while nothing happens. */
export function isWaitingForTime(state: TaskState): boolean {
  return state === "up_for_retry" || state === "up_for_reschedule" || state === "deferred";
}
