import { Router } from "express";
import type { TaskDefinition } from "../../core/definition.ts";
import type { TaskState } from "../../core/states.ts";
import type { TaskInstanceInRun } from "../../store/store.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { textOf } from "../forms/input.ts";
import { markdownHtml } from "../markdown.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import { sendPage } from "./page.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView, urlWith } from "./paging.ts";
import { taskPath } from "./paths.ts";
import { stateWord } from "./state-counts.ts";
import { taskTree } from "./task-tree.ts";
import { durationText } from "./time.ts";

/** Runs whose instances stand in the strip and in the figures. */
const RUNS = 20;

/** `/dags/:dag/tasks`: each task with how it fared lately. */
export function dagTasksRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/tasks", requires("read", "task"), async (request, response) => {
    const context = await dagContext(deps, request, "tasks");
    const { dag, version } = context;
    const { definition } = version;
    const url = urlWith(request.originalUrl, {});
    const search = textOf(request.query, "q").slice(0, 200);
    const page = pageOf(request.query);
    const tasks = taskTree(definition, new Set(definition.groups.map((group) => group.groupId)))
      .flatMap((row) => (row.kind === "task" ? [row.task] : []))
      .filter((task) => task.taskId.toLowerCase().includes(search.toLowerCase()));
    const shown = tasks.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
    const runs = [...(await deps.store.runs.list({ dagId: dag.dagId, limit: RUNS })).rows].reverse();
    const grid = await deps.store.tasks.grid(
      runs.map((run) => run.runKey),
      shown.map((task) => task.taskId),
    );
    const instances = runs.flatMap(({ runKey, runId, dagId, logicalDate, runAfter }) =>
      (grid.get(runKey) ?? []).map((row) => ({ ...row, runId, dagId, logicalDate, runAfter })),
    );
    const byTask = Map.groupBy(instances, (row) => row.taskId);
    const model: DagTasksView = {
      head: context.head,
      here: url,
      search,
      rows: shown.map((task) => taskRow(task, byTask.get(task.taskId) ?? [])),
      pager: pagerView(url, page, tasks.length, shown.length, "task"),
    };
    await sendPage(deps, request, response, dagFrame(context, "dag-tasks", "Tasks"), "dag-tasks", model);
  });
  return router;
}

interface DagTasksView {
  readonly head: DagHead;
  readonly here: string;
  readonly search: string;
  readonly rows: readonly TaskRow[];
  readonly pager: PagerView;
}

interface TaskRow {
  readonly taskId: string;
  readonly operator: string;
  readonly summary: string;
  readonly docsHtml: string;
  readonly upstream: string;
  readonly rule: string;
  readonly retries: string;
  readonly strip: readonly { readonly state: TaskState; readonly href: string; readonly name: string }[];
  readonly median: string;
  readonly p95: string;
  readonly failureRate: string;
}

function taskRow(task: TaskDefinition, instances: readonly TaskInstanceInRun[]): TaskRow {
  const durations = instances
    .flatMap((row) =>
      row.state === "success" && row.startDate !== null && row.endDate !== null ? [row.endDate - row.startDate] : [],
    )
    .sort((a, b) => a - b);
  const quantile = (part: number) => durations[Math.max(0, Math.ceil(durations.length * part) - 1)] ?? null;
  const ended = instances.filter((row) => row.state === "success" || row.state === "failed");
  const failed = ended.filter((row) => row.state === "failed").length;
  return {
    taskId: task.taskId,
    operator: task.operator,
    summary: task.operatorSummary ?? "",
    docsHtml: task.docMd ? markdownHtml(task.docMd) : "",
    upstream: task.upstream.join(", "),
    rule: task.triggerRule === "all_success" ? "" : task.triggerRule.replaceAll("_", " "),
    retries: task.retries === 0 ? "" : `${task.retries} ${task.retries === 1 ? "retry" : "retries"}`,
    strip: instances.map((row) => ({
      state: row.state,
      href: taskPath(row.dagId, row.runId, row.taskId, row.mapIndex),
      name: `${row.taskId}, ${row.runId}: ${stateWord(row.state)}`,
    })),
    median: durationText(quantile(0.5)),
    p95: durationText(quantile(0.95)),
    failureRate: ended.length === 0 ? "" : `${Math.round((100 * failed) / ended.length)} %`,
  };
}
