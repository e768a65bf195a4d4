import { type Request, type RequestHandler, type Response, Router } from "express";
import { NotFoundError } from "../../core/errors.ts";
import { runOf } from "../../store/commands/context.ts";
import { setRunNote, setTaskNote } from "../../store/commands/pause.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldView, field } from "../forms/field.ts";
import { formOf, rawTextOf, textOf, wholeNumberOf } from "../forms/input.ts";
import { markdownHtml } from "../markdown.ts";
import { instanceName } from "./affected.ts";
import { commandContext, pathParameter } from "./context.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { dagPath, runPath, taskPath } from "./paths.ts";

/** Longest note, characters (Airflow: 1,000). */
const NOTE_LIMIT = 1_000;

interface NoteTarget {
  readonly name: string;
  readonly back: string;
  readonly note: string;
  /** Instance of a mapped task; −1 otherwise. */
  readonly mapIndex: number;
  save(note: string | null): Promise<void>;
}

interface NoteView {
  readonly name: string;
  readonly back: string;
  readonly action: string;
  readonly mapIndex: number;
  readonly field: FieldView;
  readonly previewHtml: string;
}

/** The note of a run (`…/note`) and of a task instance (`…/tasks/:task/note`): markdown, with a preview. */
export function notesRouter(deps: WebDeps): Router {
  const router = Router();
  for (const path of ["/dags/:dag/runs/:run/note", "/dags/:dag/runs/:run/tasks/:task/note"]) {
    router.get(path, requires("operate", "run"), showNote(deps));
    router.post(path, requires("operate", "run"), saveNote(deps));
  }
  return router;
}

function showNote(deps: WebDeps): RequestHandler {
  return async (request, response) => {
    const target = await targetOf(deps, request, wholeNumberOf(request.query, "map_index", 0, 1_000_000) ?? -1);
    await send(deps, request, response, target, target.note, "");
  };
}

function saveNote(deps: WebDeps): RequestHandler {
  return async (request, response) => {
    const form = formOf(request.body);
    const target = await targetOf(deps, request, wholeNumberOf(form, "map_index", 0, 1_000_000) ?? -1);
    const note = rawTextOf(form, "note").replaceAll("\r\n", "\n").trim();
    if (note.length > NOTE_LIMIT) {
      const error = `has ${note.length.toLocaleString("en")} characters; ${NOTE_LIMIT.toLocaleString("en")} at most`;
      await send(deps, request, response.status(422), target, note, error);
    } else if (textOf(form, "action") === "preview") await send(deps, request, response, target, note, "");
    else {
      await target.save(note === "" ? null : note);
      redirectWithFlash(response, target.back, note === "" ? "The note is gone." : "The note is saved.");
    }
  };
}

async function targetOf(deps: WebDeps, request: Request, mapIndex: number): Promise<NoteTarget> {
  const dagId = pathParameter(request, "dag");
  const runId = pathParameter(request, "run");
  const taskId = pathParameter(request, "task");
  const context = commandContext(deps, request);
  const run = await runOf(deps.store, dagId, runId);
  if (taskId === "")
    return {
      name: runId,
      back: runPath(dagId, runId),
      note: run.note ?? "",
      mapIndex,
      save: (note) => setRunNote(context, dagId, runId, note),
    };
  const task = await deps.store.tasks.find(dagId, runId, taskId, mapIndex);
  if (!task)
    throw new NotFoundError(`Run "${runId}" of "${dagId}" has no task instance "${instanceName(taskId, mapIndex)}".`);
  return {
    name: instanceName(taskId, mapIndex),
    back: taskPath(dagId, runId, taskId, mapIndex),
    note: task.note ?? "",
    mapIndex,
    save: (note) => setTaskNote(context, dagId, runId, taskId, mapIndex, note),
  };
}

async function send(
  deps: WebDeps,
  request: Request,
  response: Response,
  target: NoteTarget,
  text: string,
  error: string,
): Promise<void> {
  const dagId = pathParameter(request, "dag");
  const runId = pathParameter(request, "run");
  const model: NoteView = {
    name: target.name,
    back: target.back,
    action: request.originalUrl.split("?")[0] ?? "",
    mapIndex: target.mapIndex,
    field: field({
      kind: "textarea",
      name: "note",
      label: "Note",
      hint: `Markdown, ${NOTE_LIMIT.toLocaleString("en")} characters at most. Empty takes the note away.`,
      value: text,
      rows: 8,
      error,
    }),
    previewHtml: text === "" ? "" : markdownHtml(text),
  };
  const crumbs = [
    { label: "DAGs", href: "/dags" },
    { label: dagId, href: dagPath(dagId) },
    { label: runId, href: runPath(dagId, runId) },
  ];
  await sendPage(
    deps,
    request,
    response,
    { title: `Note on ${target.name}`, page: "note", nav: "dags", crumbs },
    "note",
    model,
  );
}
