import { type Request, type Response, Router } from "express";
import { NotFoundError } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { mergeParams } from "../../core/params.ts";
import { dagOf, versionOf } from "../../store/commands/context.ts";
import { triggerRun } from "../../store/commands/trigger.ts";
import type { DagRow, DagVersionRow } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { parseInstant } from "../forms/dates.ts";
import { type FieldView, field, issueOf } from "../forms/field.ts";
import { type FormInput, flagOf, formOf, rawTextOf, textOf } from "../forms/input.ts";
import { type Outcome, outcomeOf } from "../forms/outcome.ts";
import { type ParamSpec, paramSpecs } from "../forms/param-specs.ts";
import { initialTexts, paramFields, readParams } from "../forms/params.ts";
import { commandContext, pathParameter } from "./context.ts";
import { pausedText } from "./dag-list.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { dagPath, runPath } from "./paths.ts";
import { type Snippets, triggerSnippets } from "./snippets.ts";

/** `/dags/:dag/trigger`: the form that starts a run, made from the params of the DAG. */
export function triggerRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/trigger", requires("operate", "dag"), async (request, response) => {
    const target = await targetOf(deps, request);
    const typed = { ...initialTexts(target.specs, await initialConf(deps, request, target)), unpause: "1" };
    await show(deps, request, response, target, { ...typed, ...request.query }, { issues: [], message: "" });
  });
  router.post("/dags/:dag/trigger", requires("operate", "dag"), async (request, response) => {
    const target = await targetOf(deps, request);
    const form = formOf(request.body);
    const read = readForm(target, form);
    if (textOf(form, "action") === "check" || read.issues.length > 0) {
      const issues = read.issues.length > 0 ? read.issues : mergeIssues(target, read.conf);
      if (textOf(form, "action") !== "check") response.status(422);
      await show(deps, request, response, target, form, { issues, message: issues.length > 0 ? NOT_READY : "" });
      return;
    }
    const started = await start(deps, request, target.dag, form, read.conf);
    if (started.ok) {
      const { runId, dagId } = started.value;
      redirectWithFlash(response, runPath(dagId, runId), `Run ${runId} is queued.`);
      return;
    }
    response.status(started.status);
    await show(deps, request, response, target, form, started);
  });
  return router;
}

const NOT_READY = "No run was started: some values are not acceptable yet.";

interface Target {
  readonly dag: DagRow;
  readonly version: DagVersionRow;
  readonly specs: readonly ParamSpec[];
}

interface TriggerView {
  readonly dagId: string;
  readonly dagHref: string;
  readonly action: string;
  readonly problem: string;
  /** Issues that belong to no field. */
  readonly otherIssues: readonly string[];
  readonly fields: readonly FieldView[];
  readonly runFields: readonly FieldView[];
  readonly isPaused: boolean;
  readonly pausedText: string;
  readonly isUnpausing: boolean;
  /** What the tasks will get, pretty-printed. */
  readonly resolved: string;
  readonly snippets: Snippets;
}

async function targetOf(deps: WebDeps, request: Request): Promise<Target> {
  const dag = await dagOf(deps.store, pathParameter(request, "dag"));
  const version = await versionOf(deps.store, dag.currentVersionId);
  return { dag, version, specs: paramSpecs(version.definition.params, version.definition.paramDefaults) };
}

/** `?from=<run id>`: what an earlier run was given. */
async function initialConf(deps: WebDeps, request: Request, target: Target): Promise<JsonObject> {
  const from = textOf(request.query, "from");
  if (from === "") return {};
  const run = await deps.store.runs.find(target.dag.dagId, from);
  if (!run) throw new NotFoundError(`DAG "${target.dag.dagId}" has no run "${from}" to take values from.`);
  return run.conf;
}

type Issues = readonly { readonly path: string; readonly message: string }[];

/** The conf that the form means: fields over the free JSON beside them. */
function readForm(target: Target, form: FormInput): { conf: JsonObject; issues: Issues } {
  const extra = readExtra(rawTextOf(form, "conf"));
  const fields = readParams(target.specs, form);
  return { conf: { ...extra.conf, ...fields.conf }, issues: [...fields.issues, ...extra.issues] };
}

