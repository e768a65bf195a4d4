import type { RequestHandler } from "express";
import { z } from "zod";
import type { WebDeps } from "../deps.ts";
import { sendPage } from "../pages/page.ts";
import { isInPath, permissionOf, statusOf } from "./openapi.ts";
import type { AnyRoute } from "./route.ts";

interface DocsView {
  readonly version: string;
  readonly baseUrl: string;
  readonly tags: readonly { readonly name: string; readonly anchor: string; readonly routes: readonly RouteView[] }[];
}

interface RouteView {
  readonly anchor: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly about: string;
  readonly permission: string;
  readonly status: number;
  readonly produces: string;
  readonly inputs: readonly InputView[];
  readonly outputs: readonly InputView[];
}

interface InputView {
  readonly name: string;
  readonly place: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly about: string;
}

/** JSON Schema, as far as the page reads it. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly description?: string;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** `/api/docs`: the same table as the OpenAPI document, for people. */
export function docsPage(deps: WebDeps, routes: readonly AnyRoute[]): RequestHandler {
  let model: DocsView | undefined;
  return async (request, response) => {
    model ??= { version: deps.version, baseUrl: deps.baseUrl(), tags: tagsOf(routes) };
    await sendPage(deps, request, response, { title: "REST API", page: "api-docs" }, "api-docs", model);
  };
}

function tagsOf(routes: readonly AnyRoute[]): DocsView["tags"] {
  const byTag = Map.groupBy(routes, (route) => route.tag);
  return [...byTag].map(([name, ofTag]) => ({ name, anchor: anchorOf(name), routes: ofTag.map(routeView) }));
}

function routeView(route: AnyRoute): RouteView {
  return {
    anchor: anchorOf(`${route.method} ${route.path}`),
    method: route.method.toUpperCase(),
    path: `/api${route.path.replace(/:(\w+)/g, "{$1}")}`,
    summary: route.summary,
    about: route.about?.replaceAll("`", "") ?? "",
    permission: permissionOf(route),
    status: statusOf(route),
    produces: (route.produces ?? (route.response ? ["application/json"] : [])).join(", "),
    inputs: [
      ...fieldsOf(route.params, "path", "input").filter(({ name }) => isInPath(route, name)),
      ...fieldsOf(route.query, "query", "input"),
      ...Object.entries(route.headers ?? {}).map(([name, about]) => ({
        name,
        place: "header",
        type: "string",
        isRequired: false,
        about,
      })),
      ...fieldsOf(route.body, "body", "input"),
    ],
    outputs: fieldsOf(route.response, "answer", "output"),
  };
}

function anchorOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}

function fieldsOf(schema: z.ZodType | undefined, place: string, io: "input" | "output"): InputView[] {
  if (!schema) return [];
  const json = z.toJSONSchema(schema, { io, unrepresentable: "any", target: "draft-2020-12" }) as Schema;
  const shapes = json.properties ? [json] : (json.anyOf ?? []);
  return shapes.flatMap((shape) =>
    Object.entries(shape.properties ?? {}).map(([name, field]) => ({
      name,
      place,
      type: typeOf(field),
      isRequired: place === "path" || (shape.required?.includes(name) ?? false),
      about: aboutOf(field),
    })),
  );
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => String(each)).join(" | ");
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return [...new Set(variants.map(typeOf))].join(" | ");
  if (schema.type === "array") return `${schema.items ? typeOf(schema.items) : "any"}[]`;
  if (schema.format === "date-time") return "date-time";
  return typeof schema.type === "string" ? schema.type : (schema.type?.join(" | ") ?? "any");
}

function aboutOf(schema: Schema): string {
  const standard = schema.default === undefined ? "" : `default ${JSON.stringify(schema.default)}`;
  return [schema.description?.replaceAll("`", ""), standard].filter(Boolean).join("; ");
}
