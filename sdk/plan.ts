import { type Blueprint, type EdgeRecord, isInside, type TaskRecord } from "./blueprint.ts";
import { DagDefinitionError } from "./errors.ts";
import { GroupEnds } from "./group-ends.ts";
import type { Endpoint } from "./node.ts";

/** A DAG read as a whole: groups expanded, every edge between two tasks. */
export interface Plan {
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  /** Direct neighbours by task id, sorted. */
  readonly upstream: ReadonlyMap<string, readonly string[]>;
  readonly downstream: ReadonlyMap<string, readonly string[]>;
}

const plans = new WeakMap<Blueprint, { readonly revision: number; readonly plan: Plan }>();

/**
 * Reads a DAG as a whole. Repeated calls answer from memory until something is declared.
 * @throws DagDefinitionError for a factory that was never called, a condition without sides, or a cycle.
 */
export function planOf(blueprint: Blueprint): Plan {
  const known = plans.get(blueprint);
  if (known?.revision === blueprint.revision) return known.plan;
  const plan = readPlan(blueprint);
  plans.set(blueprint, { revision: blueprint.revision, plan });
  return plan;
}

function readPlan(blueprint: Blueprint): Plan {
  for (const task of blueprint.declared) checkComplete(task);
  const tasks = new Map(blueprint.placed.map((task) => [task.taskId, task]));
  const upstream = taskEdges(blueprint);
  const groupEdges = groupEdgesOf(blueprint);
  if (groupEdges.length > 0) {
    const ends = new GroupEnds(blueprint, groupEdges, upstream);
    for (const { from, to } of groupEdges) {
      for (const last of ends.last(from)) for (const first of ends.first(to)) upstream.get(first)?.add(last);
    }
  }
  checkAcyclic(blueprint, upstream);
  return { tasks, upstream: sorted(upstream), downstream: sorted(inverse(upstream)) };
}

function checkComplete(task: TaskRecord): void {
  if (!task.isPlaced) {
    throw new DagDefinitionError(
      `Task "${task.taskId}" was declared but its factory was never called, so it is not part of Dag "${task.blueprint.dagId}". Call what dag.task returned, once.`,
      task.site,
    );
  }
  const choice = task.choice;
  if (choice === undefined) return;
  const named = choice.choices.map(({ label }) => label);
  if (choice.kind === "switch" && named.length === 0) {
    throw new DagDefinitionError(
      `The switch "${task.taskId}" has no cases. Name at least one with .case(task).`,
      choice.site,
    );
  }
  if (choice.kind === "if" && !named.includes("then")) {
    throw new DagDefinitionError(
      `The condition "${task.taskId}" has no side for true. Name it with .then(task); .else(task) is optional.`,
      choice.site,
    );
  }
}

/** Who stands directly before whom, edges of groups left out. */
function taskEdges(blueprint: Blueprint): Map<string, Set<string>> {
  const upstream = new Map(blueprint.placed.map((task) => [task.taskId, new Set<string>()]));
  for (const task of blueprint.placed) {
    for (const input of task.inputs.values()) {
      if (input.kind === "task") upstream.get(task.taskId)?.add(input.task.taskId);
    }
  }
  for (const { from, to } of blueprint.edges) {
    if (from.type === "task" && to.type === "task") upstream.get(to.taskId)?.add(from.taskId);
  }
  return upstream;
}

function groupEdgesOf(blueprint: Blueprint): readonly EdgeRecord[] {
  return blueprint.edges.filter(({ from, to }) => from.type === "group" || to.type === "group");
}

/** Tells the first and the last tasks of the DAG's groups. */
export function groupEnds(blueprint: Blueprint): GroupEnds {
  return new GroupEnds(blueprint, groupEdgesOf(blueprint), taskEdges(blueprint));
}

/** @throws DagDefinitionError naming the path of a cycle. */
function checkAcyclic(blueprint: Blueprint, upstream: ReadonlyMap<string, ReadonlySet<string>>): void {
  const path = findCycle(upstream);
  if (path === undefined) return;
  const last = blueprint.edges.findLast(
    ({ from, to }) =>
      path.some((id) => ownsTask(from, id, blueprint)) && path.some((id) => ownsTask(to, id, blueprint)),
  );
  throw new DagDefinitionError(
    `Dag "${blueprint.dagId}" runs in a circle: ${path.join(" → ")}. Remove one of these edges.`,
    last?.site,
  );
}

function ownsTask(endpoint: Endpoint, taskId: string, blueprint: Blueprint): boolean {
  if (endpoint.type === "task") return endpoint.taskId === taskId;
  const task = blueprint.find(taskId);
  return task !== undefined && isInside(task, endpoint);
}

/** The ids of one cycle in the order of execution, the first repeated at the end. */
function findCycle(upstream: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of upstream.keys()) {
    // Depth first with a stack of its own: a chain may be 10,000 tasks long.
    const path: { readonly id: string; readonly rest: Iterator<string> }[] = [];
    const onPath = new Set<string>();
    const enter = (id: string) => {
      path.push({ id, rest: (upstream.get(id) ?? new Set<string>()).values() });
      onPath.add(id);
    };
    if (!done.has(start)) enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.rest.next();
      if (next.done) {
        path.pop();
        onPath.delete(top.id);
        done.add(top.id);
      } else if (onPath.has(next.value)) {
        const ids = path.map(({ id }) => id);
        return [next.value, ...ids.slice(ids.indexOf(next.value)).reverse()];
      } else if (!done.has(next.value)) {
        enter(next.value);
      }
    }
  }
  return undefined;
}

function inverse(upstream: ReadonlyMap<string, ReadonlySet<string>>): Map<string, Set<string>> {
  const downstream = new Map([...upstream.keys()].map((id) => [id, new Set<string>()]));
  for (const [id, above] of upstream) for (const other of above) downstream.get(other)?.add(id);
  return downstream;
}

function sorted(neighbours: ReadonlyMap<string, ReadonlySet<string>>): Map<string, readonly string[]> {
  // By code units, not by locale: the order must be the same on every machine.
  return new Map([...neighbours].map(([id, others]) => [id, [...others].sort()]));
}

/** Ids at or below any of `from`. */
export function reachable(plan: Plan, from: readonly string[]): ReadonlySet<string> {
  const seen = new Set(from);
  for (const id of seen) for (const below of plan.downstream.get(id) ?? []) seen.add(below);
  return seen;
}
