import { Router } from "express";
import { NotFoundError } from "../../core/errors.ts";
import { versionOf } from "../../store/commands/context.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldOption, options } from "../forms/field.ts";
import { textOf } from "../forms/input.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import { type GraphView, graphView } from "./graph-view.ts";
import { sendPage } from "./page.ts";
import { urlWith } from "./paging.ts";
import { runPath } from "./paths.ts";
import { absoluteTime } from "./time.ts";

/** Runs that can be chosen to colour the graph. */
const CHOICES = 25;

/** `/dags/:dag/graph`: the tasks and what depends on what, in the states of one run. */
export function dagGraphRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/graph", requires("read", "dag"), async (request, response) => {
    const context = await dagContext(deps, request, "graph");
    const { dag } = context;
    const url = urlWith(request.originalUrl, {});
    const chosen = textOf(request.query, "run");
    const recent = (await deps.store.runs.list({ dagId: dag.dagId, limit: CHOICES })).rows;
    const run =
      chosen === "none"
        ? undefined
        : chosen === ""
          ? recent[0]
          : (recent.find((each) => each.runId === chosen) ?? (await deps.store.runs.find(dag.dagId, chosen)));
    if (chosen !== "" && chosen !== "none" && !run)
      throw new NotFoundError(`DAG "${dag.dagId}" has no run "${chosen}".`);
    // A run is shown as it was: with the tasks of its own version.
    const version = run ? await versionOf(deps.store, run.versionId) : context.version;
    const runs = run && !recent.some((each) => each.runId === run.runId) ? [run, ...recent] : recent;
    const model: GraphPage = {
      head: context.head,
      here: url,
      graph: await graphView(deps, { version, run, url, query: request.query }),
      runOptions: options(
        [
          ...runs.map((each) => [each.runId, `${absoluteTime(each.runAfter, dag.timezone)} · ${each.state}`] as const),
          ["none", "No run: the newest version"] as const,
        ],
        run?.runId ?? "none",
      ),
      runHref: run ? runPath(dag.dagId, run.runId) : "",
      hidden: (["open", "view"] as const)
        .map((name) => ({ name, value: textOf(request.query, name) }))
        .filter((field) => field.value !== ""),
      isOldVersion: version.id !== dag.currentVersionId,
      versionNumber: version.versionNumber,
    };
    await sendPage(deps, request, response, dagFrame(context, "dag-graph", "Graph"), "dag-graph", model);
  });
  return router;
}

interface GraphPage {
  readonly head: DagHead;
  readonly here: string;
  readonly graph: GraphView;
  readonly runOptions: readonly FieldOption[];
  readonly runHref: string;
  readonly hidden: readonly { readonly name: string; readonly value: string }[];
  readonly isOldVersion: boolean;
  readonly versionNumber: number;
}
