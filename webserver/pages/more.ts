import { Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { navOf, sendPage } from "./page.ts";

/** `/more`: what a narrow window's rail has no room for. */
export function moreRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/more", requires("read", "self"), async (request, response) => {
    const errors = await deps.store.dags.importErrors();
    const items = navOf(request)
      .filter((item) => item.isMore)
      .map(({ key, label, href, icon }) => ({
        label,
        href,
        icon,
        count: key === "import-errors" && errors.length > 0 ? String(errors.length) : "",
      }));
    await sendPage(deps, request, response, { title: "More", page: "more", nav: "more" }, "more", { items });
  });
  return router;
}
