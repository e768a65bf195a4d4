import { Router } from "express";
import { timetableFromSpec } from "../../core/timetable.ts";
import type { DagRow, DagVersionRow, RunSummary } from "../../store/rows.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { formOf, textOf } from "../forms/input.ts";
import { outcomeOf } from "../forms/outcome.ts";
import { localPath } from "../login.ts";
import { markdownHtml } from "../markdown.ts";
import { errorLine } from "./attention.ts";
import { pathParameter } from "./context.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { urlWith } from "./paging.ts";
import { dagPath, runPath, taskPath } from "./paths.ts";
import { type RunBar, runBars } from "./run-bars.ts";
import { durationText, relativeTime, type TimeView, timeView } from "./time.ts";

/** Runs drawn as bars. */
const BARS = 30;
/** Failed task instances looked at for the list of failing tasks. */
const FAILURES = 50;
const UPCOMING = 5;

/** `/dags/:dag`: how it is, what fails, what comes. */
export function dagOverviewRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag", requires("read", "dag"), async (request, response) => {
    const context = await dagContext(deps, request, "overview");
    const { dag, version } = context;
    const now = deps.clock.now();
    const [runs, failures] = await Promise.all([
      deps.store.runs.list({ dagId: dag.dagId, limit: BARS }),
      deps.store.tasks.list({
        dagId: dag.dagId,
        states: ["failed"],
        orderBy: "end_date",
        isDescending: true,
        limit: FAILURES,
      }),
    ]);
    const model: OverviewView = {
      head: context.head,
      here: urlWith(request.originalUrl, {}),
      health: healthOf(dag, runs.rows, now),
      bars: runBars(dag.dagId, runs.rows, now),
      runTotal: runs.total,
      successRate: successRate(runs.rows),
      medianDuration: durationText(median(runs.rows)),
      failing: await failingTasks(deps, dag.dagId, failures.rows),
      upcoming: upcomingOf(dag, version, now),
      docsHtml: version.definition.docMd ? markdownHtml(version.definition.docMd) : "",
      description: dag.description ?? "",
      taskCount: version.definition.tasks.length,
    };
    await sendPage(deps, request, response, dagFrame(context, "dag", ""), "dag", model);
  });

  router.post("/dags/:dag/reparse", requires("operate", "dag"), async (request, response) => {
    const dagId = pathParameter(request, "dag");
    const next = textOf(formOf(request.body), "next");
    const back = next === "" ? dagPath(dagId) : localPath(next);
    const file = (await deps.store.dags.get(dagId))?.file;
    const done = await outcomeOf(async () => deps.reparse?.(file));
    if (done.ok) redirectWithFlash(response, back, `${file ?? dagId} was read again.`);
    else redirectWithFlash(response, back, done.message, "failed");
  });
  return router;
}

interface OverviewView {
  readonly head: DagHead;
  readonly here: string;
  readonly health: { readonly state: string; readonly word: string; readonly text: string; readonly href: string };
  readonly bars: readonly RunBar[];
  readonly runTotal: number;
  readonly successRate: string;
  readonly medianDuration: string;
  readonly failing: readonly FailingTask[];
  readonly upcoming: readonly TimeView[];
  readonly docsHtml: string;
  readonly description: string;
  readonly taskCount: number;
}

interface FailingTask {
  readonly taskId: string;
  readonly href: string;
  readonly count: string;
  readonly last: TimeView;
  readonly error: string;
}

/** One sentence about how the DAG is. */
function healthOf(dag: DagRow, runs: readonly RunSummary[], now: number): OverviewView["health"] {
  const running = runs.find((run) => run.state === "running");
  const finished = runs.filter((run) => run.state === "success" || run.state === "failed");
  const last = finished[0];
  const also = running ? " One is running now." : "";
  if (!last)
    return {
      state: running ? "running" : "none",
      word: running ? "First run" : "No runs yet",
      text: running ? "Its first run is under way." : "It has not run yet. Trigger it, or wait for its schedule.",
      href: running ? runPath(dag.dagId, running.runId) : "",
    };
  const streak = finished.findIndex((run) => run.state !== last.state);
  const count = streak === -1 ? finished.length : streak;
  const when = last.endDate === null ? "" : relativeTime(last.endDate, now);
  const ended = when === "" ? "" : count === 1 ? ` ${when}` : `, the newest ${when}`;
  const href = runPath(dag.dagId, last.runId);
  if (last.state === "failed")
    return {
      state: "failed",
      word: "Failing",
      text: `${count === 1 ? "The last run failed" : `The last ${count} runs failed`}${ended}.${also}`,
      href,
    };
  return {
    state: "success",
    word: "Healthy",
    text: `${count === 1 ? "The last run succeeded" : `The last ${count} runs succeeded`}${ended}.${also}`,
    href,
  };
}

function successRate(runs: readonly RunSummary[]): string {
  const finished = runs.filter((run) => run.state === "success" || run.state === "failed");
  if (finished.length === 0) return "";
  const good = finished.filter((run) => run.state === "success").length;
  return `${good} of the last ${finished.length} run${finished.length === 1 ? "" : "s"} succeeded`;
}

/** Median duration of the successful runs among these, ms; null without one. */
export function median(runs: readonly Pick<RunSummary, "state" | "startDate" | "endDate">[]): number | null {
  const durations = runs
    .flatMap((run) =>
      run.state === "success" && run.startDate !== null && run.endDate !== null ? [run.endDate - run.startDate] : [],
    )
    .sort((a, b) => a - b);
  return durations[Math.floor((durations.length - 1) / 2)] ?? null;
}

async function failingTasks(
  deps: WebDeps,
  dagId: string,
  failures: readonly TaskInstanceInRun[],
): Promise<readonly FailingTask[]> {
  const byTask = Map.groupBy(failures, (task) => task.taskId);
  const shown = [...byTask].sort(([, a], [, b]) => b.length - a.length).slice(0, 8);
  return Promise.all(
    shown.map(async ([taskId, rows]) => {
      const last = rows[0] as TaskInstanceInRun;
      const attempt = await deps.store.tasks.attempt(last.runKey, last.tiNo, last.tryNumber);
      return {
        taskId,
        href: taskPath(dagId, last.runId, taskId, last.mapIndex),
        count: rows.length === 1 ? "failed once" : `failed ${rows.length} times`,
        last: timeView(last.endDate, deps.clock.now()),
        error: attempt?.error ? errorLine(attempt.error) : (last.reason ?? ""),
      };
    }),
  );
}

function upcomingOf(dag: DagRow, { definition }: DagVersionRow, now: number): readonly TimeView[] {
  if (!dag.isActive) return [];
  const instant = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));
  const startDate = instant(definition.startDate);
  try {
    return timetableFromSpec(definition.timetable, { startDate })
      .upcoming(now, UPCOMING, {
        startDate,
        endDate: instant(definition.endDate),
        lastLogicalDate: dag.lastLogicalDate ?? undefined,
      })
      .map((slot) => timeView(slot.runAfter, now, "both", dag.timezone));
  } catch {
    // A schedule of a newer version of Sluice; the head shows its summary.
    return [];
  }
}
