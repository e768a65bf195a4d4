import type { Clock } from "../core/clock.ts";
import type { JsonObject } from "../core/json.ts";
import type { RunState, TaskState } from "../core/states.ts";
import type { Change, CommitResult } from "./changes.ts";
import type {
  ApiTokenRow,
  AttemptId,
  AttemptRow,
  BackfillDateRow,
  BackfillRow,
  BundleRow,
  ConnectionRow,
  DagRow,
  DagRunRow,
  DagSummary,
  DagVersionRow,
  EventRow,
  ImportErrorRow,
  PoolRow,
  RunKey,
  RunSummary,
  SessionRow,
  TaskInstanceRow,
  UserRow,
  VariableRow,
  WorkerRow,
  XComRow,
} from "./rows.ts";

/**
 * What is remembered: one contract for every database. Reads see committed data only. All methods reject with
 * `SluiceError` (code `store_unavailable` while the database is away or its disk is full).
 */
export interface Store {
  readonly dialect: "sqlite" | "mysql" | "postgres";

  /**
   * Applies `changes` as one atom (see `Change`). Lists given in the same event-loop turn share a transaction and one
   * fsync, in the order given; the promise settles after the commit. `actor` names who did it in every event.
   */
  commit(changes: readonly Change[], actor: string): Promise<CommitResult>;

  /** The database's clock, epoch ms: the only clock for leases. */
  now(): Promise<number>;

  readonly dags: DagReads;
  readonly runs: RunReads;
  readonly tasks: TaskReads;
  readonly events: EventReads;
  readonly admin: AdminReads;
  readonly access: AccessStore;

  /** Called after every commit that changed something, with the ids of the new events; hints only. Returns the unsubscriber. */
  onCommit(listener: (notice: CommitNotice) => void): () => void;

  /** Statements executed so far (reads and writes), for the idle budget and benchmarks. */
  readonly statementCount: number;

  /** Finishes queued commits and closes. */
  close(): Promise<void>;
}

/** What a commit touched; the hint that wakes schedulers, executors and live pages. */
export interface CommitNotice {
  readonly lastEventId: number;
  /** Runs whose rows changed through `bumpRevision` or `run.create` from outside the owner. */
  readonly commandedRuns: readonly RunKey[];
  /** DAGs whose row, version, pause or schedule changed. */
  readonly dagIds: readonly string[];
  readonly changedKinds: ReadonlySet<Change["kind"]>;
}

export interface Page {
  /** Default 50, at most 1,000. */
  readonly limit?: number;
  readonly offset?: number;
  /** False: `total` counts the rows up to the end of this page only, which spares a count over all history. Default true. */
  readonly isCounted?: boolean;
}

export interface Counted<T> {
  readonly rows: readonly T[];
  /** Rows that match without the page. */
  readonly total: number;
}

export interface DagFilter extends Page {
  readonly search?: string;
  readonly tags?: readonly string[];
  readonly isPaused?: boolean;
  /** Default true: only DAGs whose file still defines them. */
  readonly isActive?: boolean;
  /** Those that no file defines any more as well; default false. */
  readonly includeInactive?: boolean;
  readonly lastRunState?: RunState;
  readonly hasImportErrors?: boolean;
  readonly orderBy?: "dag_id" | "next_run_at" | "last_parsed_at";
  readonly isDescending?: boolean;
}

export interface DagReads {
  get(dagId: string): Promise<DagRow | undefined>;
  list(filter: DagFilter): Promise<Counted<DagRow>>;
  /** The list page in few queries: `recent` newest runs of each (default 14). */
  summaries(filter: DagFilter, recent?: number): Promise<Counted<DagSummary>>;
  /** Every active DAG; the scheduler's start and tick read. */
  all(): Promise<readonly DagRow[]>;
  tags(): Promise<readonly string[]>;
  version(versionId: number): Promise<DagVersionRow | undefined>;
  /** Newest when `versionNumber` is absent. */
  versionOf(dagId: string, versionNumber?: number): Promise<DagVersionRow | undefined>;
  versions(dagId: string): Promise<readonly Omit<DagVersionRow, "definition">[]>;
  bundle(hash: string): Promise<BundleRow | undefined>;
  hasBundle(hash: string): Promise<boolean>;
  /** Active DAGs by file, with their current definition hashes: what the loader compares with. */
  files(): Promise<
    readonly {
      readonly file: string;
      readonly dagId: string;
      readonly definitionHash: string;
      readonly bundleHash: string;
    }[]
  >;
  importErrors(): Promise<readonly ImportErrorRow[]>;
}

