import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { SluiceError } from "../core/errors.ts";
import type { BundleRow } from "../store/rows.ts";
import type { DagReads } from "../store/store.ts";

/** The code of a run cannot be had: its bundle is not in the database, or cannot be written to the state folder. */
export class BundleUnavailableError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super("bundle_unavailable", message, options);
  }
}

/** How often a full disk is tried again. */
const SPACE_RETRY_MS = 1_000;

/**
 * Bundles as files, `<folder>/<hash>.mjs` with its source map and the path of its DAG file beside it: what runners evaluate. Written from the store when first
 * needed, under a temporary name and then renamed, so that a file that exists is whole. The hash is the content's, so files never change.
 */
export class BundleCache {
  readonly folder: string;
  readonly #dags: Pick<DagReads, "bundle">;
  readonly #present = new Set<string>();
  readonly #writing = new Map<string, Promise<void>>();

  constructor(folder: string, dags: Pick<DagReads, "bundle">) {
    this.folder = folder;
    this.#dags = dags;
  }

  /** Whether the file is there; answers at once, so that a warm start costs nothing. */
  has(hash: string): boolean {
    if (this.#present.has(hash)) return true;
    if (!isHash(hash) || !existsSync(this.#path(hash))) return false;
    this.#present.add(hash);
    return true;
  }

  /** Resolves when the file is there. Rejects with `BundleUnavailableError`. */
  ensure(hash: string): Promise<void> {
    const writing = this.#writing.get(hash) ?? this.#write(hash).finally(() => this.#writing.delete(hash));
    this.#writing.set(hash, writing);
    return writing;
  }

  async #write(hash: string): Promise<void> {
    if (!isHash(hash)) throw new BundleUnavailableError(`"${hash.slice(0, 80)}" is not the hash of a bundle.`);
    if (this.has(hash)) return;
    const bundle = await this.#dags.bundle(hash);
    if (bundle === undefined)
      throw new BundleUnavailableError(
        `The code of this run (bundle ${hash.slice(0, 12)}) is not in the database. Clear the run with "newest version", or restore the database.`,
      );
    try {
      await whenThereIsSpace(() => this.#placeAll(hash, bundle));
    } catch (error) {
      throw new BundleUnavailableError(
        `The code of this run could not be written to ${this.folder} (${(error as Error).message}). Free space there, or mend its permissions.`,
        { cause: error },
      );
    }
    this.#present.add(hash);
  }

  async #placeAll(hash: string, { code, sourceMap, file }: BundleRow): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await this.#place(`${hash}.mjs.map`, sourceMap);
    await this.#place(`${hash}.mjs.file`, file);
    await this.#place(`${hash}.mjs`, `${withoutMapComment(code)}\n//# sourceMappingURL=${hash}.mjs.map\n`);
  }

  async #place(name: string, text: string): Promise<void> {
    const temporary = join(this.folder, `.${name}.${randomUUID()}`);
    try {
      await writeFile(temporary, text, { mode: 0o600, flush: true });
      await rename(temporary, join(this.folder, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  #path(hash: string): string {
    return join(this.folder, `${hash}.mjs`);
  }
}

/** A full disk is no fault of the task: it waits, as everything else does then. */
async function whenThereIsSpace(write: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await write();
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
      await setTimeout(SPACE_RETRY_MS, undefined, { ref: false });
    }
  }
}

/** Hashes come from the database; a damaged one must not name a file elsewhere. */
function isHash(hash: string): boolean {
  return /^[A-Za-z0-9_-]{8,128}$/.test(hash);
}

function withoutMapComment(code: string): string {
  return code.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, "");
}
