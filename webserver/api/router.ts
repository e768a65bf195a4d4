import { Router } from "express";
import { NotFoundError, SluiceError } from "../../core/errors.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { BACKFILL_ROUTES } from "./backfills.ts";
import { CONNECTION_ROUTES } from "./connections.ts";
import { DAG_FACT_ROUTES } from "./dag-facts.ts";
import { DAG_VERSION_ROUTES } from "./dag-versions.ts";
import { DAG_ROUTES } from "./dags.ts";
import { docsPage } from "./docs-page.ts";
import { EVENT_ROUTES } from "./event-logs.ts";
import { IMPORT_ERROR_ROUTES } from "./import-errors.ts";
import { LOG_ROUTES } from "./logs.ts";
import { MONITOR_ROUTES } from "./monitor.ts";
import { openApi } from "./openapi.ts";
import { POOL_ROUTES } from "./pools.ts";
import { REASON_ROUTES } from "./reasons.ts";
import { type AnyRoute, mount } from "./route.ts";
import { RUN_COMMAND_ROUTES } from "./run-commands.ts";
import { TRIGGER_ROUTES } from "./run-trigger.ts";
import { WAIT_ROUTES } from "./run-wait.ts";
import { RUN_ROUTES } from "./runs.ts";
import { SELF_ROUTES } from "./self.ts";
import { TASK_BULK_ROUTES } from "./task-bulk.ts";
import { TASK_ROUTES } from "./task-instances.ts";
import { MARK_ROUTES } from "./task-marks.ts";
import { TRY_ROUTES } from "./task-tries.ts";
import { VARIABLE_ROUTES } from "./variables.ts";
import { XCOM_ROUTES } from "./xcoms.ts";

/**
 * Every route of the API; the OpenAPI document, its page and the security tests read the same table. Literal paths go before those
 * with a parameter in their place.
 */
export const ROUTES: readonly AnyRoute[] = [
  ...DAG_ROUTES,
  ...DAG_FACT_ROUTES,
  ...DAG_VERSION_ROUTES,
  ...TRIGGER_ROUTES,
  ...RUN_ROUTES,
  ...RUN_COMMAND_ROUTES,
  ...WAIT_ROUTES,
  ...LOG_ROUTES,
  ...XCOM_ROUTES,
  ...TRY_ROUTES,
  ...REASON_ROUTES,
  ...MARK_ROUTES,
  ...TASK_ROUTES,
  ...TASK_BULK_ROUTES,
  ...POOL_ROUTES,
  ...VARIABLE_ROUTES,
  ...CONNECTION_ROUTES,
  ...BACKFILL_ROUTES,
  ...IMPORT_ERROR_ROUTES,
  ...EVENT_ROUTES,
  ...MONITOR_ROUTES,
  ...SELF_ROUTES,
];

/** The REST API, mounted at `/api`. */
export function apiRouter(deps: WebDeps): Router {
  const router = Router();
  let document: object | undefined;
  router.get("/openapi.json", requires("read", "self"), (_request, response) => {
    document ??= openApi(ROUTES, deps.version);
    response.json(document);
  });
  router.get("/docs", requires("read", "self"), docsPage(deps, ROUTES));
  for (const route of ROUTES) mount(router, route, deps);
  refuseOtherMethods(router, ["get"], "/openapi.json");
  refuseOtherMethods(router, ["get"], "/docs");
  for (const [path, methods] of methodsByPath(ROUTES)) refuseOtherMethods(router, methods, path);
  // Behind the login like everything else, so that strangers cannot tell which paths there are.
  router.use(requires("read", "self"), (_request, _response, next) =>
    next(new NotFoundError("The API has no such path. /api/docs lists all.")),
  );
  return router;
}

function methodsByPath(routes: readonly AnyRoute[]): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes) methods.set(path, [...(methods.get(path) ?? []), method]);
  return methods;
}

/** A path that exists, asked in a way that it does not know: 405 with what it knows. */
function refuseOtherMethods(router: Router, methods: readonly string[], path: string): void {
  const all = methods.includes("get") ? [...methods, "head"] : methods;
  const allowed = all.map((method) => method.toUpperCase()).join(", ");
  router.all(path, requires("read", "self"), (request, response, next) => {
    response.setHeader("Allow", allowed);
    if (request.method === "OPTIONS") response.status(204).end();
    else next(new SluiceError("method_not_allowed", `${request.method} is not possible here, only ${allowed}.`));
  });
}
