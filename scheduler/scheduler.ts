import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Executor } from "../executor/executor.ts";
import type { RunKey } from "../store/rows.ts";
import type { CommitNotice, Store } from "../store/store.ts";
import { Admission } from "./admission.ts";
import { Backfills } from "./backfills.ts";
import { Catalog } from "./catalog.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Explainer } from "./explainer.ts";
import { Recovery } from "./recovery.ts";
import { RunOwner } from "./run-owner.ts";
import { Schedules } from "./schedules.ts";
import { StoreGate, type StoreHealth } from "./store-gate.ts";
import { Sweep } from "./sweep.ts";
import { Timers } from "./timers.ts";

export interface SchedulerOptions {
  readonly store: Store;
  /** By name; tasks that name none go to `defaultExecutor`. */
  readonly executors: ReadonlyMap<string, Executor>;
  /** Default: the first of `executors`. */
  readonly defaultExecutor?: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name of this start of the scheduler in leases; never used twice. */
  readonly workerId: string;
}

/** How long running attempts may take to finish when the scheduler stops, ms. */
const DEFAULT_STOP_GRACE_MS = 5_000;

/**
 * Decides when things run. It has no loop: due dates are timers, everything else is pushed (ends of attempts by the executors,
 * commands by commit notices). Assembles its services and passes hints on to them.
 */
export class Scheduler {
  readonly #o: SchedulerOptions;
  readonly #gate: StoreGate;
  readonly #timers: Timers;
  readonly #catalog: Catalog;
  readonly #dispatcher: Dispatcher;
  readonly #admission: Admission;
  readonly #owner: RunOwner;
  readonly #schedules: Schedules;
  readonly #backfills: Backfills;
  readonly #sweep: Sweep;
  readonly #explainer: Explainer;
  #unsubscribe: (() => void) | undefined;
  #isStarted = false;
  #stopping: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#o = options;
    const { store, executors, clock, logger, workerId } = options;
    const defaultExecutor = options.defaultExecutor ?? executors.keys().next().value;
    if (defaultExecutor === undefined) throw new TypeError("A scheduler needs at least one executor");
    this.#gate = new StoreGate(store, clock, logger);
    this.#timers = new Timers(clock);
    const base = { store, gate: this.#gate, clock, logger, timers: this.#timers, workerId };
    this.#catalog = new Catalog(this.#gate, logger);
    this.#dispatcher = new Dispatcher({ clock, logger, executors });
    this.#admission = new Admission(
      (dagId) => this.#catalog.dag(dagId),
      (backfillId) => this.#backfills.limits(backfillId),
    );
    const { dispatcher, admission } = { dispatcher: this.#dispatcher, admission: this.#admission };
    this.#owner = new RunOwner({ ...base, catalog: this.#catalog, dispatcher, admission, defaultExecutor });
    this.#schedules = new Schedules({ ...base, catalog: this.#catalog, runs: this.#owner });
    this.#backfills = new Backfills({ ...base, catalog: this.#catalog, runs: this.#owner });
    this.#sweep = new Sweep({ ...base, onMissed: () => this.#compareAll() });
    this.#explainer = new Explainer({ ...base, catalog: this.#catalog, owner: this.#owner, dispatcher, admission });
  }

