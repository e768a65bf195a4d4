import { Router } from "express";
import type { DagRow, PoolRow, RunSummary } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { Health, WebDeps } from "../deps.ts";
import { type Attention, attention } from "./attention.ts";
import { sendPage } from "./page.ts";
import { dagPath, runPath } from "./paths.ts";
import { scheduleWords } from "./schedule.ts";
import { type TimeView, timeView } from "./time.ts";

const HOUR_MS = 3_600_000;
/** Rows in each of the lists below "needs attention". */
const SHOWN = 12;

/** `/`: what needs somebody first, then what runs, what comes, and how the installation is. */
export function homeRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/", requires("read", "dag"), async (request, response) => {
    const now = deps.clock.now();
    const { store } = deps;
    const [dags, running, succeeded, health, pools, use] = await Promise.all([
      store.dags.all(),
      store.runs.list({ states: ["running", "queued"], limit: SHOWN }),
      store.runs.list({ states: ["success"], orderBy: "end_date", isDescending: true, limit: 1, isCounted: false }),
      deps.health(),
      store.admin.pools(),
      store.admin.poolUse(),
    ]);
    const due = dueBefore(dags, now + HOUR_MS);
    const needs = await attention(deps, due);
    const model: HomeView = {
      isFirstVisit: dags.length === 0 && needs.importErrors.length === 0,
      folder: deps.dagsFolder,
      attention: needs,
      isClear: needs.failing.length + needs.waiting.length + needs.importErrors.length === 0,
      lastSuccess: timeView(succeeded.rows[0]?.endDate ?? null, now),
      running: running.rows.map((run) => runningRow(run, now)),
      runningTotal: running.total,
      upcoming: due
        .filter((dag) => (dag.nextRunAt ?? 0) >= now)
        .slice(0, SHOWN)
        .map((dag) => upcomingRow(dag, now)),
      health: healthRows(health, now),
      pools: pools.map((pool) => poolRow(pool, use.get(pool.name))),
    };
    await sendPage(deps, request, response, { title: "Home", page: "home", nav: "home" }, "home", model);
  });
  return router;
}

interface HomeView {
  readonly isFirstVisit: boolean;
  readonly folder: string;
  readonly attention: Attention;
  readonly isClear: boolean;
  readonly lastSuccess: TimeView;
  readonly running: readonly RunningRow[];
  readonly runningTotal: number;
  readonly upcoming: readonly UpcomingRow[];
  readonly health: readonly HealthRow[];
  readonly pools: readonly PoolUseRow[];
}

interface RunningRow {
  readonly rowId: string;
  readonly dagId: string;
  readonly runId: string;
  readonly href: string;
  readonly state: string;
  readonly since: TimeView;
  /** "7 of 12 tasks" */
  readonly progress: string;
  readonly done: number;
  readonly total: number;
}

interface UpcomingRow {
  readonly dagId: string;
  readonly href: string;
  readonly schedule: string;
  readonly at: TimeView;
}

interface HealthRow {
  readonly name: string;
  readonly state: "success" | "failed";
  readonly word: string;
  readonly detail: string;
  readonly heartbeat: TimeView;
}

/** One pool's use as a row: numbers for the text and for its meter. */
export interface PoolUseRow {
  readonly name: string;
  readonly used: number;
  readonly slots: number;
  /** "3 of 4 in use", "3 in use (no limit)" */
  readonly text: string;
  readonly waiting: number;
  readonly isFull: boolean;
}

/** Unpaused DAGs whose next run is due before `until`, earliest first. */
function dueBefore(dags: readonly DagRow[], until: number): readonly DagRow[] {
  return dags
    .filter((dag) => !dag.isPaused && dag.nextRunAt !== null && dag.nextRunAt <= until)
    .sort((a, b) => (a.nextRunAt ?? 0) - (b.nextRunAt ?? 0));
}

function runningRow(run: RunSummary, now: number): RunningRow {
  const counts = Object.entries(run.counts);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const done = counts.reduce((sum, [state, count]) => (DONE.has(state) ? sum + count : sum), 0);
  return {
    rowId: `running-${run.runKey}`,
    dagId: run.dagId,
    runId: run.runId,
    href: runPath(run.dagId, run.runId),
    state: run.state,
    since: timeView(run.startDate ?? run.queuedAt, now),
    progress: `${done} of ${total} task${total === 1 ? "" : "s"}`,
    done,
    total,
  };
}

const DONE: ReadonlySet<string> = new Set(["success", "failed", "upstream_failed", "skipped", "removed"]);

function upcomingRow(dag: DagRow, now: number): UpcomingRow {
  return {
    dagId: dag.dagId,
    href: dagPath(dag.dagId),
    schedule: scheduleWords(dag.scheduleSummary, dag.timezone),
    at: timeView(dag.nextRunAt, now, "both"),
  };
}

function healthRows(health: Health, now: number): readonly HealthRow[] {
  const row = (
    name: string,
    part: { readonly status: "healthy" | "unhealthy"; readonly detail?: string },
    heartbeat: string | null = null,
  ): HealthRow => ({
    name,
    state: part.status === "healthy" ? "success" : "failed",
    word: part.status,
    detail: part.detail ?? "",
    heartbeat: timeView(heartbeat === null ? null : Date.parse(heartbeat), now),
  });
  return [
    row("Database", health.metadatabase),
    row("Scheduler", health.scheduler, health.scheduler.latest_scheduler_heartbeat),
    row("DAG files", health.dag_processor, health.dag_processor.latest_dag_processor_heartbeat),
    row("Executor", health.executor),
  ];
}

/** What a pool's slots are used for; deferred tasks count only where the pool says so. */
export function poolRow(
  pool: PoolRow,
  use:
    | { readonly running: number; readonly queued: number; readonly scheduled: number; readonly deferred: number }
    | undefined,
): PoolUseRow {
  const used = (use?.running ?? 0) + (use?.queued ?? 0) + (pool.includeDeferred ? (use?.deferred ?? 0) : 0);
  const isUnlimited = pool.slots < 0;
  return {
    name: pool.name,
    used,
    slots: isUnlimited ? Math.max(1, used) : pool.slots,
    text: isUnlimited ? `${used} in use, no limit` : `${used} of ${pool.slots} in use`,
    waiting: use?.scheduled ?? 0,
    isFull: !isUnlimited && used >= pool.slots,
  };
}
