import type { TaskState } from "../../core/states.ts";
import type { DagRunRow, DagVersionRow, TaskInstanceRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { choiceOf, type FormInput, textOf } from "../forms/input.ts";
import { layouts } from "../graph/layouts.ts";
import { graphSvg } from "../graph/svg.ts";
import { urlWith } from "./paging.ts";
import { dagPath, taskPath } from "./paths.ts";
import { stateWord, worstState } from "./state-counts.ts";
import { openGroups, taskTree, toggleHref } from "./task-tree.ts";

/** The graph of a version, coloured by a run when there is one; or the same as a list. */
export interface GraphView {
  readonly dagId: string;
  readonly runId: string;
  readonly isList: boolean;
  readonly svgHtml: string;
  readonly list: readonly GraphListRow[];
  readonly listHref: string;
  readonly drawingHref: string;
  readonly hasGroups: boolean;
  readonly openAllHref: string;
  readonly closeAllHref: string;
}

interface GraphListRow {
  readonly taskId: string;
  readonly href: string;
  readonly operator: string;
  /** "" without a run. */
  readonly state: string;
  readonly stateLabel: string;
  readonly upstream: string;
  readonly downstream: string;
}

interface GraphInput {
  readonly version: DagVersionRow;
  readonly run: Pick<DagRunRow, "runKey" | "dagId" | "runId"> | undefined;
  readonly url: string;
  readonly query: FormInput;
}

/** Draws the graph (or lists it) with the groups that the address opens. */
export async function graphView(deps: WebDeps, { version, run, url, query }: GraphInput): Promise<GraphView> {
  const { definition } = version;
  const isList = choiceOf(query, "view", ["list"], "") === "list";
  const open = openGroups(definition, textOf(query, "open"));
  const instances = run ? await deps.store.tasks.ofRun(run.runKey) : [];
  const byTask = Map.groupBy(instances, (row) => row.taskId);
  const hrefOf = (taskId: string) =>
    run && byTask.has(taskId)
      ? taskPath(run.dagId, run.runId, taskId, byTask.get(taskId)?.[0]?.mapIndex)
      : `${dagPath(definition.dagId, "/tasks")}#task-${encodeURIComponent(taskId)}`;
  return {
    dagId: definition.dagId,
    runId: run?.runId ?? "",
    isList,
    svgHtml: isList ? "" : await draw(),
    list: isList ? listOf(version, byTask, run !== undefined, hrefOf) : [],
    listHref: urlWith(url, { view: "list" }),
    drawingHref: urlWith(url, { view: "" }),
    hasGroups: definition.groups.length > 0,
    openAllHref: urlWith(url, { open: "all" }),
    closeAllHref: urlWith(url, { open: "none" }),
  };

  async function draw(): Promise<string> {
    const drawing = await layouts.drawing(version.id, definition, open);
    const nodes = new Map(drawing.graph.nodes.map((node) => [node.id, node]));
    return graphSvg(drawing, {
      dagId: definition.dagId,
      runId: run?.runId ?? "",
      label: `Graph of ${definition.dagId}`,
      boxFace: (id) => ({ toggleHref: toggleHref(url, definition, open, id) }),
      face: (id) => {
        const node = nodes.get(id);
        const states = (node?.taskIds ?? []).flatMap((taskId) => statesOf(byTask.get(taskId)));
        const state = run && states.length > 0 ? worstState(states) : undefined;
        const what = node?.kind === "group" ? `Group ${node.label}, ${node.about}` : id;
        const toggle = node?.kind === "group" ? toggleHref(url, definition, open, id) : "";
        return {
          href: toggle === "" ? hrefOf(id) : toggle,
          state,
          name: state === undefined ? what : `${what}: ${stateWord(state)}`,
          toggleHref: toggle,
        };
      },
    });
  }
}

function statesOf(rows: readonly TaskInstanceRow[] | undefined): readonly TaskState[] {
  return (rows ?? []).map((row) => row.state);
}

function listOf(
  { definition }: DagVersionRow,
  byTask: ReadonlyMap<string, readonly TaskInstanceRow[]>,
  hasRun: boolean,
  hrefOf: (taskId: string) => string,
): readonly GraphListRow[] {
  const downstream = new Map<string, string[]>();
  for (const task of definition.tasks)
    for (const id of task.upstream) downstream.set(id, [...(downstream.get(id) ?? []), task.taskId]);
  const all = new Set(definition.groups.map((group) => group.groupId));
  return taskTree(definition, all).flatMap((row) => {
    if (row.kind !== "task") return [];
    const { taskId, operator, upstream } = row.task;
    const states = statesOf(byTask.get(taskId));
    const state = hasRun && states.length > 0 ? worstState(states) : "";
    return [
      {
        taskId,
        href: hrefOf(taskId),
        operator,
        state,
        stateLabel: state === "" ? "" : stateWord(state),
        upstream: upstream.join(", "),
        downstream: (downstream.get(taskId) ?? []).join(", "),
      },
    ];
  });
}
