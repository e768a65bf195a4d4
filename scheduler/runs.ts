import type { TimerHandle } from "../core/clock.ts";
import { isRunTerminal, type RunState } from "../core/states.ts";
import type { OutcomeReport } from "../executor/executor.ts";
import type { DagRunRow, RunKey } from "../store/rows.ts";
import type { OwnedRun } from "./owned-run.ts";
import { Past } from "./past.ts";
import { type LoadedRun, type Loading, RunLoader } from "./run-loader.ts";
import type { Happening, RunOwnerOptions } from "./run-owner.ts";
import { Values } from "./values.ts";

/** A run whose commits fail again and again is left alone for this long, doubling, ms. */
const MIN_STRIKE_MS = 50;
const MAX_STRIKE_MS = 60_000;

/** Called when a run has ended (`state` undefined: it was deleted) and left this scheduler. */
export type RunEndListener = (row: DagRunRow, state: RunState | undefined) => void;

/** An unfinished run that this scheduler answers for. */
export interface Entry {
  readonly runKey: RunKey;
  /** As last read or written by us. */
  row: DagRunRow | undefined;
  /** waiting: queued, its row only; loading: about to be read; open: in memory. */
  phase: "waiting" | "loading" | "open";
  run: OwnedRun | undefined;
  /** Its turn has come: it begins when it is loaded. */
  isAdmitted: boolean;
  /** A read is under way. */
  isLoading: boolean;
  /** A command came while it was being read: read it again. */
  isStale: boolean;
  /** It is being read, and its rows may say that instances of it occupy places that nobody has counted yet. */
  mayOccupy: boolean;
  /** Outcomes that arrived meanwhile, or whose commit failed. */
  readonly pending: OutcomeReport[];
  /** Commits or reads that failed in a row. */
  strikes: number;
  retry: TimerHandle | undefined;
}

/**
 * The unfinished runs of this scheduler and where each stands: queued and waiting for its turn, being read from its rows, or in
 * memory. Moves them between these; what happens to those in memory is the run owner's.
 */
export class Runs {
  readonly values = new Values();
  readonly past: Past;
  readonly #o: RunOwnerOptions;
  readonly #post: (happening: Happening) => void;
  readonly #wake: () => void;
  readonly #loader: RunLoader;
  readonly #entries = new Map<RunKey, Entry>();
  readonly #byDag = new Map<string, Set<Entry>>();
  readonly #endListeners = new Set<RunEndListener>();
  readonly #admissionTimers = new Map<string, TimerHandle>();
  /** DAGs whose queued runs may have got a place. */
  readonly #toAdmit = new Set<string>();
  #reads = 0;
  #occupantsUnknown = 0;
  #isStopped = false;

  constructor(options: RunOwnerOptions, post: (happening: Happening) => void, wake: () => void) {
    this.#o = options;
    this.#post = post;
    this.#wake = wake;
    this.past = new Past(options.gate, (runKey) => this.open(runKey));
    this.#loader = new RunLoader(options.gate, options.catalog, this.past);
  }

  /** Nothing is being read, and no place waits to be given away. */
  get isIdle(): boolean {
    return this.#reads === 0 && this.#toAdmit.size === 0;
  }

  /** Who occupies what is known: no run that may occupy anything is being read. Otherwise whoever gave places away could give them twice. */
  get areOccupantsKnown(): boolean {
    return this.#occupantsUnknown === 0;
  }

  get(runKey: RunKey): Entry | undefined {
    return this.#entries.get(runKey);
  }

