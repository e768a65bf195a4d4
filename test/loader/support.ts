import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach } from "mocha";
import { type Clock, systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { type FileOutcome, Loader } from "../../loader/loader.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { within } from "../support/processes.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";

/** The source of a small DAG file; `extra` is appended. */
export function dagSource(dagId: string, extra = ""): string {
  return `import { Dag } from "sluice";
const dag = new Dag("${dagId}", { schedule: "@daily" });
dag.task("first", async (): Promise<number> => 1)();
${extra}`;
}

/** Writes a file and the folders above it. */
export function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

export interface LoaderBench {
  readonly folder: TempFolder;
  readonly store: Store;
  readonly loader: Loader;
  /** All outcomes so far, in order. */
  readonly outcomes: FileOutcome[];
  /** Path of a file in the DAG folder. */
  dags(...names: string[]): string;
  /** Saves a DAG file. */
  save(name: string, content: string | Uint8Array): void;
  /** Resolves with the next outcome of a file that satisfies the condition; only later ones count. */
  next(file: string, kind?: FileOutcome["kind"]): Promise<FileOutcome>;
  /** Ends the loader and begins with a new one on the same folder and store. */
  restart(): Promise<Loader>;
}

export interface BenchOptions {
  readonly clock?: Clock;
  readonly evaluateTimeoutMs?: number;
  readonly rescanMs?: number;
}

/** Call inside `describe`; gives a function that makes a loader with a real store on temporary folders. */
export function loaderBenches(): (options?: BenchOptions) => Promise<LoaderBench> {
  const made: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const bench of made.splice(0)) await bench.stop();
  });
  return async (options = {}) => {
    const folder = tempFolder("loader");
    const store = await openStore({ url: `sqlite:${folder.file("sluice.db")}`, secretKey: new Uint8Array(32) });
    const bench = new Bench(folder, store, options);
    made.push(bench);
    mkdirSync(bench.dags());
    return bench;
  };
}

class Bench implements LoaderBench {
  readonly folder: TempFolder;
  readonly store: Store;
  readonly outcomes: FileOutcome[] = [];
  readonly #options: BenchOptions;
  loader: Loader;

  constructor(folder: TempFolder, store: Store, options: BenchOptions) {
    this.folder = folder;
    this.store = store;
    this.#options = options;
    this.loader = this.#newLoader();
  }

  dags(...names: string[]): string {
    return this.folder.file("dags", ...names);
  }

  save(name: string, content: string | Uint8Array): void {
    write(this.dags(name), content);
  }

  next(file: string, kind?: FileOutcome["kind"]): Promise<FileOutcome> {
    const outcome = new Promise<FileOutcome>((resolve) => {
      const unsubscribe = this.loader.onLoaded((found) => {
        if (found.file !== file || (kind !== undefined && found.kind !== kind)) return;
        unsubscribe();
        resolve(found);
      });
    });
    return within(outcome, 10_000, () => `no ${kind ?? "outcome"} of ${file}; seen: ${JSON.stringify(this.outcomes)}`);
  }

  async restart(): Promise<Loader> {
    await this.loader.stop();
    this.outcomes.length = 0;
    this.loader = this.#newLoader();
    return this.loader;
  }

  async stop(): Promise<void> {
    await this.loader.stop();
    await this.store.close();
    this.folder[Symbol.dispose]();
  }

  #newLoader(): Loader {
    const loader = new Loader({
      store: this.store,
      dagsFolder: this.dags(),
      home: this.folder.path,
      clock: systemClock,
      logger: silentLogger,
      isPausedByDefault: false,
      ...this.#options,
    });
    loader.onLoaded((outcome) => this.outcomes.push(outcome));
    return loader;
  }
}
