import type { TimerHandle } from "../core/clock.ts";
import { openRun, type PastFacts, type RunMemory } from "../core/decide.ts";
import type { TaskDefinition } from "../core/definition.ts";
import type { ReadyTask } from "../core/limits.ts";
import type { TaskInstanceFacts } from "../core/run.ts";
import type { RunState, TaskState } from "../core/states.ts";
import type { RunContextData } from "../executor/executor.ts";
import type { RunFence } from "../store/changes.ts";
import { taskFacts } from "../store/facts.ts";
import type { DagRunRow, RunKey, TaskInstanceRow } from "../store/rows.ts";
import type { Version } from "./catalog.ts";

/** Backfill tasks come after all live ones: their weight is lowered by more than any sum of weights. */
const BACKFILL_WEIGHT_OFFSET = 1e12;

/** States from which an instance goes on by itself. */
const MOVING = [
  "scheduled",
  "queued",
  "running",
  "restarting",
  "up_for_retry",
  "up_for_reschedule",
  "deferred",
  "awaiting_input",
] as const;

/** A running run in memory: its rows, its decided states, and what the scheduler derives from them. */
export class OwnedRun {
  readonly row: DagRunRow;
  readonly version: Version;
  readonly memory: RunMemory;
  readonly fence: RunFence;
  /** Timers of instances that are due later, by tiNo. */
  readonly dueTimers = new Map<number, TimerHandle>();
  timeoutTimer: TimerHandle | undefined;
  /** Instances whose returned value is kept; see `Values`. */
  readonly valueTiNos = new Set<number>();
  /** What a run shows its tasks, the same for all of them. */
  readonly context: Omit<RunContextData, "maxTries" | "firstPokeAt">;
  readonly #tiNos: ReadonlyMap<string, number>;
  readonly #defaultExecutor: string;

  constructor(options: {
    readonly row: DagRunRow;
    readonly version: Version;
    readonly tasks: readonly TaskInstanceRow[];
    readonly fence: RunFence;
    readonly past: PastFacts | undefined;
    readonly defaultExecutor: string;
  }) {
    const { row, version, tasks, fence, past, defaultExecutor } = options;
    this.row = row;
    this.version = version;
    this.fence = fence;
    this.#defaultExecutor = defaultExecutor;
    this.#tiNos = new Map(tasks.map(({ taskId, mapIndex, tiNo }) => [keyOf(taskId, mapIndex), tiNo]));
    const { dagId, runId, runType, logicalDate } = row;
    // A queued run is opened in order to begin; the commit that writes its first transitions makes it running.
    const state: RunState = row.state === "queued" ? "running" : row.state;
    const facts = { dagId, runId, runType, logicalDate, state, ...(past === undefined ? {} : { past }) };
    this.memory = openRun(version.graph, facts, tasks.map(taskFacts));
    this.context = {
      runType: row.runType,
      logicalDate: isoOf(row.logicalDate),
      dataIntervalStart: isoOf(row.dataIntervalStart),
      dataIntervalEnd: isoOf(row.dataIntervalEnd),
      runAfter: new Date(row.runAfter).toISOString(),
      timezone: version.row.definition.timezone,
      params: row.params,
      conf: row.conf,
    };
  }

  get runKey(): RunKey {
    return this.row.runKey;
  }

  /** tiNo of a task's instance, undefined when the run has none. */
  tiNoOf(taskId: string, mapIndex = -1): number | undefined {
    return this.#tiNos.get(keyOf(taskId, mapIndex));
  }

  instance(tiNo: number): TaskInstanceFacts {
    return this.memory.instance(tiNo);
  }

  /** Whether nothing of it can move before an earlier run does. */
  get onlyWaitsForPast(): boolean {
    const { memory, version } = this;
    if (!version.graph.needsPast || memory.runState !== "running") return false;
    return MOVING.every((state) => memory.count(state) === 0);
  }

  /** How an instance stands in line. @throws RangeError when the version no longer has its task. */
  readyTask(tiNo: number): ReadyTask {
    const task = this.task(tiNo);
    const { row, version } = this;
    const weight = version.graph.weights[version.graph.taskIndex.get(task.taskId) ?? -1] ?? task.priorityWeight;
    return {
      runKey: row.runKey,
      tiNo,
      dagId: row.dagId,
      taskId: task.taskId,
      pool: task.pool,
      poolSlots: task.poolSlots,
      priorityWeight: row.backfillId === null ? weight : weight - BACKFILL_WEIGHT_OFFSET,
      runAge: row.logicalDate ?? row.runAfter,
      queue: task.queue,
      executor: task.executor ?? this.#defaultExecutor,
      isolation: task.isolation,
      maxActiveTasks: version.row.definition.maxActiveTasks,
      ...(task.maxActiveTisPerDag === undefined ? {} : { maxActiveTisPerDag: task.maxActiveTisPerDag }),
      ...(task.maxActiveTisPerDagrun === undefined ? {} : { maxActiveTisPerDagrun: task.maxActiveTisPerDagrun }),
    };
  }

  /** The definition behind an instance. @throws RangeError when the version no longer has it. */
  task(tiNo: number): TaskDefinition {
    const task = this.memory.taskOf(tiNo);
    if (task === undefined) throw new RangeError(`task instance ${tiNo} of run ${this.row.runKey} has no task`);
    return task;
  }

  /** The run's states, for runs that look back at it. */
  pastFacts(): PastFacts {
    const states: { taskId: string; state: TaskState }[] = [];
    for (const [key, tiNo] of this.#tiNos) {
      states.push({ taskId: key.slice(key.indexOf(":") + 1), state: this.memory.stateOf(tiNo) });
    }
    return { kind: "run", runId: this.row.runId, states };
  }

  /** Cancels every timer. */
  close(): void {
    for (const timer of this.dueTimers.values()) timer.cancel();
    this.dueTimers.clear();
    this.timeoutTimer?.cancel();
  }
}

function keyOf(taskId: string, mapIndex: number): string {
  return `${mapIndex}:${taskId}`;
}

function isoOf(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString();
}
