import { type FSWatcher, watch } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import type { Clock, TimerHandle } from "../core/clock.ts";
import { type FolderScan, inputStamp, MISSING, type SourceFile, scanFolder } from "./scan.ts";

/** What differs between two looks at the DAG folder. */
export interface FolderChanges {
  /** New or changed DAG files. */
  readonly changed: readonly SourceFile[];
  /** DAG files that are gone. */
  readonly removed: readonly string[];
  /** Stamps of all tracked inputs by real path; `MISSING` for those that are gone. */
  readonly inputs: ReadonlyMap<string, string>;
  /** DAG files or folders that exist and cannot be read, with the system's reason; not reported as removed. */
  readonly unreadable: ReadonlyMap<string, string>;
  readonly isFirst: boolean;
  readonly isReadable: boolean;
  /** A look that was taken because time had passed, not because the system reported something. */
  readonly isRoutine: boolean;
}

export interface FolderWatcherOptions {
  /** The DAG folder; it may be missing, and come later. */
  readonly folder: string;
  readonly clock: Clock;
  /** Further files to look at (real paths): what DAG files import. */
  readonly inputs: () => ReadonlySet<string>;
  readonly onChanges: (changes: FolderChanges) => void;
  /** Something that makes watching slower but not wrong: no more inotify watches, say. */
  readonly onDegraded: (reason: string) => void;
  /** How often to look without being told, ms. Default 10,000; 1,000 while the system cannot watch. */
  readonly rescanMs?: number;
}

/** Editors touch a file several times in one save; one look serves them all. */
const SETTLE_MS = 30;
const MIN_PAUSE_MS = 100;
const RESCAN_MS = 10_000;
const DEGRADED_RESCAN_MS = 1_000;
/** Two writes within one tick of the file system's clock have the same stamp; then only the event tells them apart. */
export const CLOCK_TICK_MS = 20;

/** Written content matters in these (and in tracked files) only; data and logs beside DAG files cause no look. */
const SOURCE_ENDING = /\.[cm]?[jt]sx?$|\.json$|^\.(?:sluice|airflow)ignore$/;
/** What comes and goes under such a name is neither a folder nor a source, but what editors and databases leave. */
const PASSING_NAME = /\.(?:sw[a-z]|tmp|log|csv|parquet|db|sqlite3?)(?:-journal|-wal|-shm)?$|~$/;

/**
 * Tells what changes below the DAG folder. Each folder is watched by itself (the system's recursive watching misses
 * renames, new folders and what symlinks point to); every event only causes a look at the whole folder, which is
 * compared with the last one. A look every `rescanMs` finds what no event reported.
 */
export class FolderWatcher {
  readonly #options: FolderWatcherOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #touched = new Set<string>();
  #tracked: ReadonlySet<string> = new Set();
  #last: FolderScan | undefined;
  #lastStartedAt = Number.NEGATIVE_INFINITY;
  #lastStartedOnDisk = 0;
  #parent = "";
  #timer: TimerHandle | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #scanning: Promise<void> | undefined;
  #isStopped = false;
  #isDegraded = false;

  constructor(options: FolderWatcherOptions) {
    this.#options = options;
  }

  /** Begins with a first look, which reports every file as changed. */
  start(): void {
    this.#schedule(0);
  }

  /** Watches the folders of further files at once; `inputs` must name them by the next look. */
  watchFilesOf(paths: Iterable<string>): void {
    for (const path of paths) {
      const folder = dirname(path);
      if (!isInstalled(path) && !this.#watchers.has(folder) && !this.#isStopped) this.#watch(folder);
    }
  }

  /** The files of the last look. */
  get files(): ReadonlyMap<string, SourceFile> {
    return this.#last?.files ?? new Map();
  }

  /** Takes a look now; resolves when its changes have been reported. */
  async look(): Promise<void> {
    // One that has begun may have passed over what the caller wants seen.
    await this.#scanning;
    if (this.#isStopped) return;
    this.#scanning ??= this.#scan(false).finally(() => {
      this.#scanning = undefined;
    });
    await this.#scanning;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#scanning;
  }

