import { z } from "zod";
import type { ConnectionRow } from "../../store/rows.ts";
import { isSecretName, MASK, unmaskText } from "../masking.ts";
import { thingName } from "./conventions.ts";
import { namedRoutes } from "./named-things.ts";
import type { AnyRoute } from "./route.ts";

const text = (max: number) => z.string().max(max);

const connectionBody = z.strictObject({
  connection_id: thingName,
  conn_type: text(100).min(1),
  description: text(10_000).nullish(),
  host: text(1_000).nullish(),
  login: text(1_000).nullish(),
  schema: text(1_000).nullish(),
  port: z.number().int().min(0).max(65_535).nullish(),
  password: text(10_000).nullish().describe("`***` keeps the stored one"),
  extra: text(100_000).nullish().describe("JSON; `***` keeps what is stored, as a whole or per key"),
});
const connectionAnswer = z.object({
  connection_id: z.string(),
  conn_type: z.string(),
  description: z.string().nullable(),
  host: z.string().nullable(),
  login: z.string().nullable(),
  schema: z.string().nullable(),
  port: z.number().int().nullable(),
  password: z.string().nullable().describe("`***` or null"),
  extra: z.string().nullable().describe("values are masked, keys are not"),
});

/** `/api/v2/connections`. Passwords and extras go in and never come out. */
export const CONNECTION_ROUTES: readonly AnyRoute[] = namedRoutes({
  path: "/v2/connections",
  idName: "connection_id",
  idKey: "connection_id",
  listKey: "connections",
  kind: "connection",
  tag: "Connection",
  body: connectionBody,
  answer: connectionAnswer,
  list: async (store) => (await store.admin.connections()).map(toConnection),
  exists: async (store, id) => (await store.admin.connection(id)) !== undefined,
  async put(store, body, mode) {
    const old = mode === "create" ? undefined : await store.admin.connection(body.connection_id);
    return {
      kind: "connection.put",
      mode,
      connection: {
        connectionId: body.connection_id,
        connType: body.conn_type,
        description: body.description ?? null,
        host: body.host ?? null,
        login: body.login ?? null,
        schema: body.schema ?? null,
        port: body.port ?? null,
        password: old && body.password === MASK ? old.password : (body.password ?? null),
        extra: old ? extraMeantBy(body.extra ?? null, old.extra) : (body.extra ?? null),
      },
    };
  },
  remove: (id) => ({ kind: "connection.delete", connectionId: id }),
});

function toConnection(connection: ConnectionRow): z.input<typeof connectionAnswer> {
  return {
    connection_id: connection.connectionId,
    conn_type: connection.connType,
    description: connection.description,
    host: connection.host,
    login: connection.login,
    schema: connection.schema,
    port: connection.port,
    password: connection.password === null ? null : MASK,
    extra: maskExtra(connection.extra),
  };
}

/** Extra is JSON with secrets among its values, or a text that may be one: values are hidden unless plainly harmless. */
function maskExtra(extra: string | null): string | null {
  if (extra === null || extra === "") return extra;
  try {
    const value: unknown = JSON.parse(extra);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return MASK;
    return JSON.stringify(
      Object.fromEntries(Object.entries(value).map(([key, each]) => [key, isHarmless(key, each) ? each : MASK])),
    );
  } catch {
    return MASK;
  }
}

function isHarmless(key: string, value: unknown): boolean {
  return typeof value === "boolean" || (typeof value === "number" && !isSecretName(key));
}

function extraMeantBy(given: string | null, old: string | null): string | null {
  if (given === null || old === null) return given;
  return given === maskExtra(old) ? old : unmaskText(given, old);
}
