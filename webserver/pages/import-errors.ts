import { Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { formOf, rawTextOf } from "../forms/input.ts";
import { outcomeOf } from "../forms/outcome.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { dagPath } from "./paths.ts";
import { type TimeView, timeView } from "./time.ts";

/** `/admin/import-errors`: DAG files that do not load, each with its place, message and what still runs. */
export function importErrorsRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/admin/import-errors", requires("read", "import_error"), async (request, response) => {
    const [errors, files] = await Promise.all([deps.store.dags.importErrors(), deps.store.dags.files()]);
    const now = deps.clock.now();
    const model: ImportErrorsView = {
      folder: deps.dagsFolder,
      canReparse: deps.reparse !== undefined,
      errors: errors.map((error) => ({
        file: error.file,
        where: placeOf(error),
        message: error.message,
        stack: error.stack !== null && error.stack.trim() !== error.message.trim() ? error.stack : "",
        isShort: (error.stack ?? "").split("\n").length <= SHORT_STACK,
        since: timeView(error.createdAt, now),
        inService: files
          .filter((each) => each.file === error.file)
          .map((each) => ({ dagId: each.dagId, href: dagPath(each.dagId) })),
      })),
    };
    const frame = {
      title: "Import errors",
      page: "import-errors",
      nav: "import-errors" as const,
      crumbs: [{ label: "Admin" }],
    };
    await sendPage(deps, request, response, frame, "import-errors", model);
  });
  router.post("/admin/import-errors/reparse", requires("operate", "dag"), async (request, response) => {
    const file = rawTextOf(formOf(request.body), "file");
    const { reparse } = deps;
    const back = "/admin/import-errors";
    if (!reparse) {
      redirectWithFlash(
        response,
        back,
        "No loader runs in this process; it reads the file when it is saved.",
        "failed",
      );
      return;
    }
    const done = await outcomeOf(() => reparse(file === "" ? undefined : file));
    if (done.ok)
      redirectWithFlash(response, back, file === "" ? "All files were read again." : `${file} was read again.`);
    else redirectWithFlash(response, back, done.message, "failed");
  });
  return router;
}

/** Lines of a stack that is shown without being asked for. */
const SHORT_STACK = 20;

interface ImportErrorsView {
  readonly folder: string;
  readonly canReparse: boolean;
  readonly errors: readonly {
    readonly file: string;
    /** "billing/invoices.ts:12:4" */
    readonly where: string;
    readonly message: string;
    readonly stack: string;
    readonly isShort: boolean;
    readonly since: TimeView;
    /** DAGs of the file whose last good version still runs. */
    readonly inService: readonly { readonly dagId: string; readonly href: string }[];
  }[];
}

function placeOf(error: {
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
}): string {
  if (error.line === null) return error.file;
  return error.column === null ? `${error.file}:${error.line}` : `${error.file}:${error.line}:${error.column}`;
}
