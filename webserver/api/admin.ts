import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import type { Change, PutMode } from "../../store/changes.ts";
import type { ConnectionRow, PoolRow, VariableRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { bulkRoute } from "./bulk.ts";
import { collection, pageOf, pageQuery, repeated } from "./conventions.ts";
import { type AnyRoute, type Call, defineRoute } from "./route.ts";

const name = z
  .string()
  .min(1)
  .max(250)
  .regex(/^[\p{L}\p{N}_.\-: @]+$/u, "may hold letters, digits, spaces and _ . - : @");
const text = (max: number) => z.string().max(max);
const listQuery = z.strictObject({ ...pageQuery, order_by: z.string().max(50).optional() });

/** What stands for a secret in answers; sent back unchanged it keeps the stored value. */
export const MASK = "***";
const SECRET_WORDS = /password|passwd|secret|token|authorization|api_?key|private_?key|passphrase|credential/i;

const poolBody = z.strictObject({
  name,
  slots: z.number().int().min(-1).max(1_000_000),
  description: text(10_000).nullish(),
  include_deferred: z.boolean().default(false),
});
const poolAnswer = z.object({
  name: z.string(),
  slots: z.number().int(),
  description: z.string().nullable(),
  include_deferred: z.boolean(),
  occupied_slots: z.number().int(),
  running_slots: z.number().int(),
  queued_slots: z.number().int(),
  scheduled_slots: z.number().int(),
  deferred_slots: z.number().int(),
  open_slots: z.number().int().describe("-1 = unlimited"),
});
const variableBody = z.strictObject({ key: name, value: text(1_000_000), description: text(10_000).nullish() });
const variableAnswer = z.object({
  key: z.string(),
  value: z.string(),
  description: z.string().nullable(),
  is_encrypted: z.boolean(),
});
const connectionBody = z.strictObject({
  connection_id: name,
  conn_type: text(100).min(1),
  description: text(10_000).nullish(),
  host: text(1_000).nullish(),
  login: text(1_000).nullish(),
  schema: text(1_000).nullish(),
  port: z.number().int().min(0).max(65_535).nullish(),
  password: text(10_000).nullish(),
  extra: text(100_000).nullish(),
});
const connectionAnswer = z.object({
  connection_id: z.string(),
  conn_type: z.string(),
  description: z.string().nullable(),
  host: z.string().nullable(),
  login: z.string().nullable(),
  schema: z.string().nullable(),
  port: z.number().int().nullable(),
  password: z.string().nullable(),
  extra: z.string().nullable(),
});

/** Pools, variables and connections. Creating never overwrites; secrets go in and never come out. */
export const ADMIN_ROUTES: readonly AnyRoute[] = [
  ...resource({
    path: "/v2/pools",
    idName: "pool_name",
    kind: "pool",
    tag: "Pool",
    listKey: "pools",
    body: poolBody,
    answer: poolAnswer,
    idOf: (body) => body.name,
    async list(store) {
      const [pools, use] = await Promise.all([store.admin.pools(), store.admin.poolUse()]);
      return pools.map((pool) => toPool(pool, use.get(pool.name)));
    },
    idOfAnswer: (answer) => answer.name,
    put: async (_store, body, mode) => ({
      kind: "pool.put",
      mode,
      pool: {
        name: body.name,
        slots: body.slots,
        description: body.description ?? null,
        includeDeferred: body.include_deferred,
      },
    }),
    remove: (id) => ({ kind: "pool.delete", name: id }),
  }),
  ...resource({
    path: "/v2/variables",
    idName: "variable_key",
    kind: "variable",
    tag: "Variable",
    listKey: "variables",
    body: variableBody,
    answer: variableAnswer,
    idOf: (body) => body.key,
    list: async (store) => (await store.admin.variables()).map(toVariable),
    idOfAnswer: (answer) => answer.key,
    async put(store, body, mode) {
      const value = body.value === MASK ? ((await store.admin.variable(body.key))?.value ?? MASK) : body.value;
      return { kind: "variable.put", mode, variable: { key: body.key, value, description: body.description ?? null } };
    },
    remove: (id) => ({ kind: "variable.delete", key: id }),
  }),
  ...resource({
    path: "/v2/connections",
    idName: "connection_id",
    kind: "connection",
    tag: "Connection",
    listKey: "connections",
    body: connectionBody,
    answer: connectionAnswer,
    idOf: (body) => body.connection_id,
    list: async (store) => (await store.admin.connections()).map(toConnection),
    idOfAnswer: (answer) => answer.connection_id,
    async put(store, body, mode) {
      const old = await store.admin.connection(body.connection_id);
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
          password: body.password === MASK ? (old?.password ?? null) : (body.password ?? null),
          extra: unmask(body.extra ?? null, old?.extra ?? null),
        },
      };
    },
    remove: (id) => ({ kind: "connection.delete", connectionId: id }),
  }),
];

