import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Does something that must not be done twice, under a key that stays the same over all tries of a task: the first call
 * does it and keeps the result, later calls (a retry, a task that was cleared, a start after a crash) give that result.
 *
 * Here a file stands for the other side, which in earnest is a payment provider that takes an idempotency key, or a
 * unique key in a database. `link` fails when the name is taken, so that even two at the same instant agree.
 */
export async function once<T>(folder: string, key: string, act: () => T | Promise<T>): Promise<T> {
  const path = effectPath(folder, key);
  const known = readEffect<T>(folder, key);
  if (known !== undefined) return known;
  const draft = `${path}.${randomUUID()}.draft`;
  writeFileSync(draft, JSON.stringify(await act()));
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  return readEffect<T>(folder, key) as T;
}

/** The result under a key; undefined when it was never done. */
export function readEffect<T>(folder: string, key: string): T | undefined {
  try {
    return JSON.parse(readFileSync(effectPath(folder, key), "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function effectPath(folder: string, key: string): string {
  return join(folder, `${encodeURIComponent(key)}.json`);
}
