import type { WebDeps } from "../deps.ts";
import { MASK, maskText } from "../masking.ts";

const VARIABLE = "SLUICE_VAR_";
const CONNECTION = "SLUICE_CONN_";

/** A variable that the environment gives; it goes before a stored one of the same key. */
export interface EnvironmentVariable {
  /** Name in the environment. */
  readonly name: string;
  /** Key that tasks may ask with; they may write it in other letters too, as `day.start` for DAY_START. */
  readonly key: string;
  /** As people may see it. */
  readonly value: string;
}

/** A connection that the environment gives, without anything secret. */
export interface EnvironmentConnection {
  readonly name: string;
  readonly id: string;
  readonly type: string;
  readonly host: string;
  readonly login: string;
  /** Mask, or "" when there is none. */
  readonly password: string;
}

/** Variables from `SLUICE_VAR_*`, by key; values of secret-looking keys are masked. */
export function environmentVariables(deps: WebDeps): readonly EnvironmentVariable[] {
  return entries(deps, VARIABLE).map(([name, value]) => {
    const key = name.slice(VARIABLE.length).toLowerCase();
    return { name, key, value: maskText(key, value) };
  });
}

/** Connections from `SLUICE_CONN_*`, by id. One that cannot be read is listed all the same, with nothing of its text. */
export function environmentConnections(deps: WebDeps): readonly EnvironmentConnection[] {
  return entries(deps, CONNECTION).map(([name, text]) => {
    const parts = text.trimStart().startsWith("{") ? jsonParts(text) : uriParts(text);
    const known = parts ?? { type: "cannot be read", host: "", login: "", hasPassword: false };
    const { type, host, login, hasPassword } = known;
    const id = name.slice(CONNECTION.length).toLowerCase();
    return { name, id, type, host, login, password: hasPassword ? MASK : "" };
  });
}

interface Parts {
  readonly type: string;
  readonly host: string;
  readonly login: string;
  readonly hasPassword: boolean;
}

function entries(deps: WebDeps, prefix: string): readonly (readonly [string, string])[] {
  return Object.entries(deps.env ?? process.env)
    .filter((entry): entry is [string, string] => entry[0].startsWith(prefix) && entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function jsonParts(text: string): Parts | undefined {
  try {
    const fields = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const word = (key: string) => {
      const value = fields[key];
      return typeof value === "string" || typeof value === "number" ? String(value) : "";
    };
    const port = word("port") === "" ? "" : `:${word("port")}`;
    const schema = word("schema") === "" ? "" : `/${word("schema")}`;
    return {
      type: word("conn_type"),
      host: `${word("host")}${port}${schema}`,
      login: word("login"),
      hasPassword: word("password") !== "",
    };
  } catch {
    return undefined;
  }
}

function uriParts(text: string): Parts | undefined {
  const match = /^([A-Za-z][\w+.-]*):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^?#@]*)(?:\?.*)?$/.exec(text.trim());
  if (!match) return undefined;
  const [, type = "", login = "", password = "", host = ""] = match;
  return { type, host, login: decoded(login), hasPassword: password !== "" };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
