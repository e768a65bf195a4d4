import type { DagDefinition, TaskDefinition } from "./definition.ts";
import { SluiceError } from "./errors.ts";
import type { NewTaskInstance } from "./run.ts";
import { effectiveWeights } from "./weights.ts";

/**
 * A definition made ready for deciding: tasks are numbers (their position in `definition.tasks`), edges are lists of
 * numbers. Compile once per DAG version and keep it; it is never changed and may be shared by all runs of the version.
 */
export interface CompiledGraph {
  readonly definition: DagDefinition;
  /** Number of tasks. */
  readonly size: number;
  readonly tasks: readonly TaskDefinition[];
  /** Task index by task id. */
  readonly taskIndex: ReadonlyMap<string, number>;
  /** Direct upstream task indexes per task, ascending. */
  readonly upstream: readonly (readonly number[])[];
  /** Direct downstream task indexes per task, ascending. */
  readonly downstream: readonly (readonly number[])[];
  /** Task indexes, upstream before downstream; the same for the same definition. */
  readonly order: Int32Array;
  /** Position of each task in `order`. */
  readonly position: Int32Array;
  /** Tasks without upstream. */
  readonly roots: readonly number[];
  /** Tasks without downstream. */
  readonly leaves: readonly number[];
  /** Tasks whose states decide the run's: the leaves; teardowns do not count unless there is nothing else. */
  readonly decidingLeaves: readonly number[];
  /** Effective priority weight per task, by its weight rule. */
  readonly weights: Float64Array;
  /**
   * Setups that a task depends on without a direct edge (airflow.md 1.6): upstream setups without a teardown, or whose
   * teardown is downstream of the task. Tasks without such setups, and teardowns, have no entry.
   */
  readonly indirectSetups: ReadonlyMap<number, readonly number[]>;
  /** The reverse: tasks to look at again when this setup ends. */
  readonly setupDependents: ReadonlyMap<number, readonly number[]>;
  /** True when a task looks at the previous run (dependsOnPast, waitForDownstream): the run then needs `PastFacts`. */
  readonly needsPast: boolean;
  /** The tasks that do. */
  readonly pastDependents: readonly number[];
}

/** The definition is not a graph that can run: a cycle, a duplicate task id, an unknown upstream. */
export class GraphError extends SluiceError {
  constructor(message: string) {
    super("invalid_graph", message);
  }
}

/**
 * Compiles a definition. Cost is linear in tasks and edges, except for the weights of graphs that branch and join.
 * @throws GraphError on a cycle, a duplicate task id or an unknown upstream.
 */
export function compileGraph(definition: DagDefinition): CompiledGraph {
  const tasks = definition.tasks;
  const taskIndex = indexTasks(definition);
  const { upstream, downstream } = linkTasks(definition, taskIndex);
  const order = sortTopologically(definition, upstream, downstream);
  const position = new Int32Array(tasks.length);
  for (let at = 0; at < order.length; at++) position[order[at] as number] = at;
  const all = tasks.map((_, index) => index);
  const leaves = all.filter((index) => downstream[index]?.length === 0);
  const setups = findIndirectSetups(tasks, upstream, downstream);
  const pastDependents = all.filter((index) => tasks[index]?.dependsOnPast || tasks[index]?.waitForDownstream);
  return {
    definition,
    size: tasks.length,
    tasks,
    taskIndex,
    upstream,
    downstream,
    order,
    position,
    roots: all.filter((index) => upstream[index]?.length === 0),
    leaves,
    decidingLeaves: findDecidingLeaves(tasks, downstream, leaves),
    weights: effectiveWeights(tasks, upstream, downstream, order),
    indirectSetups: setups.byTask,
    setupDependents: setups.bySetup,
    needsPast: pastDependents.length > 0,
    pastDependents,
  };
}

/**
 * The instances a new run of this definition starts with: one per task, `tiNo` = position, map index −1.
 * @throws GraphError as `compileGraph`.
 */
export function materializeTasks(definition: DagDefinition): readonly NewTaskInstance[] {
  return materializeGraph(compileGraph(definition));
}

/** As `materializeTasks`, for a definition that is compiled already. */
export function materializeGraph(graph: CompiledGraph): readonly NewTaskInstance[] {
  return graph.tasks.map((task, tiNo) => ({
    tiNo,
    taskId: task.taskId,
    mapIndex: -1,
    operator: task.operator,
    pool: task.pool,
    poolSlots: task.poolSlots,
    queue: task.queue,
    executor: task.executor ?? null,
    priorityWeight: graph.weights[tiNo] ?? task.priorityWeight,
    maxTries: task.retries + 1,
  }));
}

