import { type Request, Router } from "express";
import { NotFoundError } from "../../core/errors.ts";
import { cancelBackfill, setBackfillPaused } from "../../store/commands/backfill.ts";
import type { BackfillDateRow, BackfillRow, RunKey, RunSummary } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { flagOf, formOf, textOf } from "../forms/input.ts";
import { outcomeOf } from "../forms/outcome.ts";
import { commandContext, pathParameter } from "./context.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView } from "./paging.ts";
import { dagPath, runPath } from "./paths.ts";
import { absoluteTime, durationText, type TimeView, timeView } from "./time.ts";

/** `/backfills` and `/backfills/:id`: how far each one is, and its pause, resume and cancel. */
export function backfillsRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/backfills", requires("read", "backfill"), async (request, response) => {
    const page = pageOf(request.query);
    const dagId = textOf(request.query, "dag");
    const found = await deps.store.admin.backfills({
      dagId: dagId === "" ? undefined : dagId,
      limit: PAGE_SIZE,
      offset: (page - 1) * PAGE_SIZE,
    });
    const now = deps.clock.now();
    const rows = await Promise.all(found.rows.map((backfill) => rowOf(deps, backfill, now)));
    const pager = pagerView(request.originalUrl, page, found.total, rows.length, "backfill");
    const model: BackfillListView = { rows, pager, dagId };
    await sendPage(
      deps,
      request,
      response,
      { title: "Backfills", page: "backfills", nav: "backfills" },
      "backfills",
      model,
    );
  });
  router.get("/backfills/:id", requires("read", "backfill"), async (request, response) => {
    const backfill = await backfillOf(deps, request);
    const model = await detailOf(deps, backfill);
    const frame = {
      title: `Backfill ${backfill.id}`,
      page: "backfill-detail",
      nav: "backfills" as const,
      crumbs: [{ label: "Backfills", href: "/backfills" }],
    };
    await sendPage(deps, request, response, frame, "backfill", model);
  });
  router.post("/backfills/:id/pause", requires("operate", "backfill"), async (request, response) => {
    const { id } = await backfillOf(deps, request);
    const isPaused = flagOf(formOf(request.body), "paused");
    const done = await outcomeOf(() => setBackfillPaused(commandContext(deps, request), id, isPaused));
    const text = isPaused ? "Paused: no further run begins; those that exist go on." : "Resumed.";
    redirectWithFlash(response, `/backfills/${id}`, done.ok ? text : done.message, done.ok ? "success" : "failed");
  });
  router.post("/backfills/:id/cancel", requires("operate", "backfill"), async (request, response) => {
    const { id } = await backfillOf(deps, request);
    const done = await outcomeOf(() => cancelBackfill(commandContext(deps, request), id));
    const text = "Cancelled: no further run begins, queued ones failed, running ones finish.";
    redirectWithFlash(response, `/backfills/${id}`, done.ok ? text : done.message, done.ok ? "success" : "failed");
  });
  return router;
}

async function backfillOf(deps: WebDeps, request: Request): Promise<BackfillRow> {
  const id = Number(pathParameter(request, "id"));
  const backfill = Number.isSafeInteger(id) ? await deps.store.admin.backfill(id) : undefined;
  if (!backfill) throw new NotFoundError(`There is no backfill "${pathParameter(request, "id")}".`);
  return backfill;
}

interface BackfillListView {
  readonly rows: readonly BackfillListRow[];
  readonly pager: PagerView;
  /** DAG that the list is narrowed to, or "". */
  readonly dagId: string;
}

interface BackfillListRow {
  readonly id: number;
  readonly href: string;
  readonly dagId: string;
  readonly dagHref: string;
  readonly state: string;
  readonly word: string;
  readonly from: TimeView;
  readonly to: TimeView;
  readonly done: number;
  readonly total: number;
  readonly progress: string;
  readonly createdBy: string;
  readonly createdAt: TimeView;
}

async function rowOf(deps: WebDeps, backfill: BackfillRow, now: number): Promise<BackfillListRow> {
  const dates = await deps.store.admin.backfillDates(backfill.id);
  const total = dates.filter((date) => date.state !== "skipped").length;
  const finished = await deps.store.runs.list({ backfillId: backfill.id, states: ["success", "failed"], limit: 1 });
  return {
    id: backfill.id,
    href: `/backfills/${backfill.id}`,
    dagId: backfill.dagId,
    dagHref: dagPath(backfill.dagId),
    ...stateOf(backfill),
    from: timeView(backfill.fromDate, now, "absolute"),
    to: timeView(backfill.toDate, now, "absolute"),
    done: finished.total,
    total: Math.max(1, total),
    progress: `${finished.total} of ${total}`,
    createdBy: backfill.createdBy.replace(/^user:/, ""),
    createdAt: timeView(backfill.createdAt, now),
  };
}

