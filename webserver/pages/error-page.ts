import type { Request } from "express";
import type { WebDeps } from "../deps.ts";
import { render } from "../view.ts";

/** The page for an error: what happened, the request id, and the ways on. Works without database and client files. */
export function renderErrorPage(
  _deps: WebDeps,
  request: Request,
  error: { readonly status: number; readonly message: string; readonly requestId: string },
): string {
  return render("error", {
    status: error.status,
    message: error.message,
    requestId: error.requestId,
    path: request.originalUrl.slice(0, 200),
    isLoggedIn: request.access !== undefined,
  });
}
