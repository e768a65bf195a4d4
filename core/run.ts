import type { DagDefinition } from "./definition.ts";
import type { JsonObject } from "./json.ts";
import type { RunState, RunType, TaskState, TriggeredBy } from "./states.ts";

/**
 * The words in which the pure core and its shells speak about one run. A task instance is addressed by `tiNo`, its
 * position in the run: static tasks first, in the order of `DagDefinition.tasks` (map index −1), mapped ones appended.
 */

/** What a deciding task decided; it outlives the attempt, so that a cleared branch is skipped again (Airflow: skipmixin_key). */
export type SkipDecision =
  | { readonly followed: readonly string[] }
  /** Direct downstreams to skip; with `transitive`, everything below whatever its trigger rule (shortCircuit). */
  | { readonly skipped: readonly string[]; readonly transitive?: boolean };

/** Why an attempt failed, in the author's terms. `stack` shows the author's lines. */
export interface TaskError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
}

/** How one attempt ended. */
export type TaskOutcome =
  | { readonly kind: "success"; readonly branch?: SkipDecision }
  /** `retryable: false` = fail now whatever tries are left; `retryAfterMs` overrides the policy's delay. */
  | { readonly kind: "failed"; readonly error: TaskError; readonly retryable: boolean; readonly retryAfterMs?: number }
  | { readonly kind: "skipped"; readonly message?: string }
  /** A sensor that said "not yet": same try, next poke at `at` (epoch ms). */
  | { readonly kind: "reschedule"; readonly at: number }
  /** The worker or its process died without a word. Counts against the crash budget, not against `retries`. */
  | { readonly kind: "lost"; readonly error: TaskError }
  /** Killed because of a cancel, clear or mark; the state was decided by that command. */
  | { readonly kind: "cancelled"; readonly message?: string };

/** One task instance as the core sees it. */
export interface TaskInstanceFacts {
  readonly tiNo: number;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly state: TaskState;
  /** Tries begun so far; 0 before the first. */
  readonly tryNumber: number;
  /** Tries allowed in all, clears included (Airflow: max_tries + 1 … here: highest allowed tryNumber). */
  readonly maxTries: number;
  /** Grows with every attempt and every command that invalidates one; stale epochs change nothing. */
  readonly epoch: number;
  /** When an up_for_retry or up_for_reschedule instance is due again, epoch ms. */
  readonly dueAt?: number;
  /** First poke of the present try chain of a sensor, epoch ms. */
  readonly firstPokeAt?: number;
  /** Attempts lost in a row to dying workers (bounded crash budget). */
  readonly lostCount: number;
  readonly branch?: SkipDecision;
}

/** A change of one task instance that `decide` asks for; the store guards it by `from` and `epoch`. */
export interface TaskTransition {
  readonly tiNo: number;
  readonly from: TaskState;
  readonly to: TaskState;
  /** Epoch the row must have. */
  readonly epoch: number;
  /** New values; absent = unchanged. */
  readonly newEpoch?: number;
  readonly tryNumber?: number;
  readonly maxTries?: number;
  readonly dueAt?: number | null;
  readonly firstPokeAt?: number | null;
  readonly lostCount?: number;
  readonly branch?: SkipDecision | null;
  /** Why, in one sentence: "extract failed", "branch pick followed other". Stored with the event. */
  readonly reason?: string;
}

/** What `planRun` needs to create a run; instants are epoch ms. */
export interface NewRun {
  readonly dagId: string;
  readonly runId: string;
  readonly runType: RunType;
  readonly state: RunState;
  readonly logicalDate: number | null;
  readonly dataIntervalStart: number | null;
  readonly dataIntervalEnd: number | null;
  readonly runAfter: number;
  /** What the user sent, as it was sent. */
  readonly conf: JsonObject;
  /** Defaults of the DAG merged with `conf`, checked. */
  readonly params: JsonObject;
  readonly triggeredBy: TriggeredBy;
  readonly triggeringUser: string | null;
  readonly versionId: number;
  readonly backfillId: number | null;
  readonly note: string | null;
}

/** A task instance to be stored with a new run. */
export interface NewTaskInstance {
  readonly tiNo: number;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly operator: string;
  readonly pool: string;
  readonly poolSlots: number;
  readonly queue: string;
  readonly executor: string | null;
  /** Effective weight, after the weight rule. */
  readonly priorityWeight: number;
  readonly maxTries: number;
}

/** The instances a new run of this definition starts with. Implemented in `core/graph.ts`. */
export type MaterializeTasks = (definition: DagDefinition) => readonly NewTaskInstance[];