  #schedule(inMs: number): void {
    if (this.#isStopped) return;
    const at = this.#options.clock.now() + inMs;
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const isRoutine = inMs > MIN_PAUSE_MS;
    this.#timer = this.#options.clock.setTimer(at, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#scanning ??= this.#scan(isRoutine).finally(() => {
        this.#scanning = undefined;
      });
    });
  }

  #onEvent(kind: string, folder: string, name: string | null): void {
    const path = name === null ? folder : join(folder, name);
    const isIrrelevant = (changed: string) =>
      kind === "change" ? !SOURCE_ENDING.test(changed) : PASSING_NAME.test(changed);
    if (name !== null && isIrrelevant(name) && !this.#tracked.has(path)) return;
    this.#touched.add(path);
    if (this.#scanning !== undefined) return; // seen, and looked at again, when the present look ends
    const sinceLast = this.#options.clock.now() - this.#lastStartedAt;
    this.#schedule(Math.max(SETTLE_MS, MIN_PAUSE_MS - sinceLast));
  }

  async #scan(isRoutine: boolean): Promise<void> {
    try {
      await this.#compare(isRoutine);
    } catch (error) {
      // Never the end of watching: the next look may fare better.
      this.#options.onDegraded(`A look at ${this.#options.folder} failed: ${error}`);
    }
    if (this.#touched.size > 0) this.#schedule(MIN_PAUSE_MS);
    else this.#schedule(this.#isDegraded ? DEGRADED_RESCAN_MS : (this.#options.rescanMs ?? RESCAN_MS));
  }

  async #compare(isRoutine: boolean): Promise<void> {
    const previousStart = this.#lastStartedOnDisk;
    // Compared with times that the file system gave, so not the injected clock.
    this.#lastStartedOnDisk = Date.now();
    this.#lastStartedAt = this.#options.clock.now();
    this.#tracked = this.#options.inputs();
    const touched = new Set(this.#touched);
    this.#touched.clear();
    // Watch before reading: what happens in between is then reported again instead of lost.
    let scan = await scanFolder(this.#options.folder);
    if (await this.#watchFolders(scan)) scan = await scanFolder(this.#options.folder);
    const inputs = await this.#stampInputs();
    if (this.#isStopped) return;
    const previous = this.#last;
    this.#last = scan.isReadable || previous === undefined ? scan : { ...previous, isReadable: false };
    const isChanged = (file: SourceFile) => {
      const before = previous?.files.get(file.path);
      if (before === undefined || before.stamp !== file.stamp) return true;
      return touched.has(file.realPath) && file.mtimeMs >= previousStart - CLOCK_TICK_MS;
    };
    const removed = scan.isReadable ? missing(previous, scan) : [];
    if (scan.isReadable) this.#keepUnreadable(previous, scan);
    this.#options.onChanges({
      changed: [...scan.files.values()].filter(isChanged),
      removed,
      inputs,
      unreadable: scan.unreadable,
      isFirst: previous === undefined,
      isReadable: scan.isReadable,
      isRoutine,
    });
  }

  /** A file that cannot be read for a while keeps its last stamp, so that it is not taken for new afterwards. */
  #keepUnreadable(previous: FolderScan | undefined, scan: FolderScan): void {
    if (previous === undefined || scan.unreadable.size === 0) return;
    const files = new Map(scan.files);
    for (const [path, file] of previous.files) if (isUnreadable(scan, path)) files.set(path, file);
    this.#last = { ...scan, files };
  }

  async #stampInputs(): Promise<Map<string, string>> {
    const paths = [...this.#tracked];
    const stamps = await Promise.all(paths.map(inputStamp));
    return new Map(paths.map((path, at) => [path, stamps[at] ?? MISSING]));
  }

  /** Watches exactly the folders that matter now; says whether there was a new one. */
  async #watchFolders(scan: FolderScan): Promise<boolean> {
    if (this.#isStopped) return false;
    const wanted = new Set(scan.folders);
    for (const file of scan.files.values()) wanted.add(dirname(file.realPath));
    for (const path of this.#tracked) if (!isInstalled(path)) wanted.add(dirname(path));
    // The DAG folder itself may be created, replaced, or be a symlink that is moved to the next release.
    this.#parent = await realpath(dirname(resolve(this.#options.folder))).catch(() => "");
    if (this.#parent !== "") wanted.add(this.#parent);
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    let isNew = false;
    for (const folder of wanted) {
      if (!this.#watchers.has(folder)) isNew = this.#watch(folder) || isNew;
    }
    return isNew;
  }

  #watch(folder: string): boolean {
    try {
      const watcher = watch(folder, (kind, name) => {
        // A folder that is deleted reports its own name and is never heard of again.
        if (name === basename(folder)) this.#unwatch(folder);
        if (this.#concerns(folder, name)) this.#onEvent(kind, folder, name);
      });
      watcher.on("error", () => this.#unwatch(folder));
      this.#watchers.set(folder, watcher);
      return true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      if (code !== "ENOENT" && !this.#isDegraded) {
        this.#isDegraded = true;
        this.#options.onDegraded(
          `The system refuses to watch ${folder} (${code}); changes are found by looking every second instead. ` +
            "On Linux, raise fs.inotify.max_user_watches.",
        );
      }
      return false;
    }
  }

  #unwatch(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
    this.#touched.add(folder);
    this.#schedule(SETTLE_MS);
  }

  /** Beside the DAG folder only its own name and imported files matter. */
  #concerns(folder: string, name: string | null): boolean {
    if (folder !== this.#parent || name === null || this.#last?.folders.has(folder)) return true;
    return name === basename(this.#options.folder) || this.#tracked.has(join(folder, name));
  }
}

function missing(previous: FolderScan | undefined, scan: FolderScan): string[] {
  if (previous === undefined) return [];
  return [...previous.files.keys()].filter((path) => !scan.files.has(path) && !isUnreadable(scan, path));
}

function isUnreadable(scan: FolderScan, path: string): boolean {
  for (const prefix of scan.unreadable.keys()) {
    if (path === prefix || path.startsWith(`${prefix}/`)) return true;
  }
  return false;
}

/** Packages change by being installed again, which the routine look finds soon enough. */
function isInstalled(path: string): boolean {
  return path.includes(`${sep}node_modules${sep}`);
}
