import { closeSync, type FSWatcher, futimesSync, mkdirSync, openSync, watch } from "node:fs";
import { basename, dirname } from "node:path";

/**
 * Hints between processes of one machine that share a SQLite file: whoever commits beside `up` touches a file that `up`
 * watches. A hint that gets lost costs time, nothing else.
 */

/** Touches the hint file, creating it and its folder if need be. Never throws: a full disk must not fail what is committed. */
export function touchHint(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const handle = openSync(file, "a", 0o600);
    try {
      const now = new Date();
      futimesSync(handle, now, now);
    } finally {
      closeSync(handle);
    }
  } catch {
    // The slow sweep finds what this hint would have told.
  }
}

/** Calls `onHint` soon after the file was touched, once for touches that come together. Returns what ends the watch. */
export function watchHint(file: string, onHint: () => void): () => void {
  touchHint(file);
  let pending: NodeJS.Immediate | undefined;
  let watcher: FSWatcher | undefined;
  try {
    // The folder, not the file: whoever replaces the file must not blind the watch.
    watcher = watch(dirname(file), { persistent: false }, (_kind, name) => {
      if (name !== null && name !== basename(file)) return;
      pending ??= setImmediate(() => {
        pending = undefined;
        onHint();
      });
    });
    watcher.on("error", () => watcher?.close());
  } catch {
    // No watches left on this machine: the slow sweep does the work.
  }
  return () => {
    watcher?.close();
    if (pending !== undefined) clearImmediate(pending);
  };
}
