import { Router } from "express";
import type { WebDeps } from "../deps.ts";
import { auditRouter } from "./audit.ts";
import { backfillFormRouter } from "./backfill-form.ts";
import { backfillsRouter } from "./backfills.ts";
import { clearRouter } from "./clear.ts";
import { configRouter } from "./config.ts";
import { connectionsRouter } from "./connections.ts";
import { dagListRouter } from "./dag-list.ts";
import { DAG_PAGES } from "./dag-pages.ts";
import { homeRouter } from "./home.ts";
import { importErrorsRouter } from "./import-errors.ts";
import { markRouter } from "./mark.ts";
import { moreRouter } from "./more.ts";
import { notesRouter } from "./notes.ts";
import { poolsRouter } from "./pools.ts";
import { runsRouter } from "./runs.ts";
import { settingsRouter } from "./settings.ts";
import { tokensRouter } from "./tokens.ts";
import { triggerRouter } from "./trigger.ts";
import { variablesRouter } from "./variables.ts";

/** Every page of the server, one router per file; an address belongs to the first that takes it. */
const PAGES: readonly ((deps: WebDeps) => Router)[] = [
  homeRouter,
  dagListRouter,
  runsRouter,
  backfillsRouter,
  triggerRouter,
  backfillFormRouter,
  clearRouter,
  markRouter,
  notesRouter,
  moreRouter,
  importErrorsRouter,
  poolsRouter,
  variablesRouter,
  connectionsRouter,
  auditRouter,
  configRouter,
  tokensRouter,
  settingsRouter,
  ...DAG_PAGES,
];

/** All pages behind the login. */
export function pagesRouter(deps: WebDeps): Router {
  const router = Router();
  for (const page of PAGES) router.use(page(deps));
  return router;
}
