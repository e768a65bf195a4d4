import { z } from "zod";
import { neededRole } from "../auth/policy.ts";
import type { AnyRoute } from "./route.ts";

const error = {
  type: "object",
  required: ["detail"],
  properties: {
    detail: { type: "string" },
    errors: {
      type: "array",
      items: { type: "object", properties: { path: { type: "string" }, message: { type: "string" } } },
    },
    request_id: { type: "string" },
  },
};
/** Answers that every route may give, and those of writing ones. */
const ERRORS = {
  "400": "Not HTTP or not JSON",
  "401": "Not logged in",
  "403": "Not allowed",
  "404": "Not found",
  "422": "Not acceptable; `errors` names each field",
  "503": "The database is away; try again after `Retry-After`",
};
const WRITE_ERRORS = {
  "409": "Contradicts the present state",
  "413": "The body is larger than 1 MB",
  "415": "The body is not application/json",
};

/** The OpenAPI 3.1 document of a route table; nothing in it is written by hand. */
export function openApi(routes: readonly AnyRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = `/api${route.path.replace(/:(\w+)/g, "{$1}")}`;
    paths[path] ??= {};
    (paths[path] ?? {})[route.method] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Sluice",
      version,
      description:
        "Airflow's paths under /api/v2, and under /api/sluice/v1 what Airflow has no path for. Dates are ISO 8601, durations seconds.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: { Error: error },
      securitySchemes: {
        token: { type: "http", scheme: "bearer" },
        session: { type: "apiKey", in: "cookie", name: "sluice_session" },
      },
    },
  };
}

function operation(route: AnyRoute): object {
  const parameters = [
    ...parametersOf(route.params, "path").filter(({ name }) => isInPath(route, name)),
    ...parametersOf(route.query, "query"),
    ...Object.entries(route.headers ?? {}).map(([name, description]) => ({
      name,
      in: "header",
      required: false,
      schema: { type: "string" },
      description,
    })),
  ];
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    description: [route.about, permissionOf(route)].filter(Boolean).join("\n\n"),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: { "application/json": { schema: schemaOf(route.body, "input") } },
          },
        }
      : {}),
    responses: { [String(statusOf(route))]: success(route), ...errorsOf(route) },
  };
}

/** Stable and unique: clients make method names of it. */
function operationId(route: AnyRoute): string {
  return `${route.method}_${route.path.replace(/^\/|:/g, "").replace(/\W+/g, "_")}`;
}

/** The status of an answer without an error. */
export function statusOf(route: AnyRoute): number {
  return route.status ?? (route.response ? 200 : 204);
}

/** The right that a route asks for, as a sentence. */
export function permissionOf(route: AnyRoute): string {
  return `Needs the right to ${route.verb} ${route.kind.replace("_", " ")}: role ${neededRole(route.verb, route.kind)}.`;
}

function success(route: AnyRoute): object {
  const types = route.produces ?? (route.response ? ["application/json"] : []);
  if (types.length === 0) return { description: "Done" };
  const schema = route.response ? schemaOf(route.response, "output") : {};
  return {
    description: "Done",
    content: Object.fromEntries(
      types.map((type) => [type, { schema: type === "application/json" ? schema : { type: "string" } }]),
    ),
  };
}

function errorsOf(route: AnyRoute): object {
  const errors: Record<string, string> = {
    ...ERRORS,
    ...(route.method === "get" ? {} : WRITE_ERRORS),
    ...(route.rate ? { "429": "Too often; `Retry-After` says when again" } : {}),
  };
  const content = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
  return Object.fromEntries(Object.entries(errors).map(([code, description]) => [code, { description, content }]));
}

/** Routes share schemas of paths, and not each has all of their parameters. */
export function isInPath(route: AnyRoute, name: string): boolean {
  return route.path.split("/").includes(`:${name}`);
}

function parametersOf(schema: z.ZodType | undefined, place: "path" | "query") {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input") as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: property,
    ...(property.description ? { description: property.description } : {}),
  }));
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", target: "draft-2020-12" });
  return rest;
}
