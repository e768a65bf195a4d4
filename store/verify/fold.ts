import type { SkipDecision } from "../../core/run.ts";
import { isTerminal, type RunState, type TaskState } from "../../core/states.ts";
import type { AttemptState, EventRow, RunKey } from "../rows.ts";
import { placeOf, type Report } from "./report.ts";

/** A task instance as its events tell it. Values that no event has named yet are undefined. */
export interface TaskFold {
  state: TaskState;
  epoch: number;
  tryNumber: number;
  reason: string | null;
  maxTries?: number;
  dueAt?: number | null;
  firstPokeAt?: number | null;
  lostCount?: number;
  branch?: SkipDecision | null;
  /** Epoch of the last start. */
  startedEpoch: number;
  readonly attempts: Map<number, { state: AttemptState; epoch: number }>;
  /** Sizes by key. */
  readonly xcoms: Map<string, number>;
}

/** A run as its events tell it. */
export interface RunFold {
  readonly runKey: RunKey;
  readonly dagId: string;
  state: RunState;
  versionId: number;
  clearNumber: number;
  readonly logicalDate: number | null;
  readonly backfillId: number | null;
  readonly tasks: TaskFold[];
  lastEventId: number;
  lastAt: number;
  /** The last change of the run's state. */
  lastStateEvent: EventRow;
}

/** A run from the event that created it. */
export function newRunFold(event: EventRow, runKey: RunKey): RunFold {
  const detail = event.detail ?? {};
  return {
    runKey,
    dagId: event.dagId ?? "",
    state: event.toState as RunState,
    versionId: Number(detail.versionId),
    clearNumber: 0,
    logicalDate: typeof detail.logicalDate === "number" ? detail.logicalDate : null,
    backfillId: typeof detail.backfillId === "number" ? detail.backfillId : null,
    tasks: Array.from({ length: Number(detail.tasks) }, newTaskFold),
    lastEventId: event.id,
    lastAt: event.at,
    lastStateEvent: event,
  };
}

function newTaskFold(): TaskFold {
  return {
    state: "none",
    epoch: 0,
    tryNumber: 0,
    reason: null,
    startedEpoch: 0,
    attempts: new Map(),
    xcoms: new Map(),
  };
}

/** Applies one event to its run and reports what contradicts the history so far. */
export function foldEvent(run: RunFold, event: EventRow, report: Report): void {
  if (event.at < run.lastAt) report.add("I40", "The event lies before an earlier event of its run.", placeOf(event));
  run.lastAt = event.at;
  run.lastEventId = event.id;
  if (event.kind === "run.state") foldRunState(run, event, report);
  else if (event.kind === "task.appended")
    for (let left = Number(event.detail?.tasks); left > 0; left--) run.tasks.push(newTaskFold());
  else if (event.tiNo !== null) {
    const task = run.tasks[event.tiNo];
    if (task !== undefined) foldTaskEvent(task, event, report);
    else report.add("I28", "The event belongs to a task instance that its run never had.", placeOf(event));
  }
}

function foldRunState(run: RunFold, event: EventRow, report: Report): void {
  if (event.fromState !== run.state)
    report.add("I36", `The run was ${run.state} and the event changes it from ${event.fromState}.`, placeOf(event));
  run.state = event.toState as RunState;
  run.lastStateEvent = event;
  if (typeof event.detail?.versionId === "number") run.versionId = event.detail.versionId;
  if (event.detail?.cleared === true) run.clearNumber++;
}

function foldTaskEvent(task: TaskFold, event: EventRow, report: Report): void {
  if (event.kind === "task.state") foldTransition(task, event, report);
  else if (event.kind === "attempt.started") foldStart(task, event, report);
  else if (event.kind === "attempt.finished") foldFinish(task, event, report);
  else if (event.kind === "xcom.set") foldXCom(task, event, report);
  else if (event.kind === "xcom.deleted" && typeof event.detail?.key === "string") task.xcoms.delete(event.detail.key);
  else if (event.kind === "xcom.deleted") task.xcoms.clear();
}

