import type { Clock, TimerHandle } from "../core/clock.ts";
import { materializeTasks } from "../core/graph.ts";
import type { Logger } from "../core/logger.ts";
import type { ScheduledSlot } from "../core/timetable.ts";
import type { Change } from "../store/changes.ts";
import type { DagRow, RunKey } from "../store/rows.ts";
import type { Catalog, Version } from "./catalog.ts";
import { runIdAt } from "./run-id.ts";
import type { StoreGate } from "./store-gate.ts";
import type { Timers } from "./timers.ts";

/** Runs created in one step of a catch-up: each step is one group commit and gives the event loop back. */
const BATCH = 20;
/** Scheduled runs that may wait beyond those that may run; a schedule that is faster than its runs stops here. */
export const QUEUED_AHEAD = 16;
/** A `@continuous` DAG whose runs end at once begins at most this often, ms. */
const CONTINUOUS_FLOOR_MS = 1_000;

/** What schedules need to know of runs, and tell about them. */
export interface ScheduledRuns {
  /** Unfinished runs of this DAG that its schedule created. */
  scheduledCount(dagId: string): number;
  /** Takes over a run that was just created. */
  adopt(runKey: RunKey): Promise<void>;
}

export interface SchedulesOptions {
  readonly gate: StoreGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly catalog: Catalog;
  readonly runs: ScheduledRuns;
  readonly workerId: string;
}

interface Plan {
  timer?: TimerHandle | undefined;
  /** One step at a time per DAG. */
  step?: Promise<void> | undefined;
  isDirty: boolean;
}

/**
 * Turns due dates into runs. Each active, unpaused DAG has one timer: its next slot. At that instant the run, its task
 * instances and the DAG's new position are one commit, guarded by the position seen, so that a logical date happens once
 * with any number of schedulers and through every jump of the clock.
 */
export class Schedules {
  readonly #o: SchedulesOptions;
  readonly #plans = new Map<string, Plan>();
  #isStopped = true;

  constructor(options: SchedulesOptions) {
    this.#o = options;
  }

