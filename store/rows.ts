import type { DagDefinition } from "../core/definition.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { NewRun, SkipDecision, TaskError } from "../core/run.ts";
import type { RunState, TaskState } from "../core/states.ts";

/** Key of a run inside the database (`dag_run.id`). Users see `dagId` and `runId`. */
export type RunKey = number & { readonly __brand?: "RunKey" };

/** Rows as the rest of the house reads them: camelCase, instants in epoch ms, JSON decoded. */

export interface DagRow {
  readonly dagId: string;
  /** Path of the DAG file below the DAG folder, with `/`. */
  readonly file: string;
  readonly isPaused: boolean;
  readonly pausedBy: string | null;
  readonly pausedAt: number | null;
  /** False once its file is gone or no longer defines it; history stays readable. */
  readonly isActive: boolean;
  readonly currentVersionId: number;
  readonly displayName: string | null;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly owners: readonly string[];
  readonly scheduleSummary: string;
  readonly timezone: string;
  readonly maxActiveRuns: number;
  /** When the next automated run is due (epoch ms); null = never or unscheduled. */
  readonly nextRunAt: number | null;
  readonly nextLogicalDate: number | null;
  readonly lastLogicalDate: number | null;
  readonly consecutiveFailures: number;
  readonly lastParsedAt: number;
  readonly parseMs: number;
  readonly createdAt: number;
}

export interface DagVersionRow {
  readonly id: number;
  readonly dagId: string;
  readonly versionNumber: number;
  readonly definitionHash: string;
  readonly bundleHash: string;
  readonly definition: DagDefinition;
  readonly createdAt: number;
}

/** A bundled DAG file. `code` is one ES module; `sources` are the author's files, for the code page. */
export interface BundleRow {
  readonly hash: string;
  readonly file: string;
  readonly code: string;
  readonly sourceMap: string;
  readonly sources: readonly { readonly path: string; readonly text: string }[];
  readonly createdAt: number;
}

export interface DagRunRow extends NewRun {
  readonly runKey: RunKey;
  readonly queuedAt: number;
  readonly startDate: number | null;
  readonly endDate: number | null;
  /** Times the run was cleared. */
  readonly clearNumber: number;
  /** Grows with every command from outside its owner; an owner that sees a newer one reloads the run. */
  readonly revision: number;
  readonly ownerId: string | null;
  readonly ownerEpoch: number;
}

export interface TaskInstanceRow {
  readonly runKey: RunKey;
  readonly tiNo: number;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly state: TaskState;
  readonly operator: string;
  readonly tryNumber: number;
  readonly maxTries: number;
  readonly epoch: number;
  readonly pool: string;
  readonly poolSlots: number;
  readonly queue: string;
  readonly executor: string | null;
  readonly priorityWeight: number;
  readonly scheduledAt: number | null;
  readonly queuedAt: number | null;
  readonly startDate: number | null;
  readonly endDate: number | null;
  readonly dueAt: number | null;
  readonly firstPokeAt: number | null;
  readonly lostCount: number;
  readonly branch: SkipDecision | null;
  /** Why it is in its present state, when the core gave a reason. */
  readonly reason: string | null;
  readonly note: string | null;
}

export type AttemptState =
  | "queued"
  | "running"
  | "success"
  | "failed"
  | "skipped"
  | "rescheduled"
  | "lost"
  | "cancelled"
  | "deferred";

/** One try of a task instance; key (runKey, tiNo, tryNumber). The pokes of a sensor share their try's row. */
export interface AttemptRow {
  readonly runKey: RunKey;
  readonly tiNo: number;
  readonly tryNumber: number;
  readonly epoch: number;
  readonly state: AttemptState;
  readonly workerId: string | null;
  /** Operating-system process that runs or ran it. */
  readonly pid: number | null;
  readonly hostname: string | null;
  readonly queuedAt: number | null;
  readonly startDate: number | null;
  readonly endDate: number | null;
  readonly error: TaskError | null;
  /** Log lines stored so far, when finished. */
  readonly pokes: number;
}

/** What names one attempt everywhere: IPC, logs, queue messages. */
export interface AttemptId {
  readonly runKey: RunKey;
  readonly tiNo: number;
  readonly tryNumber: number;
  readonly epoch: number;
}