export interface RunFilter extends Page {
  readonly dagId?: string;
  /** Any of these DAGs. */
  readonly dagIds?: readonly string[];
  readonly states?: readonly RunState[];
  readonly runTypes?: readonly string[];
  readonly runIdPattern?: string;
  readonly versionNumber?: number;
  readonly backfillId?: number;
  /** Half-open ranges, epoch ms. */
  readonly logicalDate?: DateRange;
  readonly runAfter?: DateRange;
  readonly startDate?: DateRange;
  readonly endDate?: DateRange;
  /** Default run_after descending. */
  readonly orderBy?: "run_after" | "logical_date" | "start_date" | "end_date" | "run_id" | "state" | "id";
  readonly isDescending?: boolean;
}

export interface DateRange {
  readonly gte?: number;
  readonly gt?: number;
  readonly lte?: number;
  readonly lt?: number;
}

export interface RunReads {
  get(runKey: RunKey): Promise<DagRunRow | undefined>;
  find(dagId: string, runId: string): Promise<DagRunRow | undefined>;
  findByLogicalDate(dagId: string, logicalDate: number): Promise<DagRunRow | undefined>;
  summary(dagId: string, runId: string): Promise<RunSummary | undefined>;
  list(filter: RunFilter): Promise<Counted<RunSummary>>;
  /** Queued and running runs, oldest first; with `ownerId` null also those whose lease ended. What recovery reads. */
  unfinished(): Promise<readonly DagRunRow[]>;
  /** Runs whose revision is newer than the given one's: the sweep behind lost hints. */
  changedSince(known: readonly { readonly runKey: RunKey; readonly revision: number }[]): Promise<readonly DagRunRow[]>;
  /** The run of the same DAG just before this one by logical date (for dependsOnPast). */
  previous(dagId: string, logicalDate: number): Promise<DagRunRow | undefined>;
  countByState(dagId?: string): Promise<{ readonly [state in RunState]?: number }>;
  /** Existing runs with a logical date in the range: what a backfill preview needs. */
  inRange(dagId: string, fromDate: number, toDate: number): Promise<readonly DagRunRow[]>;
}

export interface TaskFilter extends Page {
  readonly dagId?: string;
  readonly runId?: string;
  /** Any of these DAGs, and any of these runs. */
  readonly dagIds?: readonly string[];
  readonly runIds?: readonly string[];
  readonly runKey?: RunKey;
  readonly taskId?: string;
  readonly states?: readonly TaskState[];
  readonly pool?: string;
  readonly queue?: string;
  /** Half-open ranges, epoch ms; the first two are the run's. */
  readonly logicalDate?: DateRange;
  readonly runAfter?: DateRange;
  readonly startDate?: DateRange;
  readonly endDate?: DateRange;
  readonly orderBy?: "id" | "start_date" | "end_date" | "state" | "task_id";
  readonly isDescending?: boolean;
}

/** A task instance with the ids of its run. */
export interface TaskInstanceInRun extends TaskInstanceRow {
  readonly dagId: string;
  readonly runId: string;
  readonly logicalDate: number | null;
  readonly runAfter: number;
}

export interface TaskReads {
  /** All instances of a run by tiNo. */
  ofRun(runKey: RunKey): Promise<readonly TaskInstanceRow[]>;
  get(runKey: RunKey, tiNo: number): Promise<TaskInstanceRow | undefined>;
  find(dagId: string, runId: string, taskId: string, mapIndex?: number): Promise<TaskInstanceInRun | undefined>;
  list(filter: TaskFilter): Promise<Counted<TaskInstanceInRun>>;
  /** The grid: state bytes of the given runs in one read. `states[i]` is the state code of tiNo i. */
  grid(
    runKeys: readonly RunKey[],
    /** Only instances of these tasks: the rows of a window. */
    taskIds?: readonly string[],
  ): Promise<ReadonlyMap<RunKey, readonly TaskInstanceRow[]>>;
  attempts(runKey: RunKey, tiNo: number): Promise<readonly AttemptRow[]>;
  /** All attempts of a run, by tiNo and try. */
  attemptsOfRun(runKey: RunKey): Promise<readonly AttemptRow[]>;
  attempt(runKey: RunKey, tiNo: number, tryNumber: number): Promise<AttemptRow | undefined>;
  /** Attempts in state running (all, or of one worker): what recovery looks at. */
  runningAttempts(workerId?: string): Promise<readonly AttemptRow[]>;
  xcoms(runKey: RunKey, tiNo?: number): Promise<readonly XComRow[]>;
  /** The value's JSON text, or undefined. */
  xcomJson(runKey: RunKey, tiNo: number, key: string): Promise<string | undefined>;
  /** Is the epoch still the instance's present one and its attempt running? For log and call fencing. */
  isCurrent(attempt: AttemptId): Promise<boolean>;
  countByState(runKey: RunKey): Promise<{ readonly [state in TaskState]?: number }>;
}

