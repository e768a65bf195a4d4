import { SluiceError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { SqlRow, SqlValue } from "../statements.ts";
import type { Counted, Page } from "../store.ts";

/** Executes reading statements outside transactions; sees committed data only. */
export interface Reader {
  all(sql: string, params?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
}

/** A query that knows its SQL: what Knex's builder gives. */
export interface BuiltQuery {
  toSQL(): { toNative(): { readonly sql: string; readonly bindings: readonly unknown[] } };
}

/** The first row, or undefined. */
export async function firstRow(
  reader: Reader,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<SqlRow | undefined> {
  return (await reader.all(sql, params))[0];
}

/** The first row, decoded, or undefined. */
export async function firstOf<T>(
  reader: Reader,
  decode: (row: SqlRow) => T,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<T | undefined> {
  const row = await firstRow(reader, sql, params);
  return row === undefined ? undefined : decode(row);
}

/** All rows, decoded. */
export async function listOf<T>(
  reader: Reader,
  decode: (row: SqlRow) => T,
  sql: string,
  params: readonly SqlValue[] = [],
): Promise<readonly T[]> {
  return (await reader.all(sql, params)).map(decode);
}

/** Executes a built query. */
export function execute(reader: Reader, query: BuiltQuery): Promise<readonly SqlRow[]> {
  const { sql, bindings } = query.toSQL().toNative();
  return reader.all(sql, bindings as readonly SqlValue[]);
}

/** The page that a filter asks for, within bounds. */
export function pageOf({ limit = 50, offset = 0 }: Page): { readonly limit: number; readonly offset: number } {
  if (!Number.isSafeInteger(limit) || limit < 0 || !Number.isSafeInteger(offset) || offset < 0)
    throw new SluiceError("invalid_input", "limit and offset of a page must be whole numbers from 0 on.");
  return { limit: Math.min(limit, MAX_PAGE), offset };
}

const MAX_PAGE = 1000;

/** Splits keys so that no statement has more parameters than databases take. */
export function chunks<T>(keys: readonly T[], size = 500): readonly (readonly T[])[] {
  const parts: T[][] = [];
  for (let from = 0; from < keys.length; from += size) parts.push(keys.slice(from, from + size));
  return parts;
}

/** An empty page without a query. */
export function nothing<T>(): Counted<T> {
  return { rows: [], total: 0 };
}

/** `a, b` → `r.a, r.b` */
export function columnsOf(columns: readonly string[], alias?: string): string {
  return columns.map((column) => (alias === undefined ? column : `${alias}.${column}`)).join(", ");
}

export function text(value: unknown): string {
  return value as string;
}

export function textOrNull(value: unknown): string | null {
  return (value ?? null) as string | null;
}

export function count(value: unknown): number {
  return Number(value ?? 0);
}

export function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

export function json<T>(value: unknown): T {
  return JSON.parse(value as string) as T;
}

export function jsonOrNull<T = JsonObject>(value: unknown): T | null {
  return value === null || value === undefined ? null : json<T>(value);
}