function readExtra(text: string): { conf: JsonObject; issues: Issues } {
  if (text.trim() === "") return { conf: {}, issues: [] };
  try {
    const value = JSON.parse(text) as Json;
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return { conf: value as JsonObject, issues: [] };
    return { conf: {}, issues: [{ path: "conf", message: 'must be a JSON object such as {"key": 1}' }] };
  } catch (error) {
    return { conf: {}, issues: [{ path: "conf", message: `is not JSON: ${(error as Error).message}` }] };
  }
}

function mergeIssues(target: Target, conf: JsonObject): Issues {
  const merged = mergeParams(target.version.definition, conf);
  return merged.ok ? [] : merged.issues;
}

function start(
  deps: WebDeps,
  request: Request,
  dag: DagRow,
  form: FormInput,
  conf: JsonObject,
): Promise<Outcome<{ dagId: string; runId: string }>> {
  const runId = textOf(form, "run_id");
  const note = rawTextOf(form, "note").trim();
  return outcomeOf(() =>
    triggerRun(commandContext(deps, request), {
      dagId: dag.dagId,
      runId: runId === "" ? undefined : runId,
      logicalDate: parseInstant(textOf(form, "logical_date"), "UTC"),
      conf,
      note: note === "" ? null : note,
      unpause: flagOf(form, "unpause"),
    }),
  );
}

async function show(
  deps: WebDeps,
  request: Request,
  response: Response,
  target: Target,
  typed: FormInput,
  problem: { readonly message: string; readonly issues: Issues },
): Promise<void> {
  const { dag, specs } = target;
  const { conf } = readForm(target, typed);
  const merged = mergeParams(target.version.definition, conf);
  const fields = paramFields(specs, typed, problem.issues);
  const runFields = runFieldsOf(typed, specs.length === 0, problem.issues);
  const known = new Set([...specs.map((spec) => spec.name), "conf", "dag_run_id", "logical_date"]);
  const model: TriggerView = {
    dagId: dag.dagId,
    dagHref: dagPath(dag.dagId),
    action: dagPath(dag.dagId, "/trigger"),
    problem: problem.message,
    otherIssues: problem.issues
      .filter((issue) => !known.has(issue.path.replace(/^\//, "").split(/[./]/)[0] ?? ""))
      .map((issue) => `${issue.path} ${issue.message}`.trim()),
    fields,
    runFields,
    isPaused: dag.isPaused,
    pausedText: pausedText(dag),
    isUnpausing: flagOf(typed, "unpause"),
    resolved: JSON.stringify(merged.ok ? merged.params : conf, null, 2),
    snippets: triggerSnippets(deps.baseUrl(), dag.dagId, requestBody(typed, conf)),
  };
  const frame = {
    title: "Trigger",
    page: "trigger",
    nav: "dags" as const,
    crumbs: [
      { label: "DAGs", href: "/dags" },
      { label: dag.dagId, href: dagPath(dag.dagId) },
    ],
  };
  await sendPage(deps, request, response, frame, "trigger", model);
}

function requestBody(typed: FormInput, conf: JsonObject): JsonObject {
  const runId = textOf(typed, "run_id");
  const date = parseInstant(textOf(typed, "logical_date"), "UTC");
  return {
    ...(runId === "" ? {} : { dag_run_id: runId }),
    ...(date === undefined ? {} : { logical_date: new Date(date).toISOString() }),
    conf,
  };
}

function runFieldsOf(typed: FormInput, isConfFirst: boolean, issues: Issues): readonly FieldView[] {
  const conf = field({
    kind: "textarea",
    name: "conf",
    label: isConfFirst ? "Configuration" : "Further configuration",
    hint: "A JSON object; tasks read it from the run's conf.",
    placeholder: "{}",
    value: rawTextOf(typed, "conf"),
    error: issueOf(issues, "conf"),
    rows: isConfFirst ? 6 : 2,
  });
  const others = [
    field({
      kind: "text",
      name: "run_id",
      label: "Run id",
      hint: "Empty: made from the time, as in manual__2026-11-22T06:00:00+00:00.",
      value: textOf(typed, "run_id"),
      error: issueOf(issues, "dag_run_id"),
    }),
    field({
      kind: "datetime-local",
      name: "logical_date",
      label: "Logical date",
      hint: "UTC. Empty: now. No other run of this DAG may have it.",
      value: textOf(typed, "logical_date"),
      step: "1",
      error: issueOf(issues, "logical_date"),
    }),
    field({
      kind: "textarea",
      name: "note",
      label: "Note",
      hint: "Markdown.",
      value: rawTextOf(typed, "note"),
      rows: 2,
    }),
  ];
  return [conf, ...others];
}
