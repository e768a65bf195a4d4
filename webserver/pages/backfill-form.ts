import { type Request, type Response, Router } from "express";
import type { JsonObject } from "../../core/json.ts";
import {
  type BackfillDate,
  type BackfillInput,
  createBackfill,
  previewBackfill,
} from "../../store/commands/backfill.ts";
import { dagOf } from "../../store/commands/context.ts";
import type { DagRow, Reprocess } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { dateTimeValue, dateValue, parseInstant } from "../forms/dates.ts";
import { digestOf } from "../forms/digest.ts";
import { type FieldView, field, issueOf, options } from "../forms/field.ts";
import { choiceOf, type FormInput, flagOf, formOf, rawTextOf, textOf, wholeNumberOf } from "../forms/input.ts";
import { type Outcome, outcomeOf, type Refusal } from "../forms/outcome.ts";
import { commandContext, pathParameter } from "./context.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { dagPath, runPath, withQuery } from "./paths.ts";
import { durationText, type TimeView, timeView } from "./time.ts";

const DAY_MS = 86_400_000;
/** Dates of a preview that are drawn. */
const DRAWN = 500;

/** `/dags/:dag/backfill`: choose dates, look at what would happen to each, start. */
export function backfillFormRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/backfill", requires("operate", "backfill"), async (request, response) => {
    const dag = await dagOf(deps.store, pathParameter(request, "dag"));
    const wish = wishOf(request.query, dag);
    const preview = wish.isGiven ? await outcomeOf(() => previewOf(deps, request, wish)) : undefined;
    await show(deps, request, response, dag, wish, preview, "");
  });
  router.post("/dags/:dag/backfill", requires("operate", "backfill"), async (request, response) => {
    const dag = await dagOf(deps.store, pathParameter(request, "dag"));
    const form = formOf(request.body);
    const wish = wishOf(form, dag);
    const preview = await outcomeOf(() => previewOf(deps, request, wish));
    if (!preview.ok || datesDigest(preview.value) !== textOf(form, "digest")) {
      const problem = preview.ok ? CHANGED : "";
      await show(deps, request, response.status(preview.ok ? 409 : preview.status), dag, wish, preview, problem);
      return;
    }
    const made = await outcomeOf(() => createBackfill(commandContext(deps, request), inputOf(wish)));
    if (made.ok) redirectWithFlash(response, `/backfills/${made.value.id}`, `Backfill ${made.value.id} has begun.`);
    else await show(deps, request, response.status(made.status), dag, wish, preview, made.message);
  });
  return router;
}

const CHANGED = "No backfill was started: runs in this range have changed since you looked. This is how it stands now.";

/** What the form says, as texts and as a command. */
interface Wish {
  readonly isGiven: boolean;
  readonly dagId: string;
  readonly from: string;
  readonly to: string;
  readonly fromDate: number | undefined;
  readonly toDate: number | undefined;
  readonly reprocess: Reprocess;
  readonly maxActive: string;
  readonly isReverse: boolean;
  readonly isNewest: boolean;
  readonly conf: string;
}

function wishOf(input: FormInput, dag: DagRow): Wish {
  const isGiven = textOf(input, "from") !== "" || textOf(input, "to") !== "";
  const from = textOf(input, "from");
  const to = textOf(input, "to");
  return {
    isGiven,
    dagId: dag.dagId,
    from,
    to,
    fromDate: parseInstant(from, dag.timezone),
    toDate: parseInstant(to, dag.timezone, true),
    reprocess: choiceOf<Reprocess>(input, "reprocess", ["none", "failed", "completed"], "none"),
    maxActive: textOf(input, "max_active") || "10",
    isReverse: flagOf(input, "reverse"),
    // A box that was not ticked is not sent; an address that people wrote did not have the box at all.
    isNewest: flagOf(input, "newest") || textOf(input, "o") === "",
    conf: rawTextOf(input, "conf"),
  };
}

function previewOf(deps: WebDeps, request: Request, wish: Wish): Promise<readonly BackfillDate[]> {
  return previewBackfill(commandContext(deps, request), inputOf(wish));
}

