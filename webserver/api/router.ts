import { Router } from "express";
import { NotFoundError } from "../../core/errors.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { ADMIN_ROUTES } from "./admin.ts";
import { BACKFILL_ROUTES } from "./backfills.ts";
import { RUN_ROUTES } from "./dag-runs.ts";
import { DAG_ROUTES } from "./dags.ts";
import { LOG_ROUTES } from "./logs.ts";
import { openApi } from "./openapi.ts";
import { type AnyRoute, mount } from "./route.ts";
import { SYSTEM_ROUTES } from "./system.ts";
import { TASK_ROUTES } from "./task-instances.ts";
import { XCOM_ROUTES } from "./xcoms.ts";

/** Every route of the API; the OpenAPI document and the security tests read the same table. Literal paths go before those with a parameter in their place. */
export const ROUTES: readonly AnyRoute[] = [
  ...DAG_ROUTES,
  ...RUN_ROUTES,
  ...LOG_ROUTES,
  ...XCOM_ROUTES,
  ...TASK_ROUTES,
  ...ADMIN_ROUTES,
  ...BACKFILL_ROUTES,
  ...SYSTEM_ROUTES,
];

/** The REST API, mounted at `/api`. */
export function apiRouter(deps: WebDeps): Router {
  const router = Router();
  let document: object | undefined;
  router.get("/openapi.json", requires("read", "self"), (_request, response) => {
    document ??= openApi(ROUTES, deps.version);
    response.json(document);
  });
  for (const route of ROUTES) mount(router, route, deps);
  router.use((_request, _response, next) =>
    next(new NotFoundError("The API has no such path. /api/openapi.json lists all.")),
  );
  return router;
}
