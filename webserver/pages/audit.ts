import { Router } from "express";
import type { EventRow } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { parseInstant } from "../forms/dates.ts";
import { textOf } from "../forms/input.ts";
import { instanceName } from "./affected.ts";
import { eventDetail, stateText } from "./events-view.ts";
import { sendPage } from "./page.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView } from "./paging.ts";
import { dagPath, runPath, taskPath } from "./paths.ts";
import { type TimeView, timeView } from "./time.ts";

/** `/admin/audit`: every change of state and every command, newest first, with who did it. */
export function auditRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/admin/audit", requires("read", "event"), async (request, response) => {
    const page = pageOf(request.query);
    const text = (name: string) => textOf(request.query, name);
    const given = {
      dag: text("dag"),
      run: text("run"),
      task: text("task"),
      kind: text("kind"),
      actor: text("actor"),
      from: text("from"),
      to: text("to"),
    };
    const gte = parseInstant(given.from, "UTC");
    const lte = parseInstant(given.to, "UTC", true);
    const found = await deps.store.events.list({
      dagId: given.dag || undefined,
      runId: given.run || undefined,
      taskId: given.task || undefined,
      kinds: given.kind === "" ? undefined : given.kind.split(/[\s,]+/).filter((kind) => kind !== ""),
      actorPattern: given.actor || undefined,
      at: gte === undefined && lte === undefined ? undefined : { gte, lte },
      isDescending: true,
      limit: PAGE_SIZE,
      offset: (page - 1) * PAGE_SIZE,
    });
    const now = deps.clock.now();
    const model: AuditView = {
      ...given,
      isFiltered: Object.values(given).some((value) => value !== ""),
      rows: found.rows.map((event) => rowOf(event, now)),
      pager: pagerView(request.originalUrl, page, found.total, found.rows.length, "event"),
    };
    const frame = { title: "Audit log", page: "audit", nav: "audit" as const, crumbs: [{ label: "Admin" }] };
    await sendPage(deps, request, response, frame, "audit", model);
  });
  return router;
}

interface AuditView {
  readonly dag: string;
  readonly run: string;
  readonly task: string;
  readonly kind: string;
  readonly actor: string;
  readonly from: string;
  readonly to: string;
  readonly isFiltered: boolean;
  readonly rows: readonly AuditRow[];
  readonly pager: PagerView;
}

interface AuditRow {
  readonly id: number;
  readonly at: TimeView;
  readonly kind: string;
  readonly actor: string;
  readonly dagId: string;
  readonly dagHref: string;
  readonly runId: string;
  readonly runHref: string;
  readonly task: string;
  readonly taskHref: string;
  readonly fromState: string;
  readonly toState: string;
  readonly detail: string;
}

function rowOf(event: EventRow, now: number): AuditRow {
  const { dagId, runId, taskId } = event;
  const mapIndex = event.mapIndex ?? -1;
  return {
    id: event.id,
    at: timeView(event.at, now, "absolute"),
    kind: event.kind,
    actor: event.actor,
    dagId: dagId ?? "",
    dagHref: dagId === null ? "" : dagPath(dagId),
    runId: runId ?? "",
    runHref: dagId === null || runId === null ? "" : runPath(dagId, runId),
    task: taskId === null ? "" : instanceName(taskId, mapIndex),
    taskHref: dagId === null || runId === null || taskId === null ? "" : taskPath(dagId, runId, taskId, mapIndex),
    fromState: stateText(event.fromState),
    toState: stateText(event.toState),
    detail: eventDetail(event),
  };
}
