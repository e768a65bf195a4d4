import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import { Secrets } from "./secrets.ts";
import { Connection } from "./sqlite/connection.ts";
import { storeUnavailable } from "./sqlite/errors.ts";
import { ensureSchema } from "./sqlite/schema.ts";
import { SqliteStore } from "./sqlite/sqliteStore.ts";
import type { Store, StoreOptions } from "./store.ts";

/**
 * Opens the store at a URL and creates or upgrades its schema. Rejects with `database_in_use` (see
 * `StoreOptions.exclusive`), `schema_newer`, `schema_outdated`, `invalid_secret_key`, `unsupported_database` or
 * `store_unavailable`.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const secrets = new Secrets(options.secretKey);
  return openSqlite(sqlitePath(options.url), secrets, options);
}

function sqlitePath(url: string): string {
  const path = url.startsWith("sqlite:") ? url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "") : "";
  if (path === "" || path === ":memory:")
    throw new SluiceError(
      "unsupported_database",
      `The database URL "${url.replace(/\/\/.*@/, "//…@")}" is not supported. Use sqlite:<path of a file>.`,
    );
  return resolve(path);
}

async function openSqlite(path: string, secrets: Secrets, options: StoreOptions): Promise<Store> {
  const opened: { close(): void }[] = [];
  try {
    mkdirSync(dirname(path), { recursive: true });
    const writer = new Connection(path, { busyTimeoutMs: 50 });
    opened.push(writer);
    await ensureSchema(writer, path, options.migrate ?? true);
    const reader = new Connection(path, { isReader: true, busyTimeoutMs: 5_000 });
    opened.push(reader);
    return new SqliteStore({
      path,
      writer,
      reader,
      secrets,
      clock: options.clock ?? systemClock,
      makeRoom: () => false,
      close: () => {},
    });
  } catch (error) {
    for (const part of opened.reverse()) part.close();
    throw storeUnavailable(error, path);
  }
}
