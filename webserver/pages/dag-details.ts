import { Router } from "express";
import type { DagRow, DagVersionRow } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import { sendPage } from "./page.ts";
import { urlWith } from "./paging.ts";
import { dagPath, withQuery } from "./paths.ts";
import { type Fact, fact } from "./run-details.ts";
import { scheduleWords } from "./schedule.ts";
import { absoluteTime, durationText, type TimeView, timeView } from "./time.ts";

/** `/dags/:dag/details`: all settings and versions. */
export function dagDetailsRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/details", requires("read", "dag"), async (request, response) => {
    const context = await dagContext(deps, request, "details");
    const { dag, version } = context;
    const versions = await deps.store.dags.versions(dag.dagId);
    const now = deps.clock.now();
    const model: DagDetailsView = {
      head: context.head,
      here: urlWith(request.originalUrl, {}),
      facts: facts(dag, version),
      versions: versions.map((each) => ({
        number: each.versionNumber,
        href: withQuery(dagPath(dag.dagId, "/code"), { v: each.versionNumber }),
        hash: each.definitionHash.slice(0, 12),
        at: timeView(each.createdAt, now, "both"),
        isCurrent: each.id === dag.currentVersionId,
      })),
      params: version.definition.params ? JSON.stringify(version.definition.params, null, 2) : "",
    };
    await sendPage(deps, request, response, dagFrame(context, "dag-details", "Details"), "dag-details", model);
  });
  return router;
}

interface DagDetailsView {
  readonly head: DagHead;
  readonly here: string;
  readonly facts: readonly Fact[];
  readonly versions: readonly {
    readonly number: number;
    readonly href: string;
    readonly hash: string;
    readonly at: TimeView;
    readonly isCurrent: boolean;
  }[];
  readonly params: string;
}

function facts(dag: DagRow, { definition, versionNumber }: DagVersionRow): readonly Fact[] {
  const at = (instant: number | null) => (instant === null ? null : absoluteTime(instant, dag.timezone));
  const yesNo = (is: boolean) => (is ? "yes" : "no");
  return [
    fact("DAG id", dag.dagId),
    fact("File", dag.file),
    fact("Version", `v${versionNumber}`, { href: dagPath(dag.dagId, "/code") }),
    fact("Owners", dag.owners.join(", ")),
    fact("Tags", dag.tags.join(", ")),
    fact("Schedule", `${scheduleWords(dag.scheduleSummary, dag.timezone)} (${dag.scheduleSummary})`),
    fact("Time zone", dag.timezone),
    fact("Start date", definition.startDate),
    fact("End date", definition.endDate),
    fact("Catch-up", yesNo(definition.catchup)),
    fact("Next run", at(dag.nextRunAt)),
    fact("Last logical date", at(dag.lastLogicalDate)),
    fact("Running runs at once", definition.maxActiveRuns),
    fact("Running tasks per run", definition.maxActiveTasks),
    fact("Pauses after failed runs", definition.maxConsecutiveFailedRuns || "never"),
    fact("Run timeout", definition.dagrunTimeoutMs === undefined ? "none" : durationText(definition.dagrunTimeoutMs)),
    fact("First failure stops the run", yesNo(definition.failFast)),
    fact("Tasks", definition.tasks.length),
    fact("Read last", at(dag.lastParsedAt)),
    fact("Reading took", `${dag.parseMs} ms`),
    fact("First seen", at(dag.createdAt)),
  ];
}
