import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import { ConflictError, InvalidInputError, NotFoundError, SluiceError } from "../core/errors.ts";
import type { WebDeps } from "./deps.ts";
import { renderErrorPage } from "./pages/error-page.ts";

/** Nothing matched. */
export const notFound: RequestHandler = (_request, _response, next) =>
  next(new NotFoundError("There is no such page or resource."));

/** Turns every error into the page or the JSON (`{detail}`, as Airflow) that the client asked for; nothing internal leaks. */
export function handleErrors(deps: WebDeps): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const status = statusOf(error);
    if (status >= 500)
      deps.logger.error(
        {
          error: error instanceof Error ? error.stack : String(error),
          url: request.originalUrl,
          requestId: response.locals.requestId,
        },
        "request failed",
      );
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (status === 503) response.setHeader("Retry-After", "2");
    if (wantsJson(request)) sendJson(error, status, response);
    else
      response
        .status(status)
        .type("html")
        .send(
          renderErrorPage(deps, request, {
            status,
            message: messageOf(error, status),
            requestId: String(response.locals.requestId),
          }),
        );
  };
}

function wantsJson(request: Request): boolean {
  return request.originalUrl.startsWith("/api/") || request.accepts(["html", "json"]) === "json";
}

function sendJson(error: unknown, status: number, response: Response): void {
  const issues = error instanceof InvalidInputError && error.issues.length > 0 ? { errors: error.issues } : {};
  response.status(status).json({ detail: messageOf(error, status), ...issues, request_id: response.locals.requestId });
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  unsupported_media_type: 415,
  invalid_input: 422,
  too_many_requests: 429,
  store_unavailable: 503,
};

/** HTTP status of an error: ours by class, those of the framework by their `status`, everything else 500. */
export function statusOf(error: unknown): number {
  if (error instanceof NotFoundError) return 404;
  if (error instanceof ConflictError) return 409;
  if (error instanceof InvalidInputError) return 422;
  if (error instanceof SluiceError) return STATUS_OF_CODE[error.code] ?? 400;
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status >= 400 && status < 600 ? status : 500;
}

function messageOf(error: unknown, status: number): string {
  if (error instanceof SluiceError) return error.message;
  if (status === 413) return "The request is too large: 1 MB at most.";
  if (status < 500 && error instanceof Error)
    return (error as { expose?: boolean }).expose === false ? "The request is not acceptable." : error.message;
  return "Something went wrong on our side. The request id finds it in the server's log.";
}
