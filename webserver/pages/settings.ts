import { Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { choiceOf, formOf, textOf } from "../forms/input.ts";
import { localPath } from "../login.ts";

/** `/settings/theme`: how this person wants the pages to look, on every device. */
export function settingsRouter(deps: WebDeps): Router {
  const router = Router();
  router.post("/settings/theme", requires("write", "self"), async (request, response) => {
    const form = formOf(request.body);
    const theme = choiceOf(form, "theme", ["light", "dark", "system"], "system");
    const userId = request.access?.principal.userId;
    const user = userId === undefined || userId === null ? undefined : await deps.store.access.userById(userId);
    if (user) await deps.store.access.saveSettings(user.userId, { ...user.settings, theme });
    response.redirect(303, localPath(textOf(form, "next")));
  });
  return router;
}
