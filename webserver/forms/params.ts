import type { Json, JsonObject } from "../../core/json.ts";
import { type FieldView, field, issueOf, options } from "./field.ts";
import { type FormInput, flagOf, rawTextOf } from "./input.ts";
import { choiceText, type ParamSpec } from "./param-specs.ts";

type Issues = readonly { readonly path: string; readonly message: string }[];

/** Prefix of the params' names in forms and addresses. */
const PREFIX = "p.";

/** What stands in the fields at first: the defaults, or the values of an earlier run or an address. */
export function initialTexts(specs: readonly ParamSpec[], conf: JsonObject): FormInput {
  const texts: Record<string, string> = {};
  for (const spec of specs) {
    const value = Object.hasOwn(conf, spec.name) ? conf[spec.name] : spec.defaultValue;
    texts[PREFIX + spec.name] = value === undefined ? "" : textOfValue(spec, value);
  }
  return texts;
}

/** The fields with what was typed and what is wrong with it. */
export function paramFields(specs: readonly ParamSpec[], typed: FormInput, issues: Issues): readonly FieldView[] {
  return specs.map((spec) => {
    const value = rawTextOf(typed, PREFIX + spec.name);
    return field({
      kind: spec.control,
      name: PREFIX + spec.name,
      label: spec.label,
      hint: spec.hint,
      value,
      error: issueOf(issues, spec.name),
      isRequired: spec.isRequired,
      isChecked: spec.control === "checkbox" && flagOf(typed, PREFIX + spec.name),
      min: spec.min,
      max: spec.max,
      step: spec.step,
      rows: spec.kind === "json" ? Math.min(12, Math.max(3, value.split("\n").length)) : 4,
      options: choicesOf(spec, value),
    });
  });
}

/** The conf that a posted form means, and what could not be read in it. Fields left empty are left out. */
export function readParams(specs: readonly ParamSpec[], form: FormInput): { conf: JsonObject; issues: Issues } {
  const conf: Record<string, Json> = {};
  const issues: { path: string; message: string }[] = [];
  for (const spec of specs) {
    const read = readValue(spec, rawTextOf(form, PREFIX + spec.name), form);
    if ("issue" in read) issues.push({ path: spec.name, message: read.issue });
    else if (read.value !== undefined) Object.defineProperty(conf, spec.name, { value: read.value, enumerable: true });
  }
  return { conf, issues };
}

type Read = { readonly value: Json | undefined } | { readonly issue: string };

function readValue(spec: ParamSpec, raw: string, form: FormInput): Read {
  if (spec.control === "checkbox") return { value: flagOf(form, PREFIX + spec.name) };
  const text = raw.trim();
  if (text === "") return { value: emptyValue(spec) };
  switch (spec.kind) {
    case "number":
      return Number.isFinite(Number(text)) ? { value: Number(text) } : { issue: "is not a number" };
    case "boolean":
      return { value: text === "true" };
    case "choice": {
      const choice = spec.choices.find((each) => choiceText(each.value) === text);
      return choice ? { value: choice.value } : { issue: "is not one of the choices" };
    }
    case "dateTime":
      return readDateTime(text);
    case "json":
      return readJson(text);
    case "date":
      return { value: text };
    default:
      return { value: raw.replaceAll("\r\n", "\n") };
  }
}

/** An emptied text that had a default means the empty text; elsewhere an empty field says nothing. */
function emptyValue(spec: ParamSpec): Json | undefined {
  if (spec.isNullable) return null;
  const isText = spec.kind === "text" || spec.kind === "longText";
  return isText && spec.defaultValue !== undefined ? "" : undefined;
}

/** A browser's local date and time, read as UTC. */
function readDateTime(text: string): Read {
  const isZoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text);
  const at = Date.parse(isZoned ? text : `${text}Z`);
  return Number.isFinite(at)
    ? { value: new Date(at).toISOString().replace(/\.000Z$/, "Z") }
    : { issue: "is not a date and time" };
}

function readJson(text: string): Read {
  try {
    return { value: JSON.parse(text) as Json };
  } catch (error) {
    return { issue: `is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function textOfValue(spec: ParamSpec, value: Json): string {
  if (spec.kind === "json") return value === null ? "" : JSON.stringify(value, null, 2);
  if (spec.kind === "choice") return choiceText(value);
  if (value === null) return "";
  if (spec.kind === "dateTime" && typeof value === "string") {
    const at = Date.parse(value);
    return Number.isFinite(at) ? new Date(at).toISOString().slice(0, 19) : value;
  }
  if (spec.control === "checkbox") return value === true ? "1" : "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function choicesOf(spec: ParamSpec, value: string) {
  if (spec.kind === "boolean" && spec.control === "select")
    return options(
      [
        ["", "(not set)"],
        ["true", "yes"],
        ["false", "no"],
      ],
      value,
    );
  if (spec.kind !== "choice") return [];
  const choices = spec.choices.map((choice) => [choiceText(choice.value), choice.label] as const);
  const isOpen = spec.isNullable || spec.defaultValue === undefined;
  return options(isOpen ? [["", spec.isRequired ? "Choose…" : "(not set)"], ...choices] : choices, value);
}
