import type { Knex } from "knex";
import { execute, pageOf, type Reader } from "../reads/reader.ts";
import type { SqlRow } from "../statements.ts";
import type { Counted, DateRange, Page } from "../store.ts";

/** Gives Knex as a builder of SQL, loaded at the first list that is asked for: a boot does not pay for it. */
export type QueryBuilder = () => Promise<Knex>;

/** The builder for one of Knex's dialects, without a connection. */
export function queryBuilder(client: "better-sqlite3" | "mysql2" | "pg"): QueryBuilder {
  let loaded: Promise<Knex> | undefined;
  return () => {
    loaded ??= import("knex").then(({ default: create }) => create({ client, useNullAsDefault: true }));
    return loaded;
  };
}

/**
 * A page of what `query` matches, and how many match in all. `select` adds columns, joins and the order to the page's
 * query alone. `total` replaces the count when there is a cheaper way to it.
 */
export async function pagedList<T>(
  reader: Reader,
  query: Knex.QueryBuilder,
  page: Page,
  decode: (row: SqlRow) => T,
  select: (query: Knex.QueryBuilder) => Knex.QueryBuilder,
  total?: () => Promise<number>,
): Promise<Counted<T>> {
  const { limit, offset } = pageOf(page);
  if (page.isCounted === false) {
    const rows = await execute(reader, select(query.clone()).limit(limit).offset(offset));
    return { rows: rows.map(decode), total: offset + rows.length };
  }
  const counted = total === undefined ? await countRows(reader, query) : await total();
  if (limit === 0 || counted <= offset) return { rows: [], total: counted };
  const rows = await execute(reader, select(query.clone()).limit(limit).offset(offset));
  return { rows: rows.map(decode), total: counted };
}

async function countRows(reader: Reader, query: Knex.QueryBuilder): Promise<number> {
  const rows = await execute(reader, query.clone().count({ total: "*" }));
  return Number(rows[0]?.[0] ?? 0);
}

/** Instants within a half-open range. */
export function whereRange(query: Knex.QueryBuilder, column: string, range: DateRange | undefined): void {
  if (range?.gte !== undefined) query.where(column, ">=", range.gte);
  if (range?.gt !== undefined) query.where(column, ">", range.gt);
  if (range?.lte !== undefined) query.where(column, "<=", range.lte);
  if (range?.lt !== undefined) query.where(column, "<", range.lt);
}

/** Rows in which one of the columns contains the text, whatever its case; nothing in the text is a wildcard but `%`. */
export function contains(query: Knex.QueryBuilder, columns: readonly string[], text: string): void {
  const pattern = `%${text.replaceAll(/[\\_]/g, "\\$&")}%`;
  query.where((either: Knex.QueryBuilder) => {
    for (const column of columns) either.orWhereRaw("?? like ? escape '\\'", [column, pattern]);
  });
}
