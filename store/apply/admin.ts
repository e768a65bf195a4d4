import type { Change, ChangeResult, PutMode } from "../changes.ts";
import { first, insertSql, run, type SqlValue, type Step } from "../statements.ts";
import { GuardFailure, type Scope } from "./scope.ts";

type Of<K extends Change["kind"]> = Extract<Change, { readonly kind: K }>;

/** A pool's slots. */
export function* putPool(scope: Scope, change: Of<"pool.put">): Step<ChangeResult> {
  const { name, slots, description, includeDeferred } = change.pool;
  const isNew = yield* put(change.mode, "pool", "Pool", "name", name, {
    slots,
    description,
    include_deferred: includeDeferred,
  });
  scope.event({ kind: isNew ? "pool.created" : "pool.updated", detail: { name, slots, includeDeferred } });
  return { isNew };
}

/** Variables are stored encrypted; events never hold the value. */
export function* putVariable(scope: Scope, change: Of<"variable.put">): Step<ChangeResult> {
  const { key, value, description } = change.variable;
  const isNew = yield* put(change.mode, "variable", "Variable", "var_key", key, {
    value: scope.context.secrets.seal(value, "variable", key),
    description,
    is_encrypted: true,
  });
  scope.event({ kind: isNew ? "variable.created" : "variable.updated", detail: { key } });
  return { isNew };
}

/** Of a connection, password and extra are stored encrypted; events hold neither. */
export function* putConnection(scope: Scope, change: Of<"connection.put">): Step<ChangeResult> {
  const { connectionId, connType, description, host, schema, login, password, port, extra } = change.connection;
  const seal = (text: string | null, column: string) =>
    text === null ? null : scope.context.secrets.seal(text, `connection ${column}`, connectionId);
  const isNew = yield* put(change.mode, "connection", "Connection", "connection_id", connectionId, {
    conn_type: connType,
    description,
    host,
    conn_schema: schema,
    login,
    password: seal(password, "password"),
    port,
    extra: seal(extra, "extra"),
  });
  scope.event({ kind: isNew ? "connection.created" : "connection.updated", detail: { connectionId, connType } });
  return { isNew };
}

/** Writes a named row as `mode` allows; answers whether it is new. */
function* put(
  mode: PutMode,
  table: string,
  noun: string,
  keyColumn: string,
  key: string,
  values: { readonly [column: string]: SqlValue },
): Step<boolean> {
  const exists = (yield* first(`select 1 from ${table} where ${keyColumn} = ?`, key)) !== undefined;
  if (exists && mode === "create") throw new GuardFailure("duplicate", `${noun} "${key}" already exists.`);
  if (!exists && mode === "update") throw new GuardFailure("missing", `${noun} "${key}" does not exist.`);
  const columns = Object.keys(values);
  const sql = exists
    ? `update ${table} set ${columns.map((column) => `${column} = ?`).join(", ")} where ${keyColumn} = ?`
    : insertSql(table, [...columns, keyColumn]);
  yield* run(sql, ...Object.values(values), key);
  return !exists;
}

/** Deletes a pool, variable or connection. */
export function* deleteNamed(
  scope: Scope,
  change: Of<"pool.delete"> | Of<"variable.delete"> | Of<"connection.delete">,
): Step<ChangeResult> {
  const [table, noun, column, name, field] =
    change.kind === "pool.delete"
      ? (["pool", "Pool", "name", change.name, "name"] as const)
      : change.kind === "variable.delete"
        ? (["variable", "Variable", "var_key", change.key, "key"] as const)
        : (["connection", "Connection", "connection_id", change.connectionId, "connectionId"] as const);
  const { changes } = yield* run(`delete from ${table} where ${column} = ?`, name);
  if (changes !== 1) throw new GuardFailure("missing", `${noun} "${name}" does not exist.`);
  scope.event({ kind: `${table}.deleted`, detail: { [field]: name } });
  return {};
}

/** Announces a process. Its earlier life, if any, is replaced. */
export function* putWorker(scope: Scope, change: Of<"worker.put">): Step<ChangeResult> {
  const { worker, leaseMs } = change;
  yield* run("delete from worker where worker_id = ?", worker.workerId);
  yield* run(
    insertSql("worker", [
      "worker_id",
      "kind",
      "hostname",
      "pid",
      "version",
      "started_at",
      "heartbeat_at",
      "lease_until",
      "slots",
      "queues",
      "state",
    ]),
    worker.workerId,
    worker.kind,
    worker.hostname,
    worker.pid,
    worker.version,
    worker.startedAt,
    scope.now,
    scope.now + leaseMs,
    worker.slots,
    JSON.stringify(worker.queues),
    worker.state,
  );
  scope.event({
    kind: "worker.started",
    to: worker.state,
    detail: { workerId: worker.workerId, kind: worker.kind, hostname: worker.hostname, pid: worker.pid },
  });
  return {};
}

/** Renews a worker's lease; no event. Guard: it has not been given up as lost. */
export function* beatWorker(scope: Scope, change: Of<"worker.heartbeat">): Step<ChangeResult> {
  const { changes } = yield* run(
    "update worker set heartbeat_at = ?, lease_until = ? where worker_id = ? and state in ('active', 'draining')",
    scope.now,
    scope.now + change.leaseMs,
    change.workerId,
  );
  if (changes !== 1) throw yield* staleWorker(change.workerId);
  return {};
}

/** Draining, stopped, lost. */
export function* setWorkerState(scope: Scope, change: Of<"worker.state">): Step<ChangeResult> {
  const row = yield* first("select state from worker where worker_id = ?", change.workerId);
  if (row === undefined) throw yield* staleWorker(change.workerId);
  if (row[0] === change.state) return {};
  yield* run("update worker set state = ? where worker_id = ?", change.state, change.workerId);
  scope.event({
    kind: "worker.state",
    from: row[0] as string,
    to: change.state,
    detail: { workerId: change.workerId },
  });
  return {};
}

function* staleWorker(workerId: string): Step<GuardFailure> {
  const row = yield* first("select state from worker where worker_id = ?", workerId);
  return row === undefined
    ? new GuardFailure("missing", `Worker "${workerId}" is not known.`)
    : new GuardFailure("stale", `Worker "${workerId}" is ${row[0]}.`);
}

/** An audit line. */
export function* recordEvent(scope: Scope, change: Of<"event">): Step<ChangeResult> {
  const { name, runKey, tiNo, detail } = change;
  const dagId = change.dagId ?? (runKey === undefined ? null : yield* scope.dagOf(runKey));
  scope.event({ kind: name, dagId, runKey, tiNo, detail });
  return {};
}
