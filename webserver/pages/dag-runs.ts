import { Router } from "express";
import { RUN_STATES, RUN_TYPES, type RunState, type RunType } from "../../core/states.ts";
import type { RunSummary } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldOption, options } from "../forms/field.ts";
import { choiceOf } from "../forms/input.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import { sendPage } from "./page.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView, urlWith } from "./paging.ts";
import { runPath } from "./paths.ts";
import { causeText } from "./run-context.ts";
import { type StateCount, stateCounts } from "./state-counts.ts";
import { durationText, type TimeView, timeView } from "./time.ts";

/** `/dags/:dag/runs`: the runs of one DAG. */
export function dagRunsRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/runs", requires("read", "run"), async (request, response) => {
    const context = await dagContext(deps, request, "runs");
    const page = pageOf(request.query);
    const state = choiceOf<RunState | "">(request.query, "state", RUN_STATES, "");
    const type = choiceOf<RunType | "">(request.query, "type", RUN_TYPES, "");
    const found = await deps.store.runs.list({
      dagId: context.dag.dagId,
      states: state === "" ? undefined : [state],
      runTypes: type === "" ? undefined : [type],
      limit: PAGE_SIZE,
      offset: (page - 1) * PAGE_SIZE,
    });
    const now = deps.clock.now();
    const url = urlWith(request.originalUrl, {});
    const model: DagRunsView = {
      head: context.head,
      here: url,
      rows: found.rows.map((run) => runRow(run, now)),
      pager: pagerView(url, page, found.total, found.rows.length, "run"),
      stateOptions: options([["", "Any state"], ...RUN_STATES.map((each) => [each, each] as const)], state),
      typeOptions: options([["", "Any kind of run"], ...RUN_TYPES.map((each) => [each, each] as const)], type),
      isFiltered: state !== "" || type !== "",
      clearHref: urlWith(url, { state: "", type: "", page: "" }),
    };
    await sendPage(deps, request, response, dagFrame(context, "dag-runs", "Runs"), "dag-runs", model);
  });
  return router;
}

interface DagRunsView {
  readonly head: DagHead;
  readonly here: string;
  readonly rows: readonly RunRow[];
  readonly pager: PagerView;
  readonly stateOptions: readonly FieldOption[];
  readonly typeOptions: readonly FieldOption[];
  readonly isFiltered: boolean;
  readonly clearHref: string;
}

interface RunRow {
  readonly runId: string;
  readonly href: string;
  readonly state: string;
  readonly cause: string;
  readonly runAfter: TimeView;
  readonly duration: string;
  /** ISO instant from which the duration goes on; "" when it has ended. */
  readonly since: string;
  readonly version: number;
  readonly counts: readonly StateCount[];
  readonly hasNote: boolean;
}

function runRow(run: RunSummary, now: number): RunRow {
  return {
    runId: run.runId,
    href: runPath(run.dagId, run.runId),
    state: run.state,
    cause: causeText(run),
    runAfter: timeView(run.runAfter, now, "both"),
    duration: run.startDate === null ? "" : durationText((run.endDate ?? now) - run.startDate),
    since: run.startDate !== null && run.endDate === null ? new Date(run.startDate).toISOString() : "",
    version: run.versionNumber,
    counts: stateCounts(run.counts),
    hasNote: run.note !== null && run.note !== "",
  };
}
