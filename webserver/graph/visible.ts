import type { DagDefinition } from "../../core/definition.ts";
import { textWidth } from "./text-width.ts";

/** What is drawn of a DAG with some groups open: tasks, closed groups as nodes, open ones as boxes around their content. */
export interface VisibleGraph {
  readonly nodes: readonly VisibleNode[];
  readonly boxes: readonly VisibleBox[];
  readonly edges: readonly VisibleEdge[];
}

export interface VisibleNode {
  /** Id of the task or of the closed group. */
  readonly id: string;
  readonly kind: "task" | "group";
  readonly label: string;
  /** Second line: the operator, or "12 tasks". */
  readonly about: string;
  readonly taskIds: readonly string[];
  /** The open group it stands in. */
  readonly parentId: string | undefined;
  readonly width: number;
  readonly height: number;
}

export interface VisibleBox {
  readonly id: string;
  readonly label: string;
  readonly parentId: string | undefined;
}

export interface VisibleEdge {
  readonly from: string;
  readonly to: string;
  /** "then", "else" …; "" for most. */
  readonly label: string;
}

const HEIGHT = 44;
const LABEL_LIMIT = 36;

/** Folds a definition to what is visible. Edges into and out of closed groups become edges of the group. */
export function visibleGraph(definition: DagDefinition, open: ReadonlySet<string>): VisibleGraph {
  const groups = new Map(definition.groups.map((group) => [group.groupId, group]));
  const isShown = (groupId: string | undefined): boolean =>
    groupId === undefined || !groups.has(groupId) || (open.has(groupId) && isShown(groups.get(groupId)?.parentId));
  const boxOf = (groupId: string | undefined) => (groupId !== undefined && groups.has(groupId) ? groupId : undefined);
  /** The outermost closed group around something, or undefined when it is seen itself. */
  const closedAround = (groupId: string | undefined): string | undefined => {
    let closed: string | undefined;
    for (let at = boxOf(groupId); at !== undefined; at = boxOf(groups.get(at)?.parentId))
      if (!open.has(at)) closed = at;
    return closed;
  };
  const nodes = new Map<string, { -readonly [K in keyof VisibleNode]: VisibleNode[K] } & { taskIds: string[] }>();
  const nodeOf = new Map<string, string>();
  for (const task of definition.tasks) {
    const closed = closedAround(task.groupId);
    const id = closed ?? task.taskId;
    nodeOf.set(task.taskId, id);
    const known = nodes.get(id);
    if (known) {
      known.taskIds.push(task.taskId);
      continue;
    }
    const group = closed === undefined ? undefined : groups.get(closed);
    const own = task.groupId !== undefined && task.taskId.startsWith(`${task.groupId}.`);
    nodes.set(id, {
      id,
      kind: group ? "group" : "task",
      label: shortened(group ? group.label : own ? task.taskId.slice((task.groupId?.length ?? 0) + 1) : task.taskId),
      about: task.operator,
      taskIds: [task.taskId],
      parentId: boxOf(group ? group.parentId : task.groupId),
      width: 0,
      height: HEIGHT,
    });
  }
  for (const node of nodes.values()) {
    if (node.kind === "group") node.about = `${node.taskIds.length} task${node.taskIds.length === 1 ? "" : "s"}`;
    node.width = Math.max(100, Math.ceil(Math.max(textWidth(node.label, 13), textWidth(node.about, 11)) + 44));
  }
  return {
    nodes: [...nodes.values()],
    boxes: definition.groups
      .filter((group) => open.has(group.groupId) && isShown(group.groupId))
      .map(({ groupId, label, parentId }) => ({ id: groupId, label, parentId: boxOf(parentId) })),
    edges: edgesOf(definition, nodeOf),
  };
}

function edgesOf(definition: DagDefinition, nodeOf: ReadonlyMap<string, string>): readonly VisibleEdge[] {
  const edges = new Map<string, VisibleEdge>();
  for (const task of definition.tasks) {
    const to = nodeOf.get(task.taskId);
    for (const upstream of task.upstream) {
      const from = nodeOf.get(upstream);
      if (from === undefined || to === undefined || from === to) continue;
      const key = `${from}\n${to}`;
      if (!edges.has(key)) edges.set(key, { from, to, label: task.edgeLabels?.[upstream] ?? "" });
    }
  }
  return [...edges.values()];
}

function shortened(label: string): string {
  return label.length > LABEL_LIMIT ? `${label.slice(0, LABEL_LIMIT - 1)}…` : label;
}
