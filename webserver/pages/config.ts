import { Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { sendPage } from "./page.ts";

interface ConfigView {
  readonly version: string;
  readonly schemaVersion: string;
  readonly dialect: string;
  readonly settings: ReturnType<WebDeps["settings"]>;
}

/** `/admin/config`: the settings in force, each with where it came from; secrets masked. */
export function configRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/admin/config", requires("read", "config"), async (request, response) => {
    const model: ConfigView = {
      version: deps.version,
      schemaVersion: await deps.store.admin.schemaVersion(),
      dialect: deps.store.dialect,
      settings: deps.settings(),
    };
    const frame = { title: "Configuration", page: "config", nav: "config" as const, crumbs: [{ label: "Admin" }] };
    await sendPage(deps, request, response, frame, "config", model);
  });
  return router;
}
