import { z } from "zod";
import { InvalidInputError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { DateRange, Page } from "../../store/store.ts";

/** Ids as they may appear in paths: what Airflow allows, and nothing that means something in a path, URL or shell. */
export const dagId = z.string().regex(/^[\p{L}\p{N}_.~:+-]{1,250}$/u, "is not a valid id");
export const runId = z.string().regex(/^[A-Za-z0-9_.~:+-]{1,250}$/, "is not a valid run id");
export const taskId = dagId;
/** Airflow's "all DAGs" or "all runs". */
export const orAll = <T extends z.ZodType>(schema: T) => z.literal("~").or(schema);

/** Names of variables, connections and pools: whatever can be seen and typed. No dots alone, which addresses take for folders. */
export const thingName = z
  .string()
  .regex(/^(?! )[^\p{C}\p{Zl}\p{Zp}]{1,250}(?<! )$/u, "must be 1 to 250 visible characters without space around them")
  .refine((text) => !/^\.+$/.test(text), "may not be dots only");

/** A whole number in the query string. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));
export const flag = z
  .enum(["true", "false", "True", "False", "1", "0"])
  .transform((text) => text.toLowerCase() === "true" || text === "1");

/** Dates of the API: ISO 8601 with an offset; what is stored is epoch ms. */
export const instant = z.iso.datetime({ offset: true }).transform((text, context) => {
  const value = Date.parse(text);
  if (Number.isFinite(value) && value > -62_135_596_800_000 && value < 253_402_300_800_000) return value;
  context.addIssue({ code: "custom", message: "is out of range" });
  return z.NEVER;
});

/** `limit` (default 50, at most 1,000) and `offset`. */
export const pageQuery = {
  limit: wholeNumber(0, 1_000).optional(),
  offset: wholeNumber(0, 2_147_483_647).optional(),
};

export function pageOf(query: { readonly limit?: number; readonly offset?: number }): Page {
  return { limit: query.limit ?? 50, offset: query.offset ?? 0 };
}

/** `<name>_gte`, `_gt`, `_lte`, `_lt` for a date column. */
export function rangeQuery<N extends string>(name: N) {
  const optional = instant.optional();
  return {
    [`${name}_gte`]: optional,
    [`${name}_gt`]: optional,
    [`${name}_lte`]: optional,
    [`${name}_lt`]: optional,
  } as Record<`${N}_${"gte" | "gt" | "lte" | "lt"}`, typeof optional>;
}

/** The range that such query keys give, or undefined when none was given. */
export function rangeOf(query: object, name: string): DateRange | undefined {
  const at = (suffix: string) => (query as Record<string, number | undefined>)[`${name}_${suffix}`];
  const range = { gte: at("gte"), gt: at("gt"), lte: at("lte"), lt: at("lt") };
  return Object.values(range).some((value) => value !== undefined) ? range : undefined;
}

/** `order_by=name` or `-name`, from a list of allowed names. */
export function orderQuery<const N extends readonly [string, ...string[]]>(names: N) {
  return z
    .enum(names.flatMap((name) => [name, `-${name}`]) as [string, ...string[]])
    .optional()
    .describe(`One of ${names.join(", ")}; a leading - sorts descending`);
}

export function orderOf<N extends string>(value: string | undefined): { orderBy?: N; isDescending?: boolean } {
  if (value === undefined) return {};
  const isDescending = value.startsWith("-");
  return { orderBy: (isDescending ? value.slice(1) : value) as N, isDescending };
}

/** A query key that may be given several times; Express' simple parser gives a string or an array. */
export const repeated = <T extends z.ZodType>(item: T) =>
  z.union([item.transform((one) => [one]), z.array(item).max(200)]);

export const iso = (value: number | null): string | null => (value === null ? null : new Date(value).toISOString());
export const isoNow = (value: number): string => new Date(value).toISOString();
export const seconds = (from: number | null, to: number | null): number | null =>
  from === null || to === null ? null : (to - from) / 1_000;

/** A text filter: what contains it matches, whatever its case. `%` around it, as Airflow's users write, changes nothing. */
export const pattern = z
  .string()
  .max(250)
  .regex(/^[^\p{Cc}]*$/u, "holds control characters")
  .transform((text) => text.replace(/^%+|%+$/g, ""));

/** Whether a text passes such a filter; without one everything does. */
export function matches(text: string, wanted: string | undefined): boolean {
  return wanted === undefined || text.toLowerCase().includes(wanted.toLowerCase());
}

/** One page of rows that are all at hand. */
export function slice<T>(
  rows: readonly T[],
  query: { readonly limit?: number; readonly offset?: number },
): readonly T[] {
  const { limit = 50, offset = 0 } = pageOf(query);
  return rows.slice(offset, offset + limit);
}

/** Rows in the order of `order_by`; `keys` gives what each allowed name compares. Without one they stay as they are. */
export function sorted<T, N extends string>(
  rows: readonly T[],
  orderBy: string | undefined,
  keys: { readonly [name in N]: (row: T) => string | number },
): readonly T[] {
  const { orderBy: name, isDescending } = orderOf<N>(orderBy);
  if (name === undefined) return rows;
  const key = keys[name];
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(key(a), key(b)));
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Airflow's `update_mask`: only the fields it names are changed, whatever else the body holds. */
export function maskQuery<const N extends readonly [string, ...string[]]>(names: N) {
  return z.strictObject({ update_mask: repeated(z.enum(names)).optional() });
}

/** What of the body counts under an `update_mask`. */
export function unmasked<B extends object>(body: B, mask: readonly string[] | undefined): Partial<B> {
  if (!mask) return body;
  return Object.fromEntries(Object.entries(body).filter(([key]) => mask.includes(key))) as Partial<B>;
}

/** Schemas of answers. */
export const date = z.iso.datetime().nullable();
export const collection = <K extends string, T extends z.ZodType>(key: K, item: T) =>
  z.object({ [key]: z.array(item), total_entries: z.number().int() } as { [key in K]: z.ZodArray<T> } & {
    total_entries: z.ZodNumber;
  });

const MAX_DEPTH = 64;
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Any JSON value from a client: no prototype games, no bottomless nesting. Walked without recursion. */
export const safeJson = z.unknown().superRefine((value, context) => {
  const problem = value === undefined ? "is missing" : unsafeJson(value);
  if (problem) context.addIssue({ code: "custom", message: problem });
});

/** A JSON object from a client, checked like `safeJson`. */
export const jsonObject = safeJson
  .refine((value) => typeof value === "object" && value !== null && !Array.isArray(value), "must be an object")
  .transform((value) => value as JsonObject);

function unsafeJson(root: unknown): string | undefined {
  const stack: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = stack.pop(); next; next = stack.pop()) {
    if (typeof next.value !== "object" || next.value === null) continue;
    if (next.depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH}`;
    for (const [key, value] of Object.entries(next.value)) {
      if (FORBIDDEN_KEYS.has(key)) return `has the key "${key}", which is not allowed`;
      stack.push({ value, depth: next.depth + 1 });
    }
  }
  return undefined;
}

/** Refuses what a schema cannot see. */
export function refuse(path: string, message: string): never {
  throw new InvalidInputError(`The request is not acceptable: ${path} ${message}.`, [{ path, message }]);
}