function indexTasks(definition: DagDefinition): Map<string, number> {
  const taskIndex = new Map<string, number>();
  for (const [index, task] of definition.tasks.entries()) {
    if (taskIndex.has(task.taskId)) {
      throw new GraphError(`DAG ${definition.dagId} has two tasks with the id "${task.taskId}"; rename one of them`);
    }
    taskIndex.set(task.taskId, index);
  }
  return taskIndex;
}

function linkTasks(definition: DagDefinition, taskIndex: ReadonlyMap<string, number>) {
  const upstream: number[][] = [];
  const downstream: number[][] = definition.tasks.map(() => []);
  for (const [index, task] of definition.tasks.entries()) {
    const indexes = new Set<number>();
    for (const id of task.upstream) {
      const from = taskIndex.get(id);
      if (from === undefined) {
        throw new GraphError(
          `Task "${task.taskId}" of DAG ${definition.dagId} comes after "${id}", which is not a task`,
        );
      }
      indexes.add(from);
    }
    const sorted = [...indexes].sort((a, b) => a - b);
    upstream.push(sorted);
    for (const from of sorted) downstream[from]?.push(index);
  }
  return { upstream, downstream };
}

function sortTopologically(
  definition: DagDefinition,
  upstream: readonly (readonly number[])[],
  downstream: readonly (readonly number[])[],
): Int32Array {
  const size = upstream.length;
  const order = new Int32Array(size);
  const missing = Int32Array.from(upstream, (list) => list.length);
  let end = 0;
  for (let index = 0; index < size; index++) if (missing[index] === 0) order[end++] = index;
  for (let at = 0; at < end; at++) {
    for (const next of downstream[order[at] as number] as readonly number[]) {
      missing[next] = (missing[next] as number) - 1;
      if (missing[next] === 0) order[end++] = next;
    }
  }
  if (end < size) throw new GraphError(describeCycle(definition, upstream, missing));
  return order;
}

/** Every task left over has an upstream that is left over: walking up from any of them must meet a task twice. */
function describeCycle(
  definition: DagDefinition,
  upstream: readonly (readonly number[])[],
  missing: Int32Array,
): string {
  const path: number[] = [];
  let at = missing.findIndex((count) => count > 0);
  while (!path.includes(at)) {
    path.push(at);
    at = upstream[at]?.find((from) => (missing[from] as number) > 0) as number;
  }
  const cycle = [...path.slice(path.indexOf(at)), at].reverse();
  const ids = cycle.map((index) => definition.tasks[index]?.taskId);
  return `The tasks of DAG ${definition.dagId} form a cycle: ${ids.join(" → ")}; remove one of these dependencies`;
}

function findDecidingLeaves(
  tasks: readonly TaskDefinition[],
  downstream: readonly (readonly number[])[],
  leaves: readonly number[],
): readonly number[] {
  if (!tasks.some((task) => task.isTeardown)) return leaves;
  const deciding: number[] = [];
  for (const [index, task] of tasks.entries()) {
    if (!task.isTeardown && downstream[index]?.every((next) => tasks[next]?.isTeardown)) deciding.push(index);
  }
  return deciding.length > 0 ? deciding : leaves;
}

function findIndirectSetups(
  tasks: readonly TaskDefinition[],
  upstream: readonly (readonly number[])[],
  downstream: readonly (readonly number[])[],
) {
  const byTask = new Map<number, number[]>();
  const bySetup = new Map<number, number[]>();
  for (const [setup, task] of tasks.entries()) {
    if (!task.isSetup) continue;
    const direct = downstream[setup] as readonly number[];
    const teardowns = direct.filter((next) => tasks[next]?.isTeardown);
    const inScope = teardowns.length === 0 ? undefined : reachableFrom(teardowns, upstream);
    const dependents = [...reachableFrom([setup], downstream)]
      .filter((index) => !tasks[index]?.isTeardown && !direct.includes(index) && (inScope?.has(index) ?? true))
      .sort((a, b) => a - b);
    if (dependents.length === 0) continue;
    bySetup.set(setup, dependents);
    for (const index of dependents) {
      const setups = byTask.get(index);
      if (setups === undefined) byTask.set(index, [setup]);
      else setups.push(setup);
    }
  }
  return { byTask, bySetup };
}

/** Everything that the given edges lead to from these tasks, without the tasks themselves unless an edge leads back. */
export function reachableFrom(from: readonly number[], edges: readonly (readonly number[])[]): ReadonlySet<number> {
  const seen = new Set<number>();
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    for (const next of edges[index] ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return seen;
}
