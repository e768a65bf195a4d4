import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import { isBusy } from "./errors.ts";

/**
 * The right to be the one `up` of a database: a lock that SQLite holds on a file beside it. The system drops the lock
 * with the process, however it ends. A second file says who holds it, for the message only. Throws `database_in_use`.
 */
export function takeExclusive(path: string): { release(): void } {
  const ownerFile = `${path}.owner`;
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec("begin exclusive");
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    throw new SluiceError("database_in_use", describe(path, ownerFile), { cause: error });
  }
  const fresh = `${ownerFile}.${process.pid}`;
  writeFileSync(fresh, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }), { mode: 0o600 });
  renameSync(fresh, ownerFile);
  return {
    release: () => {
      rmSync(ownerFile, { force: true });
      lock.close();
    },
  };
}

function describe(path: string, ownerFile: string): string {
  const owner = readOwner(ownerFile);
  return (
    `Another Sluice${owner === undefined ? "" : ` (process ${owner.pid}, since ${owner.since})`} runs on ${path}. ` +
    "Stop it first, or give this one a state folder of its own (SLUICE_HOME)."
  );
}

function readOwner(file: string): { readonly pid: number; readonly since: string } | undefined {
  try {
    const owner: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof owner !== "object" || owner === null || !("pid" in owner) || !("since" in owner)) return undefined;
    return { pid: Number(owner.pid), since: String(owner.since) };
  } catch {
    return undefined;
  }
}