function inputOf(wish: Wish): BackfillInput {
  return {
    dagId: wish.dagId,
    fromDate: wish.fromDate ?? Number.NaN,
    toDate: wish.toDate ?? Number.NaN,
    conf: confOf(wish.conf).conf,
    reprocess: wish.reprocess,
    maxActiveRuns: wholeNumberOf({ n: wish.maxActive }, "n", -1_000_000, 1_000_000) ?? Number.NaN,
    isReverse: wish.isReverse,
    runOnLatestVersion: wish.isNewest,
  };
}

function confOf(text: string): { conf: JsonObject; error: string } {
  if (text.trim() === "") return { conf: {}, error: "" };
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return { conf: value as JsonObject, error: "" };
    return { conf: {}, error: 'must be a JSON object such as {"key": 1}' };
  } catch (error) {
    return { conf: {}, error: `is not JSON: ${(error as Error).message}` };
  }
}

function datesDigest(dates: readonly BackfillDate[]): string {
  return digestOf(dates.flatMap((date) => [date.logicalDate, date.action, date.run?.runKey ?? null]));
}

interface BackfillView {
  readonly dagId: string;
  readonly dagHref: string;
  readonly action: string;
  readonly timezone: string;
  readonly presets: readonly { readonly label: string; readonly href: string }[];
  readonly fields: readonly FieldView[];
  readonly problem: string;
  readonly hidden: readonly (readonly [string, string])[];
  /** Absent before a range is given. */
  readonly preview: PreviewView | undefined;
}

interface PreviewView {
  readonly digest: string;
  readonly summary: string;
  readonly estimate: string;
  readonly canSubmit: boolean;
  readonly dates: readonly {
    readonly at: TimeView;
    readonly action: string;
    readonly state: string;
    readonly reason: string;
    readonly runHref: string;
    readonly runState: string;
  }[];
  readonly more: string;
}

async function show(
  deps: WebDeps,
  request: Request,
  response: Response,
  dag: DagRow,
  wish: Wish,
  outcome: Outcome<readonly BackfillDate[]> | undefined,
  problem: string,
): Promise<void> {
  const refusal: Refusal | undefined = outcome?.ok === false ? outcome : undefined;
  const confError = confOf(wish.conf).error;
  const model: BackfillView = {
    dagId: dag.dagId,
    dagHref: dagPath(dag.dagId),
    action: dagPath(dag.dagId, "/backfill"),
    timezone: dag.timezone,
    presets: presetsOf(dag, deps.clock.now()),
    fields: fieldsOf(wish, dag, refusal?.issues ?? [], confError),
    problem: problem || (refusal?.message ?? ""),
    hidden: hiddenOf(wish),
    preview: outcome?.ok && confError === "" ? await previewViewOf(deps, dag, wish, outcome.value) : undefined,
  };
  const crumbs = [
    { label: "DAGs", href: "/dags" },
    { label: dag.dagId, href: dagPath(dag.dagId) },
  ];
  await sendPage(
    deps,
    request,
    response,
    { title: "Backfill", page: "backfill", nav: "dags", crumbs },
    "backfill-form",
    model,
  );
}

async function previewViewOf(
  deps: WebDeps,
  dag: DagRow,
  wish: Wish,
  dates: readonly BackfillDate[],
): Promise<PreviewView> {
  const now = deps.clock.now();
  const count = (action: BackfillDate["action"]) => dates.filter((date) => date.action === action).length;
  const active = count("create") + count("rerun");
  return {
    digest: datesDigest(dates),
    summary: `${dates.length.toLocaleString("en")} date${dates.length === 1 ? "" : "s"}: ${count("create")} new, ${count("rerun")} again, ${count("skip")} left alone`,
    estimate: active === 0 ? "" : await estimateOf(deps, dag, active, Number(wish.maxActive)),
    canSubmit: active > 0,
    dates: dates.slice(0, DRAWN).map((date) => ({
      at: timeView(date.logicalDate, now, "absolute", dag.timezone),
      action: ACTIONS[date.action].text,
      state: ACTIONS[date.action].state,
      reason: date.reason,
      runHref: date.run ? runPath(dag.dagId, date.run.runId) : "",
      runState: date.run?.state ?? "none",
    })),
    more: dates.length > DRAWN ? `and ${(dates.length - DRAWN).toLocaleString("en")} more` : "",
  };
}

