import { realpath } from "node:fs/promises";
import type { Logger } from "../core/logger.ts";
import type { Bundle } from "./bundle.ts";
import type { DagFile, FileOutcome } from "./dag-file.ts";
import { DagFileError } from "./dag-file-error.ts";
import type { EsbuildService } from "./esbuild-service.ts";
import type { Evaluation, Evaluator } from "./evaluate.ts";
import type { FileTask } from "./file-queue.ts";
import type { KnownFiles } from "./known-files.ts";
import { bundleFile } from "./parse.ts";
import type { Registrar } from "./registrar.ts";
import { Slots } from "./slots.ts";

export interface FileLoadingOptions {
  readonly dagsFolder: string;
  readonly esbuild: EsbuildService;
  readonly evaluator: Evaluator;
  readonly registrar: Registrar;
  readonly known: KnownFiles;
  readonly logger: Logger;
  readonly retryLater: (path: string, inMs: number, isForced: boolean) => void;
  /** The file imports these; their folders are to be watched from now on. */
  readonly onImports: (paths: Iterable<string>) => void;
  /** Some DAGs are no longer defined by the file; these files wait for them. */
  readonly onReleased: (waiting: readonly string[]) => void;
  readonly onOutcome: (outcome: FileOutcome) => void;
}

const EVALUATIONS = 2;
const SLOW_EVALUATIONS = 8;
/** What failed at run time may have failed for a passing reason: a busy machine, a package not yet installed. */
const RETRY_MS = [30_000, 300_000, 1_800_000];
const STORE_RETRY_MS = 1_000;
const LONGEST_STORE_RETRY_MS = 30_000;
/** An import was written while it was read: look again once the file system's clock has moved on. */
const UNCERTAIN_MS = 100;

/** What a file that does not import the SDK defines. */
export const NO_DAGS: Pick<Evaluation, "definitions"> = { definitions: [] };

/** The way of one file: bundle it, evaluate it unless its code is known, store the versions or the import error. */
export class FileLoading {
  readonly #options: FileLoadingOptions;
  readonly #evaluations = new Slots(EVALUATIONS, SLOW_EVALUATIONS);

  constructor(options: FileLoadingOptions) {
    this.#options = options;
  }

  /** Loads a file as it is now; never rejects. */
  async load(task: FileTask, file: DagFile): Promise<void> {
    try {
      if (!task.isForced && (await this.#isKnown(task.path, file))) {
        await this.#confirm(task.path, file, file.source.stamp);
      } else await this.#loadChanged(task, file);
    } catch (error) {
      await this.#onFailure(task, file, error);
    }
  }

  /** Stores an import error; a store that is away is asked again later. */
  async fail(error: DagFileError): Promise<void> {
    const { registrar, logger, retryLater, onOutcome } = this.#options;
    try {
      const isNew = await registrar.fail(error);
      if (isNew) logger.warn({ file: error.file, code: error.code }, error.message);
    } catch (cause) {
      logger.error({ file: error.file, err: cause }, "An import error could not be stored");
      retryLater(error.file, STORE_RETRY_MS, true);
    }
    onOutcome({ file: error.file, kind: "failed", error });
  }

  /** Whether the file and all that it imports are as they were when the store got what it has. */
  async #isKnown(path: string, file: DagFile): Promise<boolean> {
    const { known, registrar, onImports } = this.#options;
    if (file.loadedStamp !== undefined || registrar.hasError(path)) return false;
    const found = await known.unchanged(path, file.source.stamp);
    if (found === undefined) return false;
    const good = registrar.goodLoad(path);
    if (found.dagIds.length === 0 && good === undefined) registrar.assumeWithoutDags(path, found.bundleHash);
    else if (good?.bundleHash !== found.bundleHash || good.dagIds.join() !== found.dagIds.join()) return false;
    file.inputs = new Map(Object.entries(found.inputs));
    onImports(file.inputs.keys());
    return true;
  }

  async #loadChanged(task: FileTask, file: DagFile): Promise<void> {
    const { dagsFolder, esbuild, evaluator, registrar, retryLater, onImports, onReleased, onOutcome } = this.#options;
    const started = performance.now();
    const { path } = task;
    const { stamp, realPath } = file.source;
    // A warm process by the time the bundle is made.
    if (task.isUrgent) evaluator.prepare();
    const root = await realpath(dagsFolder);
    const { bundle, inputs, isUncertain } = await bundleFile(esbuild, { root, file: path, realPath });
    task.signal.throwIfAborted();
    file.inputs = inputs;
    onImports(inputs.keys());
    if (isUncertain) retryLater(path, UNCERTAIN_MS, false);
    if (!task.isForced && registrar.goodLoad(path)?.bundleHash === bundle.hash) {
      return this.#confirm(path, file, stamp);
    }
    const { definitions } = bundle.usesSdk ? await this.#evaluate(bundle, root, task) : NO_DAGS;
    task.signal.throwIfAborted();
    const parseMs = performance.now() - started;
    const { dags, waiting } = await registrar.put(bundle, definitions, parseMs);
    succeeded(file, stamp);
    onReleased(waiting);
    onOutcome({ file: path, kind: "loaded", dags, parseMs });
  }

  async #evaluate(bundle: Bundle, root: string, task: FileTask): Promise<Evaluation> {
    const slot = await this.#evaluations.acquire(task.isUrgent);
    try {
      return await this.#options.evaluator.evaluate({
        bundle,
        root,
        signal: task.signal,
        onSlow: () => slot.stepAside(),
        isBulk: !task.isUrgent,
      });
    } finally {
      slot.release();
    }
  }

  async #confirm(path: string, file: DagFile, stamp: string): Promise<void> {
    await this.#options.registrar.confirm(path);
    succeeded(file, stamp);
    this.#options.onOutcome({ file: path, kind: "unchanged" });
  }

  async #onFailure(task: FileTask, file: DagFile, error: unknown): Promise<void> {
    // Superseded: the file is loaded again. Or gone: the watcher reports that.
    if (task.signal.aborted || (error as NodeJS.ErrnoException).code === "ENOENT") return;
    const { retryLater, logger } = this.#options;
    file.failures++;
    file.loadedStamp = undefined;
    if (error instanceof DagFileError) {
      file.error = error;
      const retryMs = RETRY_MS[Math.min(file.failures, RETRY_MS.length) - 1];
      if (mayPass(error) && retryMs !== undefined) retryLater(task.path, retryMs, true);
      await this.fail(error);
      return;
    }
    // The fault is not the file's: the store is away, or the machine is out of processes.
    const inMs = Math.min(STORE_RETRY_MS * 2 ** (file.failures - 1), LONGEST_STORE_RETRY_MS);
    logger.error({ file: task.path, err: error, retryInMs: inMs }, "A DAG file could not be loaded for now");
    retryLater(task.path, inMs, task.isForced);
  }
}

function succeeded(file: DagFile, stamp: string): void {
  file.loadedStamp = stamp;
  file.error = undefined;
  file.failures = 0;
}

/** Whether the same file might load another time. */
function mayPass(error: DagFileError): boolean {
  return !["dag_file_syntax", "dag_file_invalid", "dag_file_conflict", "dag_file_unreadable"].includes(error.code);
}
