import type { TaskDefinition } from "../definition.ts";
import type { CompiledGraph } from "../graph.ts";
import type { SkipDecision, TaskInstanceFacts } from "../run.ts";
import { type RunState, TASK_STATES, type TaskState, taskStateCode } from "../states.ts";
import { IS_TERMINAL, REMOVED, TALLY_SIZE, TALLY_SLOT } from "./codes.ts";
import { TaskHeap } from "./heap.ts";
import { PastView } from "./past.ts";
import type { RunFacts } from "./types.ts";

/** `taskOfTi` of an instance whose task the graph does not have. */
export const UNKNOWN_TASK = -1;
/** `taskOfTi` of a number that no instance has. */
const NO_INSTANCE = -2;

/**
 * The states of one run, kept so that an event costs only what it changes: columns by `tiNo`, and per task a tally of
 * its direct upstream instances by terminal state. Made by `openRun`. The methods are for everybody; the columns
 * belong to the files of this folder.
 */
export class RunMemory {
  readonly graph: CompiledGraph;
  readonly facts: RunFacts;
  /** Number of task instances. */
  readonly size: number;
  /** State of the run as decided so far. */
  runState: RunState;

  // Columns by tiNo.
  readonly taskOfTi: Int32Array;
  readonly mapIndex: Int32Array;
  readonly state: Uint8Array;
  readonly tryNumber: Int32Array;
  readonly maxTries: Int32Array;
  readonly epoch: Int32Array;
  readonly lostCount: Int32Array;
  /** NaN = none. */
  readonly dueAt: Float64Array;
  /** NaN = none. */
  readonly firstPokeAt: Float64Array;
  /** Next instance of the same task, −1 = last. */
  readonly nextTi: Int32Array;
  readonly branch = new Map<number, SkipDecision>();
  /**
   * For upstream_failed instances: the instance whose failure began it, as looked up in the decision at hand. Not
   * kept longer, so that a memory that was opened again gives the same reasons.
   */
  readonly rootCause = new Map<number, number>();
  /** When the present attempt started, as far as this memory has seen it. */
  readonly startedAt = new Map<number, number>();

  // Columns by task index.
  /** First instance of the task, −1 = none. */
  readonly firstTi: Int32Array;
  /** `TALLY_SIZE` numbers per task about its direct upstream instances. */
  readonly tally: Int32Array;
  /** The instance whose branch decision skips this task, −1 = none. */
  readonly skippedBy: Int32Array;
  /** 1 = the run's logical date is outside the task's start and end dates; undefined when no task has any. */
  readonly isOutsideDates: Uint8Array | undefined;

  /** Instances per state code. */
  readonly counts: Int32Array;
  /** Instances that are not terminal. */
  unfinished = 0;
  past: PastView | undefined;
  /** Tasks to look at in the decision at hand. */
  readonly dirty: TaskHeap;

  constructor(graph: CompiledGraph, facts: RunFacts, tasks: readonly TaskInstanceFacts[]) {
    this.graph = graph;
    this.facts = facts;
    this.size = tasks.length;
    this.runState = facts.state;
    this.past = facts.past && new PastView(facts.past);
    this.dirty = new TaskHeap(graph);

    const length = tasks.reduce((max, task) => Math.max(max, task.tiNo + 1), 0);
    this.taskOfTi = new Int32Array(length).fill(NO_INSTANCE);
    this.mapIndex = new Int32Array(length);
    this.state = new Uint8Array(length).fill(REMOVED);
    this.tryNumber = new Int32Array(length);
    this.maxTries = new Int32Array(length);
    this.epoch = new Int32Array(length);
    this.lostCount = new Int32Array(length);
    this.dueAt = new Float64Array(length).fill(Number.NaN);
    this.firstPokeAt = new Float64Array(length).fill(Number.NaN);
    this.nextTi = new Int32Array(length).fill(-1);
    this.firstTi = new Int32Array(graph.size).fill(-1);
    this.tally = new Int32Array(graph.size * TALLY_SIZE);
    this.skippedBy = new Int32Array(graph.size).fill(-1);
    this.counts = new Int32Array(TASK_STATES.length);
    this.isOutsideDates = outsideDates(graph, facts);

    for (const task of tasks) this.#load(task);
    this.#chainInstances();
    this.#tallyUpstreams();
  }

  /** Its state. Numbers that no instance has read as "removed". */
  stateOf(tiNo: number): TaskState {
    return TASK_STATES[this.state[tiNo] ?? REMOVED] as TaskState;
  }

