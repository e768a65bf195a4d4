import { z } from "zod";
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
const ERRORS = {
  "401": "Not logged in",
  "403": "Not allowed",
  "404": "Not found",
  "409": "Contradicts the present state",
  "422": "Not acceptable",
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
  const status = String(route.status ?? (route.response ? 200 : 204));
  const parameters = [...parametersOf(route.params, "path"), ...parametersOf(route.query, "query")];
  return {
    operationId: `${route.method}_${route.path.replace(/^\/|:/g, "").replace(/\W+/g, "_")}`,
    tags: [route.tag],
    summary: route.summary,
    description: `Needs permission to ${route.verb} ${route.kind.replace("_", " ")}.`,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body
      ? { requestBody: { required: true, content: { "application/json": { schema: schemaOf(route.body, "input") } } } }
      : {}),
    responses: {
      [status]: {
        description: "Done",
        ...(route.response ? { content: { "application/json": { schema: schemaOf(route.response, "output") } } } : {}),
      },
      ...Object.fromEntries(
        Object.entries(ERRORS).map(([code, description]) => [
          code,
          { description, content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } },
        ]),
      ),
    },
  };
}

function parametersOf(schema: z.ZodType | undefined, place: "path" | "query"): object[] {
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
