import type { Isolation } from "../core/definition.ts";
import type { JsonObject } from "../core/json.ts";
import type { TaskOutcome } from "../core/run.ts";
import type { AttemptId } from "../store/rows.ts";

/**
 * Where tasks run. The scheduler decides what may start; an executor gives it a place. `local` runs warm child processes
 * beside the scheduler; `bullmq` hands attempts to workers anywhere.
 */
export interface Executor {
  readonly name: string;
  /** Slots in all, for the pages; may change while running. */
  readonly slots: number;
  /** Slots not reserved at this moment. */
  readonly freeSlots: number;
  /** As `freeSlots`, for one isolation: `shared` tasks have slots of their own where they need no process each. */
  freeSlotsFor?(isolation: Isolation): number;

  start(listener: ExecutorListener): Promise<void>;

  /**
   * Takes a slot at once, without I/O, or says no. A reservation lets the scheduler write "queued" and "running" in the
   * transaction that released the task; `run` or `release` must follow it. Executors with remote slots answer undefined
   * and get `submit` after the commit instead.
   */
  reserve(request: SlotRequest): Reservation | undefined;

  /** After the commit: runs the attempt in the reserved slot. */
  run(reservation: Reservation, work: AttemptWork): void;
  /** The commit failed: gives the slot back. */
  release(reservation: Reservation): void;

  /** After the commit, for executors whose workers claim later. */
  submit?(works: readonly AttemptWork[]): void;

  /**
   * Stops an attempt: AbortSignal, SIGTERM after `graceMs`, SIGKILL of its process group. Its end is reported as usual with outcome
   * `cancelled`. Unknown attempts are ignored.
   */
  cancel(attempt: AttemptId, reason: string, graceMs?: number): void;

  /** Stops taking work, waits up to `graceMs` for running attempts, then stops them, and ends every child process. */
  stop(graceMs: number): Promise<void>;
}

export interface SlotRequest {
  readonly isolation: Isolation;
  readonly queue: string;
}

export interface Reservation {
  readonly workerId: string;
  readonly token: number;
}

/** Everything a runner needs for one attempt; no secrets, no database access. */
export interface AttemptWork {
  readonly attempt: AttemptId;
  readonly dagId: string;
  readonly runId: string;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly bundleHash: string;
  readonly isolation: Isolation;
  readonly queue: string;
  readonly memoryLimitMb?: number;
  readonly executionTimeoutMs?: number;
  readonly context: RunContextData;
  /** Resolved before the start: literals and upstream XComs by argument name, as JSON texts; absent = undefined. */
  readonly inputs: { readonly [argument: string]: string };
}

/** What `getContext()` shows besides the ids. Instants ISO 8601 UTC. */
export interface RunContextData {
  readonly runType: string;
  readonly logicalDate: string | null;
  readonly dataIntervalStart: string | null;
  readonly dataIntervalEnd: string | null;
  readonly runAfter: string;
  readonly timezone: string;
  readonly params: JsonObject;
  readonly conf: JsonObject;
  readonly maxTries: number;
  /** First poke of a sensor's present try chain, epoch ms; absent on the first. */
  readonly firstPokeAt?: number;
}

/** Called by the executor; implemented by the scheduler (embedded) or by a worker's reporter. */
export interface ExecutorListener {
  /**
   * The attempt ended. `returnValueJson` is what it returned (JSON text). The listener commits outcome, XCom and what follows from
   * them in one transaction; the slot is free when this is called, so that the same transaction can start the next task in it.
   */
  onOutcome(report: OutcomeReport): void;
  /** Slots became free without an outcome (a process was restarted, slots were raised). */
  onSlotsFree(): void;
}

export interface OutcomeReport {
  readonly attempt: AttemptId;
  readonly outcome: TaskOutcome;
  readonly returnValueJson?: string;
  readonly pid?: number;
}

/**
 * Answers the calls that author code makes through `getClient()` and `triggerDagRun`. The host checks the epoch before each. Values
 * are JSON. Implemented over the store in `executor/client-calls.ts`.
 */
export interface ClientCalls {
  call(attempt: AttemptId, method: string, args: JsonObject): Promise<unknown>;
}

/** One line of a task's log. */
export interface LogLine {
  /** Epoch ms. */
  readonly at: number;
  readonly level: "debug" | "info" | "warning" | "error";
  /** "stdout", "stderr", "task" (structured), "sluice" (the system's own remarks). */
  readonly source: string;
  readonly message: string;
  readonly fields?: JsonObject;
}

/** The log store: append-only per (attempt, epoch), readable while the task runs. */
export interface LogStore {
  append(attempt: AttemptId, lines: readonly LogLine[]): void;
  /** Makes sure that what was appended for this attempt is stored: undefined = it is, else wait for the promise. */
  flush?(attempt: AttemptId): Promise<void> | undefined;
  /** Lines from `fromLine` (0-based), at most `limit`; `nextLine` to go on with. Missing log: no lines. */
  read(key: LogKey, fromLine: number, limit: number): Promise<LogPage>;
  /** Calls `listener` when new lines of this try arrived. Returns the unsubscriber. */
  watch(key: LogKey, listener: () => void): () => void;
  /** The whole log as text (a stream of UTF-8), for download. */
  stream(key: LogKey): NodeJS.ReadableStream;
  deleteRun(runKey: number): Promise<void>;
  close(): Promise<void>;
}

export interface LogKey {
  readonly runKey: number;
  readonly tiNo: number;
  readonly tryNumber: number;
}

export interface LogPage {
  readonly lines: readonly LogLine[];
  readonly nextLine: number;
  /** True when nothing more is stored at this moment. */
  readonly isEnd: boolean;
}
