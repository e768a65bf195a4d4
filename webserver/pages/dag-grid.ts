import { Router } from "express";
import type { DagDefinition } from "../../core/definition.ts";
import { RUN_STATES, RUN_TYPES, type RunState, type RunType } from "../../core/states.ts";
import type { DagVersionRow, RunSummary } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldOption, options } from "../forms/field.ts";
import { choiceOf, textOf, wholeNumberOf } from "../forms/input.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import {
  type DayHead,
  dayHeads,
  type GridRow,
  gridRows,
  plannedRows,
  type RunHead,
  runHeads,
  tasksOfRows,
} from "./grid-rows.ts";
import { sendPage } from "./page.ts";
import { countText, pageOf, urlWith } from "./paging.ts";
import { openGroups } from "./task-tree.ts";

/** Columns and rows of one window. */
const RUNS = 25;
const ROWS = 50;

/** `/dags/:dag/grid`: tasks × runs, each cell a link to a task instance. */
export function dagGridRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/grid", requires("read", "dag"), async (request, response) => {
    const context = await dagContext(deps, request, "grid");
    const { dag, version } = context;
    const { query } = request;
    const url = urlWith(request.originalUrl, {});
    const page = pageOf(query);
    const state = choiceOf<RunState | "">(query, "state", RUN_STATES, "");
    const type = choiceOf<RunType | "">(query, "type", RUN_TYPES, "");
    const found = await deps.store.runs.list({
      dagId: dag.dagId,
      states: state === "" ? undefined : [state],
      runTypes: type === "" ? undefined : [type],
      limit: RUNS,
      offset: (page - 1) * RUNS,
    });
    const runs = [...found.rows].reverse();
    const { definition } = version;
    const open = openGroups(definition, textOf(query, "open"));
    const rows = plannedRows(definition, open, await otherDefinitions(deps, version, runs));
    const from = Math.min(wholeNumberOf(query, "from", 0, 1_000_000) ?? 0, Math.max(0, rows.length - 1));
    const shown = rows.slice(from, from + ROWS);
    const runKeys = runs.map((run) => run.runKey);
    const instances = await deps.store.tasks.grid(runKeys, tasksOfRows(shown));
    const now = deps.clock.now();
    const model: GridView = {
      head: context.head,
      here: url,
      heads: runHeads(dag.dagId, runs, now),
      days: dayHeads(runs, dag.timezone),
      rows: gridRows({ definition, open, url, rows: shown, runs, instances }),
      stateOptions: options([["", "Any state"], ...RUN_STATES.map((each) => [each, each] as const)], state),
      typeOptions: options([["", "Any kind of run"], ...RUN_TYPES.map((each) => [each, each] as const)], type),
      openValue: textOf(query, "open"),
      hasGroups: definition.groups.length > 0,
      openAllHref: urlWith(url, { open: "all" }),
      closeAllHref: urlWith(url, { open: "none" }),
      isFiltered: state !== "" || type !== "",
      clearHref: urlWith(url, { state: "", type: "", page: "" }),
      runsText: runsText(page, runs.length, found.total),
      olderHref: page * RUNS < found.total ? urlWith(url, { page: String(page + 1) }) : "",
      newerHref: page > 1 ? urlWith(url, { page: page === 2 ? "" : String(page - 1) }) : "",
      rowsText:
        rows.length > ROWS ? `rows ${from + 1}–${Math.min(rows.length, from + ROWS)} of ${countText(rows.length)}` : "",
      upHref: from > 0 ? urlWith(url, { from: from > ROWS ? String(from - ROWS) : "" }) : "",
      downHref: from + ROWS < rows.length ? urlWith(url, { from: String(from + ROWS) }) : "",
    };
    await sendPage(deps, request, response, dagFrame(context, "dag-grid", "Grid"), "dag-grid", model);
  });
  return router;
}

interface GridView {
  readonly head: DagHead;
  readonly here: string;
  readonly heads: readonly RunHead[];
  readonly days: readonly DayHead[];
  readonly rows: readonly GridRow[];
  readonly stateOptions: readonly FieldOption[];
  readonly typeOptions: readonly FieldOption[];
  readonly openValue: string;
  readonly hasGroups: boolean;
  readonly openAllHref: string;
  readonly closeAllHref: string;
  readonly isFiltered: boolean;
  readonly clearHref: string;
  readonly runsText: string;
  readonly olderHref: string;
  readonly newerHref: string;
  readonly rowsText: string;
  readonly upHref: string;
  readonly downHref: string;
}

/** The definitions of the other versions that these runs run on: tasks that are gone since still have cells. */
async function otherDefinitions(
  deps: WebDeps,
  version: DagVersionRow,
  runs: readonly RunSummary[],
): Promise<readonly DagDefinition[]> {
  const others = [...new Set(runs.map((run) => run.versionId))].filter((versionId) => versionId !== version.id);
  const found = await Promise.all(others.map((versionId) => deps.store.dags.version(versionId)));
  return found.flatMap((each) => (each ? [each.definition] : []));
}

function runsText(page: number, shown: number, total: number): string {
  if (shown === 0) return "No runs here";
  const newest = (page - 1) * RUNS + 1;
  return shown === total ? `${countText(total)} runs` : `Runs ${newest}–${newest + shown - 1} of ${countText(total)}`;
}
