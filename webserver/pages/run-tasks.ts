import { TASK_STATES, type TaskState } from "../../core/states.ts";
import type { TaskInstanceRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { choiceOf, type FormInput, textOf } from "../forms/input.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView, urlWith } from "./paging.ts";
import { taskPath } from "./paths.ts";
import { reasonsOf } from "./reasons.ts";
import type { RunContext } from "./run-context.ts";
import { countStates, isWaitingForTime, stateCounts, stateWord } from "./state-counts.ts";
import { taskTree } from "./task-tree.ts";
import { durationText, type TimeView, timeView } from "./time.ts";

/** The task instances of a run as a list. */
export interface RunTasksView {
  readonly rows: readonly RunTaskRow[];
  readonly chips: readonly {
    readonly label: string;
    readonly href: string;
    readonly isCurrent: boolean;
    readonly state: string;
  }[];
  readonly search: string;
  readonly state: string;
  readonly pager: PagerView;
}

interface RunTaskRow {
  readonly id: string;
  readonly taskId: string;
  readonly href: string;
  readonly mapIndex: string;
  readonly operator: string;
  readonly state: TaskState;
  readonly reason: string;
  /** The reason speaks of a time that comes nearer. */
  readonly isDue: boolean;
  readonly tries: string;
  readonly start: TimeView;
  readonly duration: string;
  readonly since: string;
}

/** Task instances in topological order, 50 a page, filtered by state and name. */
export async function runTasks(
  deps: WebDeps,
  { run, definition }: RunContext,
  url: string,
  query: FormInput,
): Promise<RunTasksView> {
  const all = await deps.store.tasks.ofRun(run.runKey);
  const state = choiceOf<TaskState | "">(query, "state", TASK_STATES, "");
  const search = textOf(query, "q").slice(0, 200);
  const place = new Map(
    taskTree(definition, new Set(definition.groups.map((group) => group.groupId)))
      .flatMap((row) => (row.kind === "task" ? [row.task.taskId] : []))
      .map((taskId, at) => [taskId, at]),
  );
  const wanted = all
    .filter((row) => (state === "" || row.state === state) && row.taskId.toLowerCase().includes(search.toLowerCase()))
    .sort((a, b) => (place.get(a.taskId) ?? all.length) - (place.get(b.taskId) ?? all.length) || a.tiNo - b.tiNo);
  const page = pageOf(query);
  const shown = wanted.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
  const reasons = await reasonsOf(deps, run, definition, shown, all);
  const now = deps.clock.now();
  return {
    rows: shown.map((row) => taskRow(row, run, reasons.get(row.tiNo) ?? "", now)),
    chips: [
      { label: `All ${all.length}`, href: urlWith(url, { state: "", page: "" }), isCurrent: state === "", state: "" },
      ...stateCounts(countStates(all.map((row) => row.state))).map((count) => ({
        label: `${count.count} ${stateWord(count.state)}`,
        href: urlWith(url, { state: count.state, page: "" }),
        isCurrent: state === count.state,
        state: count.state,
      })),
    ],
    search,
    state,
    pager: pagerView(url, page, wanted.length, shown.length, "task"),
  };
}

function taskRow(
  row: TaskInstanceRow,
  run: { readonly dagId: string; readonly runId: string },
  reason: string,
  now: number,
): RunTaskRow {
  const isOpen = row.startDate !== null && row.endDate === null && row.state === "running";
  const end = row.endDate ?? (isOpen ? now : null);
  return {
    id: `ti-${row.tiNo}`,
    taskId: row.taskId,
    href: taskPath(run.dagId, run.runId, row.taskId, row.mapIndex),
    mapIndex: row.mapIndex < 0 ? "" : `[${row.mapIndex}]`,
    operator: row.operator,
    state: row.state,
    reason,
    isDue: isWaitingForTime(row.state),
    tries: row.tryNumber === 0 ? "" : row.maxTries > 1 ? `${row.tryNumber} of ${row.maxTries}` : String(row.tryNumber),
    start: timeView(row.startDate, now),
    duration: row.startDate === null || end === null ? "" : durationText(end - row.startDate),
    since: isOpen && row.startDate !== null ? new Date(row.startDate).toISOString() : "",
  };
}
