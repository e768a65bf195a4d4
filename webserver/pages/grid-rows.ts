import type { DagDefinition } from "../../core/definition.ts";
import type { TaskState } from "../../core/states.ts";
import type { RunKey, RunSummary, TaskInstanceRow } from "../../store/rows.ts";
import { runPath, taskPath } from "./paths.ts";
import { stateWord, worstState } from "./state-counts.ts";
import { type TaskTreeRow, type TreeRow, taskTree, toggleHref } from "./task-tree.ts";
import { absoluteTime, durationText } from "./time.ts";

/** One row of the grid. */
export interface GridRow {
  readonly kind: "task" | "group";
  readonly id: string;
  readonly label: string;
  /** Full id and operator. */
  readonly title: string;
  /** 0 to 6: how far it is indented. */
  readonly depth: number;
  /** Opens or closes a group; "" for tasks. */
  readonly toggleHref: string;
  readonly isOpen: boolean;
  /** One per run; null where that run has no such task. */
  readonly cells: readonly (GridCell | null)[];
}

/** The task instances of one row in one run. */
export interface GridCell {
  readonly state: TaskState;
  readonly href: string;
  /** "extract, scheduled__2026-11-22…: success" */
  readonly name: string;
  /** "2" tries, "×12" instances; "" when there is nothing to say. */
  readonly mark: string;
}

/** Head of a column: a run. */
export interface RunHead {
  readonly runId: string;
  readonly href: string;
  readonly state: string;
  /** Height of its bar, 2 to 48. */
  readonly height: number;
  readonly name: string;
  readonly isManual: boolean;
}

/** Columns of one day. */
export interface DayHead {
  readonly span: number;
  readonly label: string;
  readonly title: string;
}

const BAR = 48;
const MOST_DEPTH = 6;

/** A row before it is filled; a former task stands only in earlier versions. */
export type PlannedRow = TreeRow | { readonly kind: "former"; readonly taskId: string };

/** Rows in the order of the present definition, then tasks that only the other versions of the shown runs had. */
export function plannedRows(
  definition: DagDefinition,
  open: ReadonlySet<string>,
  others: readonly DagDefinition[],
): readonly PlannedRow[] {
  const present = new Set(definition.tasks.map((task) => task.taskId));
  const former = new Set(others.flatMap(({ tasks }) => tasks.map((task) => task.taskId)));
  return [
    ...taskTree(definition, open),
    ...[...former].filter((taskId) => !present.has(taskId)).map((taskId) => ({ kind: "former" as const, taskId })),
  ];
}

/** The tasks whose instances these rows show. */
export function tasksOfRows(rows: readonly PlannedRow[]): readonly string[] {
  return [
    ...new Set(
      rows.flatMap((row) => (row.kind === "task" ? row.task.taskId : row.kind === "group" ? row.taskIds : row.taskId)),
    ),
  ];
}

interface GridInput {
  readonly definition: DagDefinition;
  readonly open: ReadonlySet<string>;
  readonly url: string;
  readonly rows: readonly PlannedRow[];
  /** Oldest first. */
  readonly runs: readonly RunSummary[];
  readonly instances: ReadonlyMap<RunKey, readonly TaskInstanceRow[]>;
}

/** Fills rows with the states of the runs. */
export function gridRows({ definition, open, url, rows, runs, instances }: GridInput): readonly GridRow[] {
  const byTask = runs.map((run) => Map.groupBy(instances.get(run.runKey) ?? [], (row) => row.taskId));
  const cellsOf = (taskId: string) => runs.map((run, at) => taskCell(run, byTask[at]?.get(taskId) ?? []));
  return rows.map((row) => {
    if (row.kind === "task") return taskRow(row, cellsOf(row.task.taskId));
    if (row.kind === "former") return formerRow(row.taskId, cellsOf(row.taskId));
    const { groupId, label, tooltip } = row.group;
    return {
      kind: "group",
      id: groupId,
      label,
      title: tooltip ?? `${groupId}: ${row.taskIds.length} tasks`,
      depth: Math.min(row.depth, MOST_DEPTH),
      toggleHref: toggleHref(url, definition, open, groupId),
      isOpen: row.isOpen,
      cells: runs.map((run, at) =>
        groupCell(
          run,
          label,
          row.taskIds.flatMap((id) => byTask[at]?.get(id) ?? []),
        ),
      ),
    };
  });
}

function taskRow({ task, label, depth }: TaskTreeRow, cells: GridRow["cells"]): GridRow {
  return {
    kind: "task",
    id: task.taskId,
    label,
    title: `${task.taskId} (${task.operator})`,
    depth: Math.min(depth, MOST_DEPTH),
    toggleHref: "",
    isOpen: false,
    cells,
  };
}

function formerRow(taskId: string, cells: GridRow["cells"]): GridRow {
  return {
    kind: "task",
    id: taskId,
    label: taskId,
    title: `${taskId} (only in earlier versions)`,
    depth: 0,
    toggleHref: "",
    isOpen: false,
    cells,
  };
}

function taskCell(run: RunSummary, rows: readonly TaskInstanceRow[]): GridCell | null {
  const first = rows[0];
  if (!first) return null;
  const state = worstState(rows.map((row) => row.state));
  const chosen = rows.find((row) => row.state === state) ?? first;
  const mark = rows.length > 1 ? `×${rows.length}` : first.tryNumber > 1 ? String(first.tryNumber) : "";
  const more = mark === "" ? "" : rows.length > 1 ? `, ${mark}` : `, try ${mark}`;
  return {
    state,
    href: taskPath(run.dagId, run.runId, first.taskId, chosen.mapIndex),
    name: `${first.taskId}, ${run.runId}${more}: ${stateWord(state)}`,
    mark,
  };
}

function groupCell(run: RunSummary, label: string, rows: readonly TaskInstanceRow[]): GridCell | null {
  if (rows.length === 0) return null;
  const state = worstState(rows.map((row) => row.state));
  const count = rows.filter((row) => row.state === state).length;
  return {
    state,
    href: runPath(run.dagId, run.runId),
    name: `${label}, ${run.runId}, ${count} of ${rows.length}: ${stateWord(state)}`,
    mark: "",
  };
}

/** The heads of the columns; bars are relative to the longest run. */
export function runHeads(dagId: string, runs: readonly RunSummary[], now: number): readonly RunHead[] {
  const duration = (run: RunSummary) =>
    run.startDate === null ? 0 : Math.max(0, (run.endDate ?? now) - run.startDate);
  const longest = Math.max(1, ...runs.map(duration));
  return runs.map((run) => ({
    runId: run.runId,
    href: runPath(dagId, run.runId),
    state: run.state,
    height: Math.max(2, Math.round((BAR * duration(run)) / longest)),
    name: `Run ${run.runId}, ${absoluteTime(run.runAfter)}${run.startDate === null ? "" : `, ${durationText(duration(run))}`}: ${run.state}`,
    isManual: run.runType !== "scheduled",
  }));
}

/** Days above the columns, in the DAG's zone. */
export function dayHeads(runs: readonly RunSummary[], timezone: string): readonly DayHead[] {
  const format = new Intl.DateTimeFormat("en", { timeZone: timezone, day: "numeric", month: "short" });
  const days: { label: string; span: number }[] = [];
  for (const run of runs) {
    const label = format.format(run.logicalDate ?? run.runAfter);
    const last = days.at(-1);
    if (last?.label === label) last.span++;
    else days.push({ label, span: 1 });
  }
  return days.map(({ label, span }) => ({
    span,
    title: label,
    label: span > 1 ? label : (label.split(" ")[1] ?? label),
  }));
}
