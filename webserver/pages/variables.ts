import type { Router } from "express";
import type { VariableRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { field, issueOf } from "../forms/field.ts";
import { rawTextOf, textOf } from "../forms/input.ts";
import { isSecretName, MASK, maskText, unmaskText } from "../masking.ts";
import { environmentVariables } from "./environment.ts";
import { cell, type NamedKind, namedThingsRouter, rejectIssues } from "./named-things.ts";

/** Largest value, characters. */
const VALUE_LIMIT = 100_000;
/** Characters of a value in the list. */
const SHOWN = 120;

/** `/admin/variables`: values that tasks read by key; those with secret-looking keys are never shown again. */
export function variablesRouter(deps: WebDeps): Router {
  return namedThingsRouter(deps, () => variableKind(deps));
}

function variableKind(deps: WebDeps): NamedKind<VariableRow> {
  return {
    path: "/admin/variables",
    resource: "variable",
    noun: "variable",
    title: "Variables",
    nav: "variables",
    about:
      "Values that tasks read by key. Where the key looks like a secret (password, token, api_key …) the value is masked.",
    columns: ["Key", "Value", "Description"],
    emptyText: "A task reads one with getClient().getVariable(key).",
    rows: () => deps.store.admin.variables(),
    fixed: () =>
      environmentVariables(deps).map(({ name, key, value }) => [
        cell(key),
        cell(shortened(value), "code"),
        cell(name, "code"),
      ]),
    keyOf: (variable) => variable.key,
    cells: (variable) => [
      cell(variable.key, "name"),
      cell(shortened(maskText(variable.key, variable.value)), "code"),
      cell(variable.description ?? "", "muted"),
    ],
    deleteRefusal: () => "",
    texts: (variable) => ({
      key: variable?.key ?? "",
      value: variable ? maskText(variable.key, variable.value) : "",
      description: variable?.description ?? "",
    }),
    fields: (typed, variable, issues) => [
      ...(variable
        ? []
        : [
            field({
              kind: "text",
              name: "key",
              label: "Key",
              value: textOf(typed, "key"),
              isRequired: true,
              error: issueOf(issues, "key"),
            }),
          ]),
      field({
        kind: "textarea",
        name: "value",
        label: "Value",
        hint: variable && isMasked(variable) ? `${MASK} keeps what is stored.` : "Text or JSON. Stored encrypted.",
        value: rawTextOf(typed, "value"),
        rows: 5,
        error: issueOf(issues, "value"),
      }),
      field({ kind: "text", name: "description", label: "Description", value: textOf(typed, "description") }),
    ],
    change: (form, variable) => {
      const key = variable?.key ?? textOf(form, "key");
      const given = rawTextOf(form, "value").replaceAll("\r\n", "\n");
      const value = variable && isMasked(variable) ? unmaskText(given, variable.value) : given;
      rejectIssues("variable", [
        ...(key === "" || key.length > 250 ? [{ path: "key", message: "must have 1 to 250 characters" }] : []),
        ...(value.length > VALUE_LIMIT
          ? [{ path: "value", message: `has more than ${VALUE_LIMIT.toLocaleString("en")} characters` }]
          : []),
      ]);
      const description = textOf(form, "description") || null;
      return { kind: "variable.put", mode: variable ? "update" : "create", variable: { key, value, description } };
    },
    remove: (key) => ({ kind: "variable.delete", key }),
  };
}

function isMasked(variable: VariableRow): boolean {
  return isSecretName(variable.key) || maskText(variable.key, variable.value) !== variable.value;
}

function shortened(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
