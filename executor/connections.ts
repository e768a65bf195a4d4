import { z } from "zod";
import { InvalidInputError } from "../core/errors.ts";
import type { HostConnection } from "../sdk/host.ts";
import type { ConnectionRow } from "../store/rows.ts";

/** A variable `SLUICE_CONN_<ID>` as JSON: Airflow's field names. */
const jsonConnection = z.object({
  conn_type: z.string().default(""),
  host: z.string().nullish(),
  schema: z.string().nullish(),
  login: z.string().nullish(),
  password: z.string().nullish(),
  port: z.coerce.number().int().nullish(),
  extra: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
});

/**
 * Reads a connection given in the environment, as JSON (`{"conn_type":"postgres","host":…}`) or as a URI
 * (`postgres://user:pass@host:5432/schema?sslmode=require`, parts percent-encoded; the query becomes `extra`). Throws
 * `InvalidInputError`, without repeating the text, which holds a password.
 */
export function parseConnection(connId: string, text: string): HostConnection {
  return text.trimStart().startsWith("{") ? fromJson(connId, text) : fromUri(connId, text);
}

/** A stored connection as tasks see it. */
export function hostConnection(row: ConnectionRow): HostConnection {
  const { connectionId: id, connType: type, host, schema, login, password, port, extra } = row;
  return { id, type, host, schema, login, password, port, extra };
}

const SENSITIVE = /pass(word|phrase|wd)?|secret|token|api_?key|private_?key|credential|authorization/i;

/** Whether a variable or a key of `extra` of this name holds a secret. */
export function isSensitiveName(name: string): boolean {
  return SENSITIVE.test(name);
}

/** The values of a connection that must not appear in any log. */
export function secretsOf({ password, extra }: HostConnection): readonly string[] {
  const secrets = password === null || password === "" ? [] : [password];
  if (extra === null) return secrets;
  try {
    const fields = JSON.parse(extra) as unknown;
    if (typeof fields !== "object" || fields === null) return secrets;
    for (const [name, value] of Object.entries(fields))
      if (isSensitiveName(name) && typeof value === "string") secrets.push(value);
  } catch {
    // Not JSON, so it has no named parts.
  }
  return secrets;
}

function fromJson(connId: string, text: string): HostConnection {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable(connId, "it is not valid JSON");
  }
  const parsed = jsonConnection.safeParse(value);
  if (!parsed.success)
    throw unreadable(connId, parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; "));
  const { conn_type, host, schema, login, password, port, extra } = parsed.data;
  return {
    id: connId,
    type: conn_type,
    host: host ?? null,
    schema: schema ?? null,
    login: login ?? null,
    password: password ?? null,
    port: port ?? null,
    extra: extra === null || extra === undefined || typeof extra === "string" ? (extra ?? null) : JSON.stringify(extra),
  };
}

function fromUri(connId: string, text: string): HostConnection {
  const parts =
    /^([A-Za-z][A-Za-z0-9+._-]*):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(\[[^\]]*\]|[^:/?]*)(?::(\d+))?(?:\/([^?]*))?(?:\?(.*))?$/.exec(
      text.trim(),
    );
  if (parts === null)
    throw unreadable(connId, "it is neither JSON nor a URI such as postgres://user:password@host:5432/schema");
  const [, type = "", login, password, host, port, schema, query] = parts;
  const extra = query === undefined ? null : JSON.stringify(Object.fromEntries(new URLSearchParams(query)));
  try {
    return {
      id: connId,
      type: type.replaceAll("-", "_"),
      host: decoded(host),
      schema: decoded(schema),
      login: decoded(login),
      password: decoded(password),
      port: port === undefined ? null : Number(port),
      extra,
    };
  } catch {
    throw unreadable(connId, "a part of it is not percent-encoded correctly");
  }
}

function decoded(part: string | undefined): string | null {
  return part === undefined || part === "" ? null : decodeURIComponent(part);
}

function unreadable(connId: string, why: string): InvalidInputError {
  return new InvalidInputError(`The connection "${connId}" in the environment cannot be read: ${why}.`);
}
