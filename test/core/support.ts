import type { Decision, RunFacts } from "../../core/decide.ts";
import { decide, openRun, type RunEvent, type RunMemory } from "../../core/decide.ts";
import type { DagDefinition, TaskDefinition } from "../../core/definition.ts";
import { type CompiledGraph, compileGraph, materializeTasks } from "../../core/graph.ts";
import type { TaskInstanceFacts, TaskOutcome } from "../../core/run.ts";
import { isActive, type TaskState } from "../../core/states.ts";

/** A task with Airflow's defaults. */
export function task(taskId: string, upstream: readonly string[] = [], extra: Partial<TaskDefinition> = {}) {
  const definition: TaskDefinition = {
    taskId,
    operator: "ts",
    upstream: [...upstream].sort(),
    inputs: {},
    triggerRule: "all_success",
    retries: 0,
    retryDelayMs: 300_000,
    retryFactor: 0,
    pool: "default_pool",
    poolSlots: 1,
    priorityWeight: 1,
    weightRule: "downstream",
    queue: "default",
    isolation: "process",
    dependsOnPast: false,
    ignoreFirstDependsOnPast: false,
    waitForDownstream: false,
    waitForPastDependsBeforeSkipping: false,
    doXcomPush: true,
    ...extra,
  };
  return definition;
}

/** A DAG of these tasks. */
export function dag(tasks: readonly TaskDefinition[], extra: Partial<DagDefinition> = {}): DagDefinition {
  return {
    dagId: "d",
    tags: [],
    owners: [],
    timetable: { kind: "none" },
    timezone: "UTC",
    catchup: false,
    maxActiveRuns: 16,
    maxActiveTasks: 16,
    maxConsecutiveFailedRuns: 0,
    failFast: false,
    tasks,
    groups: [],
    ...extra,
  };
}

export const RUN: RunFacts = {
  dagId: "d",
  runId: "manual__1",
  runType: "manual",
  state: "running",
  logicalDate: Date.parse("2026-01-01T00:00:00Z"),
};

/** The rows of a new run. */
export function newRows(definition: DagDefinition): TaskInstanceFacts[] {
  return materializeTasks(definition).map(({ tiNo, taskId, mapIndex, maxTries }) => ({
    tiNo,
    taskId,
    mapIndex,
    state: "none",
    tryNumber: 0,
    maxTries,
    epoch: 0,
    lostCount: 0,
  }));
}

/** All rows as the memory has them. */
export function rowsOf(run: RunMemory): TaskInstanceFacts[] {
  return Array.from({ length: run.size }, (_, tiNo) => run.instance(tiNo));
}

export const boom: TaskOutcome = { kind: "failed", error: { name: "Error", message: "boom" }, retryable: true };
export const ok: TaskOutcome = { kind: "success" };
export const skip: TaskOutcome = { kind: "skipped" };
export const lost: TaskOutcome = { kind: "lost", error: { name: "WorkerLost", message: "pid 7 is gone" } };

/** A run under test: drives events by task id, and keeps rows as a store would, checking every guard. */
export class Bench {
  readonly graph: CompiledGraph;
  facts: RunFacts;
  now = 1_000_000;
  run: RunMemory;
  /** The rows, folded from transitions. */
  rows: TaskInstanceFacts[];
  last: Decision = { transitions: [], newlyReady: [], stop: [] };

  constructor(definition: DagDefinition, options: { facts?: Partial<RunFacts>; rows?: TaskInstanceFacts[] } = {}) {
    this.graph = compileGraph(definition);
    this.facts = { ...RUN, ...options.facts };
    this.rows = options.rows ?? newRows(definition);
    this.run = openRun(this.graph, this.facts, this.rows);
  }

  begin(): Decision {
    return this.send({ kind: "begin" });
  }

  send(event: RunEvent): Decision {
    this.last = decide(this.run, event, { now: this.now });
    this.#commit(this.last);
    return this.last;
  }

  /** Writes the rows as `Store.commit` would. */
  #commit(decision: Decision): void {
    const seen = new Set<number>();
    for (const change of decision.transitions) {
      const row = this.rows[change.tiNo]!;
      if (seen.has(change.tiNo)) throw new Error(`two transitions of ${row.taskId} in one decision`);
      seen.add(change.tiNo);
      if (row.state !== change.from || row.epoch !== change.epoch) {
        throw new Error(`guard of ${row.taskId}: ${row.state}@${row.epoch}, asked ${change.from}@${change.epoch}`);
      }
      if (!change.reason) throw new Error(`no reason for ${row.taskId}: ${change.from} → ${change.to}`);
      const next = {
        ...row,
        state: change.to,
        epoch: change.newEpoch ?? row.epoch,
        tryNumber: change.tryNumber ?? row.tryNumber,
        maxTries: change.maxTries ?? row.maxTries,
        lostCount: change.lostCount ?? row.lostCount,
        dueAt: change.dueAt === undefined ? row.dueAt : (change.dueAt ?? undefined),
        firstPokeAt: change.firstPokeAt === undefined ? row.firstPokeAt : (change.firstPokeAt ?? undefined),
        branch: change.branch === undefined ? row.branch : (change.branch ?? undefined),
      };
      this.rows[change.tiNo] = dropUndefined(next);
    }
    if (decision.runState) this.facts = { ...this.facts, state: decision.runState.to };
  }

  tiNo(taskId: string): number {
    const tiNo = this.rows.findIndex((row) => row.taskId === taskId);
    if (tiNo < 0) throw new Error(`no task ${taskId}`);
    return tiNo;
  }

  state(taskId: string): TaskState {
    return this.run.stateOf(this.tiNo(taskId));
  }

  states(): Record<string, TaskState> {
    return Object.fromEntries(this.rows.map((row) => [row.taskId, this.run.stateOf(row.tiNo)]));
  }

  reason(taskId: string): string | undefined {
    const tiNo = this.tiNo(taskId);
    return this.last.transitions.find((transition) => transition.tiNo === tiNo)?.reason;
  }

  /** scheduled → queued → running, as the dispatcher does. */
  start(taskId: string): void {
    const tiNo = this.tiNo(taskId);
    const { transitions } = this.send({ kind: "queued", tiNo });
    if (transitions.length !== 1) throw new Error(`${taskId} is ${this.state(taskId)} and cannot be queued`);
    this.rows[tiNo] = { ...this.rows[tiNo]!, state: "running" };
    this.send({ kind: "started", tiNo });
  }

  /** Starts the task if it is not active, and ends its attempt. */
  finish(taskId: string, outcome: TaskOutcome = ok): Decision {
    if (!isActive(this.state(taskId))) this.start(taskId);
    return this.send({ kind: "finished", tiNo: this.tiNo(taskId), outcome });
  }

  /** Forgets the memory and opens the run from its rows again. */
  reopen(): Decision {
    this.run = openRun(this.graph, this.facts, this.rows);
    return this.begin();
  }
}

function dropUndefined<T extends object>(row: T): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as T;
}
