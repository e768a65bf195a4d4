import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { inputStamp } from "./scan.ts";

const KnownFileSchema = z.object({
  /** Stamp of the DAG file, and of each of its inputs by real path. */
  stamp: z.string(),
  inputs: z.record(z.string(), z.string()),
  bundleHash: z.string(),
  dagIds: z.array(z.string()),
});

const KnownFilesSchema = z.object({
  format: z.string(),
  root: z.string(),
  files: z.record(z.string(), KnownFileSchema),
});

/** What was found out about a DAG file whose content has not changed since. */
export type KnownFile = z.infer<typeof KnownFileSchema>;

/**
 * Remembers in the state folder what was loaded from which state of which files, so that a start with a thousand
 * unchanged files need not even bundle them. Only a shortcut: lost or damaged, everything is looked at again.
 */
export class KnownFiles {
  readonly #path: string;
  readonly #format: string;
  #files: ReadonlyMap<string, KnownFile> = new Map();

  /** `format` changes whenever bundling or evaluating may give another result for the same file. */
  constructor(home: string, format: string) {
    this.#path = join(home, "cache", "dag-files.json");
    this.#format = format;
  }

  /** Reads what is stored about this DAG folder, if it is usable. */
  async read(root: string): Promise<void> {
    try {
      const stored = KnownFilesSchema.parse(JSON.parse(await readFile(this.#path, "utf8")));
      if (stored.format === this.#format && stored.root === root) this.#files = new Map(Object.entries(stored.files));
    } catch {
      // Missing or damaged: nothing is known.
    }
  }

  /** What is known of a file (path below the DAG folder), if it and all that it imports are as they were then. */
  async unchanged(path: string, stamp: string): Promise<KnownFile | undefined> {
    const known = this.#files.get(path);
    if (known === undefined || known.stamp !== stamp) return undefined;
    const stamps = await Promise.all(Object.keys(known.inputs).map(inputStamp));
    return Object.values(known.inputs).every((input, at) => input === stamps[at]) ? known : undefined;
  }

  /** Replaces what is stored. */
  async write(root: string, files: ReadonlyMap<string, KnownFile>): Promise<void> {
    const text = JSON.stringify({ format: this.#format, root, files: Object.fromEntries(files) });
    await mkdir(join(this.#path, ".."), { recursive: true });
    await writeFile(`${this.#path}.tmp`, text);
    await rename(`${this.#path}.tmp`, this.#path);
  }
}