export interface EventRow {
  readonly id: number;
  readonly at: number;
  /** "run.created", "run.state", "task.state", "attempt.started", "dag.paused", "variable.set" … */
  readonly kind: string;
  readonly dagId: string | null;
  readonly runKey: RunKey | null;
  readonly runId: string | null;
  readonly tiNo: number | null;
  readonly taskId: string | null;
  readonly mapIndex: number | null;
  readonly tryNumber: number | null;
  readonly epoch: number | null;
  readonly fromState: string | null;
  readonly toState: string | null;
  /** "scheduler", "user:admin", "cli", "token:ci", "worker:…" */
  readonly actor: string;
  readonly detail: JsonObject | null;
}

export interface XComRow {
  readonly runKey: RunKey;
  readonly tiNo: number;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly key: string;
  readonly value: Json;
  /** Bytes of the JSON text. */
  readonly size: number;
  readonly createdAt: number;
}

export interface PoolRow {
  readonly name: string;
  /** −1 = unlimited. */
  readonly slots: number;
  readonly description: string | null;
  readonly includeDeferred: boolean;
}

export interface VariableRow {
  readonly key: string;
  readonly value: string;
  readonly description: string | null;
  readonly isEncrypted: boolean;
}

/** A connection as tasks get it; pages and API answers leave out `password` and mask `extra`. */
export interface ConnectionRow {
  readonly connectionId: string;
  readonly connType: string;
  readonly description: string | null;
  readonly host: string | null;
  readonly schema: string | null;
  readonly login: string | null;
  readonly password: string | null;
  readonly port: number | null;
  readonly extra: string | null;
}

export interface ImportErrorRow {
  readonly id: number;
  readonly file: string;
  readonly message: string;
  readonly stack: string | null;
  readonly line: number | null;
  readonly column: number | null;
  readonly createdAt: number;
}

export type Reprocess = "none" | "failed" | "completed";

export interface BackfillRow {
  readonly id: number;
  readonly dagId: string;
  readonly fromDate: number;
  readonly toDate: number;
  readonly conf: JsonObject;
  readonly isPaused: boolean;
  readonly reprocess: Reprocess;
  readonly maxActiveRuns: number;
  readonly isReverse: boolean;
  readonly runOnLatestVersion: boolean;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly completedAt: number | null;
  readonly cancelledAt: number | null;
}

/** One date of a backfill. `skipped` rows carry why; `pending` ones wait for their turn. */
export interface BackfillDateRow {
  readonly backfillId: number;
  readonly sortOrder: number;
  readonly logicalDate: number;
  readonly runKey: RunKey | null;
  readonly state: "pending" | "created" | "skipped";
  readonly reason: string | null;
}

export interface WorkerRow {
  readonly workerId: string;
  readonly kind: "scheduler" | "worker" | "webserver" | "up";
  readonly hostname: string;
  readonly pid: number;
  readonly version: string;
  readonly startedAt: number;
  readonly heartbeatAt: number;
  readonly leaseUntil: number;
  readonly slots: number;
  readonly queues: readonly string[];
  readonly state: "active" | "draining" | "stopped" | "lost";
}

export interface UserRow {
  readonly userId: number;
  readonly username: string;
  readonly role: "viewer" | "user" | "op" | "admin";
  readonly createdAt: number;
  readonly isActive: boolean;
  /** Theme, zone, density … */
  readonly settings: JsonObject;
}

export interface SessionRow {
  /** SHA-256 of the cookie's value, hex. */
  readonly tokenHash: string;
  readonly userId: number;
  readonly csrfSecret: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface ApiTokenRow {
  readonly id: number;
  readonly name: string;
  readonly tokenHash: string;
  readonly role: UserRow["role"];
  readonly createdBy: string;
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
}

/** A run with what a list shows of it. */
export interface RunSummary extends DagRunRow {
  readonly versionNumber: number;
  /** Task instances by state, zero counts left out. */
  readonly counts: { readonly [state in TaskState]?: number };
}

/** A DAG with what the list page shows of it. */
export interface DagSummary extends DagRow {
  /** Newest first, at most as many as asked for. */
  readonly recentRuns: readonly {
    readonly runKey: RunKey;
    readonly runId: string;
    readonly state: RunState;
    readonly runAfter: number;
    readonly startDate: number | null;
    readonly endDate: number | null;
  }[];
  readonly hasImportError: boolean;
}
