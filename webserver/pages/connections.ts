import type { Router } from "express";
import type { ConnectionRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";
import { field, issueOf } from "../forms/field.ts";
import { type FormInput, rawTextOf, textOf, wholeNumberOf } from "../forms/input.ts";
import { MASK, maskText, unmaskText } from "../masking.ts";
import { environmentConnections } from "./environment.ts";
import { cell, type NamedKind, namedThingsRouter, rejectIssues } from "./named-things.ts";

const CONNECTION_ID = /^[\w.-]{1,200}$/;

/** `/admin/connections`: where other systems are and how to log in there; passwords go in and never come out. */
export function connectionsRouter(deps: WebDeps): Router {
  return namedThingsRouter(deps, () => connectionKind(deps));
}

function connectionKind(deps: WebDeps): NamedKind<ConnectionRow> {
  return {
    path: "/admin/connections",
    resource: "connection",
    noun: "connection",
    title: "Connections",
    nav: "connections",
    about: "Where other systems are and how to log in there. Passwords are stored encrypted and never shown.",
    columns: ["Connection", "Type", "Host", "Login", "Password", "Description"],
    emptyText: "A task reads one with getClient().getConnection(id).",
    rows: () => deps.store.admin.connections(),
    fixed: () =>
      environmentConnections(deps).map(({ name, id, type, host, login, password }) => [
        cell(id),
        cell(type),
        cell(host, "code"),
        cell(login),
        cell(password, "muted"),
        cell(name, "code"),
      ]),
    keyOf: (connection) => connection.connectionId,
    cells: (connection) => [
      cell(connection.connectionId, "name"),
      cell(connection.connType),
      cell(hostText(connection), "code"),
      cell(connection.login ?? ""),
      cell(connection.password === null ? "" : MASK, "muted"),
      cell(connection.description ?? "", "muted"),
    ],
    deleteRefusal: () => "",
    texts: (connection) => ({
      connection_id: connection?.connectionId ?? "",
      conn_type: connection?.connType ?? "",
      description: connection?.description ?? "",
      host: connection?.host ?? "",
      port: connection?.port ? String(connection.port) : "",
      schema: connection?.schema ?? "",
      login: connection?.login ?? "",
      password: connection?.password ? MASK : "",
      extra: connection?.extra ? extraText(connection.extra) : "",
    }),
    fields: fieldsOf,
    change: (form, connection) => ({
      kind: "connection.put",
      mode: connection ? "update" : "create",
      connection: read(form, connection),
    }),
    remove: (connectionId) => ({ kind: "connection.delete", connectionId }),
  };
}

/** Extra that is no JSON object came in by another way; which part of it is secret nobody can say. */
function extraText(extra: string): string {
  return isJsonObject(extra) ? maskText("extra", extra) : MASK;
}

function hostText(connection: ConnectionRow): string {
  const port = connection.port === null ? "" : `:${connection.port}`;
  const schema = connection.schema === null ? "" : `/${connection.schema}`;
  return `${connection.host ?? ""}${port}${schema}`;
}

function fieldsOf(
  typed: FormInput,
  connection: ConnectionRow | undefined,
  issues: readonly { readonly path: string; readonly message: string }[],
) {
  const plain = (name: string, label: string, hint = "") =>
    field({ kind: "text", name, label, hint, value: textOf(typed, name), error: issueOf(issues, name) });
  return [
    ...(connection
      ? []
      : [{ ...plain("connection_id", "Connection id", "Letters, digits and _ . -"), isRequired: true }]),
    { ...plain("conn_type", "Type", "postgres, http, s3 … whatever its tasks expect"), isRequired: true },
    plain("host", "Host"),
    field({
      kind: "number",
      name: "port",
      label: "Port",
      value: textOf(typed, "port"),
      min: "1",
      max: "65535",
      error: issueOf(issues, "port"),
    }),
    plain("schema", "Schema or database"),
    plain("login", "Login"),
    field({
      kind: "password",
      name: "password",
      label: "Password",
      hint: connection?.password ? `${MASK} keeps the stored one; empty takes it away.` : "",
      value: rawTextOf(typed, "password"),
    }),
    field({
      kind: "textarea",
      name: "extra",
      label: "Extra",
      hint: `A JSON object. ${MASK} keeps a stored secret.`,
      value: rawTextOf(typed, "extra"),
      rows: 4,
      error: issueOf(issues, "extra"),
    }),
    plain("description", "Description"),
  ];
}

function read(form: FormInput, connection: ConnectionRow | undefined): ConnectionRow {
  const connectionId = connection?.connectionId ?? textOf(form, "connection_id");
  const connType = textOf(form, "conn_type");
  const portText = textOf(form, "port");
  const port = wholeNumberOf(form, "port", 1, 65_535);
  const extra = unmaskText(rawTextOf(form, "extra").trim(), connection?.extra ?? null);
  const password = unmaskText(rawTextOf(form, "password"), connection?.password ?? null);
  rejectIssues("connection", [
    ...(CONNECTION_ID.test(connectionId)
      ? []
      : [{ path: "connection_id", message: "must have 1 to 200 letters, digits, _ . or -" }]),
    ...(connType === "" || connType.length > 250 ? [{ path: "conn_type", message: "must be given" }] : []),
    ...(portText !== "" && port === undefined ? [{ path: "port", message: "must be from 1 to 65535" }] : []),
    ...(extra === "" || isJsonObject(extra) ? [] : [{ path: "extra", message: "must be a JSON object" }]),
  ]);
  return {
    connectionId,
    connType,
    description: textOf(form, "description") || null,
    host: textOf(form, "host") || null,
    schema: textOf(form, "schema") || null,
    login: textOf(form, "login") || null,
    password: password === "" ? null : password,
    port: port ?? null,
    extra: extra === "" ? null : extra,
  };
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
