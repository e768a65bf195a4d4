import type { Request } from "express";
import type { DagDefinition } from "../../core/definition.ts";
import { NotFoundError } from "../../core/errors.ts";
import { isRunTerminal } from "../../core/states.ts";
import { versionOf } from "../../store/commands/context.ts";
import { explainRunFromRows } from "../../store/explain.ts";
import type { DagVersionRow, RunSummary } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { pathParameter } from "./context.ts";
import { refusalOf, type TabView } from "./dag-context.ts";
import { median } from "./dag-overview.ts";
import type { PageFrame } from "./page.ts";
import { dagPath, runPath, withQuery } from "./paths.ts";
import { type StateCount, stateCounts } from "./state-counts.ts";
import { durationText, type TimeView, timeView } from "./time.ts";

/** The tabs of a run's page. */
export const RUN_TABS = ["tasks", "gantt", "graph", "events", "xcom", "details"] as const;
export type RunTab = (typeof RUN_TABS)[number];

/** What every page about one run has. */
export interface RunContext {
  readonly run: RunSummary;
  readonly version: DagVersionRow;
  readonly definition: DagDefinition;
}

/** Reads the run that an address names, with the version it runs on; 404 when there is none. */
export async function runContext(deps: WebDeps, request: Request): Promise<RunContext> {
  const dagId = pathParameter(request, "dag");
  const runId = pathParameter(request, "run");
  const run = await deps.store.runs.summary(dagId, runId);
  if (!run) throw new NotFoundError(`DAG "${dagId}" has no run "${runId}".`);
  const version = await versionOf(deps.store, run.versionId);
  return { run, version, definition: version.definition };
}

/** The head of a run's page. */
export interface RunHeadView {
  readonly dagId: string;
  readonly runId: string;
  readonly state: string;
  /** Why it does not run, or how it ended; "" when the state says all. */
  readonly reason: string;
  readonly cause: string;
  readonly counts: readonly StateCount[];
  readonly due: TimeView;
  readonly duration: string;
  readonly since: string;
  /** "median 40 s": what the last successful runs took; "" without any. */
  readonly usual: string;
  readonly logicalDate: string;
  readonly version: number;
  readonly codeHref: string;
  readonly noteHtml: string;
  readonly tabs: readonly TabView[];
  readonly refusal: string;
  readonly isOver: boolean;
  readonly hasFailed: boolean;
  readonly clearFailedHref: string;
  readonly clearHref: string;
  readonly markHref: string;
  readonly cancelHref: string;
  readonly noteHref: string;
  readonly againHref: string;
}

/** Makes the head. `noteHtml` is the note, rendered by the caller. */
export async function runHead(
  deps: WebDeps,
  request: Request,
  { run }: RunContext,
  tab: RunTab,
  noteHtml: string,
): Promise<RunHeadView> {
  const { dagId, runId, counts } = run;
  const now = deps.clock.now();
  const [recent, reason] = await Promise.all([
    deps.store.runs.list({ dagId, states: ["success"], limit: 20 }),
    runReason(deps, run),
  ]);
  const usual = median(recent.rows);
  const isOver = isRunTerminal(run.state);
  return {
    dagId,
    runId,
    state: run.state,
    reason,
    cause: causeText(run),
    counts: stateCounts(counts),
    due: timeView(run.runAfter, now, "both"),
    duration: run.startDate === null ? "" : durationText((run.endDate ?? now) - run.startDate),
    since: run.startDate !== null && run.endDate === null ? new Date(run.startDate).toISOString() : "",
    usual: usual === null ? "" : `median ${durationText(usual)}`,
    logicalDate: run.logicalDate === null ? "" : new Date(run.logicalDate).toISOString().slice(0, 19).replace("T", " "),
    version: run.versionNumber,
    codeHref: withQuery(dagPath(dagId, "/code"), { v: run.versionNumber }),
    noteHtml,
    tabs: RUN_TABS.map((key) => ({
      label: LABELS[key],
      href: withQuery(runPath(dagId, runId), { tab: key === "tasks" ? "" : key }),
      isCurrent: key === tab,
    })),
    refusal: refusalOf(request),
    isOver,
    hasFailed: (counts.failed ?? 0) + (counts.upstream_failed ?? 0) > 0,
    clearFailedHref: withQuery(runPath(dagId, runId, "/clear"), { only_failed: true }),
    clearHref: runPath(dagId, runId, "/clear"),
    markHref: runPath(dagId, runId, "/mark"),
    cancelHref: runPath(dagId, runId, "/cancel"),
    noteHref: runPath(dagId, runId, "/note"),
    againHref: withQuery(dagPath(dagId, "/trigger"), { from: runId }),
  };
}

const LABELS: Readonly<Record<RunTab, string>> = {
  tasks: "Tasks",
  gantt: "Gantt",
  graph: "Graph",
  events: "Events",
  xcom: "XCom",
  details: "Details",
};

/** One sentence why the run is where it is; "" for a plain success. */
async function runReason(deps: WebDeps, run: RunSummary): Promise<string> {
  if (run.state === "success") return "";
  if (run.state === "failed") return lastReason(deps, run);
  const said = deps.explain
    ? await deps.explain.explainRun(run.runKey)
    : await explainRunFromRows(deps.store, run.runKey, deps.clock.now());
  return said === "runs" ? "" : said;
}

/** Why it failed stands in the event that says so. */
async function lastReason(deps: WebDeps, run: RunSummary): Promise<string> {
  const events = await deps.store.events.list({
    runKey: run.runKey,
    kinds: ["run.state"],
    isDescending: true,
    limit: 1,
  });
  const reason = events.rows[0]?.detail?.reason;
  return typeof reason === "string" ? reason : "";
}

/** What began a run: "Schedule", "Backfill 3", "ann (page)". */
export function causeText(run: Pick<RunSummary, "runType" | "triggeredBy" | "triggeringUser" | "backfillId">): string {
  if (run.runType === "scheduled") return "Schedule";
  if (run.runType === "backfill" || run.backfillId !== null) return `Backfill ${run.backfillId ?? ""}`.trim();
  if (run.runType === "asset_triggered") return "Asset";
  const where = { ui: "page", rest_api: "API", cli: "command line", operator: "another DAG", test: "test" }[
    run.triggeredBy as string
  ];
  const who = run.triggeringUser?.replace(/^\w+:/, "") ?? "Manual";
  return where === undefined ? who : `${who} (${where})`;
}

/** The frame of a run's page, and of pages below it (`title`). */
export function runFrame({ run }: RunContext, page: string, title = ""): PageFrame {
  const crumbs = [
    { label: "DAGs", href: "/dags" },
    { label: run.dagId, href: dagPath(run.dagId) },
    { label: "Runs", href: dagPath(run.dagId, "/runs") },
  ];
  if (title === "") return { title: run.runId, page, nav: "dags", crumbs };
  return { title, page, nav: "dags", crumbs: [...crumbs, { label: run.runId, href: runPath(run.dagId, run.runId) }] };
}
