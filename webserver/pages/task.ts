import { type Request, Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { choiceOf } from "../forms/input.ts";
import { markdownHtml } from "../markdown.ts";
import { refusalOf, type TabView } from "./dag-context.ts";
import { eventsView } from "./events-view.ts";
import { sendPage } from "./page.ts";
import { urlWith } from "./paging.ts";
import { runPath, taskPath } from "./paths.ts";
import { reasonsOf } from "./reasons.ts";
import { runFrame } from "./run-context.ts";
import { isWaitingForTime, stateWord } from "./state-counts.ts";
import { type TaskContext, taskContext } from "./task-context.ts";
import { taskAttempts, taskDetails, taskInputs } from "./task-facts.ts";
import { taskLogView } from "./task-log-view.ts";
import { durationText, type TimeView, timeView } from "./time.ts";
import { xcomView } from "./xcom-view.ts";

const TABS = ["log", "inputs", "xcom", "events", "attempts", "details"] as const;
type TaskTab = (typeof TABS)[number];

/** `/dags/:dag/runs/:run/tasks/:task`: one task instance, its log first. */
export function taskRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/runs/:run/tasks/:task", requires("read", "task"), async (request, response) => {
    const context = await taskContext(deps, request);
    const tab = choiceOf<TaskTab>(request.query, "tab", TABS, "log");
    const url = urlWith(request.originalUrl, {});
    const model: TaskView = {
      head: await taskHead(deps, request, context, tab, url),
      here: url,
      view: VIEWS[tab],
      content: await contentOf(deps, context, tab, url, request.query),
    };
    await sendPage(deps, request, response, runFrame(context, `task-${tab}`, model.head.title), "task", model);
  });
  return router;
}

interface TaskView {
  readonly head: TaskHead;
  readonly here: string;
  readonly view: string;
  readonly content: object;
}

interface TaskHead {
  readonly dagId: string;
  readonly runId: string;
  readonly runHref: string;
  readonly taskId: string;
  readonly title: string;
  readonly operator: string;
  readonly summary: string;
  readonly state: string;
  readonly stateLabel: string;
  readonly reason: string;
  /** The reason speaks of a time that comes nearer. */
  readonly isDue: boolean;
  readonly start: TimeView;
  readonly duration: string;
  readonly since: string;
  readonly tries: readonly TryTab[];
  readonly tabs: readonly TabView[];
  readonly refusal: string;
  readonly clearHref: string;
  readonly markHref: string;
  readonly noteHref: string;
  readonly noteHtml: string;
  readonly previousHref: string;
  readonly nextHref: string;
}

interface TryTab {
  readonly label: string;
  readonly state: string;
  readonly href: string;
  readonly isCurrent: boolean;
  readonly title: string;
}

const LABELS: Readonly<Record<TaskTab, string>> = {
  log: "Log",
  inputs: "Inputs",
  xcom: "XCom",
  events: "Events",
  attempts: "Attempts",
  details: "Details",
};

const VIEWS: Readonly<Record<TaskTab, string>> = {
  log: "task-log",
  inputs: "task-inputs",
  xcom: "run-xcom",
  events: "run-events",
  attempts: "task-attempts",
  details: "run-details",
};

async function taskHead(
  deps: WebDeps,
  request: Request,
  context: TaskContext,
  tab: TaskTab,
  url: string,
): Promise<TaskHead> {
  const { run, instance, task, definition } = context;
  const { taskId, mapIndex, state, startDate, endDate } = instance;
  const now = deps.clock.now();
  const here = (rest: string) => taskPath(run.dagId, run.runId, taskId, mapIndex, rest);
  const all = state === "none" ? await deps.store.tasks.ofRun(run.runKey) : [instance];
  const [reasons, previous, next] = await Promise.all([
    reasonsOf(deps, run, definition, [instance], all),
    neighbour(deps, context, "previous"),
    neighbour(deps, context, "next"),
  ]);
  const isOpen = state === "running" && startDate !== null;
  const end = endDate ?? (isOpen ? now : null);
  return {
    dagId: run.dagId,
    runId: run.runId,
    runHref: runPath(run.dagId, run.runId),
    taskId,
    title: mapIndex < 0 ? taskId : `${taskId} [${mapIndex}]`,
    operator: instance.operator,
    summary: task?.operatorSummary ?? "",
    state,
    stateLabel: stateWord(state),
    reason: reasons.get(instance.tiNo) ?? "",
    isDue: isWaitingForTime(state),
    start: timeView(startDate, now),
    duration: startDate === null || end === null ? "" : durationText(end - startDate),
    since: isOpen ? new Date(startDate).toISOString() : "",
    tries: triesOf(context, url),
    tabs: TABS.map((key) => ({
      label: LABELS[key],
      href: urlWith(here(""), { tab: key === "log" ? "" : key }),
      isCurrent: key === tab,
    })),
    refusal: refusalOf(request),
    clearHref: here("/clear"),
    markHref: here("/mark"),
    noteHref: here("/note"),
    noteHtml: instance.note ? markdownHtml(instance.note) : "",
    previousHref: previous,
    nextHref: next,
  };
}

function triesOf({ attempts, tryNumber }: TaskContext, url: string): readonly TryTab[] {
  if (attempts.length < 2) return [];
  return attempts.map((attempt) => ({
    label: `Try ${attempt.tryNumber}`,
    state: attempt.state === "lost" ? "failed" : attempt.state === "cancelled" ? "removed" : attempt.state,
    href: urlWith(url, { try: String(attempt.tryNumber), from: "" }),
    isCurrent: attempt.tryNumber === tryNumber,
    title: attempt.state,
  }));
}

/** The same task in the run before or after this one; "" when there is none. */
async function neighbour(deps: WebDeps, { run, instance }: TaskContext, which: "previous" | "next"): Promise<string> {
  const found = await deps.store.runs.list({
    dagId: run.dagId,
    runAfter: which === "next" ? { gt: run.runAfter } : { lt: run.runAfter },
    isDescending: which === "previous",
    orderBy: "run_after",
    limit: 1,
  });
  const other = found.rows[0];
  return other ? taskPath(run.dagId, other.runId, instance.taskId, instance.mapIndex) : "";
}

function contentOf(
  deps: WebDeps,
  context: TaskContext,
  tab: TaskTab,
  url: string,
  query: Readonly<Record<string, unknown>>,
): Promise<object> | object {
  const { run, instance } = context;
  switch (tab) {
    case "log":
      return taskLogView(deps, context, url, query);
    case "inputs":
      return taskInputs(deps, context);
    case "xcom":
      return xcomView(deps, run, instance.tiNo);
    case "events":
      return eventsView(deps, { runKey: run.runKey, taskId: instance.taskId }, url, query);
    case "attempts":
      return taskAttempts(context, url, deps.clock.now());
    case "details":
      return taskDetails(context);
  }
}
