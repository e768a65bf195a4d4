/**
 * How the store's logic is written once for synchronous (SQLite) and asynchronous (MySQL, PostgreSQL) databases: a
 * generator that yields statements and receives their answers. Each dialect drives it in its own way.
 */

/** What may be bound to a `?`. Booleans become whatever the database holds them as. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array;

/** A row as an array, in the order of the selected columns: three times as fast as objects for wide rows. */
export type SqlRow = readonly unknown[];

/** One request to the database. */
export type Statement =
  | { readonly kind: "run"; readonly sql: string; readonly params: readonly SqlValue[] }
  | { readonly kind: "all"; readonly sql: string; readonly params: readonly SqlValue[] }
  /** The same statement for many parameter rows; each must change exactly one row. */
  | { readonly kind: "each"; readonly sql: string; readonly rows: readonly (readonly SqlValue[])[] };

/** What "run" answers. */
export interface RunResult {
  readonly changes: number;
  /** The key that the database gave to the inserted row, if it gave one. */
  readonly insertId: number;
}

/** A piece of store logic inside a transaction. */
export type Step<T> = Generator<Statement, T, unknown>;

/** Executes a writing statement. */
export function* run(sql: string, ...params: SqlValue[]): Step<RunResult> {
  return (yield { kind: "run", sql, params }) as RunResult;
}

/** Executes a reading statement. */
export function* all(sql: string, ...params: SqlValue[]): Step<readonly SqlRow[]> {
  return (yield { kind: "all", sql, params }) as readonly SqlRow[];
}

/** The first row of a reading statement. */
export function* first(sql: string, ...params: SqlValue[]): Step<SqlRow | undefined> {
  return ((yield { kind: "all", sql, params }) as readonly SqlRow[])[0];
}

/** Executes one statement for many parameter rows; answers the index of the first that did not change exactly one row, or −1. */
export function* each(sql: string, rows: readonly (readonly SqlValue[])[]): Step<number> {
  return (yield { kind: "each", sql, rows }) as number;
}

/** `?, ?, ?` for a list of `count` values. */
export function marks(count: number): string {
  return Array(count).fill("?").join(", ");
}

/** `insert into table (a, b) values (?, ?)` */
export function insertSql(table: string, columns: readonly string[]): string {
  return `insert into ${table} (${columns.join(", ")}) values (${marks(columns.length)})`;
}
