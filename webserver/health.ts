import { Router } from "express";
import type { WebDeps } from "./deps.ts";

/** `/healthz` (the process answers) and `/readyz` (database and scheduler do too); open, and they tell nothing else. */
export function healthRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/healthz", (_request, response) => {
    response.type("text/plain").send("ok\n");
  });
  router.get("/readyz", async (_request, response) => {
    const health = await deps.health();
    const isReady = health.metadatabase.status === "healthy" && health.scheduler.status === "healthy";
    response
      .status(isReady ? 200 : 503)
      .type("text/plain")
      .send(isReady ? "ready\n" : "not ready\n");
  });
  return router;
}