interface Resource<B extends z.ZodObject, A extends z.ZodObject> {
  readonly path: string;
  readonly idName: string;
  readonly kind: "pool" | "variable" | "connection";
  readonly tag: string;
  readonly listKey: string;
  readonly body: B;
  readonly answer: A;
  readonly idOf: (body: z.output<B>) => string;
  readonly idOfAnswer: (answer: z.input<A>) => string;
  readonly list: (store: Store) => Promise<z.input<A>[]>;
  readonly put: (store: Store, body: z.output<B>, mode: PutMode) => Promise<Change>;
  readonly remove: (id: string) => Change;
}

/** The six routes that these three kinds share: list, create, bulk, get, change, delete. */
function resource<B extends z.ZodObject, A extends z.ZodObject>(r: Resource<B, A>): AnyRoute[] {
  const one = z.object({ [r.idName]: name });
  const idIn = (path: object) => String((path as Record<string, unknown>)[r.idName]);
  const find = async (store: Store, id: string) => {
    const found = (await r.list(store)).find((each) => r.idOfAnswer(each) === id);
    if (!found) throw new NotFoundError(`There is no ${r.kind} "${id}".`);
    return found;
  };
  const save = async (
    { store, commands }: Pick<Call<unknown, unknown, unknown>, "store" | "commands">,
    body: z.output<B>,
    mode: PutMode,
  ) => {
    const result = await store.commit([await r.put(store, body, mode)], commands.actor);
    if (!result.ok)
      throw new ConflictError(
        result.reason === "duplicate"
          ? `There is a ${r.kind} "${r.idOf(body)}" already. Use PATCH to change it.`
          : result.message,
      );
    return find(store, r.idOf(body));
  };
  return [
    defineRoute({
      method: "get",
      path: r.path,
      verb: "read",
      kind: r.kind,
      tag: r.tag,
      summary: `List ${r.listKey}`,
      query: listQuery.extend({ [`${r.idName}_pattern`]: z.string().max(250).optional() }),
      response: collection(r.listKey, r.answer),
      async handler({ store, query }) {
        const pattern = String((query as Record<string, unknown>)[`${r.idName}_pattern`] ?? "");
        const rows = (await r.list(store)).filter((each) => r.idOfAnswer(each).includes(pattern));
        const { limit = 50, offset = 0 } = pageOf(query);
        return { [r.listKey]: rows.slice(offset, offset + limit), total_entries: rows.length } as never;
      },
    }),
    defineRoute({
      method: "post",
      path: r.path,
      verb: "write",
      kind: r.kind,
      tag: r.tag,
      summary: `Create a ${r.kind}`,
      body: r.body,
      response: r.answer,
      status: 201,
      handler: (call) => save(call, call.body as z.output<B>, "create") as never,
    }),
    bulkRoute({
      path: r.path,
      kind: r.kind,
      tag: r.tag,
      body: r.body,
      idOf: r.idOf,
      save,
      remove: r.remove,
      exists: async (store, id) => (await r.list(store)).some((each) => r.idOfAnswer(each) === id),
    }),
    defineRoute({
      method: "get",
      path: `${r.path}/:${r.idName}`,
      verb: "read",
      kind: r.kind,
      tag: r.tag,
      summary: `One ${r.kind}`,
      params: one,
      response: r.answer,
      handler: ({ store, path }) => find(store, idIn(path)) as never,
    }),
    defineRoute({
      method: "patch",
      path: `${r.path}/:${r.idName}`,
      verb: "write",
      kind: r.kind,
      tag: r.tag,
      summary: `Change a ${r.kind}`,
      params: one,
      query: z.strictObject({ update_mask: repeated(z.string().max(50)).optional() }),
      body: r.body.partial(),
      response: r.answer,
      async handler(call) {
        const id = idIn(call.path);
        const old = await find(call.store, id);
        const merged = r.body.safeParse({ ...pick(old, Object.keys(r.body.shape)), ...call.body });
        if (!merged.success || r.idOf(merged.data) !== id)
          throw new ConflictError(`The ${r.kind} of the path and of the body differ, or a required key is missing.`);
        return (await save(call, merged.data, "update")) as never;
      },
    }),
    defineRoute({
      method: "delete",
      path: `${r.path}/:${r.idName}`,
      verb: "write",
      kind: r.kind,
      tag: r.tag,
      summary: `Delete a ${r.kind}`,
      params: one,
      async handler({ store, path, commands }) {
        const id = idIn(path);
        await find(store, id);
        const result = await store.commit([r.remove(id)], commands.actor);
        if (!result.ok) throw new ConflictError(result.message);
        return undefined;
      },
    }),
  ];
}

