import type { Json, JsonObject } from "../../core/json.ts";
import type { FieldKind } from "./field.ts";

/** One param of a DAG as its form asks for it. */
export interface ParamSpec {
  readonly name: string;
  readonly kind: "text" | "longText" | "number" | "boolean" | "choice" | "date" | "dateTime" | "json";
  /** Which control the browser draws for a text. */
  readonly control: FieldKind;
  readonly label: string;
  readonly hint: string;
  /** Must be given: it is required and has no default. */
  readonly isRequired: boolean;
  readonly isNullable: boolean;
  readonly defaultValue: Json | undefined;
  readonly choices: readonly { readonly value: Json; readonly label: string }[];
  readonly min: string;
  readonly max: string;
  readonly step: string;
}

/** The params of a DAG from its JSON Schema (2020-12, type object), in the author's order. What is not understood is asked for as JSON. */
export function paramSpecs(schema: JsonObject | undefined, defaults: JsonObject | undefined): readonly ParamSpec[] {
  if (schema === undefined) return [];
  const properties = objectOf(schema.properties);
  const required = Array.isArray(schema.required) ? (schema.required as readonly Json[]) : [];
  return Object.entries(properties).map(([name, property]) => {
    const plain = simplified(objectOf(property), schema);
    const defaultValue = defaults && Object.hasOwn(defaults, name) ? defaults[name] : plain.schema.default;
    return specOf(name, plain.schema, {
      isNullable: plain.isNullable,
      isRequired: required.includes(name) && defaultValue === undefined,
      defaultValue,
    });
  });
}

interface Facts {
  readonly isNullable: boolean;
  readonly isRequired: boolean;
  readonly defaultValue: Json | undefined;
}

function specOf(name: string, schema: JsonObject, facts: Facts): ParamSpec {
  const base = {
    name,
    label: typeof schema.title === "string" ? schema.title : name,
    hint: hintOf(name, schema),
    choices: choicesIn(schema),
    min: numberText(schema.minimum),
    max: numberText(schema.maximum),
    step: "",
    ...facts,
  };
  if (base.choices.length > 0) return { ...base, kind: "choice", control: "select" };
  switch (schema.type) {
    case "boolean":
      // A box that is not ticked says "no"; where nothing at all may be said, there is a third way.
      return { ...base, kind: "boolean", control: isTwoWay(facts) ? "checkbox" : "select" };
    case "integer":
      return { ...base, kind: "number", control: "number", step: "1" };
    case "number":
      return { ...base, kind: "number", control: "number", step: "any" };
    case "string":
      return { ...base, ...textKind(schema, facts.defaultValue) };
    default:
      return { ...base, kind: "json", control: "textarea", hint: joined(base.hint, "JSON") };
  }
}

function isTwoWay(facts: Facts): boolean {
  return !facts.isNullable && (facts.isRequired || typeof facts.defaultValue === "boolean");
}

function textKind(
  schema: JsonObject,
  defaultValue: Json | undefined,
): Partial<ParamSpec> & Pick<ParamSpec, "kind" | "control"> {
  if (schema.writeOnly === true) return { kind: "text", control: "password" };
  switch (schema.format) {
    case "date":
      return { kind: "date", control: "date", min: "", max: "" };
    case "date-time":
      return { kind: "dateTime", control: "datetime-local", step: "1", hint: joined(hintOf("", schema), "UTC") };
    case "email":
      return { kind: "text", control: "email" };
    case "uri":
      return { kind: "text", control: "url" };
    case "password":
      return { kind: "text", control: "password" };
    default: {
      const isLong =
        (typeof schema.maxLength === "number" && schema.maxLength > 200) ||
        (typeof defaultValue === "string" && defaultValue.includes("\n"));
      return isLong ? { kind: "longText", control: "textarea" } : { kind: "text", control: "text" };
    }
  }
}

function hintOf(name: string, schema: JsonObject): string {
  const parts: string[] = [];
  if (typeof schema.description === "string") parts.push(schema.description);
  if (typeof schema.title === "string" && schema.title !== name && name !== "") parts.push(name);
  const { minimum, maximum, pattern, format } = schema;
  if (typeof minimum === "number" && typeof maximum === "number" && isShown(minimum) && isShown(maximum))
    parts.push(`${minimum} to ${maximum}`);
  else if (typeof minimum === "number" && isShown(minimum)) parts.push(`${minimum} or more`);
  else if (typeof maximum === "number" && isShown(maximum)) parts.push(`${maximum} or less`);
  // Patterns beside a format are generated and say nothing to people.
  if (typeof pattern === "string" && format === undefined) parts.push(`matches ${pattern}`);
  if (typeof format === "string" && ["time", "duration", "uuid", "ipv4", "ipv6"].includes(format)) parts.push(format);
  return parts.join(" · ");
}

/** zod writes the limits of safe integers out. */
function isShown(limit: number): boolean {
  return Math.abs(limit) < Number.MAX_SAFE_INTEGER;
}

function joined(hint: string, more: string): string {
  return hint === "" ? more : `${hint} · ${more}`;
}

function choicesIn(schema: JsonObject): ParamSpec["choices"] {
  if (Array.isArray(schema.enum))
    return (schema.enum as readonly Json[]).map((value) => ({ value, label: choiceText(value) }));
  if (schema.const !== undefined) return [{ value: schema.const, label: choiceText(schema.const) }];
  const list = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(list)) return [];
  const all = (list as readonly Json[]).map(objectOf);
  if (all.length === 0 || !all.every((each) => each.const !== undefined)) return [];
  return all.map((each) => {
    const value = each.const ?? null;
    return { value, label: typeof each.title === "string" ? each.title : choiceText(value) };
  });
}

/** Follows a local `$ref` and takes "or null" apart. */
function simplified(schema: JsonObject, root: JsonObject, depth = 0): { schema: JsonObject; isNullable: boolean } {
  if (depth > 8) return { schema: {}, isNullable: false };
  if (typeof schema.$ref === "string") {
    const { $ref, ...rest } = schema;
    const target = simplified({ ...objectOf(refOf(root, $ref as string)), ...rest }, root, depth + 1);
    return target;
  }
  const list = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(list)) {
    const all = (list as readonly Json[]).map(objectOf);
    const others = all.filter((each) => each.type !== "null");
    const only = others[0];
    if (others.length === 1 && only !== undefined && others.length < all.length) {
      const { anyOf: _anyOf, oneOf: _oneOf, ...rest } = schema;
      return { schema: simplified({ ...only, ...rest }, root, depth + 1).schema, isNullable: true };
    }
  }
  if (Array.isArray(schema.type)) {
    const types = (schema.type as readonly Json[]).filter((type) => type !== "null");
    if (types.length === 1)
      return { schema: { ...schema, type: types[0] ?? "string" }, isNullable: types.length < schema.type.length };
  }
  return { schema, isNullable: false };
}

function refOf(root: JsonObject, ref: string): Json | undefined {
  if (!ref.startsWith("#/")) return undefined;
  let at: Json | undefined = root;
  for (const part of ref.slice(2).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const from: JsonObject = objectOf(at);
    at = Object.hasOwn(from, key) ? from[key] : undefined;
  }
  return at;
}

function objectOf(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

function numberText(value: Json | undefined): string {
  return typeof value === "number" && isShown(value) ? String(value) : "";
}

/** A choice as a form's text: strings as they are, everything else as JSON. */
export function choiceText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