export interface EventFilter extends Page {
  readonly dagId?: string;
  readonly runKey?: RunKey;
  readonly runId?: string;
  readonly taskId?: string;
  readonly kinds?: readonly string[];
  readonly actorPattern?: string;
  readonly at?: DateRange;
  readonly isDescending?: boolean;
}

export interface EventReads {
  /** Events with id > `afterId`, ascending, at most `limit`: the live stream's resume. */
  after(afterId: number, limit: number): Promise<readonly EventRow[]>;
  lastId(): Promise<number>;
  get(id: number): Promise<EventRow | undefined>;
  list(filter: EventFilter): Promise<Counted<EventRow>>;
  ofRun(runKey: RunKey): Promise<readonly EventRow[]>;
}

export interface AdminReads {
  pools(): Promise<readonly PoolRow[]>;
  pool(name: string): Promise<PoolRow | undefined>;
  /** Slots in use per pool: running + queued instances' poolSlots, and how many wait. */
  poolUse(): Promise<
    ReadonlyMap<
      string,
      { readonly running: number; readonly queued: number; readonly scheduled: number; readonly deferred: number }
    >
  >;
  variables(): Promise<readonly VariableRow[]>;
  variable(key: string): Promise<VariableRow | undefined>;
  connections(): Promise<readonly ConnectionRow[]>;
  connection(connectionId: string): Promise<ConnectionRow | undefined>;
  backfills(filter: Page & { readonly dagId?: string; readonly isActive?: boolean }): Promise<Counted<BackfillRow>>;
  /** All that are neither complete nor cancelled, newest first. */
  activeBackfills(): Promise<readonly BackfillRow[]>;
  backfill(backfillId: number): Promise<BackfillRow | undefined>;
  backfillDates(backfillId: number): Promise<readonly BackfillDateRow[]>;
  workers(): Promise<readonly WorkerRow[]>;
  schemaVersion(): Promise<string>;
  /** What is damaged in the database file or refers to nothing, one sentence each; reads everything. */
  integrity(): Promise<readonly string[]>;
}

/** Users, sessions and tokens. Each write is acknowledged after its commit. */
export interface AccessStore {
  user(username: string): Promise<UserRow | undefined>;
  userById(userId: number): Promise<UserRow | undefined>;
  createUser(username: string, role: UserRow["role"]): Promise<UserRow>;
  saveSettings(userId: number, settings: JsonObject): Promise<void>;
  createSession(session: SessionRow): Promise<void>;
  session(tokenHash: string): Promise<SessionRow | undefined>;
  deleteSession(tokenHash: string): Promise<void>;
  /** One-time login link. */
  createLoginLink(tokenHash: string, userId: number, expiresAt: number): Promise<void>;
  /** Consumes it: a second call with the same hash gives undefined. */
  takeLoginLink(tokenHash: string): Promise<{ readonly userId: number } | undefined>;
  createToken(token: Omit<ApiTokenRow, "id" | "createdAt" | "lastUsedAt" | "revokedAt">): Promise<ApiTokenRow>;
  token(tokenHash: string): Promise<ApiTokenRow | undefined>;
  tokens(): Promise<readonly ApiTokenRow[]>;
  /** False when there is none in force. `actor` stands in the event; default "access". */
  revokeToken(id: number, actor?: string): Promise<boolean>;
  touchToken(id: number): Promise<void>;
}

/** How a store is opened. */
export interface StoreOptions {
  /** `sqlite:<path>`, `mysql://…`, `postgres://…`. */
  readonly url: string;
  /** 32 bytes that encrypt connections and variables. */
  readonly secretKey: Uint8Array;
  /** Create or upgrade the schema first. Default true. */
  readonly migrate?: boolean;
  /** SQLite: take the exclusive right to run `up` on this file; rejects with code `database_in_use` when another process holds it. */
  readonly exclusive?: boolean;
  /** File that is touched after commits and, by the exclusive process, watched for those of others (`<home>/hint`). */
  readonly hintFile?: string;
  /**
   * SQLite: look so often (ms) whether another process has committed, and announce it. For a web server beside the scheduler's process,
   * which is too busy to give a hint for every commit. Absent = only hints.
   */
  readonly followMs?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** Implemented in `store/open.ts`. */
export type OpenStore = (options: StoreOptions) => Promise<Store>;
