import type { Clock } from "../core/clock.ts";
import { InvalidInputError } from "../core/errors.ts";
import { materializeTasks } from "../core/graph.ts";
import type { Logger } from "../core/logger.ts";
import { mergeParams } from "../core/params.ts";
import { isRunTerminal } from "../core/states.ts";
import type { CommitResult } from "../store/changes.ts";
import { clearTasks } from "../store/commands/clear.ts";
import type { BackfillDateRow, BackfillRow, DagRow, DagRunRow, RunKey } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { BackfillLimits } from "./admission.ts";
import type { Catalog, Version } from "./catalog.ts";
import { runIdAt } from "./run-id.ts";
import type { StoreGate } from "./store-gate.ts";

/** Dates dealt with in one step: then the event loop gets its turn. */
const BATCH = 20;

/** Refusals in a row after which a date is given up. */
const MAX_REFUSALS = 3;

/** Until it is known what a backfill allows. */
const NONE_YET: BackfillLimits = { maxActiveRuns: 0, isPaused: false };

/** What backfills need to know of runs, and tell about them. */
export interface BackfillRuns {
  /** The row of an unfinished run. */
  row(runKey: RunKey): DagRunRow | undefined;
  adopt(runKey: RunKey): Promise<void>;
  reconsider(dagId: string): void;
}

export interface BackfillsOptions {
  readonly store: Store;
  readonly gate: StoreGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly catalog: Catalog;
  readonly runs: BackfillRuns;
  readonly workerId: string;
}

interface ActiveBackfill {
  row: BackfillRow;
  /** In the order of their turn. */
  readonly pending: BackfillDateRow[];
  /** Runs that it made or took over and that had not ended when last seen. */
  readonly active: Set<RunKey>;
  /** How often in a row the run of the next date was refused. */
  refusals: number;
}

/**
 * Carries out backfills: makes the runs of their dates in order, as many at once as each allows, and ends a backfill with its last
 * run. All it knows is in the rows of dates, so that it goes on where it was after any stop.
 */
export class Backfills {
  readonly #o: BackfillsOptions;
  readonly #active = new Map<number, ActiveBackfill>();
  /** Backfills that are not active, as far as somebody asked. */
  readonly #ended = new Map<number, BackfillLimits | undefined>();
  #isDirty = false;
  #working: Promise<void> | undefined;
  #isStopped = true;

  constructor(options: BackfillsOptions) {
    this.#o = options;
  }

  /** Reads the active backfills; `carryOn` begins the work. */
  async start(): Promise<void> {
    this.#isStopped = false;
    await this.#refresh();
    this.#o.catalog.onChange((dag, before) => {
      if (dag !== undefined && dag.isPaused !== before?.isPaused) this.carryOn();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  /** What a backfill allows; one that has ended still limits its runs, when these are cleared. Undefined when it is gone. */
  limits(backfillId: number): BackfillLimits | undefined {
    const active = this.#active.get(backfillId);
    if (active !== undefined) return active.row;
    if (!this.#ended.has(backfillId)) {
      this.#ended.set(backfillId, NONE_YET);
      this.#readEnded(backfillId).catch((error: unknown) => {
        this.#ended.delete(backfillId);
        if (!this.#isStopped) this.#o.logger.error({ err: error, backfillId }, "a backfill could not be read");
      });
    }
    return this.#ended.get(backfillId);
  }

  /** Rows of backfills changed. */
  changed(): void {
    this.#isDirty = true;
    this.carryOn();
  }

  /** A run ended: a backfill may have got a place, or its end. */
  runEnded(row: DagRunRow): void {
    for (const { active } of this.#active.values()) {
      if (active.delete(row.runKey)) this.carryOn();
    }
  }

