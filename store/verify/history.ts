import { type CompiledGraph, compileGraph } from "../../core/graph.ts";
import { isRunTerminal, type RunState } from "../../core/states.ts";
import type { DagRunRow, EventRow, RunKey, TaskInstanceRow } from "../rows.ts";
import type { Store } from "../store.ts";
import { foldEvent, newRunFold, type RunFold } from "./fold.ts";
import { countTask, heldBy, type Limit, Limits } from "./limits.ts";
import { placeOf, type Report } from "./report.ts";
import { checkRunEnd, checkTriggerRule, type RunShape, shapeOf } from "./rules.ts";

const PAGE = 1000;

/** What is known of a run besides its events. Undefined parts: the version is gone or does not compile. */
interface RunFacts {
  readonly row: DagRunRow | undefined;
  readonly tasks: readonly TaskInstanceRow[];
  readonly shape: RunShape | undefined;
  readonly versionId: number;
}

/**
 * Reads all events in their order, folds them, and checks on the way what concerns order and moments. Can be continued
 * while the store is in use.
 */
export class History {
  readonly runs = new Map<RunKey, RunFold>();
  readonly #store: Store;
  readonly #report: Report;
  readonly #limits: Limits;
  readonly #facts = new Map<RunKey, RunFacts>();
  readonly #graphs = new Map<number, CompiledGraph | undefined>();
  readonly #pools = new Map<string, number>();
  /** `maxActiveRuns` of the present version of each DAG. */
  readonly #maxActiveRuns = new Map<string, number>();
  readonly #dates = new Map<string, RunKey>();
  /** Instances that changed their pool with the version of their run: rows know only the last one. */
  readonly #refitted = new Set<string>();
  /** Runs whose end is checked when the instant is over. */
  readonly #touched = new Set<RunKey>();
  #lastId = 0;
  #at = 0;

  constructor(store: Store, report: Report) {
    this.#store = store;
    this.#report = report;
    this.#limits = new Limits(report);
  }

