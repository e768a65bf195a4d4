import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import { touchHint, watchHint } from "./hints.ts";
import { Secrets } from "./secrets.ts";
import { Ballast } from "./sqlite/ballast.ts";
import { Connection } from "./sqlite/connection.ts";
import { storeUnavailable } from "./sqlite/errors.ts";
import { takeExclusive } from "./sqlite/exclusive.ts";
import { ensureSchema } from "./sqlite/schema.ts";
import { SqliteStore } from "./sqlite/sqlite-store.ts";
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
  const { exclusive = false, hintFile } = options;
  const owned: (() => void)[] = [];
  const release = () => {
    for (const free of owned.splice(0).reverse()) free();
  };
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (exclusive) owned.push(takeExclusive(path).release);
    createPrivately(path);
    const writer = new Connection(path);
    owned.push(() => writer.close());
    await ensureSchema(writer, path, options.migrate ?? true);
    const reader = new Connection(path, { isReader: true });
    owned.push(() => reader.close());
    const ballast = new Ballast(path);
    if (exclusive) ballast.restore();
    const store = new SqliteStore({
      path,
      writer,
      reader,
      secrets,
      clock: options.clock ?? systemClock,
      makeRoom: () => ballast.drop(),
      onCommitted: () => {
        if (exclusive) ballast.restore();
        else if (hintFile !== undefined) touchHint(hintFile);
      },
      close: release,
    });
    if (exclusive && hintFile !== undefined) owned.push(watchHint(hintFile, () => store.announceForeign()));
    if (options.followMs !== undefined) owned.push(follow(reader, store, options.followMs));
    return store;
  } catch (error) {
    release();
    throw storeUnavailable(error, path);
  }
}

/** Announces what other processes commit; asking whether there is anything costs microseconds. Returns what ends it. */
function follow(reader: Connection, store: SqliteStore, everyMs: number): () => void {
  let seen: unknown;
  const timer = setInterval(() => {
    const version = reader.all("pragma data_version", [])[0]?.[0];
    if (version !== seen) store.announceForeign();
    seen = version;
  }, everyMs).unref();
  return () => clearInterval(timer);
}

/** A new file is this user's alone; SQLite gives the files beside it the same mode. */
function createPrivately(path: string): void {
  // Only a missing file: opening and closing one drops the locks that this process may hold on it.
  if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
}
