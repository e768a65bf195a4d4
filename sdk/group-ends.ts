import {
  type Blueprint,
  type EdgeRecord,
  type GroupRecord,
  groupsAround,
  isInside,
  type TaskRecord,
} from "./blueprint.ts";
import type { Endpoint } from "./node.ts";

/** Finds the first and the last tasks of groups: those with nothing before, or after, them inside of the group. */
export class GroupEnds {
  readonly #members = new Map<GroupRecord, TaskRecord[]>();
  readonly #notFirst = new Map<GroupRecord, Set<string>>();
  readonly #notLast = new Map<GroupRecord, Set<string>>();

  /** `upstream`: the edges between single tasks. `groupEdges`: those with a group at an end. */
  constructor(
    blueprint: Blueprint,
    groupEdges: readonly EdgeRecord[],
    upstream: ReadonlyMap<string, ReadonlySet<string>>,
  ) {
    for (const group of blueprint.groups) {
      this.#members.set(group, []);
      this.#notFirst.set(group, new Set());
      this.#notLast.set(group, new Set());
    }
    const tasks = new Map(blueprint.placed.map((task) => [task.taskId, task]));
    for (const task of blueprint.placed) {
      for (const group of groupsAround(task)) this.#members.get(group)?.push(task);
    }
    for (const task of blueprint.placed) {
      for (const id of upstream.get(task.taskId) ?? []) {
        const above = tasks.get(id);
        if (above !== undefined) this.#noteEdge(above, task);
      }
    }
    for (const { from, to } of groupEdges) this.#noteEdge(from, to);
  }

  /** Ids of the tasks that an edge to the endpoint leads to. */
  first(endpoint: Endpoint): readonly string[] {
    return this.#without(endpoint, this.#notFirst);
  }

  /** Ids of the tasks that an edge from the endpoint comes from. */
  last(endpoint: Endpoint): readonly string[] {
    return this.#without(endpoint, this.#notLast);
  }

  #without(endpoint: Endpoint, inner: ReadonlyMap<GroupRecord, ReadonlySet<string>>): readonly string[] {
    if (endpoint.type === "task") return [endpoint.taskId];
    const excluded = inner.get(endpoint);
    return this.#tasksOf(endpoint).flatMap(({ taskId }) => (excluded?.has(taskId) ? [] : [taskId]));
  }

  #tasksOf(endpoint: Endpoint): readonly TaskRecord[] {
    return endpoint.type === "task" ? [endpoint] : (this.#members.get(endpoint) ?? []);
  }

  /** In each group that holds the whole edge, nothing above it is last and nothing below it is first. */
  #noteEdge(from: Endpoint, to: Endpoint): void {
    const uppers = this.#tasksOf(from);
    const lowers = this.#tasksOf(to);
    // An empty group constrains nothing.
    if (uppers.length === 0 || lowers.length === 0) return;
    for (const group of groupsAround(from)) {
      if (!isInside(to, group)) continue;
      for (const task of uppers) this.#notLast.get(group)?.add(task.taskId);
      for (const task of lowers) this.#notFirst.get(group)?.add(task.taskId);
    }
  }
}
