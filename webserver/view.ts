import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ejs from "ejs";

const VIEWS = fileURLToPath(new URL("./views/", import.meta.url));

type Template = (it: object) => string;
const cache = new Map<string, { template: Template; mtimeMs: number }>();

/**
 * With `SLUICE_DEV=1` templates are looked at again when their file changed, and a field that the view model lacks is an error
 * instead of an empty place. Off in production for speed.
 */
const isDev = () => process.env.SLUICE_DEV === "1";

/**
 * Renders one template of `views/` with its view model, which the template sees as `it`. `<%= %>` escapes; `<%- %>` is for
 * `it.include("partials/x", model)`, which shows the partial exactly that model, and for values whose name ends in `Html`,
 * which our own code made. Request data is never passed as options.
 */
export function render(name: string, it: object): string {
  return load(name)(isDev() ? strict(it, name) : it);
}

/** The same view model, except that reading a field it does not have throws: EJS itself would print nothing. */
function strict<T extends object>(model: T, where: string): T {
  return new Proxy(model, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof key === "string" && key !== "toJSON" && !(key in target) && !Array.isArray(target))
        throw new TypeError(`The view "${where}" reads "${key}", which its model does not have`);
      return typeof value === "object" && value !== null && isPlain(value)
        ? strict(value, `${where}.${String(key)}`)
        : value;
    },
  });
}

function isPlain(value: object): boolean {
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

function load(name: string): Template {
  const path = join(VIEWS, `${name}.ejs`);
  const known = cache.get(path);
  if (known && (!isDev() || statSync(path).mtimeMs === known.mtimeMs)) return known.template;
  const compiled = ejs.compile(readFileSync(path, "utf8"), {
    filename: path,
    strict: true,
    _with: false,
    localsName: "it",
    cache: false,
    rmWhitespace: false,
    // EJS would copy the model, which takes the strictness away; ours are never made of request data.
    unsafePrototypeLocals: true,
  } as ejs.Options) as unknown as Template;
  const include = (partial: string, model: object) => render(partial, model);
  const template: Template = (it) => compiled(withInclude(it, include));
  cache.set(path, { template, mtimeMs: statSync(path).mtimeMs });
  return template;
}

/** `it` with `include`; inherits instead of copying, so that a strict model stays strict. */
function withInclude(it: object, include: (partial: string, model: object) => string): object {
  return Object.create(it, { include: { value: include } });
}
