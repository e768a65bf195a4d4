import { type Request, type Response, Router } from "express";
import { SluiceError } from "../core/errors.ts";
import { cookie, requires, SESSION_COOKIE } from "./auth/authenticate.ts";
import { RateLimiter } from "./auth/rate-limit.ts";
import { hashToken, redeemLoginLink } from "./auth/sessions.ts";
import type { WebDeps } from "./deps.ts";
import { renderLoginPage } from "./pages/login-page.ts";

/** Attempts to log in by one address. */
const LOGIN_RATE = { burst: 60, perMinute: 30 };

/** Logging in by one-time link: opening it uses it up. A browser that merely prefetches it gets a page with a button instead. */
export function loginRouter(deps: WebDeps): Router {
  const router = Router();
  const attempts = new RateLimiter(deps.clock, LOGIN_RATE);
  const redeemAtMost = (request: Request, response: Response) => {
    const seconds = attempts.take(request.socket.remoteAddress ?? "");
    if (seconds === 0) return redeem(deps, request, response);
    response.setHeader("Retry-After", String(seconds));
    throw new SluiceError("too_many_requests", `Too many logins from your address. Try again in ${seconds} s.`);
  };
  router.get("/login", (request, response) => {
    if (request.access) return response.redirect(303, localPath(request.query.next));
    response.type("html").send(renderLoginPage({ next: localPath(request.query.next) }));
  });
  router.get("/login/:token", (request, response) => {
    const isPrefetch = `${request.headers["sec-purpose"] ?? ""}${request.headers.purpose ?? ""}`.includes("prefetch");
    if (request.method === "GET" && !isPrefetch) return redeemAtMost(request, response);
    response
      .type("html")
      .send(renderLoginPage({ token: String(request.params.token), next: localPath(request.query.next) }));
  });
  router.post("/login/:token", redeemAtMost);
  router.post("/logout", requires("write", "self"), async (request, response) => {
    const value = cookie(request, SESSION_COOKIE);
    if (value) await deps.store.access.deleteSession(hashToken(value));
    response.clearCookie(SESSION_COOKIE, { path: "/" });
    response.redirect(303, "/login");
  });
  return router;
}

async function redeem(deps: WebDeps, request: Request, response: Response): Promise<void> {
  const opened = await redeemLoginLink(deps.store, deps.clock, String(request.params.token), deps.sessionMs);
  if (!opened) {
    response
      .status(401)
      .type("html")
      .send(
        renderLoginPage({
          problem: "This link was used already, is older than 15 minutes, or is not complete.",
          next: "/",
        }),
      );
    return;
  }
  await deps.store.commit(
    [{ kind: "event", name: "session.opened", detail: { user: opened.user.username } }],
    `user:${opened.user.username}`,
  );
  response.cookie(SESSION_COOKIE, opened.cookie, {
    httpOnly: true,
    sameSite: "lax",
    secure: deps.baseUrl().startsWith("https:"),
    path: "/",
    maxAge: deps.sessionMs,
    encode: String,
  });
  response.redirect(303, localPath((request.body as { next?: unknown } | undefined)?.next ?? request.query.next));
}

/** A path on this very server, or "/": never another host, whatever encoding is tried. */
export function localPath(given: unknown): string {
  if (
    typeof given !== "string" ||
    !/^\/(?![/\\])[\x21-\x7e]*$/.test(given) ||
    given.includes("\\") ||
    given.startsWith("/login")
  )
    return "/";
  try {
    const url = new URL(given, "http://sluice.invalid");
    return url.host === "sluice.invalid" ? url.pathname + url.search + url.hash : "/";
  } catch {
    return "/";
  }
}
