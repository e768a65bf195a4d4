import { rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const BYTES = 1 << 20;
/** The ballast comes back only when this much is free besides. */
const ENOUGH_BYTES = 32 << 20;
const RETRY_MS = 30_000;

/**
 * A megabyte kept beside the database for the moment the disk is full: given up, it lets running work record its end.
 * It comes back by itself when there is space again.
 */
export class Ballast {
  readonly #file: string;
  #isMissing = true;
  #retryAt = 0;

  constructor(databasePath: string) {
    this.#file = `${databasePath}.ballast`;
  }

  /** Puts the ballast in place unless it is there or the disk is nearly full. Called after commits, does nothing mostly. */
  restore(): void {
    if (!this.#isMissing || performance.now() < this.#retryAt) return;
    this.#retryAt = performance.now() + RETRY_MS;
    try {
      if (statSync(this.#file, { throwIfNoEntry: false })?.size !== BYTES) {
        const { bavail, bsize } = statfsSync(dirname(this.#file));
        if (bavail * bsize < ENOUGH_BYTES) return;
        // Not zeros: a file system that compresses or leaves holes would keep nothing back.
        writeFileSync(this.#file, Buffer.alloc(BYTES, "sluice ballast "), { mode: 0o600 });
      }
      this.#isMissing = false;
    } catch {
      // No room for ballast: the next try comes later.
    }
  }

  /** Gives the ballast up; false when there was none. */
  drop(): boolean {
    if (statSync(this.#file, { throwIfNoEntry: false }) === undefined) return false;
    rmSync(this.#file, { force: true });
    this.#isMissing = true;
    this.#retryAt = performance.now() + RETRY_MS;
    return true;
  }
}