  /** The instance as it stands. @throws RangeError for a number that no instance has. */
  instance(tiNo: number): TaskInstanceFacts {
    const task = this.taskOfTi[tiNo] ?? NO_INSTANCE;
    if (task === NO_INSTANCE) throw new RangeError(`Run ${this.facts.runId} has no task instance ${tiNo}`);
    const dueAt = this.dueAt[tiNo] as number;
    const firstPokeAt = this.firstPokeAt[tiNo] as number;
    const branch = this.branch.get(tiNo);
    return {
      tiNo,
      taskId: this.idOf(tiNo),
      mapIndex: this.mapIndex[tiNo] as number,
      state: this.stateOf(tiNo),
      tryNumber: this.tryNumber[tiNo] as number,
      maxTries: this.maxTries[tiNo] as number,
      epoch: this.epoch[tiNo] as number,
      lostCount: this.lostCount[tiNo] as number,
      ...(Number.isNaN(dueAt) ? {} : { dueAt }),
      ...(Number.isNaN(firstPokeAt) ? {} : { firstPokeAt }),
      ...(branch === undefined ? {} : { branch }),
    };
  }

  /** Its task; undefined when the graph no longer has it. */
  taskOf(tiNo: number): TaskDefinition | undefined {
    return this.graph.tasks[this.taskOfTi[tiNo] ?? NO_INSTANCE];
  }

  /** How many instances are in this state. */
  count(state: TaskState): number {
    return this.counts[taskStateCode(state)] as number;
  }

  /** Its task id, also when the graph no longer has the task. */
  idOf(tiNo: number): string {
    return this.taskOf(tiNo)?.taskId ?? this.#unknownIds.get(tiNo) ?? "";
  }

  readonly #unknownIds = new Map<number, string>();

  #load(task: TaskInstanceFacts): void {
    const tiNo = task.tiNo;
    const at = this.graph.tasks[tiNo]?.taskId === task.taskId ? tiNo : this.graph.taskIndex.get(task.taskId);
    if (at === undefined) this.#unknownIds.set(tiNo, task.taskId);
    const code = taskStateCode(task.state);
    this.taskOfTi[tiNo] = at ?? UNKNOWN_TASK;
    this.mapIndex[tiNo] = task.mapIndex;
    this.state[tiNo] = code;
    this.tryNumber[tiNo] = task.tryNumber;
    this.maxTries[tiNo] = task.maxTries;
    this.epoch[tiNo] = task.epoch;
    this.lostCount[tiNo] = task.lostCount;
    // Rows read from a database may say null where the type says absent.
    this.dueAt[tiNo] = task.dueAt ?? Number.NaN;
    this.firstPokeAt[tiNo] = task.firstPokeAt ?? Number.NaN;
    if (task.branch) this.branch.set(tiNo, task.branch);
    this.counts[code] = (this.counts[code] as number) + 1;
    if (IS_TERMINAL[code] === 0) this.unfinished++;
  }

  /** Backwards, so that each chain runs in the order of tiNo. */
  #chainInstances(): void {
    for (let tiNo = this.taskOfTi.length - 1; tiNo >= 0; tiNo--) {
      const task = this.taskOfTi[tiNo] as number;
      if (task < 0) continue;
      this.nextTi[tiNo] = this.firstTi[task] as number;
      this.firstTi[task] = tiNo;
    }
  }

  #tallyUpstreams(): void {
    const { downstream } = this.graph;
    for (let tiNo = 0; tiNo < this.taskOfTi.length; tiNo++) {
      const task = this.taskOfTi[tiNo] as number;
      if (task < 0) continue;
      const slot = TALLY_SLOT[this.state[tiNo] as number] as number;
      for (const next of downstream[task] as readonly number[]) {
        const base = next * TALLY_SIZE;
        this.tally[base] = (this.tally[base] as number) + 1;
        if (slot > 0) this.tally[base + slot] = (this.tally[base + slot] as number) + 1;
      }
    }
  }
}

/** As Airflow: backfills and runs without a logical date run every task. */
function outsideDates(graph: CompiledGraph, facts: RunFacts): Uint8Array | undefined {
  const date = facts.logicalDate;
  if (date === null || facts.runType === "backfill") return undefined;
  let outside: Uint8Array | undefined;
  for (const [index, task] of graph.tasks.entries()) {
    const isBefore = task.startDate !== undefined && date < Date.parse(task.startDate);
    const isAfter = task.endDate !== undefined && date > Date.parse(task.endDate);
    if (!isBefore && !isAfter) continue;
    outside ??= new Uint8Array(graph.size);
    outside[index] = 1;
  }
  return outside;
}
