import type { Knex } from "knex";
import * as base from "./0001_base.ts";

/** One step of the schema. `up` runs inside a transaction where the database's DDL is transactional. */
export interface Migration {
  readonly name: string;
  up(knex: Knex): Promise<void>;
}

/** All steps in the order in which they are applied. A step that has been released never changes. */
export const migrations: readonly Migration[] = [{ name: "0001_base", up: base.up }];

/** The schema that this code needs. */
export const schemaVersion = "0001_base";
