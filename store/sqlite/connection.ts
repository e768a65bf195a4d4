import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { RunResult, SqlRow, SqlValue, Statement, Step } from "../statements.ts";

/** One SQLite connection with prepared statements that are kept, and a count of what it executed. */
export class Connection {
  readonly database: DatabaseSync;
  statementCount = 0;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(path: string, options: { readonly isReader?: boolean } = {}) {
    this.database = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS, enableForeignKeyConstraints: true });
    // The mode is part of the file; naming it again is cheap, and a new file needs it before its first table.
    if (!options.isReader) this.exec("pragma journal_mode = wal");
    this.exec(`pragma synchronous = full; pragma cache_size = -16384; pragma temp_store = memory`);
    if (options.isReader) this.exec("pragma query_only = on");
    else
      this.exec(
        `pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}; pragma journal_size_limit = ${64 << 20}; pragma busy_timeout = ${WRITE_TIMEOUT_MS}`,
      );
  }

  /** Whether a transaction is open. */
  get isInTransaction(): boolean {
    return this.database.isTransaction;
  }

  exec(sql: string): void {
    this.statementCount++;
    this.database.exec(sql);
  }

  run(sql: string, params: readonly SqlValue[]): RunResult {
    this.statementCount++;
    const { changes, lastInsertRowid } = this.#prepare(sql).run(...bindable(params));
    return { changes: changes as number, insertId: lastInsertRowid as number };
  }

  all(sql: string, params: readonly SqlValue[]): readonly SqlRow[] {
    this.statementCount++;
    return this.#prepare(sql).all(...bindable(params)) as unknown as readonly SqlRow[];
  }

  each(sql: string, rows: readonly (readonly SqlValue[])[]): number {
    const statement = this.#prepare(sql);
    this.statementCount += rows.length;
    for (let index = 0; index < rows.length; index++) {
      if (statement.run(...bindable(rows[index] as readonly SqlValue[])).changes !== 1) return index;
    }
    return -1;
  }

  /** Runs a piece of store logic to its end. */
  drive<T>(step: Step<T>): T {
    let next = step.next();
    while (!next.done) next = step.next(this.#execute(next.value));
    return next.value;
  }

  #execute(statement: Statement): unknown {
    if (statement.kind === "run") return this.run(statement.sql, statement.params);
    if (statement.kind === "each") return this.each(statement.sql, statement.rows);
    return this.all(statement.sql, statement.params);
  }

  close(): void {
    this.#prepared.clear();
    if (this.database.isOpen) this.database.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      statement.setReturnArrays(true);
      // Lists with filters have many forms; the hot statements come back at once.
      if (this.#prepared.size >= MAX_PREPARED) this.#prepared.clear();
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}

const MAX_PREPARED = 400;

/** 8 MB of log before it is copied into the file: hot pages are copied once for many commits, recovery stays short. */
const CHECKPOINT_PAGES = 2000;

/** How long opening and reading wait for a lock (recovery of another process's log), blocking. */
const OPEN_TIMEOUT_MS = 5_000;
/** Writers wait for each other without blocking the event loop; this only spares a retry when it is a matter of moments. */
const WRITE_TIMEOUT_MS = 5;

/** SQLite has no booleans. */
function bindable(params: readonly SqlValue[]): readonly SQLInputValue[] {
  for (const param of params) {
    if (typeof param === "boolean") return params.map((value) => (typeof value === "boolean" ? Number(value) : value));
  }
  return params as readonly SQLInputValue[];
}