  /** Takes over everything unfinished and follows what comes. Call once. */
  async start(): Promise<void> {
    const { store, executors, clock, logger, workerId } = this.#o;
    this.#unsubscribe = store.onCommit((notice) => this.#hear(notice));
    this.#gate.onBack(() => this.#sweep.distrust());
    this.#followDags();
    this.#owner.onRunEnd((row) => {
      this.#backfills.runEnded(row);
      this.#schedules.runEnded(row.dagId);
    });
    this.#sweep.saw(await this.#gate.read((reads) => reads.events.lastId()));
    await this.#readPools();
    await this.#catalog.start();
    await Promise.all([...executors.values()].map((executor) => executor.start(this.#owner)));
    const isAlone = store.dialect === "sqlite";
    await new Recovery({ gate: this.#gate, clock, logger, owner: this.#owner, workerId, isAlone }).run();
    await this.#backfills.start();
    this.#backfills.carryOn();
    this.#schedules.start();
    this.#sweep.start();
    this.#isStarted = true;
  }

  /** Gives out no more work, lets running attempts finish for `graceMs`, then ends them; they run again after the next start. */
  stop(graceMs = DEFAULT_STOP_GRACE_MS): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  /** Lets go of everything at once, as the death of the process does. For tests of recovery. */
  kill(): void {
    this.#stopping ??= Promise.resolve();
    this.#sweep.stop();
    this.#schedules.stop();
    this.#backfills.stop();
    this.#timers.stop();
    this.#owner.stop();
    this.#gate.stop();
    this.#unsubscribe?.();
  }

  /** False while the store is away, before the start, and after the stop. */
  get isHealthy(): boolean {
    return this.#isStarted && this.#stopping === undefined && this.#gate.health.isAvailable;
  }

  /** Whether the store can be written, and since when not. */
  get storeHealth(): StoreHealth {
    return this.#gate.health;
  }

  /** One sentence why a task instance is where it is, with its place in line. */
  explain(runKey: RunKey, tiNo: number): Promise<string> {
    return this.#explainer.explainTask(runKey, tiNo);
  }

  /** One sentence why a run is where it is. */
  explainRun(runKey: RunKey): Promise<string> {
    return this.#explainer.explainRun(runKey);
  }

  /** Compares everything with the rows now, as the sweep does every few seconds when it may have missed a hint. */
  sweep(): Promise<void> {
    return this.#sweep.sweep();
  }

  /** Resolves when nothing is left to do but to wait for tasks, timers and commands. For tests. */
  async idle(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      const isQuiet = this.#owner.isIdle && this.#gate.pending === 0;
      await this.#sweep.idle();
      await this.#backfills.idle();
      await this.#schedules.idle();
      await this.#owner.idle();
      await this.#gate.idle();
      await new Promise<void>((resolve) => setImmediate(resolve));
      quiet = isQuiet && this.#owner.isIdle && this.#gate.pending === 0 ? quiet + 1 : 0;
    }
  }

  async #stop(graceMs: number): Promise<void> {
    this.#sweep.stop();
    this.#schedules.stop();
    this.#backfills.stop();
    this.#timers.stop();
    this.#owner.drain();
    await Promise.all([...this.#o.executors.values()].map((executor) => executor.stop(graceMs)));
    this.#gate.stop();
    await Promise.all([this.#schedules.idle(), this.#backfills.idle(), this.#owner.idle()]);
    this.#owner.stop();
    await this.#gate.idle();
    this.#unsubscribe?.();
  }

  /** Hints of what was written, by us or by anybody. */
  #hear(notice: CommitNotice): void {
    this.#sweep.saw(notice.lastEventId);
    for (const runKey of notice.commandedRuns) this.#owner.reload(runKey);
    if (notice.dagIds.length > 0) this.#inBackground("DAGs", this.#catalog.changed(notice.dagIds));
    const { changedKinds } = notice;
    if (changedKinds.has("pool.put") || changedKinds.has("pool.delete")) this.#inBackground("pools", this.#readPools());
    for (const kind of ["backfill.create", "backfill.pause", "backfill.cancel"] as const) {
      if (changedKinds.has(kind)) this.#backfills.changed();
    }
  }

  #followDags(): void {
    this.#catalog.onChange((dag, before) => {
      const dagId = dag?.dagId ?? before?.dagId;
      if (dagId === undefined) return;
      this.#dispatcher.setPaused(dagId, dag?.isPaused ?? false);
      if (dag?.isPaused === before?.isPaused && dag?.maxActiveRuns === before?.maxActiveRuns) return;
      this.#owner.reconsider(dagId);
    });
  }

  async #readPools(): Promise<void> {
    this.#dispatcher.setPools(await this.#gate.read((store) => store.admin.pools()));
    this.#owner.wake();
  }

  /** Finds what a lost hint would have told. */
  async #compareAll(): Promise<void> {
    await this.#readPools();
    await this.#catalog.reload();
    this.#backfills.changed();
    const known = this.#owner.revisions();
    const rows = await this.#gate.read((store) => store.runs.unfinished());
    const present = new Set<RunKey>();
    for (const { runKey, revision } of rows) {
      present.add(runKey);
      if (known.get(runKey) !== revision) this.#owner.reload(runKey);
    }
    for (const runKey of known.keys()) if (!present.has(runKey)) this.#owner.reload(runKey);
  }

  #inBackground(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (this.#stopping === undefined) this.#o.logger.error({ err: error }, `${what} could not be read`);
    });
  }
}