function pick(from: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

function toPool(
  pool: PoolRow,
  use: { running: number; queued: number; scheduled: number; deferred: number } | undefined,
): z.input<typeof poolAnswer> {
  const { running = 0, queued = 0, scheduled = 0, deferred = 0 } = use ?? {};
  const occupied = running + queued + (pool.includeDeferred ? deferred : 0);
  return {
    name: pool.name,
    slots: pool.slots,
    description: pool.description,
    include_deferred: pool.includeDeferred,
    occupied_slots: occupied,
    running_slots: running,
    queued_slots: queued,
    scheduled_slots: scheduled,
    deferred_slots: deferred,
    open_slots: pool.slots < 0 ? -1 : Math.max(0, pool.slots - occupied),
  };
}

function toVariable(variable: VariableRow): z.input<typeof variableAnswer> {
  return {
    key: variable.key,
    value: SECRET_WORDS.test(variable.key) ? MASK : variable.value,
    description: variable.description,
    is_encrypted: variable.isEncrypted,
  };
}

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

/** Extra is JSON with secrets among its values, or free text that may be one: values are hidden unless plainly harmless. */
function maskExtra(extra: string | null): string | null {
  if (extra === null || extra === "") return extra;
  try {
    const value: unknown = JSON.parse(extra);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return MASK;
    return JSON.stringify(
      Object.fromEntries(
        Object.entries(value).map(([key, each]) => [
          key,
          typeof each === "boolean" || (typeof each === "number" && !SECRET_WORDS.test(key)) ? each : MASK,
        ]),
      ),
    );
  } catch {
    return MASK;
  }
}

/** Masks that come back keep what is stored. */
function unmask(given: string | null, old: string | null): string | null {
  if (given === MASK) return old;
  if (given === null || old === null || !given.includes(MASK)) return given;
  try {
    const [fresh, stored] = [JSON.parse(given) as Record<string, unknown>, JSON.parse(old) as Record<string, unknown>];
    return JSON.stringify(
      Object.fromEntries(
        Object.entries(fresh).map(([key, value]) => [
          key,
          value === MASK && Object.hasOwn(stored, key) ? stored[key] : value,
        ]),
      ),
    );
  } catch {
    return given;
  }
}
