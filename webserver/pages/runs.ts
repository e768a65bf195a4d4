import { Router } from "express";
import { RUN_STATES, RUN_TYPES, type RunState } from "../../core/states.ts";
import type { RunSummary } from "../../store/rows.ts";
import type { RunFilter } from "../../store/store.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { parseInstant } from "../forms/dates.ts";
import { type FieldOption, options } from "../forms/field.ts";
import { choiceOf, type FormInput, textOf, textsOf } from "../forms/input.ts";
import { sendPage } from "./page.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView, urlWith } from "./paging.ts";
import { dagPath, runPath, withQuery } from "./paths.ts";
import { durationText, type TimeView, timeView } from "./time.ts";

/** `/runs`: runs of all DAGs, newest first, narrowed by what the address says. */
export function runsRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/runs", requires("read", "run"), async (request, response) => {
    const page = pageOf(request.query);
    const wish = wishOf(request.query);
    const [found, counts] = await Promise.all([
      deps.store.runs.list({ ...wish.filter, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE }),
      deps.store.runs.countByState(wish.dag === "" ? undefined : wish.dag),
    ]);
    const now = deps.clock.now();
    const url = request.originalUrl;
    const model: RunListView = {
      rows: found.rows.map((run) => runRow(run, now)),
      pager: pagerView(url, page, found.total, found.rows.length, "run"),
      states: RUN_STATES.map((state) => ({
        state,
        label: `${capped(counts[state] ?? 0)} ${state}`,
        href: urlWith(withQuery("/runs", { dag: wish.dag }), { state }),
        isChosen: wish.states.includes(state),
      })),
      allHref: withQuery("/runs", { dag: wish.dag }),
      dag: wish.dag,
      runId: wish.runId,
      from: wish.from,
      to: wish.to,
      chosenStates: wish.states,
      typeOptions: options(
        [["", "Any type"], ...RUN_TYPES.map((type) => [type, TYPE_WORDS[type]] as const)],
        wish.type,
      ),
      sortOptions: options(SORTS, wish.sort),
      isFiltered: wish.isFiltered,
    };
    await sendPage(deps, request, response, { title: "Runs", page: "runs", nav: "runs" }, "runs", model);
  });
  return router;
}

interface RunListView {
  readonly rows: readonly RunRowView[];
  readonly pager: PagerView;
  readonly states: readonly {
    readonly state: string;
    readonly label: string;
    readonly href: string;
    readonly isChosen: boolean;
  }[];
  readonly allHref: string;
  readonly dag: string;
  readonly runId: string;
  readonly from: string;
  readonly to: string;
  readonly chosenStates: readonly string[];
  readonly typeOptions: readonly FieldOption[];
  readonly sortOptions: readonly FieldOption[];
  readonly isFiltered: boolean;
}

/** One run as a row of a list. */
export interface RunRowView {
  /** Id of its element. */
  readonly rowId: string;
  readonly dagId: string;
  readonly dagHref: string;
  readonly runId: string;
  readonly href: string;
  readonly state: string;
  readonly type: string;
  readonly logicalDate: TimeView;
  readonly started: TimeView;
  readonly duration: string;
  readonly version: number;
  /** What became of its tasks, only what is there: "3 success", "1 failed". */
  readonly counts: readonly { readonly state: string; readonly label: string }[];
  readonly note: string;
  readonly isOver: boolean;
  readonly clearHref: string;
  readonly cancelHref: string;
}

/** A run as lists show it. */
export function runRow(run: RunSummary, now: number): RunRowView {
  return {
    rowId: `run-${run.runKey}`,
    dagId: run.dagId,
    dagHref: dagPath(run.dagId),
    runId: run.runId,
    href: runPath(run.dagId, run.runId),
    state: run.state,
    type: TYPE_WORDS[run.runType],
    logicalDate: timeView(run.logicalDate, now, "absolute"),
    started: timeView(run.startDate, now),
    duration: run.startDate === null ? "" : durationText((run.endDate ?? now) - run.startDate),
    version: run.versionNumber,
    counts: Object.entries(run.counts).map(([state, count]) => ({ state, label: String(count) })),
    note: run.note ?? "",
    isOver: run.state === "success" || run.state === "failed",
    clearHref: withQuery(runPath(run.dagId, run.runId, "/clear"), { only_failed: run.state === "failed" }),
    cancelHref: runPath(run.dagId, run.runId, "/cancel"),
  };
}

const TYPE_WORDS: Readonly<Record<(typeof RUN_TYPES)[number], string>> = {
  scheduled: "scheduled",
  manual: "manual",
  backfill: "backfill",
  asset_triggered: "asset",
};

const SORTS = [
  ["", "Newest first"],
  ["start", "Last started first"],
  ["end", "Last ended first"],
  ["date", "Latest logical date first"],
] as const;

const ORDERS: Readonly<Record<string, NonNullable<RunFilter["orderBy"]>>> = {
  start: "start_date",
  end: "end_date",
  date: "logical_date",
};

/** Counts up to a thousand are exact for the eye; above, nobody counts. */
function capped(count: number): string {
  return count > 1_000 ? "1,000+" : count.toLocaleString("en");
}

function wishOf(query: FormInput) {
  const dag = textOf(query, "dag");
  const runId = textOf(query, "run_id").slice(0, 250);
  const from = textOf(query, "from");
  const to = textOf(query, "to");
  const states = textsOf(query, "state").filter((each): each is RunState => RUN_STATES.some((state) => state === each));
  const type = choiceOf(query, "type", RUN_TYPES as readonly string[], "");
  const sort = choiceOf(query, "sort", Object.keys(ORDERS), "");
  const gte = parseInstant(from, "UTC");
  const lte = parseInstant(to, "UTC", true);
  const filter: RunFilter = {
    dagId: dag === "" ? undefined : dag,
    runIdPattern: runId === "" ? undefined : runId,
    states: states.length === 0 ? undefined : states,
    runTypes: type === "" ? undefined : [type],
    logicalDate: gte === undefined && lte === undefined ? undefined : { gte, lte },
    orderBy: ORDERS[sort] ?? "run_after",
    isDescending: true,
  };
  const isFiltered = `${dag}${runId}${from}${to}${type}` !== "" || states.length > 0;
  return { filter, dag, runId, from, to, states, type, sort, isFiltered };
}
