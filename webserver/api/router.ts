import { Router } from "express";
import type { WebDeps } from "../deps.ts";
import { ADMIN_ROUTES } from "./admin.ts";
import { RUN_ROUTES } from "./dag-runs.ts";
import { DAG_ROUTES } from "./dags.ts";
import { LOG_ROUTES } from "./logs.ts";
import { type AnyRoute, mount } from "./route.ts";
import { TASK_ROUTES } from "./task-instances.ts";
import { XCOM_ROUTES } from "./xcoms.ts";

/** Every route of the API; the OpenAPI document and the security tests read the same table. */
export const ROUTES: readonly AnyRoute[] = [
  ...DAG_ROUTES,
  ...RUN_ROUTES,
  ...LOG_ROUTES,
  ...XCOM_ROUTES,
  ...TASK_ROUTES,
];

/** The REST API, mounted at `/api`. */
export function apiRouter(deps: WebDeps): Router {
  const router = Router();
  for (const route of ROUTES) mount(router, route, deps);
  return router;
}
