import type { Request } from "express";
import { dagOf, versionOf } from "../../store/commands/context.ts";
import type { DagRow, DagVersionRow } from "../../store/rows.ts";
import { allow } from "../auth/policy.ts";
import type { WebDeps } from "../deps.ts";
import { pathParameter } from "./context.ts";
import { pausedText } from "./dag-list.ts";
import { type ImportErrorView, importErrorView } from "./import-error-view.ts";
import type { PageFrame } from "./page.ts";
import { dagPath, withQuery } from "./paths.ts";
import { scheduleWords } from "./schedule.ts";
import { type TimeView, timeView } from "./time.ts";

/** The tabs of a DAG's page. */
export type DagTab = "overview" | "grid" | "graph" | "runs" | "tasks" | "code" | "details";

/** What every page about one DAG has. */
export interface DagContext {
  readonly dag: DagRow;
  readonly version: DagVersionRow;
  readonly head: DagHead;
}

/** The head of every page about one DAG: name, state, actions, tabs, banners. */
export interface DagHead {
  readonly dagId: string;
  readonly name: string;
  readonly file: string;
  readonly schedule: string;
  readonly scheduleTitle: string;
  readonly nextRun: TimeView;
  readonly isPaused: boolean;
  readonly pausedText: string;
  readonly pausedAt: TimeView;
  readonly isActive: boolean;
  readonly tags: readonly { readonly label: string; readonly href: string }[];
  readonly tabs: readonly TabView[];
  readonly pauseAction: string;
  readonly triggerHref: string;
  readonly backfillHref: string;
  /** "" where no loader runs beside this server. */
  readonly reparseAction: string;
  /** Why the reader may not operate this DAG; "" when they may. */
  readonly refusal: string;
  readonly importError: ImportErrorView | null;
}

/** One entry of a row of tabs. */
export interface TabView {
  readonly label: string;
  readonly href: string;
  readonly isCurrent: boolean;
}

/** Reads the DAG that an address names; 404 when there is none. */
export async function dagContext(deps: WebDeps, request: Request, tab: DagTab | ""): Promise<DagContext> {
  const dag = await dagOf(deps.store, pathParameter(request, "dag"));
  const [version, errors] = await Promise.all([
    versionOf(deps.store, dag.currentVersionId),
    deps.store.dags.importErrors(),
  ]);
  const error = errors.find((each) => each.file === dag.file);
  const now = deps.clock.now();
  const head: DagHead = {
    dagId: dag.dagId,
    name: dag.displayName ?? dag.dagId,
    file: dag.file,
    schedule: scheduleWords(dag.scheduleSummary, dag.timezone),
    scheduleTitle: `${dag.scheduleSummary} · ${dag.timezone}`,
    nextRun: timeView(dag.isPaused || !dag.isActive ? null : dag.nextRunAt, now),
    isPaused: dag.isPaused,
    pausedText: pausedText(dag),
    pausedAt: timeView(dag.isPaused ? dag.pausedAt : null, now),
    isActive: dag.isActive,
    tags: dag.tags.map((tag) => ({ label: tag, href: withQuery("/dags", { tag }) })),
    tabs: tabsOf(dag.dagId, tab),
    pauseAction: dagPath(dag.dagId, "/pause"),
    triggerHref: dagPath(dag.dagId, "/trigger"),
    backfillHref: dagPath(dag.dagId, "/backfill"),
    reparseAction: deps.reparse ? dagPath(dag.dagId, "/reparse") : "",
    refusal: refusalOf(request),
    importError: error ? await importErrorView(deps, error) : null,
  };
  return { dag, version, head };
}

/** Why the reader may not trigger, clear or mark; "" when they may. */
export function refusalOf(request: Request): string {
  const principal = request.access?.principal;
  return principal ? allow(principal, "operate", "dag").reason : "Log in first.";
}

const TABS: readonly (readonly [DagTab, string, string])[] = [
  ["overview", "Overview", ""],
  ["grid", "Grid", "/grid"],
  ["graph", "Graph", "/graph"],
  ["runs", "Runs", "/runs"],
  ["tasks", "Tasks", "/tasks"],
  ["code", "Code", "/code"],
];

function tabsOf(dagId: string, current: DagTab | ""): readonly TabView[] {
  const tabs = TABS.map(([key, label, rest]) => ({ label, href: dagPath(dagId, rest), isCurrent: key === current }));
  return [
    ...tabs,
    { label: "Backfills", href: withQuery("/backfills", { dag: dagId }), isCurrent: false },
    { label: "Details", href: dagPath(dagId, "/details"), isCurrent: current === "details" },
  ];
}

/** The frame of a DAG's page: its breadcrumbs and title. */
export function dagFrame(context: DagContext, page: string, tab: string): PageFrame {
  const dags = { label: "DAGs", href: "/dags" };
  const { dagId, name } = context.head;
  if (tab === "") return { title: name, page, nav: "dags", crumbs: [dags] };
  return { title: tab, page, nav: "dags", crumbs: [dags, { label: name, href: dagPath(dagId) }] };
}
