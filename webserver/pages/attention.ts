import type { DagRow, ImportErrorRow, RunSummary } from "../../store/rows.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import type { WebDeps } from "../deps.ts";
import { dagPath, runPath, taskPath, withQuery } from "./paths.ts";
import { type TimeView, timeView } from "./time.ts";

/** What the home page puts first because somebody has to look at it. */
export interface Attention {
  readonly failing: readonly FailingDag[];
  readonly waiting: readonly WaitingItem[];
  readonly importErrors: readonly { readonly file: string; readonly where: string; readonly message: string }[];
}

/** A DAG whose newest finished run failed. */
export interface FailingDag {
  readonly dagId: string;
  readonly href: string;
  readonly runId: string;
  readonly runHref: string;
  readonly failedAt: TimeView;
  /** "failed 3 times in a row" */
  readonly streak: string;
  /** The first task that failed in it; "" when none did (a timeout, say). */
  readonly taskId: string;
  readonly taskHref: string;
  readonly error: string;
  readonly clearHref: string;
}

/** Something that should run and does not. */
export interface WaitingItem {
  readonly href: string;
  readonly what: string;
  readonly reason: string;
  readonly since: TimeView;
}

/** Groups shown at most. */
const MOST = 10;
/** A due DAG without its run, and a task without a slot, are worth a line after this long. */
const LATE_MS = 60_000;
const STUCK_MS = 5 * 60_000;
/** Runs that matter now: of the last failures, this many are looked at. */
const LOOK_BACK = 60;
const STREAK = 10;

/** Collects what needs attention now, in a bounded number of reads. */
export async function attention(deps: WebDeps, due: readonly DagRow[]): Promise<Attention> {
  const [failing, stuck, importErrors] = await Promise.all([
    failingDags(deps),
    stuckTasks(deps),
    deps.store.dags.importErrors(),
  ]);
  return {
    failing,
    waiting: [...lateDags(deps, due), ...stuck],
    importErrors: importErrors.slice(0, MOST).map(broken),
  };
}

async function failingDags(deps: WebDeps): Promise<readonly FailingDag[]> {
  const failed = await deps.store.runs.list({
    states: ["failed"],
    orderBy: "end_date",
    isDescending: true,
    limit: LOOK_BACK,
    isCounted: false,
  });
  const dagIds = [...new Set(failed.rows.map((run) => run.dagId))].slice(0, MOST * 2);
  const groups = await Promise.all(dagIds.map((dagId) => failingDag(deps, dagId)));
  return groups.filter((group) => group !== undefined).slice(0, MOST);
}

async function failingDag(deps: WebDeps, dagId: string): Promise<FailingDag | undefined> {
  const finished = await deps.store.runs.list({ dagId, states: ["success", "failed"], limit: STREAK });
  const run = finished.rows[0];
  if (run?.state !== "failed") return undefined;
  const streak = finished.rows.findIndex((each) => each.state !== "failed");
  const task = await firstFailure(deps, run);
  return {
    dagId,
    href: dagPath(dagId),
    runId: run.runId,
    runHref: runPath(dagId, run.runId),
    failedAt: timeView(run.endDate, deps.clock.now()),
    streak: streakText(streak === -1 ? finished.rows.length : streak, streak === -1 && finished.total > STREAK),
    taskId: task?.row.taskId ?? "",
    taskHref: task ? taskPath(dagId, run.runId, task.row.taskId, task.row.mapIndex) : "",
    error: task?.error ?? "",
    clearHref: withQuery(runPath(dagId, run.runId, "/clear"), { only_failed: true }),
  };
}

function streakText(count: number, isMore: boolean): string {
  return count < 2 ? "failed" : `failed ${count}${isMore ? "+" : ""} times in a row`;
}

async function firstFailure(
  deps: WebDeps,
  run: RunSummary,
): Promise<{ row: TaskInstanceInRun; error: string } | undefined> {
  const found = await deps.store.tasks.list({
    runKey: run.runKey,
    dagId: run.dagId,
    runId: run.runId,
    states: ["failed"],
    orderBy: "end_date",
    limit: 1,
    isCounted: false,
  });
  const row = found.rows[0];
  if (!row) return undefined;
  const attempt = await deps.store.tasks.attempt(row.runKey, row.tiNo, row.tryNumber);
  return { row, error: attempt?.error ? errorLine(attempt.error) : (row.reason ?? "") };
}

/** The first line of an error, as people say it. */
export function errorLine(error: { readonly name: string; readonly message: string }): string {
  const line = error.message.split("\n")[0]?.trim() ?? "";
  return (error.name === "Error" || error.name === "" ? line : `${error.name}: ${line}`).slice(0, 300);
}

function lateDags(deps: WebDeps, due: readonly DagRow[]): readonly WaitingItem[] {
  const now = deps.clock.now();
  return due
    .filter((dag) => dag.nextRunAt !== null && dag.nextRunAt < now - LATE_MS)
    .slice(0, MOST)
    .map((dag) => ({
      href: dagPath(dag.dagId),
      what: `${dag.dagId}: its next run is due and has not begun`,
      reason: `${dag.maxActiveRuns} running run${dag.maxActiveRuns === 1 ? "" : "s"} at once at most; look at its runs, then at the scheduler's health.`,
      since: timeView(dag.nextRunAt, now),
    }));
}

async function stuckTasks(deps: WebDeps): Promise<readonly WaitingItem[]> {
  const now = deps.clock.now();
  const queued = await deps.store.tasks.list({
    states: ["queued", "scheduled"],
    orderBy: "id",
    limit: 200,
    isCounted: false,
  });
  const stuck = queued.rows
    .filter((task) => (task.queuedAt ?? task.scheduledAt ?? now) < now - STUCK_MS)
    .slice(0, MOST);
  return Promise.all(
    stuck.map(async (task) => ({
      href: taskPath(task.dagId, task.runId, task.taskId, task.mapIndex),
      what: `${task.dagId}: ${task.taskId} waits`,
      reason: (await deps.explain?.explain(task.runKey, task.tiNo)) ?? task.reason ?? `is ${task.state}`,
      since: timeView(task.queuedAt ?? task.scheduledAt, now),
    })),
  );
}

function broken(error: ImportErrorRow): Attention["importErrors"][number] {
  return {
    file: error.file,
    where: error.line === null ? error.file : `${error.file}:${error.line}`,
    message: error.message.split("\n")[0] ?? "",
  };
}