  /** Folds every event that has been committed since the last time. */
  async catchUp(progress?: (eventId: number) => void): Promise<void> {
    if (this.#lastId === 0) await this.#startWithPools();
    for (;;) {
      const events = await this.#store.events.after(this.#lastId, PAGE);
      for (const event of events) await this.#take(event);
      const last = events.at(-1);
      if (last === undefined) break;
      this.#lastId = last.id;
      progress?.(last.id);
      if (this.#report.isFull) return;
    }
    this.#endInstant();
  }

  /** The tasks of a version, if it can be read. */
  async graphOf(versionId: number): Promise<CompiledGraph | undefined> {
    if (!this.#graphs.has(versionId)) {
      const version = await this.#store.dags.version(versionId);
      this.#graphs.set(versionId, version === undefined ? undefined : compiled(version.definition));
    }
    return this.#graphs.get(versionId);
  }

  /** Pools that no event has made: the first one, and those of a history that was cut off. */
  async #startWithPools(): Promise<void> {
    for (const pool of await this.#store.admin.pools()) this.#pools.set(pool.name, pool.slots);
    const changes = await this.#store.events.list({ kinds: ["pool.updated"], limit: 1000 });
    // An updated pool had other slots at first: unknown ones do not bound.
    for (const { detail } of changes.rows) this.#pools.set(String(detail?.name), -1);
    const refits = await this.#store.events.list({ kinds: ["task.refitted"], limit: 1000 });
    for (const { runKey, tiNo } of refits.rows) this.#refitted.add(`${runKey} ${tiNo}`);
  }

  async #take(event: EventRow): Promise<void> {
    if (event.at !== this.#at) this.#endInstant();
    this.#at = event.at;
    this.#limits.reach(event);
    const { runKey } = event;
    const run = runKey === null ? undefined : this.runs.get(runKey);
    if (runKey === null) await this.#takeOther(event);
    else if (event.kind === "run.created") this.#begin(event, runKey);
    else if (run !== undefined) await this.#takeOfRun(event, run);
    else this.#report.add("I28", `The event belongs to run ${runKey}, which no event has created.`, placeOf(event));
  }

  async #takeOfRun(event: EventRow, run: RunFold): Promise<void> {
    const facts = await this.#factsOf(run);
    const stateBefore = run.state;
    const taskBefore = event.tiNo === null ? undefined : run.tasks[event.tiNo]?.state;
    if (facts.shape !== undefined) checkTriggerRule(run, facts.shape, event, this.#report);
    foldEvent(run, event, this.#report);
    this.#touched.add(run.runKey);
    if (event.kind === "task.appended") this.#facts.delete(run.runKey);
    if (event.kind === "run.state") await this.#countRun(run, event, stateBefore, facts.row);
    const task = event.tiNo === null ? undefined : run.tasks[event.tiNo];
    const row = event.tiNo === null ? undefined : facts.tasks[event.tiNo];
    if (taskBefore !== undefined && task !== undefined && row !== undefined)
      countTask(this.#limits, event, taskBefore, task.state, this.#held(run, row, facts));
  }

  #begin(event: EventRow, runKey: RunKey): void {
    const run = newRunFold(event, runKey);
    if (this.runs.has(runKey)) this.#report.add("I36", "The run was created twice.", placeOf(event));
    this.runs.set(runKey, run);
    this.#touched.add(runKey);
    if (run.state === "running") this.#limits.take(limitOfRuns(run, null), 1, event);
    if (run.logicalDate === null) return;
    const date = `${run.dagId} ${run.logicalDate}`;
    const other = this.#dates.get(date);
    if (other !== undefined)
      this.#report.add("I12", `Run ${other} of the DAG has the same logical date.`, placeOf(event));
    this.#dates.set(date, runKey);
  }

  async #takeOther(event: EventRow): Promise<void> {
    const { kind, detail } = event;
    if (kind === "pool.created" || kind === "pool.updated")
      this.#pools.set(String(detail?.name), Number(detail?.slots));
    else if (kind === "run.deleted") this.#forget(Number(detail?.runKey));
    else if ((kind === "dag.created" || kind === "dag.versioned") && event.dagId !== null) {
      const version = await this.#store.dags.version(Number(detail?.versionId));
      if (version !== undefined) this.#maxActiveRuns.set(event.dagId, version.definition.maxActiveRuns);
    } else if (kind === "dag.deleted") {
      for (const run of [...this.runs.values()]) if (run.dagId === event.dagId) this.#forget(run.runKey);
    }
  }

  #forget(runKey: RunKey): void {
    const run = this.runs.get(runKey);
    if (run === undefined) return;
    if (run.state === "running") this.#limits.give(limitOfRuns(run, null).name, 1);
    const facts = this.#facts.get(runKey);
    for (const [tiNo, task] of run.tasks.entries()) {
      const row = facts?.tasks[tiNo];
      if (facts === undefined || row === undefined) continue;
      for (const { limit, amount } of task.state === "none" ? [] : this.#held(run, row, facts))
        if (task.state === "queued" || task.state === "running" || task.state === "restarting")
          this.#limits.give(limit.name, amount);
    }
    this.runs.delete(runKey);
    this.#facts.delete(runKey);
    this.#touched.delete(runKey);
    if (run.logicalDate !== null) this.#dates.delete(`${run.dagId} ${run.logicalDate}`);
  }

  async #countRun(run: RunFold, event: EventRow, before: RunState, row: DagRunRow | undefined): Promise<void> {
    if (before === "running" && run.state !== "running") this.#limits.give(limitOfRuns(run, null).name, 1);
    if (before === "running" || run.state !== "running") return;
    const capacity =
      run.backfillId === null
        ? this.#maxActiveRuns.get(run.dagId)
        : (await this.#store.admin.backfill(run.backfillId))?.maxActiveRuns;
    this.#limits.take(limitOfRuns(run, capacity ?? null), 1, event);
    if (row !== undefined && event.at < row.runAfter)
      this.#report.add("I15", `The run began ${row.runAfter - event.at} ms before it was due.`, placeOf(event));
  }

  #held(run: RunFold, row: TaskInstanceRow, facts: RunFacts) {
    const graph = facts.shape?.graph;
    const task = graph?.tasks[graph.taskIndex.get(row.taskId) ?? -1];
    const held = heldBy(run, row, {
      pools: this.#pools,
      maxActiveTasks: graph?.definition.maxActiveTasks,
      maxActiveTisPerDag: task?.maxActiveTisPerDag,
      maxActiveTisPerDagrun: task?.maxActiveTisPerDagrun,
    });
    return this.#refitted.has(`${run.runKey} ${row.tiNo}`)
      ? held.filter(({ limit }) => limit.invariant !== "I18")
      : held;
  }

  async #factsOf(run: RunFold): Promise<RunFacts> {
    const known = this.#facts.get(run.runKey);
    if (known !== undefined && known.versionId === run.versionId) return known;
    const tasks = await this.#store.tasks.ofRun(run.runKey);
    const graph = await this.graphOf(run.versionId);
    const facts: RunFacts = {
      row: await this.#store.runs.get(run.runKey),
      tasks,
      shape: graph === undefined ? undefined : shapeOf(graph, tasks),
      versionId: run.versionId,
    };
    this.#facts.set(run.runKey, facts);
    return facts;
  }

  /** Between two instants every commit is whole: what must hold at its borders is looked at here. */
  #endInstant(): void {
    this.#limits.settle();
    for (const runKey of this.#touched) {
      const run = this.runs.get(runKey);
      const shape = this.#facts.get(runKey)?.shape;
      if (run !== undefined && shape !== undefined) checkRunEnd(run, shape, this.#report);
      // Finished runs are many and seldom come back; theirs is read again if one does.
      if (run === undefined || isRunTerminal(run.state)) this.#facts.delete(runKey);
    }
    this.#touched.clear();
  }
}

function limitOfRuns(run: RunFold, capacity: number | null): Limit {
  const name =
    run.backfillId === null
      ? `maxActiveRuns of DAG ${run.dagId}`
      : `maxActiveRuns of backfill ${run.backfillId} of DAG ${run.dagId}`;
  return { invariant: "I19", name, capacity };
}

function compiled(definition: Parameters<typeof compileGraph>[0]): CompiledGraph | undefined {
  try {
    return compileGraph(definition);
  } catch {
    return undefined;
  }
}
