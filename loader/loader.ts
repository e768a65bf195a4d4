import { realpath } from "node:fs/promises";
import { basename, dirname, relative, resolve, sep } from "node:path";
import type { Clock, TimerHandle } from "../core/clock.ts";
import { NotFoundError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Store } from "../store/store.ts";
import type { DagFile, FileOutcome } from "./dag-file.ts";
import { DagFileError } from "./dag-file-error.ts";
import { EsbuildService } from "./esbuild-service.ts";
import { Evaluator } from "./evaluate.ts";
import { FileLoading, NO_DAGS } from "./file-loading.ts";
import { FileQueue, type FileTask } from "./file-queue.ts";
import { type KnownFile, KnownFiles } from "./known-files.ts";
import { bundleFile, type ParsedFile } from "./parse.ts";
import { Registrar } from "./registrar.ts";
import { isSourceName, type SourceFile } from "./scan.ts";
import { type FolderChanges, FolderWatcher } from "./watcher.ts";

export type { FileOutcome } from "./dag-file.ts";
export { DagFileError } from "./dag-file-error.ts";
export type { ParsedFile } from "./parse.ts";
export type { StoredDag } from "./registrar.ts";

export interface LoaderOptions {
  readonly store: Store;
  /** The DAG folder; it may be missing, and come later. */
  readonly dagsFolder: string;
  /** The state folder (`SLUICE_HOME`): what is known of unchanged files is kept in its `cache`. */
  readonly home: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a new DAG that does not say otherwise begins paused. */
  readonly isPausedByDefault: boolean;
  /** How often to look at the whole folder without being told, ms. Default 10,000. */
  readonly rescanMs?: number;
  /** Limit of one evaluation, ms. Default 10,000. */
  readonly evaluateTimeoutMs?: number;
  /** Heap of an evaluation, MB. Default 512. */
  readonly evaluateHeapMb?: number;
}

/** A save by delete and create must not look like a delete. */
const VANISH_GRACE_MS = 500;
const STORE_RETRY_MS = 1_000;
const SAVE_KNOWN_MS = 3_000;
/** Changes when the same file may give another result: the bundler's version, or how definitions are made. */
const LOAD_FORMAT = `1 ${process.versions.node.split(".")[0]}`;

/**
 * Keeps the store's DAGs equal to the DAG folder: watches it, bundles what changed, evaluates it in a child process and
 * stores new versions or import errors. Author code never runs in this process.
 */
