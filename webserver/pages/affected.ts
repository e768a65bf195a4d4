import type { Request, RequestHandler, Response, Router } from "express";
import type { Affected } from "../../store/commands/clear.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { affectedDigest } from "../forms/digest.ts";
import type { FieldView } from "../forms/field.ts";
import { type FormInput, formOf, textOf } from "../forms/input.ts";
import { outcomeOf } from "../forms/outcome.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { dagPath, runPath, taskPath } from "./paths.ts";

/**
 * An operator's command on task instances as a page: its options, a preview of what it touches computed here, and a form that
 * confirms exactly that set. Clear, mark and cancel are such actions.
 */
export interface AffectedAction {
  readonly title: string;
  readonly dagId: string;
  readonly runId: string;
  /** "" when the command is about the whole run. */
  readonly taskId: string;
  readonly mapIndex: number;
  /** One or two sentences on what will happen and what will not. */
  readonly explanation: string;
  readonly options: readonly FieldView[];
  /** The options as the confirming form sends them again. */
  readonly hidden: readonly (readonly [name: string, value: string])[];
  readonly submit: string;
  readonly isDanger: boolean;
  /** Said when nothing is touched. */
  readonly nothing: string;
  /** Whether it does something even then (marking a run whose tasks are all finished). */
  readonly worksOnNothing: boolean;
  becomes(affected: Affected): string;
  preview(): Promise<readonly Affected[]>;
  execute(): Promise<readonly Affected[]>;
  done(affected: readonly Affected[]): string;
}

/** Rows of a preview that are drawn; the count says how many there are. */
const DRAWN = 500;

interface AffectedView {
  readonly title: string;
  readonly dagId: string;
  readonly runId: string;
  readonly taskId: string;
  readonly backHref: string;
  readonly action: string;
  readonly explanation: string;
  readonly options: readonly FieldView[];
  readonly hidden: AffectedAction["hidden"];
  readonly digest: string;
  readonly problem: string;
  /** "4 task instances in 2 runs" */
  readonly summary: string;
  readonly nothing: string;
  readonly rows: readonly AffectedRow[];
  readonly more: string;
  readonly submit: string;
  readonly isDanger: boolean;
  readonly canSubmit: boolean;
}

interface AffectedRow {
  readonly runId: string;
  readonly runHref: string;
  readonly task: string;
  readonly taskHref: string;
  readonly state: string;
  readonly tryText: string;
  readonly becomes: string;
}

/** Adds the page (GET: options in the address) and the confirmation (POST) of an action below one path. */
export function affectedRoutes(
  router: Router,
  deps: WebDeps,
  path: string,
  build: (request: Request, input: FormInput) => AffectedAction | Promise<AffectedAction>,
): void {
  const show: RequestHandler = async (request, response) => {
    const action = await build(request, request.query);
    await sendAction(deps, request, response, action, await action.preview(), "");
  };
  const confirm: RequestHandler = async (request, response) => {
    const form = formOf(request.body);
    const action = await build(request, form);
    const affected = await action.preview();
    if (affectedDigest(affected) !== textOf(form, "digest")) {
      response.status(409);
      await sendAction(deps, request, response, action, affected, CHANGED);
      return;
    }
    const done = await outcomeOf(() => action.execute());
    if (done.ok) {
      redirectWithFlash(response, backHref(action), action.done(done.value));
      return;
    }
    response.status(done.status);
    await sendAction(deps, request, response, action, await action.preview(), done.message);
  };
  router.get(path, requires("operate", "task"), show);
  router.post(path, requires("operate", "task"), confirm);
}

const CHANGED = "Nothing was done: these task instances have changed since you looked. This is how they stand now.";

async function sendAction(
  deps: WebDeps,
  request: Request,
  response: Response,
  action: AffectedAction,
  affected: readonly Affected[],
  problem: string,
): Promise<void> {
  const { dagId, runId, taskId, title } = action;
  const model: AffectedView = {
    title,
    dagId,
    runId,
    taskId,
    backHref: backHref(action),
    action: request.originalUrl.split("?")[0] ?? "",
    explanation: action.explanation,
    options: action.options,
    hidden: action.hidden,
    digest: affectedDigest(affected),
    problem,
    summary: summaryOf(affected),
    nothing: action.nothing,
    rows: affected.slice(0, DRAWN).map((each) => rowOf(each, action)),
    more: affected.length > DRAWN ? `and ${(affected.length - DRAWN).toLocaleString("en")} more` : "",
    submit: action.submit,
    isDanger: action.isDanger,
    canSubmit: affected.length > 0 || action.worksOnNothing,
  };
  const crumbs = [
    { label: "DAGs", href: "/dags" },
    { label: dagId, href: dagPath(dagId) },
    { label: runId, href: runPath(dagId, runId) },
    ...(taskId === "" ? [] : [{ label: taskId, href: taskPath(dagId, runId, taskId, action.mapIndex) }]),
  ];
  await sendPage(deps, request, response, { title, page: "affected", nav: "dags", crumbs }, "affected", model);
}

function backHref({ dagId, runId, taskId, mapIndex }: AffectedAction): string {
  return taskId === "" ? runPath(dagId, runId) : taskPath(dagId, runId, taskId, mapIndex);
}

function rowOf(affected: Affected, action: AffectedAction): AffectedRow {
  const { run, task } = affected;
  return {
    runId: run.runId,
    runHref: runPath(run.dagId, run.runId),
    task: instanceName(task.taskId, task.mapIndex),
    taskHref: taskPath(run.dagId, run.runId, task.taskId, task.mapIndex),
    state: task.state,
    tryText: task.tryNumber === 0 ? "" : `try ${task.tryNumber}`,
    becomes: action.becomes(affected),
  };
}

/** "extract", "extract[3]" */
export function instanceName(taskId: string, mapIndex: number): string {
  return mapIndex >= 0 ? `${taskId}[${mapIndex}]` : taskId;
}

/** "4 task instances in 2 runs" */
export function summaryOf(affected: readonly Affected[]): string {
  const runs = new Set(affected.map(({ run }) => run.runKey)).size;
  const tasks = `${affected.length.toLocaleString("en")} task instance${affected.length === 1 ? "" : "s"}`;
  return runs > 1 ? `${tasks} in ${runs.toLocaleString("en")} runs` : tasks;
}
