import type { DagDefinition } from "../core/definition.ts";
import type { JsonObject } from "../core/json.ts";
import type { NewRun, NewTaskInstance, TaskError, TaskTransition } from "../core/run.ts";
import type { RunState } from "../core/states.ts";
import type {
  AttemptId,
  AttemptState,
  BackfillDateRow,
  ConnectionRow,
  PoolRow,
  Reprocess,
  RunKey,
  VariableRow,
  WorkerRow,
} from "./rows.ts";

/**
 * Everything that can be changed, as data. A list of changes given to `Store.commit` is one atom: each is a guarded write
 * plus one event row, and when any guard finds its row in another state the whole list changes nothing. Being data, a
 * change can be batched by dialects, replayed by the simulation and failed on purpose by tests.
 */
export type Change =
  // --- runs and task instances -------------------------------------------------------------------------------
  /** Result: `{ runKey }`. Guard: no other run of the DAG has this run id or logical date. */
  | {
      readonly kind: "run.create";
      readonly run: NewRun;
      readonly tasks: readonly NewTaskInstance[];
      readonly ownerId?: string;
    }
  /**
   * Guard: the run is in one of `from`. Sets start/end dates. `bumpRevision` for commands from outside the owner. `params`: what its
   * tasks get from now on, when it moves to a version with other params.
   */
  | {
      readonly kind: "run.state";
      readonly runKey: RunKey;
      readonly from: readonly RunState[];
      readonly to: RunState;
      readonly reason?: string;
      readonly bumpRevision?: boolean;
      readonly versionId?: number;
      readonly params?: JsonObject;
      readonly countClear?: boolean;
    }
  /** Guard per row: (state, epoch) as stated. `fence`: the owner's lease; refused when the run has another owner epoch. */
  | {
      readonly kind: "task.transitions";
      readonly runKey: RunKey;
      readonly transitions: readonly TaskTransition[];
      readonly fence?: RunFence;
      readonly bumpRevision?: boolean;
      /** Guard: the run is in one of these. For commands that were decided on a run which may end meanwhile. */
      readonly runIn?: readonly RunState[];
      /** Guard: no other command has changed the run since it was read at this revision. For commands, which decide on all rows they read. */
      readonly revision?: number;
    }
  /** Appends task instances to a run (mapping; a clear that moves a run to a newer version). */
  | { readonly kind: "task.append"; readonly runKey: RunKey; readonly tasks: readonly NewTaskInstance[] }
  /** What the new version of a run says about tasks it has already: operator, pool, slots, queue, executor, weight. */
  | { readonly kind: "task.refit"; readonly runKey: RunKey; readonly tasks: readonly NewTaskInstance[] }
  | { readonly kind: "task.note"; readonly runKey: RunKey; readonly tiNo: number; readonly note: string | null }
  | { readonly kind: "run.note"; readonly runKey: RunKey; readonly note: string | null }
  | { readonly kind: "run.delete"; readonly runKey: RunKey }
  /** Takes or renews ownership. Guard: no unexpired lease of another owner. Result: `{ ownerEpoch }`. */
  | { readonly kind: "run.claim"; readonly runKey: RunKey; readonly ownerId: string; readonly leaseMs: number }
  // --- attempts ----------------------------------------------------------------------------------------------
  /** queued → running: the claim. Guard: the instance is `queued` at this epoch. Inserts or re-opens the attempt row. */
  | { readonly kind: "attempt.start"; readonly attempt: AttemptId; readonly workerId: string; readonly pid?: number }
  /** Ends the attempt row and deletes nothing else; the instance's own change is a transition beside it. Guard: running, epoch. */
  | {
      readonly kind: "attempt.finish";
      readonly attempt: AttemptId;
      readonly state: AttemptState;
      readonly error?: TaskError;
    }
  /** Records which process runs it, once known. Guard: running, epoch. Writes no event. */
  | { readonly kind: "attempt.process"; readonly attempt: AttemptId; readonly pid: number }
  // --- data between tasks ------------------------------------------------------------------------------------
  /** `json` is the value's JSON text. Guard: epoch of the attempt, unless `attempt` is null (an operator's edit). */
  | {
      readonly kind: "xcom.set";
      readonly runKey: RunKey;
      readonly tiNo: number;
      readonly key: string;
      readonly json: string;
      readonly attempt: AttemptId | null;
    }
  | { readonly kind: "xcom.delete"; readonly runKey: RunKey; readonly tiNo: number; readonly key?: string }
  // --- DAGs ------------------------------------------------------------------------------------------------
  | {
      readonly kind: "bundle.put";
      readonly hash: string;
      readonly file: string;
      readonly code: string;
      readonly sourceMap: string;
      readonly sources: readonly { path: string; text: string }[];
    }
  /** Makes a new version only when `definitionHash` (definition + bundle) differs from the current one. Result: `{ versionId, isNew }`. */
  | {
      readonly kind: "dag.put";
      readonly file: string;
      readonly definition: DagDefinition;
      readonly definitionHash: string;
      readonly bundleHash: string;
      readonly parseMs: number;
      readonly isPausedByDefault: boolean;
      readonly scheduleSummary: string;
    }
  /** The file is gone or no longer defines these DAGs. */
  | { readonly kind: "dag.deactivate"; readonly dagId: string }
  | { readonly kind: "dag.pause"; readonly dagId: string; readonly isPaused: boolean; readonly reason?: string }
  /** Guard: `lastLogicalDate` still has the value the scheduler saw, so that a logical date happens once. */
  | {
      readonly kind: "dag.schedule";
      readonly dagId: string;
      readonly expectedLastLogicalDate: number | null;
      readonly lastLogicalDate: number | null;
      readonly nextRunAt: number | null;
      readonly nextLogicalDate: number | null;
    }
  | { readonly kind: "dag.failures"; readonly dagId: string; readonly consecutiveFailures: number }
  | { readonly kind: "dag.delete"; readonly dagId: string }
  | {
      readonly kind: "importError.put";
      readonly file: string;
      readonly message: string;
      readonly stack: string | null;
      readonly line: number | null;
      readonly column: number | null;
    }
  | { readonly kind: "importError.clear"; readonly file: string }
  // --- backfills ---------------------------------------------------------------------------------------------
  /** Result: `{ backfillId }`. Guard: no other active backfill of the DAG. */
  | {
      readonly kind: "backfill.create";
      readonly dagId: string;
      readonly fromDate: number;
      readonly toDate: number;
      readonly conf: JsonObject;
      readonly reprocess: Reprocess;
      readonly maxActiveRuns: number;
      readonly isReverse: boolean;
      readonly runOnLatestVersion: boolean;
      readonly dates: readonly Omit<BackfillDateRow, "backfillId">[];
    }
  | { readonly kind: "backfill.pause"; readonly backfillId: number; readonly isPaused: boolean }
  | { readonly kind: "backfill.cancel"; readonly backfillId: number }
  | { readonly kind: "backfill.complete"; readonly backfillId: number }
  /** Guard: the date is pending. */
  | {
      readonly kind: "backfill.date";
      readonly backfillId: number;
      readonly sortOrder: number;
      readonly state: "created" | "skipped";
      readonly runKey?: RunKey;
      readonly reason?: string;
    }
  // --- administration ----------------------------------------------------------------------------------------
  /** `mode: "create"` fails when it exists; never overwrites by accident. */
  | { readonly kind: "pool.put"; readonly mode: PutMode; readonly pool: PoolRow }
  | { readonly kind: "pool.delete"; readonly name: string }
  | { readonly kind: "variable.put"; readonly mode: PutMode; readonly variable: Omit<VariableRow, "isEncrypted"> }
  | { readonly kind: "variable.delete"; readonly key: string }
  | { readonly kind: "connection.put"; readonly mode: PutMode; readonly connection: ConnectionRow }
  | { readonly kind: "connection.delete"; readonly connectionId: string }
  | {
      readonly kind: "worker.put";
      readonly worker: Omit<WorkerRow, "heartbeatAt" | "leaseUntil">;
      readonly leaseMs: number;
    }
  | { readonly kind: "worker.heartbeat"; readonly workerId: string; readonly leaseMs: number }
  | { readonly kind: "worker.state"; readonly workerId: string; readonly state: WorkerRow["state"] }
  /** An audit line without a row change (login, refused command …). */
  | {
      readonly kind: "event";
      readonly name: string;
      readonly dagId?: string;
      readonly runKey?: RunKey;
      readonly tiNo?: number;
      readonly detail?: JsonObject;
    };

export type PutMode = "create" | "update" | "upsert";

/** The lease under which a scheduler writes. */
export interface RunFence {
  readonly ownerId: string;
  readonly ownerEpoch: number;
  /** When given, also refused when a command from outside has changed the run since this revision was read. */
  readonly revision?: number;
}

/** What a change reports back; only the keys its kind names are set. */
export interface ChangeResult {
  readonly runKey?: RunKey;
  readonly ownerEpoch?: number;
  readonly versionId?: number;
  readonly isNew?: boolean;
  readonly backfillId?: number;
}

export type CommitResult =
  | {
      readonly ok: true;
      readonly results: readonly ChangeResult[] /** Id of the last event row written. */;
      readonly lastEventId: number;
    }
  /** The guard of `changes[index]` did not hold; nothing of the list was written. */
  | {
      readonly ok: false;
      readonly index: number;
      readonly reason: "stale" | "duplicate" | "missing";
      readonly message: string;
    };
