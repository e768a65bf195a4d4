import { Router } from "express";
import type { WebDeps } from "../deps.ts";
import { dagListRouter } from "./dag-list.ts";
import { homeRouter } from "./home.ts";
import { triggerRouter } from "./trigger.ts";

/** Every page of the server, one router per file; an address belongs to the first that takes it. */
const PAGES: readonly ((deps: WebDeps) => Router)[] = [homeRouter, dagListRouter, triggerRouter];

/** All pages behind the login. */
export function pagesRouter(deps: WebDeps): Router {
  const router = Router();
  for (const page of PAGES) router.use(page(deps));
  return router;
}
