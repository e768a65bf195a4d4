import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ejs from "ejs";

const VIEWS = fileURLToPath(new URL("./views/", import.meta.url));

type Template = (it: object) => string;
const cache = new Map<string, { template: Template; mtimeMs: number }>();

/** Whether templates are looked at again when their file changed; off in production for speed. */
const isWatching = process.env.SLUICE_DEV === "1";

/**
 * Renders one template of `views/` with its view model, which the template sees as `it`. `<%= %>` escapes; `<%- %>` is for
 * `it.include("partials/x", model)`, which shows the partial exactly that model, and for values whose name ends in `Html`,
 * which our own code made. Request data is never passed as options.
 */
export function render(name: string, it: object): string {
  return load(name)(it);
}

function load(name: string): Template {
  const path = join(VIEWS, `${name}.ejs`);
  const known = cache.get(path);
  if (known && (!isWatching || statSync(path).mtimeMs === known.mtimeMs)) return known.template;
  const compiled = ejs.compile(readFileSync(path, "utf8"), {
    filename: path,
    strict: true,
    _with: false,
    localsName: "it",
    cache: false,
    rmWhitespace: false,
  });
  const template: Template = (it) =>
    compiled({ ...it, include: (partial: string, model: object) => render(partial, model) });
  cache.set(path, { template, mtimeMs: statSync(path).mtimeMs });
  return template;
}