function foldTransition(task: TaskFold, event: EventRow, report: Report): void {
  checkMove(task, event, report);
  const { detail } = event;
  task.state = event.toState as TaskState;
  task.epoch = event.epoch ?? task.epoch;
  task.tryNumber = event.tryNumber ?? task.tryNumber;
  task.reason = typeof detail?.reason === "string" ? detail.reason : null;
  if (detail === null) return;
  if (detail.maxTries !== undefined) task.maxTries = detail.maxTries as number;
  if (detail.dueAt !== undefined) task.dueAt = detail.dueAt as number | null;
  if (detail.firstPokeAt !== undefined) task.firstPokeAt = detail.firstPokeAt as number | null;
  if (detail.lostCount !== undefined) task.lostCount = detail.lostCount as number;
  if (detail.branch !== undefined) task.branch = detail.branch as SkipDecision | null;
}

function checkMove(task: TaskFold, event: EventRow, report: Report): void {
  if (event.fromState !== task.state)
    report.add("I36", `The task was ${task.state} and the event changes it from ${event.fromState}.`, placeOf(event));
  if ((event.epoch ?? 0) < task.epoch)
    report.add("I8", `An event of epoch ${event.epoch} was accepted at epoch ${task.epoch}.`, placeOf(event));
  const to = event.toState as TaskState;
  // Only people go from one final state to another.
  const isFinal = isTerminal(task.state) && (!isTerminal(to) || event.actor === "scheduler");
  if (isFinal && to !== "none")
    report.add("I11", `The task was ${task.state} and became ${to} without a clear.`, placeOf(event));
}

function foldStart(task: TaskFold, event: EventRow, report: Report): void {
  const place = placeOf(event);
  const epoch = event.epoch ?? 0;
  const tryNumber = event.tryNumber ?? 0;
  if (task.state !== "queued" || task.epoch !== epoch || task.tryNumber !== tryNumber)
    report.add(
      "I3",
      `Try ${tryNumber} started at epoch ${epoch}; the task was ${task.state}, try ${task.tryNumber}, epoch ${task.epoch}.`,
      place,
    );
  if (epoch <= task.startedEpoch)
    report.add("I8", `A start at epoch ${epoch} follows one at epoch ${task.startedEpoch}.`, place);
  for (const [other, attempt] of task.attempts) {
    if (attempt.state === "running")
      report.add("I5", `Try ${tryNumber} started while try ${other} (epoch ${attempt.epoch}) was running.`, place);
  }
  task.state = "running";
  task.reason = null;
  task.startedEpoch = Math.max(task.startedEpoch, epoch);
  task.attempts.set(tryNumber, { state: "running", epoch });
  if (epoch > 1) task.xcoms.clear();
}

function foldFinish(task: TaskFold, event: EventRow, report: Report): void {
  const attempt = task.attempts.get(event.tryNumber ?? 0);
  if (attempt?.state !== "running" || attempt.epoch !== event.epoch) {
    const what = attempt === undefined ? "never started" : `was ${attempt.state} at epoch ${attempt.epoch}`;
    report.add(
      "I4",
      `Try ${event.tryNumber} ended as ${event.toState} at epoch ${event.epoch}; it ${what}.`,
      placeOf(event),
    );
  }
  task.attempts.set(event.tryNumber ?? 0, { state: event.toState as AttemptState, epoch: event.epoch ?? 0 });
}

function foldXCom(task: TaskFold, event: EventRow, report: Report): void {
  if (event.epoch !== null && event.epoch !== task.attempts.get(event.tryNumber ?? 0)?.epoch)
    report.add("I39", `An XCom was set by epoch ${event.epoch}, which was not the present attempt's.`, placeOf(event));
  task.xcoms.set(String(event.detail?.key), Number(event.detail?.size));
}
