import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import compression from "compression";
import express, { type Express } from "express";
import { apiRouter } from "./api/router.ts";
import { assetsRouter } from "./assets.ts";
import { authenticate, requires } from "./auth/authenticate.ts";
import type { WebDeps } from "./deps.ts";
import { handleErrors, notFound } from "./errors.ts";
import { eventsRouter } from "./events.ts";
import { healthRouter } from "./health.ts";
import { loginRouter } from "./login.ts";
import { pagesRouter } from "./pages/router.ts";

const STATIC = fileURLToPath(new URL("./static/", import.meta.url));

/** Largest request body; larger ones get 413. */
const BODY_LIMIT = "1mb";

/** Everything the browser may do: our own files only, no inline script or style, no framing (ui.md, security baseline). */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** The whole web server: pages, REST, live stream, health. Listening is the caller's business. */
export function createApp(deps: WebDeps): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  app.use((request, response, next) => {
    response.locals.requestId = randomUUID();
    response.setHeader("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Referrer-Policy", "same-origin");
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    if (deps.baseUrl().startsWith("https:")) response.setHeader("Strict-Transport-Security", "max-age=31536000");
    if (request.method === "TRACE") response.status(405).end();
    else next();
  });
  app.use(healthRouter(deps));
  app.use(assetsRouter());
  app.use("/static", express.static(STATIC, { index: false, maxAge: "1h", fallthrough: false }));
  // Streams are never compressed: a compressor holds events back.
  app.use(
    compression({
      filter: (request, response) => !request.path.startsWith("/events") && compression.filter(request, response),
    }),
  );
  app.use(authenticate(deps));
  // Before bodies are read: strangers do not make the server unpack and parse for them.
  app.use("/api", requires("read", "self"));
  app.use(express.json({ limit: BODY_LIMIT, strict: true }));
  app.use(express.urlencoded({ limit: BODY_LIMIT, extended: false, parameterLimit: 2_000 }));
  app.use((_request, response, next) => {
    response.setHeader("Cache-Control", "no-store");
    next();
  });
  app.use(loginRouter(deps));
  app.use(eventsRouter(deps));
  app.use("/api", apiRouter(deps));
  app.use(pagesRouter(deps));
  app.use(notFound);
  app.use(handleErrors(deps));
  return app;
}