export class Loader {
  readonly #options: LoaderOptions;
  readonly #watcher: FolderWatcher;
  readonly #esbuild: EsbuildService;
  readonly #evaluator: Evaluator;
  readonly #registrar: Registrar;
  readonly #known: KnownFiles;
  readonly #loading: FileLoading;
  readonly #queue: FileQueue;
  readonly #files = new Map<string, DagFile>();
  /** Files that have vanished and may come back at once, with the timer of their grace. */
  /** Files that were refused for a DAG that has become free. */
  readonly #adopters = new Set<string>();
  readonly #vanished = new Map<string, TimerHandle>();
  readonly #listeners = new Set<(outcome: FileOutcome) => void>();
  readonly #writes = new Set<Promise<void>>();
  #starting: Promise<void> | undefined;
  #isStopped = false;
  #isFolderMissing = false;
  #hasSeenFolder = false;
  #orphanTimer: TimerHandle | undefined;
  #saveTimer: TimerHandle | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: LoaderOptions) {
    this.#options = { ...options, dagsFolder: resolve(options.dagsFolder) };
    const { clock, logger } = options;
    this.#esbuild = new EsbuildService(clock);
    this.#evaluator = new Evaluator({ clock, timeoutMs: options.evaluateTimeoutMs, heapMb: options.evaluateHeapMb });
    this.#known = new KnownFiles(options.home, LOAD_FORMAT);
    this.#queue = new FileQueue(clock, (task) => this.#load(task));
    this.#watcher = new FolderWatcher({
      folder: this.#options.dagsFolder,
      clock,
      rescanMs: options.rescanMs,
      inputs: () => new Set([...this.#files.values()].flatMap((file) => [...file.inputs.keys()])),
      onChanges: (changes) => this.#onChanges(changes),
      onDegraded: (reason) => logger.warn({ folder: this.#options.dagsFolder }, reason),
    });
    this.#registrar = new Registrar({
      store: options.store,
      isPausedByDefault: options.isPausedByDefault,
      isPresent: (file) => this.#files.has(file) && !this.#vanished.has(file),
    });
    this.#loading = new FileLoading({
      dagsFolder: this.#options.dagsFolder,
      esbuild: this.#esbuild,
      evaluator: this.#evaluator,
      registrar: this.#registrar,
      known: this.#known,
      logger,
      retryLater: (path, inMs, isForced) => this.#queue.retryLater(path, inMs, isForced),
      onImports: (paths) => this.#watcher.watchFilesOf(paths),
      onReleased: (waiting) => this.#settleOrphans(waiting, VANISH_GRACE_MS),
      onOutcome: (outcome) => this.#emit(outcome),
    });
  }

  /** Reads what the store knows, then looks at the folder in the background; `idle` tells when all is loaded. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Looks at the folder and resolves when everything found is loaded (or failed), and what is gone is deactivated. */
  async idle(): Promise<void> {
    await this.start();
    await this.#watcher.look();
    await this.#queue.until(() => this.#isIdle());
  }

  /**
   * Evaluates a file (path below the DAG folder), or all, again, even when nothing has changed; resolves when done.
   * Rejects with `NotFoundError` for a file that is not there.
   */
  async reparse(file?: string): Promise<void> {
    await this.start();
    await this.#watcher.look();
    if (file !== undefined && !this.#files.has(file)) {
      throw new NotFoundError(`There is no DAG file ${file} in ${this.#options.dagsFolder}.`);
    }
    const paths = file === undefined ? [...this.#files.keys()] : [file];
    for (const path of paths) this.#queue.add(path, { isUrgent: file !== undefined, isForced: true });
    await this.#queue.until(() => paths.every((path) => !this.#queue.isPending(path)));
  }

  /** Bundles and evaluates a file (any path) without storing anything. Rejects with `DagFileError` or `NotFoundError`. */
  async parseFile(path: string): Promise<ParsedFile> {
    const started = performance.now();
    const absolute = resolve(path);
    const { dagsFolder } = this.#options;
    const folder = absolute.startsWith(dagsFolder + sep) ? dagsFolder : dirname(absolute);
    const [root, realPath] = await Promise.all([realpath(folder), realpath(absolute)]).catch(() => {
      throw new NotFoundError(`There is no file ${absolute}.`);
    });
    const file = relative(folder, absolute).split(sep).join("/");
    const { bundle } = await bundleFile(this.#esbuild, { root, file, realPath });
    const { definitions } = bundle.usesSdk ? await this.#evaluator.evaluate({ bundle, root }) : NO_DAGS;
    return { bundle, definitions, parseMs: performance.now() - started };
  }

  /** Calls the listener after each file; returns the unsubscriber. */
  onLoaded(listener: (outcome: FileOutcome) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends watchers, child processes and esbuild. What was being loaded is dropped, and found again at the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#starting?.catch(() => undefined);
    this.#unsubscribe?.();
    for (const timer of [this.#orphanTimer, this.#saveTimer, ...this.#vanished.values()]) timer?.cancel();
    await this.#watcher.stop();
    await Promise.all([this.#queue.stop(), this.#evaluator.stop()]);
    await Promise.all(this.#writes);
    if (this.#starting !== undefined) await this.#saveKnown();
    await this.#esbuild.stop();
  }

  async #start(): Promise<void> {
    const { store, dagsFolder } = this.#options;
    await this.#registrar.read();
    this.#unsubscribe = store.onCommit((notice) => {
      if (notice.changedKinds.has("dag.delete")) this.#onDeleted(notice.dagIds);
    });
    await this.#known.read(dagsFolder);
    if (!this.#isStopped) this.#watcher.start();
  }

  #isIdle(): boolean {
    return !this.#queue.isPending() && this.#vanished.size === 0 && this.#orphanTimer === undefined;
  }

  // --- what the watcher saw ----------------------------------------------------------------------------------

  #onChanges(changes: FolderChanges): void {
    if (!this.#isFolderThere(changes)) return;
    for (const [path, code] of changes.unreadable) this.#onUnreadable(path, code);
    for (const source of changes.changed) this.#onFile(source);
    for (const path of changes.removed) this.#onVanished(path);
    if (!this.#hasSeenFolder) this.#onFirstSight(changes);
    for (const [path, file] of this.#files) {
      const isStale = [...file.inputs].some(([input, stamp]) => (changes.inputs.get(input) ?? stamp) !== stamp);
      // Noted, so that the next look does not find the same change again.
      if (isStale) file.inputs = updated(file.inputs, changes.inputs);
      // A file that could not be bundled may have been waiting for just what has changed.
      const isHopeful = !changes.isRoutine && isBundleError(file.error);
      if (isStale || isHopeful) this.#queue.add(path, { isUrgent: true, isPaced: isStale });
    }
    this.#scheduleSave();
  }

  /** A folder that cannot be read says nothing about its files: they stay in service. */
  #isFolderThere(changes: FolderChanges): boolean {
    const { dagsFolder, logger } = this.#options;
    if (changes.isReadable === this.#isFolderMissing) {
      this.#isFolderMissing = !changes.isReadable;
      if (this.#isFolderMissing) {
        logger.warn({ dagsFolder }, "The DAG folder cannot be read; its DAGs stay as they were until it can be");
      } else logger.info({ dagsFolder }, "The DAG folder can be read again");
    }
    return changes.isReadable;
  }

  #onFile(source: SourceFile): void {
    const { path } = source;
    this.#vanished.get(path)?.cancel();
    this.#vanished.delete(path);
    const file = this.#files.get(path);
    if (file !== undefined) file.source = source;
    else this.#files.set(path, { source, loadedStamp: undefined, inputs: new Map(), error: undefined, failures: 0 });
    this.#queue.add(path, { isUrgent: this.#hasSeenFolder, isPaced: true });
  }

  #onUnreadable(path: string, code: string): void {
    this.#options.logger.warn({ path, code }, "A path in the DAG folder cannot be read");
    if (!isSourceName(basename(path))) return;
    const why = code === "ELOOP" ? "its symlinks lead in a circle" : `the system says ${code}`;
    this.#track(this.#loading.fail(new DagFileError("dag_file_unreadable", path, `${path} cannot be read: ${why}.`)));
  }

  /** What the store knows and the folder, now that it can be read, does not have. */
  #onFirstSight(changes: FolderChanges): void {
    this.#hasSeenFolder = true;
    for (const path of this.#registrar.files()) {
      if (!this.#files.has(path) && !isCovered(path, changes.unreadable)) this.#onVanished(path);
    }
  }

  #onVanished(path: string): void {
    if (this.#vanished.has(path)) return;
    const { clock } = this.#options;
    const timer = clock.setTimer(clock.now() + VANISH_GRACE_MS, () => this.#track(this.#remove(path)));
    this.#vanished.set(path, timer);
  }

  /** An operator deleted a DAG whose file is still there: it comes back, as new. */
  #onDeleted(dagIds: readonly string[]): void {
    for (const dagId of dagIds) {
      const file = this.#registrar.forgetDag(dagId);
      if (file !== undefined && this.#files.has(file)) this.#queue.add(file, { isUrgent: true, isForced: true });
    }
  }

  async #load(task: FileTask): Promise<void> {
    const file = this.#files.get(task.path);
    if (file === undefined || this.#vanished.has(task.path)) return;
    await this.#loading.load(task, file);
    this.#scheduleSave();
  }

  async #remove(path: string): Promise<void> {
    // The last word has the folder itself.
    await this.#watcher.look();
    if (!this.#vanished.has(path) || this.#isStopped) return;
    await this.#queue.forget(path);
    this.#files.delete(path);
    try {
      const { dagIds, waiting } = await this.#registrar.remove(path);
      this.#vanished.delete(path);
      this.#settleOrphans(waiting, 0);
      this.#emit({ file: path, kind: "removed", dagIds });
    } catch (error) {
      this.#options.logger.error({ file: path, err: error }, "A deleted DAG file could not be taken out of service");
      this.#vanished.delete(path);
      const { clock } = this.#options;
      if (!this.#isStopped) {
        const timer = clock.setTimer(clock.now() + STORE_RETRY_MS, () => this.#track(this.#remove(path)));
        this.#vanished.set(path, timer);
      }
    }
    this.#queue.recheck();
  }

  // --- DAGs that no file defines any more --------------------------------------------------------------------

  /** Gives files that were refused the chance to take over; what nobody takes is deactivated after `graceMs`. */
  #settleOrphans(waiting: readonly string[], graceMs: number): void {
    for (const path of waiting) {
      this.#adopters.add(path);
      if (this.#files.has(path)) this.#queue.add(path, { isUrgent: true, isForced: true });
    }
    if (!this.#registrar.hasOrphans || this.#isStopped) return;
    const { clock } = this.#options;
    this.#orphanTimer?.cancel();
    this.#orphanTimer = clock.setTimer(clock.now() + graceMs, () => this.#track(this.#deactivateOrphans()));
  }

  async #deactivateOrphans(): Promise<void> {
    await this.#queue.until(() => ![...this.#adopters].some((path) => this.#queue.isPending(path)));
    this.#adopters.clear();
    try {
      await this.#registrar.deactivateOrphans();
      this.#orphanTimer = undefined;
    } catch (error) {
      this.#options.logger.error({ err: error }, "DAGs without a file could not be taken out of service");
      this.#settleOrphans([], STORE_RETRY_MS);
    }
    this.#queue.recheck();
  }

  // --- what is remembered for the next start -----------------------------------------------------------------

  #scheduleSave(): void {
    if (this.#saveTimer !== undefined || this.#isStopped) return;
    const { clock } = this.#options;
    this.#saveTimer = clock.setTimer(clock.now() + SAVE_KNOWN_MS, () => {
      this.#saveTimer = undefined;
      this.#track(this.#saveKnown());
    });
  }

  async #saveKnown(): Promise<void> {
    const known = new Map<string, KnownFile>();
    for (const [path, { source, loadedStamp, inputs }] of this.#files) {
      const good = this.#registrar.goodLoad(path);
      if (loadedStamp !== source.stamp || good === undefined) continue;
      known.set(path, { stamp: loadedStamp, inputs: Object.fromEntries(inputs), ...good, dagIds: [...good.dagIds] });
    }
    try {
      await this.#known.write(this.#options.dagsFolder, known);
    } catch (error) {
      this.#options.logger.debug({ err: error }, "What is known of DAG files could not be kept for the next start");
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#options.logger.error({ err: error }, "Loading DAG files failed unexpectedly"))
      .finally(() => this.#writes.delete(tracked));
    this.#writes.add(tracked);
  }

  #emit(outcome: FileOutcome): void {
    for (const listener of this.#listeners) listener(outcome);
  }
}

function isBundleError(error: DagFileError | undefined): boolean {
  return error?.code === "dag_file_syntax" || error?.code === "dag_file_unresolved";
}

function updated(stamps: ReadonlyMap<string, string>, newer: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...stamps].map(([path, stamp]) => [path, newer.get(path) ?? stamp]));
}

function isCovered(path: string, prefixes: ReadonlyMap<string, string>): boolean {
  return [...prefixes.keys()].some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
}
