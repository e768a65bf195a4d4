import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { SessionRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { allow, type Principal, type ResourceKind, type Verb } from "./policy.ts";
import { hashToken, isCsrfToken } from "./sessions.ts";

/** Facts about the request that every handler may rely on after `authenticate`. */
export interface Access {
  readonly principal: Principal;
  readonly session: SessionRow | undefined;
}

declare module "express-serve-static-core" {
  interface Request {
    access?: Access;
  }
}

/** Name of the session cookie. */
export const SESSION_COOKIE = "sluice_session";

/** How exactly a token's last use is known; writing it down at each request would cost more than the request. */
const TOUCH_EVERY_MS = 60_000;

/** Finds out who asks: a session cookie, or `Authorization: Bearer …`. Sets `request.access`; refuses nothing. */
export function authenticate(deps: WebDeps): RequestHandler {
  return async (request, _response, next) => {
    request.access = (await fromBearer(deps, request)) ?? (await fromCookie(deps, request));
    next();
  };
}

async function fromBearer(deps: WebDeps, request: Request): Promise<Access | undefined> {
  const match = /^Bearer ([\w.-]{20,200})$/i.exec(request.headers.authorization ?? "");
  if (!match?.[1]) return undefined;
  const token = await deps.store.access.token(hashToken(match[1]));
  if (!token || token.revokedAt !== null) return undefined;
  if (token.lastUsedAt === null || deps.clock.now() - token.lastUsedAt > TOUCH_EVERY_MS)
    void deps.store.access.touchToken(token.id).catch(() => {});
  return {
    principal: { actor: `token:${token.name}`, name: token.name, role: token.role, userId: null, via: "token" },
    session: undefined,
  };
}

async function fromCookie(deps: WebDeps, request: Request): Promise<Access | undefined> {
  const value = cookie(request, SESSION_COOKIE);
  if (!value) return undefined;
  const session = await deps.store.access.session(hashToken(value));
  if (!session || session.expiresAt <= deps.clock.now()) return undefined;
  const user = await deps.store.access.userById(session.userId);
  if (!user?.isActive) return undefined;
  return {
    principal: {
      actor: `user:${user.username}`,
      name: user.username,
      role: user.role,
      userId: user.userId,
      via: "session",
    },
    session,
  };
}

/** One cookie of a request, undecoded; undefined when absent. */
export function cookie(request: Request, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [key, ...rest] = part.trim().split("=");
    if (key === name) return rest.join("=");
  }
  return undefined;
}

/**
 * Guards one route: logged in, allowed by the policy, and for writes by a browser session from our own pages (CSRF token and
 * `Sec-Fetch-Site`). Pages send people to the login; the API answers 401 or 403 as JSON.
 */
export function requires(verb: Verb, kind: ResourceKind): RequestHandler {
  const guard = (request: Request, response: Response, next: NextFunction) => {
    const access = request.access;
    if (!access) return refuse(request, response, 401, "Log in first.");
    const decision = allow(access.principal, verb, kind);
    if (!decision.isAllowed) return refuse(request, response, 403, decision.reason);
    if (!isSafe(request.method) && access.session && !isOwnForm(request, access.session)) {
      return refuse(
        request,
        response,
        403,
        "This form is stale or was sent from another site. Reload the page and try again.",
      );
    }
    next();
  };
  return Object.assign(guard, { policy: { verb, kind } });
}

function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}

function isOwnForm(request: Request, session: SessionRow): boolean {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  const body: unknown = request.body;
  const field = typeof body === "object" && body !== null ? (body as { _csrf?: unknown })._csrf : undefined;
  return isCsrfToken(session, request.headers["x-csrf-token"] ?? field);
}

function refuse(request: Request, response: Response, status: 401 | 403, detail: string): void {
  const isPage = !request.originalUrl.startsWith("/api/") && request.accepts(["html", "json"]) === "html";
  if (status === 401 && isPage && isSafe(request.method)) {
    response.redirect(303, `/login?next=${encodeURIComponent(request.originalUrl)}`);
    return;
  }
  if (!isPage) {
    if (status === 401) response.setHeader("WWW-Authenticate", "Bearer");
    response.status(status).json({ detail });
    return;
  }
  response.status(status);
  response.locals.refusal = detail;
  const error: Error & { status?: number; expose?: boolean } = new Error(detail);
  error.status = status;
  error.expose = true;
  request.next?.(error);
}
