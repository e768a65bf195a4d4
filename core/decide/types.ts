import type { TaskOutcome, TaskTransition } from "../run.ts";
import type { RunState, RunType, TaskState } from "../states.ts";

/** What the core must know of a run besides its graph and its task instances. */
export interface RunFacts {
  readonly dagId: string;
  readonly runId: string;
  readonly runType: RunType;
  readonly state: RunState;
  /** Epoch ms; null for runs without one. */
  readonly logicalDate: number | null;
  /** When known already; otherwise send the event `past`. Needed only when `graph.needsPast`. */
  readonly past?: PastFacts;
}

/**
 * How the previous run of the DAG stands (dependsOnPast, waitForDownstream). Send it again whenever that run changes.
 */
export type PastFacts =
  /** There is no earlier run: nothing to wait for. */
  | { readonly kind: "none" }
  | {
      readonly kind: "run";
      readonly runId: string;
      /** States of that run's instances; several entries per task when it is mapped. */
      readonly states: readonly { readonly taskId: string; readonly state: TaskState }[];
      /** Tasks absent in that run which some still earlier run had (matters for `ignoreFirstDependsOnPast`). */
      readonly inEarlierRuns?: readonly string[];
    };

/** Something that happened to a run. `epoch`, where given, must be the instance's, or the event decides nothing. */
export type RunEvent =
  /** The run starts, or its memory was opened from rows: everything is looked at. */
  | { readonly kind: "begin" }
  /** The dispatcher chose it: scheduled → queued with a new epoch, and a new try unless it is a sensor's next poke. */
  | { readonly kind: "queued"; readonly tiNo: number }
  /** Takes a queued instance back that nobody has started: → scheduled, its try not counted. */
  | { readonly kind: "requeue"; readonly tiNo: number; readonly reason?: string }
  /** An executor claimed it. Changes only the memory: the row became `running` by the change `attempt.start`. */
  | { readonly kind: "started"; readonly tiNo: number; readonly epoch?: number }
  /** Its attempt ended. Also for `restarting` instances, whatever the outcome. */
  | { readonly kind: "finished"; readonly tiNo: number; readonly outcome: TaskOutcome; readonly epoch?: number }
  /**
   * The time of an up_for_retry or up_for_reschedule instance has come (`now` ≥ its dueAt; earlier decides nothing).
   */
  | { readonly kind: "due"; readonly tiNo: number }
  | { readonly kind: "past"; readonly facts: PastFacts }
  /** dagrunTimeout has passed. */
  | { readonly kind: "timeout" }
  /** `by`: "user:admin", "cli" … for the reasons. */
  | { readonly kind: "cancel"; readonly by?: string };

/** What follows from an event. */
export interface Decision {
  /** In an order in which they can be written; at most one per task instance. */
  readonly transitions: readonly TaskTransition[];
  /** The run has ended. */
  readonly runState?: { readonly to: RunState; readonly reason?: string };
  /**
   * Instances that now wait for a slot (`scheduled`). At `begin` also those whose rows already said so. A later
   * decision may take one back: `queued` for an instance that is no longer scheduled decides nothing.
   */
  readonly newlyReady: readonly number[];
  /** Instances whose attempt must be stopped through the executor: their epoch has moved on. */
  readonly stop: readonly number[];
}
