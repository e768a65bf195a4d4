import { SluiceError } from "../../core/errors.ts";
import { EVENT_COLUMNS, GuardFailure, Scope, type StoreContext, writeCounts } from "../apply/scope.ts";
import { marks, type Step } from "../statements.ts";
import type { Connection } from "./connection.ts";
import { isBusy, isDiskFull, storeUnavailable } from "./errors.ts";
import { Timeline } from "./timeline.ts";

/** What waits for the next transaction. */
interface Job {
  readonly actor: string;
  readonly work: (scope: Scope) => Step<unknown>;
  readonly resolve: (done: Done<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/** What a job gets after its commit. */
export interface Done<T> {
  readonly value: T;
  readonly lastEventId: number;
}

/** A committed transaction: what it gathered, and the ids of its events. */
export interface Committed {
  readonly scope: Scope;
  /** The newest event that was known before. */
  readonly previousEventId: number;
  /** The first of this transaction; a gap to the previous one was written by another process. */
  readonly firstEventId: number;
  readonly lastEventId: number;
}

export interface GroupCommitOptions {
  readonly connection: Connection;
  readonly context: StoreContext;
  readonly now: () => number;
  readonly path: string;
  readonly onCommitted: (committed: Committed) => void;
  /** Frees what was kept back for a full disk; true when a second try may succeed. */
  readonly makeRoom: () => boolean;
}

/** After these a transaction ends and the event loop gets its turn (performance.md, lever 9). */
const MAX_ROWS = 500;
const MAX_MS = 5;

/** How long a transaction waits for another process's, all tries together. */
const BUSY_LIMIT_MS = 15_000;

/** Events share their inserts; one statement per number of rows. */
const EVENTS_PER_INSERT = 16;
const INSERT_EVENTS = Array.from({ length: EVENTS_PER_INSERT }, (_, index) => insertEvents(index + 1));

/**
 * The only writer of a SQLite file in this process. Everything that is asked for in one turn of the event loop shares a
 * transaction and its fsync, in the order of the calls. First all jobs run without savepoints; when one fails, the
 * transaction is rolled back and each job runs again under a savepoint of its own, so that only that job fails.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #queue: Job[] = [];
  #isScheduled = false;
  #busySince: number | undefined;
  #idle: (() => void)[] = [];
  readonly #timeline: Timeline;
  #lastEventId: number;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#timeline = new Timeline(options.connection);
    this.#lastEventId = (options.connection.all("select max(id) from event", [])[0]?.[0] as number | null) ?? 0;
  }

  /** Id of the newest event this process has written, or found at the start or by `sawEvents`. */
  get lastEventId(): number {
    return this.#lastEventId;
  }

  /** Events of other processes up to this one have been dealt with. */
  sawEvents(lastEventId: number): void {
    this.#lastEventId = Math.max(this.#lastEventId, lastEventId);
  }

  /** Runs `work` in the next transaction; settles after its commit. A `GuardFailure` or other error rejects this job alone. */
  submit<T>(actor: string, work: (scope: Scope) => Step<T>): Promise<Done<T>> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ actor, work, resolve: resolve as Job["resolve"], reject });
      this.#schedule();
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    if (this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    try {
      this.#commitSome();
      this.#busySince = undefined;
    } catch (error) {
      if (isBusy(error) && this.#mayWaitLonger()) return;
      this.#busySince = undefined;
      this.#rejectAll(error);
    }
    if (this.#queue.length > 0) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Another process is writing: try again soon, without blocking the event loop meanwhile. */
  #mayWaitLonger(): boolean {
    const now = performance.now();
    this.#busySince ??= now;
    if (now - this.#busySince > BUSY_LIMIT_MS) return false;
    this.#isScheduled = true;
    setTimeout(() => this.#flush(), 5 + Math.random() * 20);
    return true;
  }

  #rejectAll(error: unknown): void {
    const failure = storeUnavailable(error, this.#options.path);
    for (const job of this.#queue.splice(0)) job.reject(failure);
  }

  /** Takes jobs from the queue only after their transaction has ended, one way or the other. */
  #commitSome(): void {
    try {
      this.#attempt();
    } catch (error) {
      if (!isDiskFull(error) || !this.#options.makeRoom()) throw error;
      this.#attempt();
    }
  }

  #attempt(): void {
    const { connection } = this.#options;
    connection.run("begin immediate", []);
    try {
      this.#together();
    } catch (error) {
      rollback(connection);
      // What was remembered of a run may stem from a row that is now undone.
      this.#options.context.dagOfRun.clear();
      if (isBusy(error) || isDiskFull(error)) throw error;
      connection.run("begin immediate", []);
      try {
        this.#oneByOne();
      } catch (second) {
        rollback(connection);
        throw second;
      }
    }
  }

  /** The fast path: all or nothing. Throws what any job throws. */
  #together(): void {
    const { connection, context, now } = this.#options;
    const scope = new Scope(context, this.#timeline.begin(now()));
    const began = performance.now();
    const done: { job: Job; value: unknown; events: number }[] = [];
    for (const job of this.#queue) {
      scope.begin(job.actor);
      done.push({ job, value: connection.drive(job.work(scope)), events: scope.eventRows.length });
      if (scope.eventRows.length >= MAX_ROWS || performance.now() - began >= MAX_MS) break;
    }
    const firstEventId = this.#writeGathered(scope);
    connection.run("commit", []);
    this.#queue.splice(0, done.length);
    for (const { job, value, events } of done)
      job.resolve({ value, lastEventId: events > 0 ? firstEventId + events - 1 : this.#lastEventId });
    this.#announce(scope, firstEventId);
  }

  /** The slow path: each job under a savepoint; a failing one is undone and rejected. */
  #oneByOne(): void {
    const { connection, context, now } = this.#options;
    const total = new Scope(context, this.#timeline.begin(now()));
    const began = performance.now();
    const outcomes: (() => void)[] = [];
    let firstEventId: number | undefined;
    for (const job of this.#queue) {
      const scope = new Scope(context, total.now);
      scope.begin(job.actor);
      connection.exec("savepoint job");
      try {
        const value = connection.drive(job.work(scope));
        const first = this.#writeGathered(scope);
        connection.exec("release job");
        const lastEventId = scope.eventRows.length > 0 ? first + scope.eventRows.length - 1 : this.#lastEventId;
        if (scope.eventRows.length > 0) firstEventId ??= first;
        outcomes.push(() => job.resolve({ value, lastEventId }));
        merge(total, scope);
      } catch (error) {
        if (isDiskFull(error) || !connection.isInTransaction) throw error;
        connection.exec("rollback to job; release job");
        context.dagOfRun.clear();
        outcomes.push(() => job.reject(isOurs(error) ? error : storeUnavailable(error, this.#options.path)));
      }
      if (total.eventRows.length >= MAX_ROWS || performance.now() - began >= MAX_MS) break;
    }
    connection.run("commit", []);
    this.#queue.splice(0, outcomes.length);
    for (const settle of outcomes) settle();
    this.#announce(total, firstEventId ?? this.#lastEventId + 1);
  }

  /** Counters and events of a scope; answers the id of its first event. */
  #writeGathered(scope: Scope): number {
    const { connection } = this.#options;
    connection.drive(writeCounts(scope.counts));
    const rows = scope.eventRows;
    this.#timeline.straighten(rows);
    let lastId = 0;
    for (let from = 0; from < rows.length; from += EVENTS_PER_INSERT) {
      const part = rows.slice(from, from + EVENTS_PER_INSERT);
      lastId = connection.run(INSERT_EVENTS[part.length - 1] as string, part.flat()).insertId;
    }
    return lastId - rows.length + 1;
  }

  #announce(scope: Scope, firstEventId: number): void {
    const previousEventId = this.#lastEventId;
    if (scope.eventRows.length > 0) this.#lastEventId = firstEventId + scope.eventRows.length - 1;
    this.#options.onCommitted({ scope, previousEventId, firstEventId, lastEventId: this.#lastEventId });
  }
}

function insertEvents(count: number): string {
  const row = `(${marks(EVENT_COLUMNS.length)})`;
  return `insert into event (${EVENT_COLUMNS.join(", ")}) values ${Array(count).fill(row).join(", ")}`;
}

function rollback(connection: Connection): void {
  // SQLite has already rolled back after some errors (a full disk, an I/O error).
  if (connection.isInTransaction) connection.exec("rollback");
}

function isOurs(error: unknown): boolean {
  return error instanceof GuardFailure || error instanceof SluiceError || !isSqliteError(error);
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && "errcode" in error;
}

function merge(total: Scope, scope: Scope): void {
  for (const row of scope.eventRows) total.eventRows.push(row);
  for (const key of scope.commandedRuns) total.commandedRuns.add(key);
  for (const id of scope.dagIds) total.dagIds.add(id);
  for (const kind of scope.kinds) total.kinds.add(kind);
}