function stateOf(backfill: BackfillRow): { state: string; word: string } {
  if (backfill.cancelledAt !== null) return { state: "skipped", word: "cancelled" };
  if (backfill.completedAt !== null) return { state: "success", word: "completed" };
  return backfill.isPaused ? { state: "deferred", word: "paused" } : { state: "running", word: "running" };
}

interface BackfillDetailView {
  readonly id: number;
  readonly dagId: string;
  readonly dagHref: string;
  readonly state: string;
  readonly word: string;
  readonly isActive: boolean;
  readonly isPaused: boolean;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  readonly counts: readonly { readonly state: string; readonly label: string }[];
  readonly dates: readonly BackfillDateView[];
  readonly more: string;
}

interface BackfillDateView {
  readonly rowId: string;
  readonly at: TimeView;
  readonly state: string;
  readonly word: string;
  readonly runId: string;
  readonly runHref: string;
  readonly duration: string;
  readonly reason: string;
}

/** Dates drawn on the detail page. */
const DRAWN = 1_000;

async function detailOf(deps: WebDeps, backfill: BackfillRow): Promise<BackfillDetailView> {
  const now = deps.clock.now();
  const [dates, runs] = await Promise.all([
    deps.store.admin.backfillDates(backfill.id),
    deps.store.runs.list({ backfillId: backfill.id, limit: DRAWN }),
  ]);
  const byKey = new Map<RunKey, RunSummary>(runs.rows.map((run) => [run.runKey, run]));
  const rows = dates.map((date) =>
    dateView(backfill, date, date.runKey === null ? undefined : byKey.get(date.runKey), now),
  );
  const counts = new Map<string, { word: string; count: number }>();
  for (const row of rows) counts.set(row.state, { word: row.word, count: (counts.get(row.state)?.count ?? 0) + 1 });
  const isActive = backfill.completedAt === null && backfill.cancelledAt === null;
  return {
    id: backfill.id,
    dagId: backfill.dagId,
    dagHref: dagPath(backfill.dagId),
    ...stateOf(backfill),
    isActive,
    isPaused: backfill.isPaused,
    facts: [
      {
        name: "Range",
        value: `${absoluteTime(backfill.fromDate)} to ${absoluteTime(backfill.toDate)}`,
      },
      { name: "Dates that have a run", value: REPROCESS[backfill.reprocess] },
      { name: "Runs at once", value: String(backfill.maxActiveRuns) },
      { name: "Order", value: backfill.isReverse ? "newest date first" : "oldest date first" },
      { name: "Version", value: backfill.runOnLatestVersion ? "the newest" : "the one of the first run" },
      { name: "Configuration", value: JSON.stringify(backfill.conf) },
      { name: "Started by", value: backfill.createdBy },
    ],
    counts: [...counts].map(([state, { word, count }]) => ({ state, label: `${count} ${word}` })),
    dates: rows.slice(0, DRAWN),
    more: rows.length > DRAWN ? `and ${(rows.length - DRAWN).toLocaleString("en")} more` : "",
  };
}

const REPROCESS: Readonly<Record<BackfillRow["reprocess"], string>> = {
  none: "are left alone",
  failed: "run again when they failed",
  completed: "run again",
};

function dateView(
  backfill: BackfillRow,
  date: BackfillDateRow,
  run: RunSummary | undefined,
  now: number,
): BackfillDateView {
  const word = run && date.state === "created" ? run.state : date.state === "pending" ? "waiting" : "left alone";
  return {
    rowId: `date-${date.sortOrder}`,
    at: timeView(date.logicalDate, now, "absolute"),
    state: run && date.state === "created" ? run.state : date.state === "pending" ? "none" : "skipped",
    word: date.state === "created" && !run ? "created" : word,
    runId: run?.runId ?? "",
    runHref: run ? runPath(backfill.dagId, run.runId) : "",
    duration: run?.startDate ? durationText((run.endDate ?? now) - run.startDate) : "",
    reason: date.reason ?? "",
  };
}