const ACTIONS = {
  create: { text: "new run", state: "scheduled" },
  rerun: { text: "run again", state: "up_for_retry" },
  skip: { text: "left alone", state: "skipped" },
} as const;

/** "About 20 min: 10 at a time, 2 min each", from the last runs that succeeded. */
async function estimateOf(deps: WebDeps, dag: DagRow, runs: number, atOnce: number): Promise<string> {
  const recent = await deps.store.runs.list({ dagId: dag.dagId, states: ["success"], limit: 10 });
  const durations = recent.rows
    .flatMap((run) => (run.startDate === null || run.endDate === null ? [] : [run.endDate - run.startDate]))
    .sort((a, b) => a - b);
  const median = durations[Math.floor(durations.length / 2)];
  const lanes = Math.max(1, Math.min(atOnce, dag.maxActiveRuns));
  if (median === undefined) return `At most ${lanes} run at once.`;
  const total = Math.ceil(runs / lanes) * median;
  return `About ${durationText(total)}: at most ${lanes} at once, ${durationText(median)} each.`;
}

function presetsOf(dag: DagRow, now: number): BackfillView["presets"] {
  const days = [1, 7, 30, 90];
  const to = dateTimeValue(now, dag.timezone).slice(0, 16);
  return days.map((count) => ({
    label: count === 1 ? "Yesterday and today" : `Last ${count} days`,
    href: withQuery(dagPath(dag.dagId, "/backfill"), {
      from: `${dateValue(now - count * DAY_MS, dag.timezone)}T00:00`,
      to,
    }),
  }));
}

function fieldsOf(wish: Wish, dag: DagRow, issues: Refusal["issues"], confError: string): readonly FieldView[] {
  return [
    field({
      kind: "datetime-local",
      name: "from",
      label: "First date",
      hint: `Inclusive, ${dag.timezone}`,
      value: controlValue(wish.from),
      isRequired: true,
      error: issueOf(issues, "from_date"),
    }),
    field({
      kind: "datetime-local",
      name: "to",
      label: "Last date",
      hint: `Inclusive, ${dag.timezone}`,
      value: controlValue(wish.to, true),
      isRequired: true,
      error: issueOf(issues, "to_date"),
    }),
    field({
      kind: "select",
      name: "reprocess",
      label: "Which dates",
      options: options(
        [
          ["none", "Missing ones"],
          ["failed", "Missing and failed ones"],
          ["completed", "All, succeeded ones again"],
        ],
        wish.reprocess,
      ),
    }),
    field({
      kind: "number",
      name: "max_active",
      label: "Runs at once",
      value: wish.maxActive,
      min: "1",
      max: "1000",
      step: "1",
      error: issueOf(issues, "max_active_runs"),
    }),
    field({ kind: "checkbox", name: "reverse", label: "Newest date first", isChecked: wish.isReverse }),
    field({
      kind: "checkbox",
      name: "newest",
      label: "Runs that run again use the newest version",
      isChecked: wish.isNewest,
    }),
    field({
      kind: "textarea",
      name: "conf",
      label: "Configuration",
      hint: "A JSON object for every run, or empty.",
      placeholder: "{}",
      rows: 2,
      value: wish.conf,
      error:
        confError ||
        issues
          .filter((issue) => !KNOWN.has(issue.path))
          .map((issue) => `${issue.path} ${issue.message}`)
          .join("; "),
    }),
  ];
}

const KNOWN: ReadonlySet<string> = new Set(["from_date", "to_date", "max_active_runs", "dag_id"]);

/** A bare date, as people write it into the address, in the form that the control takes. */
function controlValue(text: string, end = false): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T${end ? "23:59" : "00:00"}` : text;
}

function hiddenOf(wish: Wish): readonly (readonly [string, string])[] {
  return [
    ["from", wish.from],
    ["to", wish.to],
    ["reprocess", wish.reprocess],
    ["max_active", wish.maxActive],
    ["reverse", wish.isReverse ? "1" : ""],
    ["newest", wish.isNewest ? "1" : ""],
    ["o", "1"],
    ["conf", wish.conf],
  ];
}
