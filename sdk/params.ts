import type { Json, JsonObject } from "../core/json.ts";

/**
 * A schema for a run's params: a zod 4 object, or any other schema that follows Standard Schema and can say itself as
 * JSON Schema. `P` is what handlers see.
 */
export interface ParamsSchema<P = unknown> {
  readonly "~standard": {
    readonly types?: { readonly input: unknown; readonly output: P } | undefined;
    readonly vendor: string;
    readonly version: 1;
    readonly validate: (value: unknown) => ParamsResult<P> | Promise<ParamsResult<P>>;
  };
}

type ParamsResult<P> = { readonly value: P; readonly issues?: undefined } | { readonly issues: readonly ParamsIssue[] };

interface ParamsIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The stored form of params. */
export interface StoredParams {
  readonly schema: JsonObject;
  readonly defaults: JsonObject;
  /** Params without a default, which a scheduled run could not fill in. */
  readonly missing: readonly string[];
}

/**
 * The JSON Schema and the defaults of a params schema.
 * @throws TypeError when it is not an object schema or has no JSON Schema.
 */
export function readParams(schema: ParamsSchema): StoredParams {
  const standard = schema["~standard"] as ParamsSchema["~standard"] & {
    readonly jsonSchema?: { input(options: { target: string }): { [key: string]: unknown } };
  };
  if (standard.jsonSchema === undefined) {
    throw new TypeError(
      `params: this ${standard.vendor} schema cannot say itself as JSON Schema; use zod 4.2 or newer`,
    );
  }
  const json = standard.jsonSchema.input({ target: "draft-2020-12" });
  if (json.type !== "object")
    throw new TypeError("params must be an object schema such as z.object({ day: z.iso.date() })");
  const stored = JSON.parse(JSON.stringify(json)) as JsonObject;
  const defaults = defaultsOf(stored);
  const required = Array.isArray(stored.required) ? (stored.required as readonly Json[]) : [];
  return {
    schema: stored,
    defaults,
    missing: required.filter((key): key is string => typeof key === "string" && !Object.hasOwn(defaults, key)),
  };
}

function defaultsOf(schema: JsonObject): JsonObject {
  const properties = (schema.properties ?? {}) as { readonly [key: string]: JsonObject };
  const entries = Object.entries(properties).flatMap(([key, property]): [string, Json][] => {
    if (property.default !== undefined) return [[key, property.default]];
    return [];
  });
  return Object.fromEntries(entries);
}

/**
 * What handlers see of a run's params: `params` passed through the schema, so that its transforms apply.
 * @throws TypeError listing what is wrong with them.
 */
export async function parseParams(schema: ParamsSchema, params: JsonObject): Promise<unknown> {
  const result = await schema["~standard"].validate(params);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ path = [], message }) => {
    const where = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
    return where === "" ? message : `${where}: ${message}`;
  });
  throw new TypeError(`The run's params do not fit the DAG's schema: ${issues.join("; ")}`);
}
