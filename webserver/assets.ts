import { createHash } from "node:crypto";
import { parse } from "node:path";
import { fileURLToPath } from "node:url";
import { Router } from "express";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** The bundled client files and the addresses under which they are served for ever (their names hold their hash). */
export interface Assets {
  readonly js: string;
  readonly css: string;
  /** Script of the shared worker that holds the live stream for all tabs. */
  readonly hub: string;
  readonly files: ReadonlyMap<string, { readonly type: string; readonly body: Buffer }>;
}

let built: Promise<Assets> | undefined;

/** Bundles `client/` and `styles/` once per process; the first call holds up the event loop for it. */
export function assets(): Promise<Assets> {
  built ??= build();
  return built;
}

async function build(): Promise<Assets> {
  const esbuild = await import("esbuild");
  // Its own short-lived process: the asynchronous one would stay, and whoever ended it could end a build of the loader's.
  const result = esbuild.buildSync({
    absWorkingDir: HERE,
    entryPoints: { app: "client/main.ts", hub: "client/hub.ts", style: "styles/main.css" },
    bundle: true,
    minify: true,
    write: false,
    outdir: "out",
    format: "iife",
    target: ["es2022"],
    legalComments: "none",
  });
  const files = new Map<string, { type: string; body: Buffer }>();
  const paths: Record<string, string> = {};
  for (const file of result.outputFiles) {
    const body = Buffer.from(file.contents);
    const { name: entry, ext } = parse(file.path);
    const name = `${entry}-${createHash("sha256").update(body).digest("hex").slice(0, 12)}${ext}`;
    files.set(name, { type: ext === ".js" ? "text/javascript" : "text/css", body });
    paths[entry] = `/assets/${name}`;
  }
  return { js: paths.app ?? "", css: paths.style ?? "", hub: paths.hub ?? "", files };
}

/** `GET /assets/<name>`: open to everybody, cached for ever. */
export function assetsRouter(): Router {
  const router = Router();
  router.get("/assets/:name", async (request, response, next) => {
    const file = (await assets()).files.get(String(request.params.name));
    if (!file) return next();
    response.setHeader("Cache-Control", "public, max-age=31536000, immutable");
    response.type(file.type).send(file.body);
  });
  return router;
}
