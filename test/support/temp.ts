import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach } from "mocha";

/** A folder that exists until it is disposed of: `using folder = tempFolder()`, or through `tempFolders()`. */
export interface TempFolder extends Disposable {
  /** Absolute path without symlinks in it. */
  readonly path: string;
  /** Joins names below the folder. */
  file(...names: string[]): string;
}

/** Makes a new empty folder under the system's temporary folder; the caller disposes of it. */
export function tempFolder(name = "test"): TempFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `sluice-${name}-`)));
  return {
    path,
    file: (...names) => join(path, ...names),
    // A process that has just been killed may still be closing files below; rmSync retries on ENOTEMPTY and EBUSY.
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }),
  };
}

/**
 * Call inside `describe`; gives a function that makes folders, each removed after the test that made it
 * (`scope: "suite"`: after the suite).
 */
export function tempFolders(scope: "test" | "suite" = "test"): (name?: string) => TempFolder {
  const made: TempFolder[] = [];
  (scope === "test" ? afterEach : after)(() => {
    for (const folder of made.splice(0)) folder[Symbol.dispose]();
  });
  return (name) => {
    const folder = tempFolder(name);
    made.push(folder);
    return folder;
  };
}
