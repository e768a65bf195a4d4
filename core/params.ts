import { z } from "zod";
import type { DagDefinition } from "./definition.ts";
import type { Json, JsonObject } from "./json.ts";

/** What is wrong with one param. `path` is dotted ("rows.0.name"), empty for the params as a whole. */
export interface ParamIssue {
  readonly path: string;
  readonly message: string;
}

/** The params of a run, or why there are none. */
export type MergedParams =
  | { readonly ok: true; readonly params: JsonObject }
  | { readonly ok: false; readonly issues: readonly ParamIssue[] };

/**
 * The params of a run: the DAG's defaults, overridden key by key by what the user sent, checked by the DAG's JSON
 * Schema with nested defaults filled in. Keys that the schema does not know are kept unless it forbids them; a DAG
 * without params takes anything. Refused at any depth: a key `__proto__`, and nesting deeper than 64 levels.
 */
export function mergeParams(
  definition: Pick<DagDefinition, "params" | "paramDefaults">,
  conf: JsonObject,
): MergedParams {
  const forbidden = forbiddenInput(conf);
  if (forbidden.length > 0) return { ok: false, issues: forbidden };
  const merged: JsonObject = { ...definition.paramDefaults, ...conf };
  if (definition.params === undefined) return { ok: true, params: merged };
  const schema = compileSchema(definition.params);
  if (typeof schema === "string") return { ok: false, issues: [{ path: "", message: schema }] };
  const result = schema.safeParse(merged);
  if (result.success) return { ok: true, params: result.data as JsonObject };
  return { ok: false, issues: result.error.issues.map(describeIssue) };
}

/** The checker of a JSON Schema, or why it cannot be checked (external `$ref`, if/then/else, not …). */
function compileSchema(params: JsonObject): z.ZodType | string {
  try {
    return z.fromJSONSchema(params as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `cannot be checked, because of the DAG's params schema: ${why}`;
  }
}

function describeIssue(issue: z.core.$ZodIssue): ParamIssue {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys" && issue.keys.length === 1) {
    return { path: [...path, ...issue.keys].join("."), message: "is not a param of this DAG" };
  }
  if (issue.code === "invalid_type" && issue.input === undefined && issue.message.endsWith("received undefined")) {
    return { path: path.join("."), message: "is required" };
  }
  return { path: path.join("."), message: issue.message };
}

/** What nobody nests by hand, and what later recursive code (JSON.stringify, schemas) still survives. */
const MAX_DEPTH = 64;

/** `__proto__` in a JSON text makes an own key, which a later merge would take for the prototype. */
function forbiddenInput(conf: JsonObject): ParamIssue[] {
  const issues: ParamIssue[] = [];
  const open: { readonly value: Json; readonly path: readonly string[] }[] = [{ value: conf, path: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next.value !== "object" || next.value === null) continue;
    if (next.path.length > MAX_DEPTH) {
      issues.push({ path: next.path.slice(0, 3).join("."), message: `is nested more than ${MAX_DEPTH} levels deep` });
      continue;
    }
    for (const [key, inner] of Object.entries(next.value)) {
      const path = [...next.path, key];
      if (key === "__proto__") issues.push({ path: path.join("."), message: "is not allowed as a key" });
      else if (typeof inner === "object" && inner !== null) open.push({ value: inner, path });
    }
  }
  return issues;
}
