import type { AttemptRow, TaskInstanceRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { taskPath } from "./paths.ts";
import type { RunContext } from "./run-context.ts";
import { stateWord } from "./state-counts.ts";
import { absoluteTime, durationText } from "./time.ts";

/** When each task of a run was queued and ran. */
export interface GanttView {
  readonly rows: readonly GanttRow[];
  readonly ticks: readonly { readonly x: string; readonly label: string }[];
  readonly text: string;
  readonly more: string;
}

interface GanttRow {
  readonly id: string;
  readonly taskId: string;
  readonly href: string;
  readonly state: string;
  readonly duration: string;
  readonly segments: readonly GanttSegment[];
}

interface GanttSegment {
  /** Percent of the width, as SVG takes it. */
  readonly x: string;
  readonly width: string;
  readonly kind: "queued" | "ran";
  readonly state: string;
  readonly label: string;
}

/** Rows drawn at most; the longest list a person looks through. */
const MOST_ROWS = 500;
const TICKS = 6;

/** The Gantt chart of a run by start time: every try with the time it waited and the time it ran. */
export async function ganttView(deps: WebDeps, { run }: RunContext): Promise<GanttView> {
  const [tasks, attempts] = await Promise.all([
    deps.store.tasks.ofRun(run.runKey),
    deps.store.tasks.attemptsOfRun(run.runKey),
  ]);
  const now = deps.clock.now();
  const byTask = Map.groupBy(attempts, (attempt) => attempt.tiNo);
  const begun = tasks.filter((task) => startOf(task, byTask) !== undefined);
  begun.sort((a, b) => (startOf(a, byTask) ?? 0) - (startOf(b, byTask) ?? 0) || a.tiNo - b.tiNo);
  const from = Math.min(run.startDate ?? run.queuedAt, ...begun.map((task) => startOf(task, byTask) ?? now));
  const to = Math.max(from + 1, run.endDate ?? now, ...attempts.map((attempt) => attempt.endDate ?? 0));
  const place = (at: number) => (100 * (at - from)) / (to - from);
  return {
    rows: begun.slice(0, MOST_ROWS).map((task) => ({
      id: `gantt-${task.tiNo}`,
      taskId: task.mapIndex < 0 ? task.taskId : `${task.taskId}[${task.mapIndex}]`,
      href: taskPath(run.dagId, run.runId, task.taskId, task.mapIndex),
      state: task.state,
      duration: durationText(task.startDate === null ? null : (task.endDate ?? now) - task.startDate),
      segments: (byTask.get(task.tiNo) ?? []).flatMap((attempt) => segments(attempt, task, now, place)),
    })),
    ticks: Array.from({ length: TICKS }, (_, at) => ({
      x: percent((100 * at) / TICKS),
      label: `+${durationText(((to - from) * at) / TICKS)}`,
    })),
    text: `${absoluteTime(from)}, ${durationText(to - from)} in all`,
    more: begun.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${begun.length} tasks are drawn.` : "",
  };
}

function startOf(task: TaskInstanceRow, byTask: ReadonlyMap<number, readonly AttemptRow[]>): number | undefined {
  const first = byTask.get(task.tiNo)?.[0];
  return first?.queuedAt ?? first?.startDate ?? undefined;
}

function segments(
  attempt: AttemptRow,
  task: TaskInstanceRow,
  now: number,
  place: (at: number) => number,
): readonly GanttSegment[] {
  const { queuedAt, startDate, endDate, tryNumber } = attempt;
  const found: GanttSegment[] = [];
  const add = (from: number, to: number, kind: GanttSegment["kind"], state: string, word: string) =>
    found.push({
      x: percent(place(from)),
      width: percent(Math.max(0.2, place(to) - place(from))),
      kind,
      state,
      label: `${task.taskId}, try ${tryNumber}: ${word} ${durationText(to - from)}`,
    });
  if (queuedAt !== null && startDate !== null && startDate > queuedAt)
    add(queuedAt, startDate, "queued", "queued", "queued");
  if (startDate !== null) {
    const state = ATTEMPT_STATES[attempt.state] ?? "running";
    add(startDate, endDate ?? now, "ran", state, stateWord(state));
  }
  return found;
}

/** The task state whose colour an attempt has. */
const ATTEMPT_STATES: Readonly<Record<string, string>> = {
  success: "success",
  failed: "failed",
  lost: "failed",
  skipped: "skipped",
  cancelled: "removed",
  rescheduled: "up_for_reschedule",
  deferred: "deferred",
};

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}
