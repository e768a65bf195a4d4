import { Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { choiceOf } from "../forms/input.ts";
import { markdownHtml } from "../markdown.ts";
import { eventsView } from "./events-view.ts";
import { ganttView } from "./gantt.ts";
import { graphView } from "./graph-view.ts";
import { sendPage } from "./page.ts";
import { urlWith } from "./paging.ts";
import {
  RUN_TABS,
  type RunContext,
  type RunHeadView,
  type RunTab,
  runContext,
  runFrame,
  runHead,
} from "./run-context.ts";
import { runDetails } from "./run-details.ts";
import { runTasks } from "./run-tasks.ts";
import { xcomView } from "./xcom-view.ts";

/** `/dags/:dag/runs/:run`: what a run does, tab by tab. */
export function runRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/runs/:run", requires("read", "run"), async (request, response) => {
    const context = await runContext(deps, request);
    const tab = choiceOf<RunTab>(request.query, "tab", RUN_TABS, "tasks");
    const url = urlWith(request.originalUrl, {});
    const { note } = context.run;
    const model: RunView = {
      head: await runHead(deps, request, context, tab, note ? markdownHtml(note) : ""),
      here: url,
      view: `run-${tab}`,
      content: await contentOf(deps, context, tab, url, request.query),
    };
    await sendPage(deps, request, response, runFrame(context, `run-${tab}`), "run", model);
  });
  return router;
}

interface RunView {
  readonly head: RunHeadView;
  readonly here: string;
  /** The partial that shows `content`. */
  readonly view: string;
  readonly content: object;
}

function contentOf(
  deps: WebDeps,
  context: RunContext,
  tab: RunTab,
  url: string,
  query: Readonly<Record<string, unknown>>,
): Promise<object> | object {
  const { run, definition, version } = context;
  switch (tab) {
    case "tasks":
      return runTasks(deps, context, url, query);
    case "gantt":
      return ganttView(deps, context);
    case "graph":
      return graphView(deps, { version, run, url, query });
    case "events":
      return eventsView(deps, { runKey: run.runKey }, url, query);
    case "xcom":
      return xcomView(deps, run);
    case "details":
      return runDetails(run, definition, deps.clock.now());
  }
}
