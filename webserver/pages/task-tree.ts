import type { DagDefinition, GroupDefinition, TaskDefinition } from "../../core/definition.ts";
import { compileGraph } from "../../core/graph.ts";
import { urlWith } from "./paging.ts";

/** A task or a group as a row of a list: the grid, the tasks of a run. */
export type TreeRow = TaskTreeRow | GroupTreeRow;

export interface TaskTreeRow {
  readonly kind: "task";
  readonly task: TaskDefinition;
  /** The id without the ids of its groups. */
  readonly label: string;
  readonly depth: number;
}

export interface GroupTreeRow {
  readonly kind: "group";
  readonly group: GroupDefinition;
  readonly depth: number;
  readonly isOpen: boolean;
  /** Ids of all tasks inside, at any depth. */
  readonly taskIds: readonly string[];
}

/** With more tasks than this, groups begin closed. */
const OPEN_LIMIT = 60;

/** The groups that an address opens: `?open=a,b`, `?open=all`, `?open=none`; otherwise all when the DAG is small. */
export function openGroups(definition: DagDefinition, given: string): ReadonlySet<string> {
  const all = definition.groups.map((group) => group.groupId);
  if (given === "all" || (given === "" && definition.tasks.length <= OPEN_LIMIT)) return new Set(all);
  if (given === "none" || given === "") return new Set();
  const wanted = new Set(given.split(","));
  return new Set(all.filter((groupId) => wanted.has(groupId)));
}

/** The same address with one group opened or closed. */
export function toggleHref(url: string, definition: DagDefinition, open: ReadonlySet<string>, groupId: string): string {
  const next = new Set(open);
  if (!next.delete(groupId)) next.add(groupId);
  const ids = definition.groups.map((group) => group.groupId).filter((id) => next.has(id));
  const value = ids.length === 0 ? "none" : ids.length === definition.groups.length ? "all" : ids.join(",");
  return urlWith(url, { open: value });
}

/** Tasks in topological order, each group standing where its first task would; what is inside closed groups is left out. */
export function taskTree(definition: DagDefinition, open: ReadonlySet<string>): readonly TreeRow[] {
  const groups = new Map(definition.groups.map((group) => [group.groupId, group]));
  const children = new Map<string, (TaskDefinition | GroupDefinition)[]>();
  const seen = new Set<string>();
  const place = (parentId: string | undefined, entry: TaskDefinition | GroupDefinition) => {
    const list = children.get(parentId ?? "") ?? [];
    list.push(entry);
    children.set(parentId ?? "", list);
  };
  const enter = (groupId: string | undefined) => {
    const group = groupId === undefined ? undefined : groups.get(groupId);
    if (!group || seen.has(group.groupId)) return;
    seen.add(group.groupId);
    enter(group.parentId);
    place(group.parentId, group);
  };
  for (const index of compileGraph(definition).order) {
    const task = definition.tasks[index];
    if (!task) continue;
    enter(task.groupId);
    place(task.groupId, task);
  }
  const rows: TreeRow[] = [];
  const walk = (parentId: string, depth: number, isShown: boolean): string[] =>
    (children.get(parentId) ?? []).flatMap((entry) => {
      if ("taskId" in entry) {
        if (isShown) rows.push({ kind: "task", task: entry, label: labelOf(entry), depth });
        return [entry.taskId];
      }
      const isOpen = open.has(entry.groupId);
      const taskIds: string[] = [];
      if (isShown) rows.push({ kind: "group", group: entry, depth, isOpen, taskIds });
      taskIds.push(...walk(entry.groupId, depth + 1, isShown && isOpen));
      return taskIds;
    });
  walk("", 0, true);
  return rows;
}

function labelOf({ taskId, groupId }: TaskDefinition): string {
  return groupId !== undefined && taskId.startsWith(`${groupId}.`) ? taskId.slice(groupId.length + 1) : taskId;
}
