import { createRequire } from "node:module";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Knex } from "knex";
import createKnex from "knex";

/**
 * Knex over node:sqlite: Knex's better-sqlite3 dialect, given a database object that looks like better-sqlite3's. The
 * connection is the caller's: several statements in one of its transactions, and destroying the Knex leaves it open.
 */
export function knexOver(database: DatabaseSync): Knex {
  class NodeSqliteClient extends BetterSqlite3Client {
    override _driver(): unknown {
      return AsBetterSqlite3;
    }
    override async acquireRawConnection(): Promise<unknown> {
      return new AsBetterSqlite3(database);
    }
    override async destroyRawConnection(): Promise<void> {}
  }
  return createKnex({
    client: NodeSqliteClient as unknown as typeof Knex.Client,
    connection: { filename: database.location() ?? "" },
    useNullAsDefault: true,
    pool: { min: 1, max: 1 },
  });
}

/** What the dialect uses of better-sqlite3's database object. */
class AsBetterSqlite3 {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  prepare(sql: string) {
    const statement = this.#database.prepare(sql);
    return {
      reader: statement.columns().length > 0,
      safeIntegers: (isOn: boolean) => statement.setReadBigInts(isOn),
      all: (bindings: readonly SQLInputValue[]) => statement.all(...bindings),
      run: (bindings: readonly SQLInputValue[]) => statement.run(...bindings),
    };
  }
}

/** The methods that are replaced above; the package has no types for its dialects. */
declare class DialectClient {
  constructor(config: Knex.Config);
  _driver(): unknown;
  acquireRawConnection(): Promise<unknown>;
  destroyRawConnection(): Promise<void>;
}

const BetterSqlite3Client = createRequire(import.meta.url)(
  "knex/lib/dialects/better-sqlite3/index.js",
) as typeof DialectClient;