  /** Plans every DAG of the catalog and follows its changes. */
  start(): void {
    this.#isStopped = false;
    for (const dag of this.#o.catalog.all()) this.plan(dag.dagId);
    this.#o.catalog.onChange((dag, before) => {
      const dagId = dag?.dagId ?? before?.dagId;
      if (dagId !== undefined && !isSamePlan(dag, before)) this.plan(dagId);
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const plan of this.#plans.values()) plan.timer?.cancel();
  }

  /** Resolves when no DAG is being planned; for tests and `stop`. */
  async idle(): Promise<void> {
    for (;;) {
      const steps = [...this.#plans.values()].flatMap(({ step }) => (step === undefined ? [] : [step]));
      if (steps.length === 0) return;
      await Promise.all(steps);
    }
  }

  /** A run of this DAG ended: a held-back catch-up or a `@continuous` DAG goes on. */
  runEnded(dagId: string): void {
    this.plan(dagId);
  }

  /** Looks at a DAG again: what is due is created, what is next gets the timer. */
  plan(dagId: string): void {
    if (this.#isStopped) return;
    let plan = this.#plans.get(dagId);
    if (plan === undefined) {
      plan = { isDirty: false };
      this.#plans.set(dagId, plan);
    }
    if (plan.step !== undefined) {
      plan.isDirty = true;
      return;
    }
    plan.step = this.#run(dagId, plan);
  }

  async #run(dagId: string, plan: Plan): Promise<void> {
    try {
      do {
        plan.isDirty = false;
        await this.#step(dagId, plan);
      } while (plan.isDirty && !this.#isStopped);
    } catch (error) {
      if (!this.#isStopped) this.#o.logger.error({ err: error, dagId }, "the schedule of a DAG could not be followed");
    } finally {
      plan.step = undefined;
    }
  }

  async #step(dagId: string, plan: Plan): Promise<void> {
    plan.timer?.cancel();
    plan.timer = undefined;
    const { catalog, clock, runs } = this.#o;
    const dag = catalog.dag(dagId);
    if (dag === undefined) {
      this.#plans.delete(dagId);
      return;
    }
    if (!dag.isActive || dag.isPaused) {
      await this.#store(dag, undefined, dag.lastLogicalDate);
      return;
    }
    const version = await catalog.version(dag.currentVersionId);
    const { kind } = version.row.definition.timetable;
    if (kind === "continuous" && runs.scheduledCount(dagId) > 0) return;
    const due: ScheduledSlot[] = [];
    const room = kind === "continuous" ? 1 : dag.maxActiveRuns + QUEUED_AHEAD - runs.scheduledCount(dagId);
    let last = dag.lastLogicalDate;
    let next = this.#nextSlot(dag, version, last);
    const now = clock.now();
    while (next !== undefined && next.runAfter <= now && due.length < Math.min(BATCH, room)) {
      due.push(next);
      last = next.logicalDate;
      next = this.#nextSlot(dag, version, last);
    }
    if (due.length > 0) {
      const hasMoved = await this.#create(dag, version, due, next);
      // The rest of a catch-up, the next timer, or a lost race: look again.
      if (hasMoved) plan.isDirty = true;
      return;
    }
    await this.#store(dag, next, dag.lastLogicalDate);
    // A slot that is due but has no room waits for the end of a run.
    if (next !== undefined && next.runAfter > now)
      plan.timer = this.#o.timers.at(next.runAfter, () => this.plan(dagId));
  }

  #nextSlot(dag: DagRow, version: Version, last: number | null): ScheduledSlot | undefined {
    const { startDate, endDate, timetable } = version;
    const now = this.#o.clock.now();
    const { timetable: spec, catchup } = version.row.definition;
    if (last === null && startDate === undefined && dag.nextLogicalDate !== null && spec.kind !== "continuous") {
      // Promised already: asked again later, a schedule without a start would name the time after it.
      const promised =
        spec.kind === "once"
          ? timetable.next({ catchup, now: dag.nextLogicalDate })
          : timetable.between(dag.nextLogicalDate, dag.nextLogicalDate, 1)[0];
      if (promised !== undefined && (endDate === undefined || promised.logicalDate <= endDate)) {
        const newest = catchup ? undefined : timetable.next({ catchup, now, startDate: promised.logicalDate });
        return newest ?? promised;
      }
    }
    const from = spec.kind === "continuous" && last !== null ? Math.max(now, last + CONTINUOUS_FLOOR_MS) : now;
    return timetable.next({
      catchup,
      now: from,
      ...(startDate === undefined ? {} : { startDate }),
      ...(endDate === undefined ? {} : { endDate }),
      ...(last === null ? {} : { lastLogicalDate: last }),
    });
  }

  /**
   * One list per slot, all given in this turn: they share a transaction, and a failed guard fails those after it. False when the
   * DAG's position is still the same: repeating would fail again.
   */
  async #create(
    dag: DagRow,
    version: Version,
    due: readonly ScheduledSlot[],
    next: ScheduledSlot | undefined,
  ): Promise<boolean> {
    const { gate, runs, catalog, logger } = this.#o;
    let expected = dag.lastLogicalDate;
    const commits = due.map((slot, index) => {
      const following = due[index + 1] ?? next;
      const position = positionChange(dag.dagId, expected, slot.logicalDate, following);
      expected = slot.logicalDate;
      return gate.commit([this.#runChange(dag, version, slot), position]);
    });
    for (const [index, result] of (await Promise.all(commits)).entries()) {
      const slot = due[index];
      if (slot === undefined) break;
      if (result.ok) {
        const runKey = result.results[0]?.runKey;
        if (runKey !== undefined) await runs.adopt(runKey);
        continue;
      }
      // A manual run or a backfill has this date already: the schedule passes it. Later lists failed with this one.
      const before = index === 0 ? dag.lastLogicalDate : (due[index - 1]?.logicalDate ?? null);
      if (result.reason === "duplicate") {
        await gate.commit([positionChange(dag.dagId, before, slot.logicalDate, due[index + 1] ?? next)]);
      }
      logger.debug({ dagId: dag.dagId, message: result.message }, "a due run was not created");
      break;
    }
    await catalog.changed([dag.dagId]);
    const hasMoved = catalog.dag(dag.dagId)?.lastLogicalDate !== dag.lastLogicalDate;
    if (!hasMoved)
      logger.error({ dagId: dag.dagId }, "due runs of a DAG could not be created; trying at its next change");
    return hasMoved;
  }

  #runChange(dag: DagRow, version: Version, slot: ScheduledSlot): Change {
    const { definition, id } = version.row;
    return {
      kind: "run.create",
      ownerId: this.#o.workerId,
      run: {
        dagId: dag.dagId,
        runId: runIdAt("scheduled", slot.logicalDate),
        runType: "scheduled",
        state: "queued",
        logicalDate: slot.logicalDate,
        dataIntervalStart: slot.dataInterval.start,
        dataIntervalEnd: slot.dataInterval.end,
        runAfter: slot.runAfter,
        conf: {},
        params: definition.paramDefaults ?? {},
        triggeredBy: "timetable",
        triggeringUser: null,
        versionId: id,
        backfillId: null,
        note: null,
      },
      tasks: materializeTasks(definition),
    };
  }

  /** Writes when the DAG is due next, when that is news. */
  async #store(dag: DagRow, next: ScheduledSlot | undefined, last: number | null): Promise<void> {
    const nextRunAt = next?.runAfter ?? null;
    const nextLogicalDate = next?.logicalDate ?? null;
    if (dag.nextRunAt === nextRunAt && dag.nextLogicalDate === nextLogicalDate) return;
    await this.#o.gate.commit([positionChange(dag.dagId, last, last, next)]);
    await this.#o.catalog.changed([dag.dagId]);
  }
}

function positionChange(
  dagId: string,
  expected: number | null,
  last: number | null,
  next: ScheduledSlot | undefined,
): Change {
  return {
    kind: "dag.schedule",
    dagId,
    expectedLastLogicalDate: expected,
    lastLogicalDate: last,
    nextRunAt: next?.runAfter ?? null,
    nextLogicalDate: next?.logicalDate ?? null,
  };
}

/** Whether nothing changed that a schedule depends on. */
function isSamePlan(dag: DagRow | undefined, before: DagRow | undefined): boolean {
  return (
    dag?.currentVersionId === before?.currentVersionId &&
    dag?.isPaused === before?.isPaused &&
    dag?.isActive === before?.isActive &&
    dag?.maxActiveRuns === before?.maxActiveRuns &&
    dag?.lastLogicalDate === before?.lastLogicalDate
  );
}
