import type { Knex } from "knex";

/** Where a `varchar` is a key: short enough for a utf8mb4 index of MySQL. */
export const KEY_LENGTH = 250;

/** A key that the database counts. SQLite counts on from the greatest present key unless `neverReused`. */
export function countedKey(knex: Knex, table: Knex.CreateTableBuilder, neverReused = false): void {
  if (isSqlite(knex) && !neverReused) table.specificType("id", "integer").primary();
  else table.bigIncrements("id");
}

/** Instants are epoch milliseconds. */
export function instant(table: Knex.CreateTableBuilder, name: string): Knex.ColumnBuilder {
  return table.bigInteger(name);
}

/** A name, id or other key, compared by its exact characters on every database. */
export function key(knex: Knex, table: Knex.CreateTableBuilder, name: string, length = KEY_LENGTH): Knex.ColumnBuilder {
  const column = table.string(name, length);
  return isMysql(knex) ? column.collate("utf8mb4_bin") : column;
}

/**
 * A table whose rows lie in the order of their primary key (as MySQL's always do): the task instances of a run are one
 * read, and a change by key touches one tree.
 */
export async function createClustered(
  knex: Knex,
  name: string,
  build: (table: Knex.CreateTableBuilder) => void,
): Promise<void> {
  const creation = knex.schema.createTable(name, build);
  if (!isSqlite(knex)) return creation;
  const [create, ...rest] = creation.toSQL() as unknown as { sql: string }[];
  await knex.raw(`${create?.sql} without rowid`);
  for (const { sql } of rest) await knex.raw(sql);
}

/** An index over the rows that meet `condition`, on databases that have such indexes; elsewhere over all rows. */
export async function createPartialIndex(
  knex: Knex,
  name: string,
  table: string,
  columns: string,
  condition: string,
): Promise<void> {
  const where = isMysql(knex) ? "" : ` where ${condition}`;
  await knex.raw(`create index ${name} on ${table} (${columns})${where}`);
}

function isSqlite(knex: Knex): boolean {
  return String(knex.client.driverName).includes("sqlite");
}

function isMysql(knex: Knex): boolean {
  return /mysql|maria/.test(String(knex.client.driverName));
}
