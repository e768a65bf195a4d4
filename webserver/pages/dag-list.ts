import { Router } from "express";
import { RUN_STATES, type RunState } from "../../core/states.ts";
import { setPaused } from "../../store/commands/pause.ts";
import type { DagSummary } from "../../store/rows.ts";
import type { DagFilter } from "../../store/store.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldOption, options } from "../forms/field.ts";
import { choiceOf, flagOf, formOf, textOf } from "../forms/input.ts";
import { outcomeOf } from "../forms/outcome.ts";
import { localPath } from "../login.ts";
import { commandContext, pathParameter } from "./context.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView, urlWith } from "./paging.ts";
import { dagPath } from "./paths.ts";
import { type RunBar, runBars } from "./run-bars.ts";
import { scheduleWords } from "./schedule.ts";
import { type TimeView, timeView } from "./time.ts";

/** `/dags`: every DAG with its schedule, its last runs and the switches that people reach for first. */
export function dagListRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags", requires("read", "dag"), async (request, response) => {
    const page = pageOf(request.query);
    const filter = filterOf(request.query);
    const [found, tags, errors] = await Promise.all([
      deps.store.dags.summaries({ ...filter.store, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE }, 14),
      deps.store.dags.tags(),
      deps.store.dags.importErrors(),
    ]);
    const now = deps.clock.now();
    const url = request.originalUrl;
    const model: DagListView = {
      rows: found.rows.map((dag) => rowOf(dag, now)),
      pager: pagerView(url, page, found.total, found.rows.length, "DAG"),
      search: filter.search,
      tagOptions: options([["", "Any tag"], ...tags.map((tag) => [tag, tag] as const)], filter.tag),
      stateOptions: options(
        [["", "Any last state"], ...RUN_STATES.map((state) => [state, `Last run ${state}`] as const)],
        filter.state,
      ),
      pausedOptions: options(
        [
          ["", "Active and paused"],
          ["active", "Only active"],
          ["paused", "Only paused"],
        ],
        filter.paused,
      ),
      sortOptions: options(SORTS, filter.sort),
      isFiltered: filter.isFiltered,
      importErrorCount: errors.length,
      importErrorFile: errors[0]?.file ?? "",
      folder: deps.dagsFolder,
      here: urlWith(url, {}),
    };
    await sendPage(deps, request, response, { title: "DAGs", page: "dags", nav: "dags" }, "dag-list", model);
  });

  router.post("/dags/:dag/pause", requires("operate", "dag"), async (request, response) => {
    const form = formOf(request.body);
    const dagId = pathParameter(request, "dag");
    const isPaused = flagOf(form, "paused");
    const next = textOf(form, "next") === "" ? dagPath(dagId) : localPath(textOf(form, "next"));
    const done = await outcomeOf(() => setPaused(commandContext(deps, request), dagId, isPaused));
    if (done.ok)
      redirectWithFlash(
        response,
        next,
        isPaused
          ? `${dagId} is paused: no new runs start; running ones go on.`
          : `${dagId} is active: runs start when due.`,
      );
    else redirectWithFlash(response, next, done.message, "failed");
  });
  return router;
}

interface DagListView {
  readonly rows: readonly DagListRow[];
  readonly pager: PagerView;
  readonly search: string;
  readonly tagOptions: readonly FieldOption[];
  readonly stateOptions: readonly FieldOption[];
  readonly pausedOptions: readonly FieldOption[];
  readonly sortOptions: readonly FieldOption[];
  readonly isFiltered: boolean;
  readonly importErrorCount: number;
  readonly importErrorFile: string;
  readonly folder: string;
  /** This list without the message of the last action: where forms come back to. */
  readonly here: string;
}

interface DagListRow {
  readonly dagId: string;
  readonly name: string;
  readonly href: string;
  readonly description: string;
  readonly tags: readonly { readonly label: string; readonly href: string }[];
  readonly state: string;
  readonly stateLabel: string;
  readonly schedule: string;
  readonly scheduleTitle: string;
  readonly nextRun: TimeView;
  readonly lastRun: TimeView;
  readonly bars: readonly RunBar[];
  readonly isPaused: boolean;
  readonly pausedText: string;
  readonly hasImportError: boolean;
  readonly pauseAction: string;
  readonly triggerHref: string;
}

function rowOf(dag: DagSummary, now: number): DagListRow {
  const last = dag.recentRuns[0];
  return {
    dagId: dag.dagId,
    name: dag.displayName ?? dag.dagId,
    href: dagPath(dag.dagId),
    description: dag.description ?? "",
    tags: dag.tags.map((tag) => ({ label: tag, href: urlWith("/dags", { tag }) })),
    state: last?.state ?? "none",
    stateLabel: last?.state ?? "no runs",
    schedule: scheduleWords(dag.scheduleSummary, dag.timezone),
    scheduleTitle: `${dag.scheduleSummary} · ${dag.timezone}`,
    nextRun: timeView(dag.isPaused ? null : dag.nextRunAt, now, "both"),
    lastRun: timeView(last?.startDate ?? last?.runAfter ?? null, now),
    bars: runBars(dag.dagId, dag.recentRuns, now),
    isPaused: dag.isPaused,
    pausedText: pausedText(dag),
    hasImportError: dag.hasImportError,
    pauseAction: dagPath(dag.dagId, "/pause"),
    triggerHref: dagPath(dag.dagId, "/trigger"),
  };
}

/** Who paused a DAG: "Paused by ann", "Paused". */
export function pausedText(dag: Pick<DagSummary, "isPaused" | "pausedBy">): string {
  if (!dag.isPaused) return "";
  return dag.pausedBy === null ? "Paused" : `Paused by ${dag.pausedBy.replace(/^user:/, "")}`;
}

const SORTS: readonly (readonly [string, string])[] = [
  ["", "By name"],
  ["next", "By next run"],
  ["parsed", "Newest code first"],
];

function filterOf(query: Readonly<Record<string, unknown>>) {
  const search = textOf(query, "q").slice(0, 200);
  const tag = textOf(query, "tag");
  const state = choiceOf<RunState | "">(query, "state", RUN_STATES, "");
  const paused = choiceOf(query, "paused", ["active", "paused"], "");
  const sort = choiceOf(query, "sort", ["next", "parsed"], "");
  const store: DagFilter = {
    search: search === "" ? undefined : search,
    tags: tag === "" ? undefined : [tag],
    lastRunState: state === "" ? undefined : state,
    isPaused: paused === "" ? undefined : paused === "paused",
    orderBy: sort === "next" ? "next_run_at" : sort === "parsed" ? "last_parsed_at" : "dag_id",
    isDescending: sort === "parsed",
  };
  return { store, search, tag, state, paused, sort, isFiltered: `${search}${tag}${state}${paused}` !== "" };
}
