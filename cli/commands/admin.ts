import type { Command } from "commander";
import { ConflictError, InvalidInputError, NotFoundError } from "../../core/errors.ts";
import type { Change } from "../../store/changes.ts";
import type { ConnectionRow, UserRow } from "../../store/rows.ts";
import { readFile } from "../input.ts";
import { when } from "../output.ts";
import { type Session, withStore } from "../session.ts";

/** Commits one administrative change or says why not. */
async function apply({ store }: Session, change: Change): Promise<void> {
  const result = await store.commit([change], "cli");
  if (!result.ok)
    throw result.reason === "missing" ? new NotFoundError(result.message) : new ConflictError(result.message);
}

// --- variables ---

export async function listVariables(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    out.table(
      (await store.admin.variables()).map(({ key, description }) => ({ key, description })),
      [
        { name: "key", of: (row) => row.key },
        { name: "description", of: (row) => row.description },
      ],
      "No variables.",
    );
  });
}

export async function getVariable(key: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const variable = await store.admin.variable(key);
    if (!variable) throw new NotFoundError(`There is no variable "${key}".`);
    out.done({ key, value: variable.value, description: variable.description }, variable.value);
  });
}

export async function setVariable(
  key: string,
  value: string,
  options: { readonly description?: string },
  command: Command,
): Promise<void> {
  await withStore(command, async (session) => {
    await apply(session, {
      kind: "variable.put",
      mode: "upsert",
      variable: { key, value: value === "-" ? readFile("-") : value, description: options.description ?? null },
    });
    session.out.done({ key }, `Variable ${key} is set.`);
  });
}

export async function deleteVariable(key: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    await apply(session, { kind: "variable.delete", key });
    session.out.done({ key }, `Variable ${key} is deleted.`);
  });
}

export async function exportVariables(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store }) => {
    const rows = await store.admin.variables();
    process.stdout.write(`${JSON.stringify(Object.fromEntries(rows.map((row) => [row.key, row.value])), null, 2)}\n`);
  });
}

export async function importVariables(
  path: string,
  options: { readonly onConflict: Conflict },
  command: Command,
): Promise<void> {
  const entries = Object.entries(parseObject(path)).map(([key, value]): [string, string] => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  await importAll(
    command,
    options.onConflict,
    entries,
    (key, value, mode) => ({ kind: "variable.put", mode, variable: { key, value, description: null } }),
    async (session) => (await session.store.admin.variables()).map((row) => row.key),
  );
}

// --- connections ---

export async function listConnections(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const rows = (await store.admin.connections()).map((row) => ({
      connection_id: row.connectionId,
      conn_type: row.connType,
      host: row.host,
      port: row.port,
      schema: row.schema,
      login: row.login,
      description: row.description,
    }));
    out.table(
      rows,
      [
        { name: "id", of: (row) => row.connection_id },
        { name: "type", of: (row) => row.conn_type },
        { name: "host", of: (row) => row.host },
        { name: "port", of: (row) => row.port, isNumber: true },
        { name: "schema", of: (row) => row.schema },
        { name: "login", of: (row) => row.login },
      ],
      "No connections.",
    );
  });
}

export async function getConnection(id: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const row = await store.admin.connection(id);
    if (!row) throw new NotFoundError(`There is no connection "${id}".`);
    const shown = {
      connection_id: row.connectionId,
      conn_type: row.connType,
      host: row.host,
      port: row.port,
      schema: row.schema,
      login: row.login,
      password: row.password === null ? null : "***",
      extra: row.extra === null ? null : "***",
      description: row.description,
    };
    out.facts(shown, Object.entries(shown));
  });
}

export async function addConnection(
  id: string,
  options: { readonly uri: string; readonly description?: string; readonly replace?: boolean },
  command: Command,
): Promise<void> {
  const connection = {
    ...(await connectionFromText(id, options.uri === "-" ? readFile("-").trim() : options.uri)),
    description: options.description ?? null,
  };
  await withStore(command, async (session) => {
    await apply(session, { kind: "connection.put", mode: options.replace ? "upsert" : "create", connection });
    session.out.done({ connection_id: id }, `Connection ${id} is stored.`);
  });
}

export async function deleteConnection(id: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    await apply(session, { kind: "connection.delete", connectionId: id });
    session.out.done({ connection_id: id }, `Connection ${id} is deleted.`);
  });
}

export async function exportConnections(options: { readonly secrets?: boolean }, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const rows = await store.admin.connections();
    if (!options.secrets) out.remark("Passwords and extras are left out; --secrets writes them in clear.");
    const hidden = (row: ConnectionRow) => (options.secrets ? row : { ...row, password: null, extra: null });
    process.stdout.write(
      `${JSON.stringify(Object.fromEntries(rows.map((row) => [row.connectionId, hidden(row)])), null, 2)}\n`,
    );
  });
}

export async function importConnections(
  path: string,
  options: { readonly onConflict: Conflict },
  command: Command,
): Promise<void> {
  const entries: [string, ConnectionRow][] = [];
  for (const [id, value] of Object.entries(parseObject(path)))
    entries.push([id, await connectionFromText(id, typeof value === "string" ? value : JSON.stringify(value))]);
  await importAll(
    command,
    options.onConflict,
    entries,
    (_id, connection, mode) => ({ kind: "connection.put", mode, connection }),
    async (session) => (await session.store.admin.connections()).map((row) => row.connectionId),
  );
}

