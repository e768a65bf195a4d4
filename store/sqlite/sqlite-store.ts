import { hostname } from "node:os";
import type { Clock } from "../../core/clock.ts";
import { ConflictError, NotFoundError, SluiceError } from "../../core/errors.ts";
import { accessStore, type Write } from "../access.ts";
import { applyAll } from "../apply/apply.ts";
import { GuardFailure, type StoreContext } from "../apply/scope.ts";
import type { Change, CommitResult } from "../changes.ts";
import { queryBuilder } from "../knex/queries.ts";
import { adminReads } from "../reads/admin.ts";
import { dagReads } from "../reads/dags.ts";
import { eventReads } from "../reads/events.ts";
import type { Reader } from "../reads/reader.ts";
import { runReads } from "../reads/runs.ts";
import { taskReads } from "../reads/tasks.ts";
import type { Secrets } from "../secrets.ts";
import type {
  AccessStore,
  AdminReads,
  CommitNotice,
  DagReads,
  EventReads,
  RunReads,
  Store,
  TaskReads,
} from "../store.ts";
import type { Connection } from "./connection.ts";
import { sqliteSql } from "./dialect.ts";
import { sqliteCode, storeUnavailable } from "./errors.ts";
import { foreignNotices } from "./foreign.ts";
import { type Committed, GroupCommit } from "./group-commit.ts";

/** What a SQLite store is made of; `close` releases all that the opener took: connections, locks, watchers. */
export interface SqliteStoreParts {
  readonly path: string;
  readonly writer: Connection;
  readonly reader: Connection;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly makeRoom: () => boolean;
  /** Called after each commit that changed something. */
  readonly onCommitted: () => void;
  readonly close: () => void;
}

/** The store on one SQLite file: one connection that writes, in groups, and one that reads what is committed. */
export class SqliteStore implements Store {
  readonly dialect = "sqlite";
  readonly dags: DagReads;
  readonly runs: RunReads;
  readonly tasks: TaskReads;
  readonly events: EventReads;
  readonly admin: AdminReads;
  readonly access: AccessStore;
  readonly #parts: SqliteStoreParts;
  readonly #commits: GroupCommit;
  readonly #listeners = new Set<(notice: CommitNotice) => void>();
  #closing: Promise<void> | undefined;

  constructor(parts: SqliteStoreParts) {
    this.#parts = parts;
    const { path, writer, clock, secrets } = parts;
    const context: StoreContext = { dialect: sqliteSql, secrets, hostname: hostname(), dagOfRun: new Map() };
    this.#commits = new GroupCommit({
      connection: writer,
      context,
      now: () => clock.now(),
      path,
      makeRoom: parts.makeRoom,
      onCommitted: (committed) => this.#committed(committed),
    });
    const reader: Reader = { all: (sql, params = []) => this.#read(sql, params) };
    const builder = queryBuilder("better-sqlite3");
    const write: Write = (actor, work) => this.#write(actor, work);
    this.dags = dagReads(reader, builder);
    this.runs = runReads(reader, builder);
    this.tasks = taskReads(reader, builder);
    this.events = eventReads(reader, builder);
    this.admin = adminReads(reader, builder, secrets, () => this.#checkFile());
    this.access = accessStore(reader, write);
  }

  get statementCount(): number {
    return this.#parts.writer.statementCount + this.#parts.reader.statementCount;
  }

  async commit(changes: readonly Change[], actor: string): Promise<CommitResult> {
    this.#requireOpen();
    try {
      const { value, lastEventId } = await this.#commits.submit(actor, (scope) => applyAll(scope, changes));
      return { ok: true, results: value, lastEventId };
    } catch (error) {
      if (error instanceof GuardFailure)
        return { ok: false, index: error.index, reason: error.reason, message: error.message };
      throw error;
    }
  }

  async now(): Promise<number> {
    return this.#parts.clock.now();
  }

  onCommit(listener: (notice: CommitNotice) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Tells the listeners what other processes have committed since anybody looked. */
  announceForeign(): void {
    if (this.#closing === undefined) this.#announceForeign(this.#commits.lastEventId, Number.MAX_SAFE_INTEGER);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commits.idle();
    this.#listeners.clear();
    this.#parts.close();
  }

  async #checkFile(): Promise<readonly string[]> {
    const rows = await this.#read("pragma integrity_check", []);
    return rows.map((row) => String(row[0])).filter((line) => line !== "ok");
  }

  async #read(sql: string, params: Parameters<Connection["all"]>[1]): ReturnType<Reader["all"]> {
    try {
      return this.#parts.reader.all(sql, params);
    } catch (error) {
      if (this.#closing !== undefined) this.#requireOpen();
      throw storeUnavailable(error, this.#parts.path);
    }
  }

  async #write<T>(actor: string, work: Parameters<typeof GroupCommit.prototype.submit<T>>[1]): Promise<T> {
    this.#requireOpen();
    try {
      return (await this.#commits.submit(actor, work)).value;
    } catch (error) {
      if (!(error instanceof GuardFailure)) throw error;
      throw error.reason === "missing" ? new NotFoundError(error.message) : new ConflictError(error.message);
    }
  }

  #committed({ scope, previousEventId, firstEventId, lastEventId }: Committed): void {
    if (scope.eventRows.length === 0) return;
    this.#parts.onCommitted();
    if (firstEventId > previousEventId + 1) this.#announceForeign(previousEventId, firstEventId);
    if (this.#listeners.size === 0) return;
    this.#announce({
      lastEventId,
      commandedRuns: [...scope.commandedRuns],
      dagIds: [...scope.dagIds],
      changedKinds: scope.kinds,
    });
  }

  #announceForeign(afterId: number, beforeId: number): void {
    try {
      for (const notice of foreignNotices(this.#parts.reader, afterId, beforeId)) {
        this.#commits.sawEvents(notice.lastEventId);
        this.#announce(notice);
      }
    } catch (error) {
      // Hints only: what this one would have told is found by the slow sweep.
      if (sqliteCode(error) === undefined) throw error;
    }
  }

  /** What is committed stays committed, and the other listeners are told, whatever one of them does. */
  #announce(notice: CommitNotice): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(notice);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new SluiceError("store_closed", `The store ${this.#parts.path} is closed.`);
  }
}