  /** Does what can be done now. */
  carryOn(): void {
    if (this.#isStopped || (this.#active.size === 0 && !this.#isDirty)) return;
    if (this.#working !== undefined) {
      this.#isDirty = true;
      return;
    }
    this.#working = this.#work()
      .catch((error: unknown) => {
        if (!this.#isStopped) this.#o.logger.error({ err: error }, "a backfill could not be carried on");
      })
      .finally(() => {
        this.#working = undefined;
      });
  }

  async #readEnded(backfillId: number): Promise<void> {
    const row = await this.#o.gate.read((store) => store.admin.backfill(backfillId));
    this.#ended.set(backfillId, row === undefined ? undefined : { maxActiveRuns: row.maxActiveRuns, isPaused: false });
    if (row !== undefined) this.#o.runs.reconsider(row.dagId);
  }

  async #work(): Promise<void> {
    for (;;) {
      if (this.#isDirty) {
        this.#isDirty = false;
        await this.#refresh();
      }
      let hasMoved = false;
      for (const backfill of [...this.#active.values()]) {
        if (this.#isStopped) return;
        if (await this.#step(backfill)) hasMoved = true;
      }
      if (!hasMoved && !this.#isDirty) return;
    }
  }

  async #refresh(): Promise<void> {
    const rows = await this.#o.gate.read((store) => store.admin.activeBackfills());
    const present = new Set<number>();
    for (const row of rows) {
      present.add(row.id);
      const known = this.#active.get(row.id);
      if (known === undefined) this.#active.set(row.id, await this.#read(row));
      else known.row = row;
      this.#o.runs.reconsider(row.dagId);
    }
    for (const [id, { row }] of this.#active) {
      if (present.has(id)) continue;
      this.#active.delete(id);
      this.#o.runs.reconsider(row.dagId);
    }
  }

  async #read(row: BackfillRow): Promise<ActiveBackfill> {
    const dates = await this.#o.gate.read((store) => store.admin.backfillDates(row.id));
    const active = new Set<RunKey>();
    for (const { state, runKey } of dates) {
      if (state !== "created" || runKey === null) continue;
      const run = this.#o.runs.row(runKey) ?? (await this.#o.gate.read((store) => store.runs.get(runKey)));
      if (run !== undefined && !isRunTerminal(run.state)) active.add(runKey);
    }
    const pending = dates.filter(({ state }) => state === "pending").sort((a, b) => a.sortOrder - b.sortOrder);
    return { row, pending, active, refusals: 0 };
  }

  /** True when something was done and more may follow. */
  async #step(backfill: ActiveBackfill): Promise<boolean> {
    const { row, pending, active } = backfill;
    const dag = this.#o.catalog.dag(row.dagId);
    if (pending.length === 0 && active.size === 0) {
      this.#active.delete(row.id);
      await this.#o.gate.commit([{ kind: "backfill.complete", backfillId: row.id }]);
      return false;
    }
    if (row.isPaused || dag === undefined || !dag.isActive || dag.isPaused) return false;
    const version = await this.#o.catalog.version(dag.currentVersionId);
    let count = 0;
    while (pending.length > 0 && active.size < row.maxActiveRuns && count < BATCH) {
      const [date] = pending;
      if (date === undefined) break;
      const runKey = await this.#settleDate(backfill, date, dag, version);
      if (runKey === "refused") {
        backfill.refusals++;
        // Somebody else was here: the dates may stand otherwise now.
        const present = await this.#read(row);
        pending.splice(0, pending.length, ...present.pending);
        for (const key of present.active) {
          await this.#o.runs.adopt(key);
          if (this.#o.runs.row(key) !== undefined) active.add(key);
        }
        continue;
      }
      backfill.refusals = 0;
      pending.shift();
      if (typeof runKey === "number") {
        await this.#o.runs.adopt(runKey);
        // Unless it has ended already.
        if (this.#o.runs.row(runKey) !== undefined) active.add(runKey);
      }
      count++;
    }
    return count > 0;
  }

  /** The run of this date, made or taken over; undefined when the date was skipped; or the store refused. */
  async #settleDate(
    { row, refusals }: ActiveBackfill,
    date: BackfillDateRow,
    dag: DagRow,
    version: Version,
  ): Promise<RunKey | undefined | "refused"> {
    const { gate } = this.#o;
    const { sortOrder } = date;
    const skip = async (reason: string) => {
      await gate.commit([{ kind: "backfill.date", backfillId: row.id, sortOrder, state: "skipped", reason }]);
      return undefined;
    };
    const existing = await gate.read((store) => store.runs.findByLogicalDate(row.dagId, date.logicalDate));
    if (existing !== undefined) {
      if (date.runKey !== existing.runKey && existing.backfillId !== row.id)
        return skip("a run of this date appeared meanwhile");
      const { runKey } = existing;
      const refusal = isRunTerminal(existing.state) ? await this.#clear(existing, row) : undefined;
      if (refusal !== undefined) return skip(refusal);
      await gate.commit([{ kind: "backfill.date", backfillId: row.id, sortOrder, state: "created", runKey }]);
      return runKey;
    }
    const merged = mergeParams(version.row.definition, row.conf);
    if (!merged.ok) return skip("the conf of the backfill does not fit the params of the DAG (any more)");
    const [slot] = version.timetable.between(date.logicalDate, date.logicalDate, 1);
    const now = this.#o.clock.now();
    const result: CommitResult = await gate.commit([
      {
        kind: "run.create",
        ownerId: this.#o.workerId,
        run: {
          dagId: dag.dagId,
          runId: runIdAt("backfill", date.logicalDate),
          runType: "backfill",
          state: "queued",
          logicalDate: date.logicalDate,
          dataIntervalStart: slot?.dataInterval.start ?? date.logicalDate,
          dataIntervalEnd: slot?.dataInterval.end ?? date.logicalDate,
          // When it would have been due: lists and grids put it there, and a task that waits for a time of day means that day.
          runAfter: Math.min(slot?.runAfter ?? now, now),
          conf: row.conf,
          params: merged.params,
          triggeredBy: "backfill",
          triggeringUser: row.createdBy,
          versionId: version.row.id,
          backfillId: row.id,
          note: null,
        },
        tasks: materializeTasks(version.row.definition),
      },
      { kind: "backfill.date", backfillId: row.id, sortOrder, state: "created" },
    ]);
    if (result.ok) return result.results[0]?.runKey;
    if (refusals + 1 >= MAX_REFUSALS) return skip(result.message);
    return "refused";
  }

  /**
   * The run of a date that is to be done again: cleared and re-used, for a logical date has one run. Gives why it cannot be, as when
   * its conf does not fit the newest version.
   */
  async #clear(run: DagRunRow, backfill: BackfillRow): Promise<string | undefined> {
    const { store, clock } = this.#o;
    const context = { store, clock, actor: "scheduler", triggeredBy: "backfill" as const };
    const { dagId, runId } = run;
    try {
      await clearTasks(context, { dagId, runId, runOnLatestVersion: backfill.runOnLatestVersion });
      return undefined;
    } catch (error) {
      if (error instanceof InvalidInputError) return error.message;
      throw error;
    }
  }
}
