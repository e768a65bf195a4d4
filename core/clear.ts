import { NotFoundError } from "./errors.ts";
import { type CompiledGraph, reachableFrom } from "./graph.ts";
import type { TaskInstanceFacts, TaskTransition } from "./run.ts";

/** What to clear in one run; the default of each flag is false. */
export interface ClearRequest {
  /** Tasks to begin with: an id for all its instances, or one instance. Absent = all tasks of the run. */
  readonly tasks?: readonly (string | { readonly taskId: string; readonly mapIndex: number })[];
  readonly includeUpstream?: boolean;
  readonly includeDownstream?: boolean;
  /** Only instances that failed or are upstream_failed. With `onlyRunning`: either. */
  readonly onlyFailed?: boolean;
  /** Only instances that run now. */
  readonly onlyRunning?: boolean;
}

/**
 * The instances (tiNo, upstream before downstream) that a clear touches. Setups of the chosen tasks and their teardowns
 * come along whatever the flags say: work cannot run again on what was torn down. Instances on which a clear has no
 * effect (none, restarting, removed) are left out.
 * @throws NotFoundError for a task that the run does not have.
 */
export function selectForClear(
  graph: CompiledGraph,
  tasks: readonly TaskInstanceFacts[],
  request: ClearRequest,
): readonly number[] {
  const isChosen = chooseInstances(graph, tasks, request);
  const chosen = tasks.filter((task) => isChosen(task) && hasEffect(task) && isWanted(task, request));
  const around = setupsAround(graph, chosen);
  const along = tasks.filter((task) => around.has(graph.taskIndex.get(task.taskId) ?? -1) && hasEffect(task));
  return [...new Set([...chosen, ...along])]
    .sort((a, b) => place(graph, a) - place(graph, b) || a.tiNo - b.tiNo)
    .map((task) => task.tiNo);
}

/**
 * The transitions that clear these instances: → none with a new epoch, branch and timers forgotten, maxTries = tries
 * so far + retries + 1; running → restarting at the same epoch, so that the end of the stopped attempt still matches
 * and releases it. Instances on which a clear has no effect are passed over.
 */
export function clearTransitions(
  graph: CompiledGraph,
  tasks: readonly TaskInstanceFacts[],
  tiNos: readonly number[],
  reason = "cleared",
): readonly TaskTransition[] {
  const byTiNo = new Map(tasks.map((task) => [task.tiNo, task]));
  const transitions: TaskTransition[] = [];
  for (const tiNo of tiNos) {
    const task = byTiNo.get(tiNo);
    if (task !== undefined && hasEffect(task)) transitions.push(clearInstance(graph, task, reason));
  }
  return transitions;
}

function clearInstance(graph: CompiledGraph, task: TaskInstanceFacts, reason: string): TaskTransition {
  const index = graph.taskIndex.get(task.taskId);
  const retries = (index === undefined ? undefined : graph.tasks[index]?.retries) ?? 0;
  const isRunning = task.state === "running";
  return {
    tiNo: task.tiNo,
    from: task.state,
    to: isRunning ? "restarting" : "none",
    epoch: task.epoch,
    ...(isRunning ? {} : { newEpoch: task.epoch + 1 }),
    maxTries: task.tryNumber + retries + 1,
    dueAt: null,
    firstPokeAt: null,
    lostCount: 0,
    branch: null,
    reason,
  };
}

function hasEffect(task: TaskInstanceFacts): boolean {
  return task.state !== "none" && task.state !== "restarting" && task.state !== "removed";
}

function isWanted(task: TaskInstanceFacts, request: ClearRequest): boolean {
  if (!request.onlyFailed && !request.onlyRunning) return true;
  const isFailed = task.state === "failed" || task.state === "upstream_failed";
  return (request.onlyFailed === true && isFailed) || (request.onlyRunning === true && task.state === "running");
}

/** Instances of tasks that the graph no longer has come last. */
function place(graph: CompiledGraph, task: TaskInstanceFacts): number {
  const index = graph.taskIndex.get(task.taskId);
  return index === undefined ? graph.size : (graph.position[index] ?? graph.size);
}

function chooseInstances(
  graph: CompiledGraph,
  tasks: readonly TaskInstanceFacts[],
  request: ClearRequest,
): (task: TaskInstanceFacts) => boolean {
  if (request.tasks === undefined) return () => true;
  const whole = new Set<number>();
  const single = new Set<string>();
  const named = new Set<number>();
  for (const entry of request.tasks) {
    const taskId = typeof entry === "string" ? entry : entry.taskId;
    const index = graph.taskIndex.get(taskId);
    const isThere = tasks.some((task) => task.taskId === taskId && isNamedBy(entry, task));
    if (index === undefined || !isThere)
      throw new NotFoundError(`The run has no task instance ${describeEntry(entry)}`);
    named.add(index);
    if (typeof entry === "string") whole.add(index);
    else single.add(`${index}/${entry.mapIndex}`);
  }
  for (const index of relatives(graph, named, request)) whole.add(index);
  return (task) => {
    const index = graph.taskIndex.get(task.taskId);
    return index !== undefined && (whole.has(index) || single.has(`${index}/${task.mapIndex}`));
  };
}

function isNamedBy(entry: string | { readonly mapIndex: number }, task: TaskInstanceFacts): boolean {
  return typeof entry === "string" || entry.mapIndex === task.mapIndex;
}

function describeEntry(entry: string | { readonly taskId: string; readonly mapIndex: number }): string {
  return typeof entry === "string" ? `"${entry}"` : `"${entry.taskId}" with map index ${entry.mapIndex}`;
}

function relatives(graph: CompiledGraph, named: ReadonlySet<number>, request: ClearRequest): ReadonlySet<number> {
  const found = new Set<number>();
  if (request.includeUpstream) for (const index of reachableFrom([...named], graph.upstream)) found.add(index);
  if (request.includeDownstream) for (const index of reachableFrom([...named], graph.downstream)) found.add(index);
  return found;
}

/** The setups in whose scope these instances lie, and their teardowns. */
function setupsAround(graph: CompiledGraph, chosen: readonly TaskInstanceFacts[]): ReadonlySet<number> {
  const around = new Set<number>();
  if (!graph.tasks.some((task) => task.isSetup)) return around;
  for (const index of new Set(chosen.map((task) => graph.taskIndex.get(task.taskId)))) {
    if (index === undefined || graph.tasks[index]?.isTeardown) continue;
    for (const setup of [...(graph.indirectSetups.get(index) ?? []), ...directSetups(graph, index)]) {
      around.add(setup);
      for (const teardown of teardownsOf(graph, setup)) around.add(teardown);
    }
  }
  return around;
}

function teardownsOf(graph: CompiledGraph, setup: number): readonly number[] {
  return (graph.downstream[setup] ?? []).filter((next) => graph.tasks[next]?.isTeardown);
}

/** Setups with an edge to the task, where it lies before their teardown or they have none. */
function directSetups(graph: CompiledGraph, index: number): readonly number[] {
  const setups = (graph.upstream[index] ?? []).filter((up) => graph.tasks[up]?.isSetup);
  if (setups.length === 0) return [];
  const below = reachableFrom([index], graph.downstream);
  return setups.filter((setup) => {
    const teardowns = teardownsOf(graph, setup);
    return teardowns.length === 0 || teardowns.some((teardown) => below.has(teardown));
  });
}
