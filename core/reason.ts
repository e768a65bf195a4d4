import type { TriggerRule } from "./definition.ts";
import type { RunState, TaskState } from "./states.ts";

/** Why a task instance does not go on, as data: `waitReason` (decide) and `ReadyQueue.refusal` (limits) make it. */
export type WaitReason =
  /** Upstream tasks are not finished. `waitingFor` names at most three of `count`. */
  | {
      readonly code: "upstream";
      readonly rule: TriggerRule;
      readonly waitingFor: readonly string[];
      readonly count: number;
    }
  /** Setups it depends on are not finished. */
  | { readonly code: "setup"; readonly waitingFor: readonly string[]; readonly count: number }
  /** The trigger rule can neither hold nor be ruled out any more. */
  | { readonly code: "stuck"; readonly rule: TriggerRule }
  /** Nobody has told yet how the previous run stands. */
  | { readonly code: "pastUnknown" }
  /** The task in the previous run is not successful; `state` null = that run has no such task. */
  | { readonly code: "past"; readonly runId: string; readonly taskId: string; readonly state: TaskState | null }
  /** A direct downstream of the task in the previous run is not successful. */
  | { readonly code: "pastDownstream"; readonly runId: string; readonly taskId: string; readonly state: TaskState }
  | { readonly code: "dagPaused" }
  | { readonly code: "poolMissing"; readonly pool: string }
  /** Needs more slots than the pool has in all. */
  | { readonly code: "poolTooSmall"; readonly pool: string; readonly needs: number; readonly slots: number }
  /** `place`: 1 = next in line of its pool. */
  | {
      readonly code: "poolFull";
      readonly pool: string;
      readonly needs: number;
      readonly used: number;
      readonly slots: number;
      readonly place: number;
    }
  /** maxActiveTasks of the run. */
  | { readonly code: "runFull"; readonly active: number; readonly limit: number }
  /** maxActiveTisPerDag (scope dag) or maxActiveTisPerDagrun (scope run). */
  | {
      readonly code: "taskFull";
      readonly scope: "dag" | "run";
      readonly taskId: string;
      readonly active: number;
      readonly limit: number;
    }
  /** Every worker slot is taken. */
  | { readonly code: "noSlot"; readonly place: number; readonly queue: string }
  /** Nothing holds it: it starts with the next dispatch. */
  | { readonly code: "next" };

/** Why a queued run does not start. */
export type RunWaitReason =
  | { readonly code: "maxActiveRuns"; readonly active: number; readonly limit: number; readonly place?: number }
  | {
      readonly code: "backfillFull";
      readonly backfillId: number;
      readonly active: number;
      readonly limit: number;
      readonly place?: number;
    }
  | { readonly code: "backfillPaused"; readonly backfillId: number }
  | { readonly code: "dagPaused" }
  | { readonly code: "notDue"; readonly at: number }
  /** No scheduler is alive. */
  | { readonly code: "noScheduler" }
  | { readonly code: "next" };

/** What `explain` needs of a task instance. Times are epoch ms. */
export interface TaskExplainFacts {
  readonly kind: "task";
  readonly state: TaskState;
  readonly now: number;
  readonly tryNumber: number;
  readonly maxTries: number;
  readonly dueAt?: number | null;
  /** The reason stored with its present state. */
  readonly reason?: string | null;
  /** For `none` from `waitReason`, for `scheduled` from the ready queue. */
  readonly wait?: WaitReason;
  readonly runState?: RunState;
  /** Why its run has not started; said first when the run is queued. */
  readonly runWait?: RunWaitReason;
  readonly isDagPaused?: boolean;
}

/** What `explain` needs of a run. */
export interface RunExplainFacts {
  readonly kind: "run";
  readonly state: RunState;
  readonly now: number;
  readonly reason?: string | null;
  readonly wait?: RunWaitReason;
  readonly isDagPaused?: boolean;
}

/** What can be explained. */
export type ExplainFacts = TaskExplainFacts | RunExplainFacts;

/** One sentence that says why a task instance or a run is where it is, and what it waits for. Never empty, no full stop. */
export function explain(_facts: ExplainFacts): string {
  throw new Error("explain is not there yet");
}
