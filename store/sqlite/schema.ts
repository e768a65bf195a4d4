import { scheduler } from "node:timers/promises";
import { SluiceError } from "../../core/errors.ts";
import { migrations, schemaVersion } from "../../migrations/index.ts";
import type { Connection } from "./connection.ts";
import { isBusy } from "./errors.ts";

const CREATE_HISTORY =
  "create table if not exists schema_migration (name varchar(100) primary key, applied_at bigint not null)";

/** How long another process's migration is waited for. */
const BUSY_LIMIT_MS = 30_000;

/**
 * Brings the schema to what this code needs, in one transaction: killed at any moment, it is as it was before. Costs one
 * statement when nothing is to be done. Rejects with `schema_newer` when a newer Sluice has changed the file, and with
 * `schema_outdated` when it must be changed and `migrate` is false.
 */
export async function ensureSchema(connection: Connection, path: string, migrate: boolean): Promise<void> {
  if (isCurrent(appliedNames(connection), path)) return;
  if (!migrate)
    throw new SluiceError(
      "schema_outdated",
      `The schema of ${path} is not the one this Sluice needs (${schemaVersion}). Run "sluice db migrate".`,
    );
  await beginImmediate(connection);
  try {
    connection.exec(CREATE_HISTORY);
    // Another process may have done it while this one waited.
    const applied = appliedNames(connection);
    if (!isCurrent(applied, path)) await applyMissing(connection, new Set(applied));
    connection.exec("commit");
  } catch (error) {
    if (connection.isInTransaction) connection.exec("rollback");
    throw error;
  }
}

function isCurrent(applied: readonly string[], path: string): boolean {
  const known = new Set(migrations.map((migration) => migration.name));
  const foreign = applied.find((name) => !known.has(name));
  if (foreign !== undefined)
    throw new SluiceError(
      "schema_newer",
      `${path} was changed by a newer Sluice (migration ${foreign}). Use that version, or another database.`,
    );
  return applied.length === known.size;
}

function appliedNames(connection: Connection): readonly string[] {
  const table = connection.all("select 1 from sqlite_schema where type = 'table' and name = 'schema_migration'", []);
  if (table.length === 0) return [];
  return connection.all("select name from schema_migration order by name", []).map((row) => row[0] as string);
}

async function applyMissing(connection: Connection, applied: ReadonlySet<string>): Promise<void> {
  const { knexOver } = await import("../knex/node-sqlite.ts");
  const knex = knexOver(connection.database);
  try {
    for (const migration of migrations) {
      if (applied.has(migration.name)) continue;
      await migration.up(knex);
      connection.run("insert into schema_migration (name, applied_at) values (?, ?)", [migration.name, Date.now()]);
    }
  } finally {
    await knex.destroy();
  }
}

async function beginImmediate(connection: Connection): Promise<void> {
  const deadline = performance.now() + BUSY_LIMIT_MS;
  for (;;) {
    try {
      connection.exec("begin immediate");
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await scheduler.wait(20);
    }
  }
}