async function connectionFromText(id: string, text: string): Promise<ConnectionRow> {
  const { parseConnection } = await import("../../executor/connections.ts");
  const { type, host, schema, login, password, port, extra } = parseConnection(id, text);
  return { connectionId: id, connType: type, description: null, host, schema, login, password, port, extra };
}

// --- pools ---

export async function listPools(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const [pools, use] = await Promise.all([store.admin.pools(), store.admin.poolUse()]);
    out.table(
      pools.map((pool) => ({
        name: pool.name,
        slots: pool.slots,
        ...(use.get(pool.name) ?? { running: 0, queued: 0, scheduled: 0, deferred: 0 }),
        include_deferred: pool.includeDeferred,
        description: pool.description,
      })),
      [
        { name: "pool", of: (row) => row.name },
        { name: "slots", of: (row) => (row.slots < 0 ? "unlimited" : row.slots), isNumber: true },
        { name: "running", of: (row) => row.running, isNumber: true },
        { name: "queued", of: (row) => row.queued, isNumber: true },
        { name: "waiting", of: (row) => row.scheduled, isNumber: true },
        { name: "description", of: (row) => row.description },
      ],
      "No pools.",
    );
  });
}

export async function getPool(name: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const pool = await store.admin.pool(name);
    if (!pool) throw new NotFoundError(`There is no pool "${name}".`);
    out.facts(pool, Object.entries(pool));
  });
}

export async function setPool(
  name: string,
  slots: number,
  options: { readonly description?: string; readonly includeDeferred?: boolean },
  command: Command,
): Promise<void> {
  await withStore(command, async (session) => {
    await apply(session, {
      kind: "pool.put",
      mode: "upsert",
      pool: {
        name,
        slots,
        description: options.description ?? null,
        includeDeferred: options.includeDeferred ?? false,
      },
    });
    session.out.done({ name, slots }, `Pool ${name} has ${slots < 0 ? "unlimited" : slots} slots.`);
  });
}

export async function deletePool(name: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    await apply(session, { kind: "pool.delete", name });
    session.out.done({ name }, `Pool ${name} is deleted.`);
  });
}

// --- tokens and logins ---

export async function createToken(
  options: { readonly name: string; readonly role: UserRow["role"] },
  command: Command,
): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const { hashToken, newToken } = await import("../../webserver/auth/sessions.ts");
    const token = newToken("slc_");
    const row = await store.access.createToken({
      name: options.name,
      role: options.role,
      tokenHash: hashToken(token),
      createdBy: "cli",
    });
    const detail = { name: row.name, role: row.role, id: row.id };
    await store.commit([{ kind: "event", name: "token.created", detail }], "cli");
    out.remark(`Token ${row.id} with the role ${row.role}. Keep it now: it is not shown again.`);
    out.done({ id: row.id, name: row.name, role: row.role, token }, token);
  });
}

export async function listTokens(_options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const rows = (await store.access.tokens()).map(({ tokenHash: _, ...row }) => row);
    out.table(
      rows,
      [
        { name: "id", of: (row) => row.id, isNumber: true },
        { name: "name", of: (row) => row.name },
        { name: "role", of: (row) => row.role },
        { name: "created", of: (row) => when(row.createdAt) },
        { name: "last used", of: (row) => when(row.lastUsedAt) },
        { name: "revoked", of: (row) => when(row.revokedAt) },
      ],
      "No tokens.",
    );
  });
}

export async function revokeToken(id: number, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    if (!(await store.access.revokeToken(id))) throw new NotFoundError(`There is no token ${id} in force.`);
    out.done({ id }, `Token ${id} is revoked.`);
  });
}

// --- shared ---

export type Conflict = "fail" | "skip" | "overwrite";

async function importAll<T>(
  command: Command,
  onConflict: Conflict,
  entries: readonly (readonly [string, T])[],
  change: (id: string, value: T, mode: "create" | "upsert") => Change,
  existing: (session: Session) => Promise<readonly string[]>,
): Promise<void> {
  await withStore(command, async (session) => {
    const present = new Set(await existing(session));
    const clashes = entries.filter(([id]) => present.has(id)).map(([id]) => id);
    if (onConflict === "fail" && clashes.length > 0)
      throw new ConflictError(
        `Nothing was imported: ${clashes.join(", ")} exist already. Use --on-conflict skip or overwrite.`,
      );
    const wanted = entries.filter(([id]) => onConflict !== "skip" || !present.has(id));
    const result = await session.store.commit(
      wanted.map(([id, value]) => change(id, value, onConflict === "overwrite" ? "upsert" : "create")),
      "cli",
    );
    if (!result.ok) throw new ConflictError(`Nothing was imported: ${result.message}.`);
    session.out.done(
      { imported: wanted.map(([id]) => id), skipped: onConflict === "skip" ? clashes : [] },
      `Imported ${wanted.length}${onConflict === "skip" && clashes.length > 0 ? `, skipped ${clashes.length}` : ""}.`,
    );
  });
}

function parseObject(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFile(path));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new InvalidInputError(`${path} does not hold a JSON object of names and values.`);
}