  all(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** The run, when it is in memory. */
  open(runKey: RunKey): OwnedRun | undefined {
    const entry = this.#entries.get(runKey);
    return entry?.phase === "open" ? entry.run : undefined;
  }

  /** Unfinished runs of a DAG. */
  *rowsOf(dagId: string): Iterable<DagRunRow> {
    for (const { row } of this.#byDag.get(dagId) ?? []) if (row !== undefined) yield row;
  }

  onEnd(listener: RunEndListener): void {
    this.#endListeners.add(listener);
  }

  /** Takes over an unfinished run whose row was just read. */
  recover(row: DagRunRow): void {
    if (this.#entries.has(row.runKey)) return;
    const entry = this.#add(row.runKey);
    this.#know(entry, row);
    if (row.state === "queued") {
      this.#wait(entry, row);
      return;
    }
    // It counts from now on, not from when its rows are read: queued runs must not take its place meanwhile.
    this.#o.admission.run(row);
    this.load(entry);
  }

  /** Reads a run again, or for the first time, and tells those that look back at it. */
  reload(runKey: RunKey): void {
    this.load(this.#entries.get(runKey) ?? this.#add(runKey));
    for (const follower of this.past.followersOf(runKey)) this.#refreshPast(follower);
  }

  /** Drops the memory and reads the rows; `loaded` is posted when they are there. */
  load(entry: Entry): void {
    entry.retry?.cancel();
    entry.retry = undefined;
    if (entry.isLoading) {
      entry.isStale = true;
      return;
    }
    this.#setMayOccupy(entry, entry.run !== undefined || entry.row?.state === "running");
    this.#drop(entry, true);
    entry.phase = "loading";
    entry.isStale = false;
    entry.isLoading = true;
    this.#reads++;
    void this.#loader
      .load(entry.runKey, (row) => this.#needsTasks(entry, row))
      .then((loading) => this.#post({ kind: "loaded", entry, loading }))
      .catch((error: unknown) => {
        entry.isLoading = false;
        this.#setMayOccupy(entry, false);
        if (this.#isStopped) return;
        this.#o.logger.error({ err: error, runKey: entry.runKey }, "a run could not be read");
        this.strike(entry, 1);
      })
      .finally(() => this.#readEnded());
  }

  /** Reads the run again, later each time, so that one that never succeeds does not hold up the others. */
  strike(entry: Entry, forgiven = 0): void {
    entry.strikes++;
    if (entry.strikes === 1 && forgiven === 0) {
      this.load(entry);
      return;
    }
    this.#drop(entry, true);
    entry.phase = "loading";
    const delayMs = Math.min(MAX_STRIKE_MS, MIN_STRIKE_MS * 2 ** Math.min(entry.strikes, 20));
    this.#o.logger.warn({ runKey: entry.runKey, strikes: entry.strikes, delayMs }, "a run is left alone for a while");
    entry.retry?.cancel();
    entry.retry = this.#o.timers.at(this.#o.clock.now() + delayMs, () => this.load(entry));
  }

  /** What a read gave: the rows of a run that is to be in memory, or undefined when it has found its place otherwise. */
  received(entry: Entry, loading: Loading): LoadedRun | undefined {
    entry.isLoading = false;
    this.#setMayOccupy(entry, false);
    if (this.#entries.get(entry.runKey) !== entry) return undefined;
    if (entry.isStale) {
      this.load(entry);
      return undefined;
    }
    if (loading.kind === "gone") {
      this.forget(entry, undefined);
      return undefined;
    }
    const row = loading.kind === "run" ? loading.loaded.row : loading.row;
    this.#know(entry, row);
    if (isRunTerminal(row.state)) this.forget(entry, row.state);
    else if (loading.kind === "run") return loading.loaded;
    else if (row.state === "queued") this.#wait(entry, row);
    else this.load(entry);
    return undefined;
  }

  /** The run is in memory from now on, and counts. */
  opened(entry: Entry, run: OwnedRun): void {
    entry.run = run;
    entry.phase = "open";
    this.#o.admission.run(run.row);
  }

  /** The run is queued and not admitted: only its row stays. */
  putBack(entry: Entry): void {
    if (entry.row === undefined) return;
    entry.row = { ...entry.row, state: "queued" };
    this.#wait(entry, entry.row);
  }

  /** The run is finished or gone. */
  forget(entry: Entry, state: RunState | undefined): void {
    this.#drop(entry);
    entry.retry?.cancel();
    this.past.forget(entry.runKey);
    this.#entries.delete(entry.runKey);
    for (const live of this.#o.dispatcher.attempts.ofRun(entry.runKey)) {
      if (live.isAbandoned) continue;
      live.isAbandoned = true;
      if (live.isRunning) live.executor.cancel(live.attempt, "its run is over");
    }
    for (const follower of this.past.followersOf(entry.runKey)) this.#refreshPast(follower);
    const { row } = entry;
    if (row === undefined) return;
    const ofDag = this.#byDag.get(row.dagId);
    ofDag?.delete(entry);
    if (ofDag?.size === 0) this.#byDag.delete(row.dagId);
    this.#o.admission.remove(row.dagId, row.runKey);
    this.reconsider(row.dagId);
    for (const listener of this.#endListeners) listener(row, state);
  }

  /** Queued runs of this DAG may have got a place. */
  reconsider(dagId: string): void {
    this.#toAdmit.add(dagId);
    this.#wake();
  }

  /**
   * Begins to read the runs whose turn has come. Answers runs that must give way: they have a place, but only wait for an earlier run
   * that has none, as after a clear (dependsOnPast with few maxActiveRuns would lock up for ever).
   */
  admit(): readonly OwnedRun[] {
    const now = this.#o.clock.now();
    const givingWay: OwnedRun[] = [];
    for (const dagId of this.#toAdmit) {
      this.#toAdmit.delete(dagId);
      const { admitted, nextAt } = this.#o.admission.admit(dagId, now);
      for (const runKey of admitted) {
        const entry = this.#entries.get(runKey);
        if (entry?.row === undefined) continue;
        entry.isAdmitted = true;
        this.#o.admission.run(entry.row);
        this.load(entry);
      }
      this.#admissionTimers.get(dagId)?.cancel();
      this.#admissionTimers.delete(dagId);
      if (nextAt !== undefined) {
        const timer = this.#o.timers.at(nextAt, () => this.reconsider(dagId));
        this.#admissionTimers.set(dagId, timer);
      }
      givingWay.push(...this.#givingWay(dagId, now));
    }
    return givingWay;
  }

  #givingWay(dagId: string, now: number): readonly OwnedRun[] {
    const found: OwnedRun[] = [];
    for (const { run } of this.#byDag.get(dagId) ?? []) {
      if (run === undefined || run.row.backfillId !== null || !run.onlyWaitsForPast) continue;
      if (this.#o.admission.earlierThan(run.row, now) > found.length) found.push(run);
    }
    return found;
  }

  stop(): void {
    this.#isStopped = true;
    for (const { run, retry } of this.#entries.values()) {
      run?.close();
      retry?.cancel();
    }
    for (const timer of this.#admissionTimers.values()) timer.cancel();
  }

  #add(runKey: RunKey): Entry {
    const entry: Entry = {
      runKey,
      row: undefined,
      phase: "waiting",
      run: undefined,
      isAdmitted: false,
      isLoading: false,
      isStale: false,
      mayOccupy: false,
      pending: [],
      strikes: 0,
      retry: undefined,
    };
    this.#entries.set(runKey, entry);
    return entry;
  }

  /** The memory goes; the entry, its place and its attempts stay. `isReadAgain`: so do the places that its instances occupy. */
  #drop(entry: Entry, isReadAgain = false): void {
    const { run, runKey } = entry;
    if (!isReadAgain) this.#o.dispatcher.forget(runKey);
    if (run === undefined) return;
    entry.run = undefined;
    run.close();
    this.values.forget(run);
    this.#o.dispatcher.suspend(runKey);
  }

  #setMayOccupy(entry: Entry, mayOccupy: boolean): void {
    this.#occupantsUnknown += Number(mayOccupy) - Number(entry.mayOccupy);
    entry.mayOccupy = mayOccupy;
  }

  #know(entry: Entry, row: DagRunRow): void {
    const isNew = entry.row === undefined;
    entry.row = row;
    if (!isNew) return;
    const ofDag = this.#byDag.get(row.dagId);
    if (ofDag === undefined) this.#byDag.set(row.dagId, new Set([entry]));
    else ofDag.add(entry);
    // A run that comes between two others is what the later one looks back at from now on.
    const { logicalDate } = row;
    if (logicalDate === null || ofDag === undefined) return;
    for (const other of ofDag)
      if ((other.row?.logicalDate ?? logicalDate) > logicalDate) this.#refreshPast(other.runKey);
  }

  #wait(entry: Entry, row: DagRunRow): void {
    this.#drop(entry);
    entry.phase = "waiting";
    entry.isAdmitted = false;
    this.#o.admission.wait(row);
    this.reconsider(row.dagId);
  }

  #needsTasks(entry: Entry, row: DagRunRow): boolean {
    if (row.state === "running") return true;
    if (row.state !== "queued") return false;
    // Attempts that still run here are compared with their rows.
    return entry.isAdmitted || [...this.#o.dispatcher.attempts.ofRun(row.runKey)].some((live) => !live.isAbandoned);
  }

  #refreshPast(runKey: RunKey): void {
    const run = this.open(runKey);
    if (run === undefined || !run.version.graph.needsPast) return;
    this.#reads++;
    void this.past
      .factsFor(run.row)
      .then((facts) => this.#post({ kind: "past", runKey, facts }))
      .catch((error: unknown) => this.#o.logger.error({ err: error, runKey }, "the run before could not be read"))
      .finally(() => this.#readEnded());
  }

  #readEnded(): void {
    this.#reads--;
    this.#wake();
  }
}
