import { pagedList, type QueryBuilder } from "../knex/queries.ts";
import type { BackfillDateRow, BackfillRow, ConnectionRow, PoolRow, RunKey, VariableRow, WorkerRow } from "../rows.ts";
import type { Secrets } from "../secrets.ts";
import type { SqlRow } from "../statements.ts";
import type { AdminReads } from "../store.ts";
import { integrityProblems } from "./integrity.ts";
import { count, firstOf, firstRow, json, listOf, numberOrNull, type Reader, text, textOrNull } from "./reader.ts";

const SELECT_POOL = "select name, slots, description, include_deferred from pool";
const SELECT_VARIABLE = "select var_key, value, description, is_encrypted from variable";
const SELECT_CONNECTION =
  "select connection_id, conn_type, description, host, conn_schema, login, password, port, extra from connection";
const BACKFILL_COLUMNS =
  "b.id, b.dag_id, b.from_date, b.to_date, b.conf, b.is_paused, b.reprocess, b.max_active_runs, b.is_reverse, b.run_on_latest_version, b.created_by, b.created_at, b.updated_at, b.completed_at, b.cancelled_at";

/** What pools are used for, by state; only unfinished runs have such task instances. */
const POOL_USE =
  "select t.pool, t.state, sum(t.pool_slots) from dag_run r join task_instance t on t.run_key = r.id " +
  "where r.state in ('queued', 'running') and t.state in ('running', 'restarting', 'queued', 'scheduled', 'deferred') group by t.pool, t.state";

/** Reads of pools, variables, connections, backfills and workers. `checkFile`: the database's own check of its file. */
export function adminReads(
  reader: Reader,
  builder: QueryBuilder,
  secrets: Secrets,
  checkFile: () => Promise<readonly string[]>,
): AdminReads {
  const decodeVariable = (row: SqlRow): VariableRow => {
    const isEncrypted = Boolean(row[3]);
    const key = text(row[0]);
    return {
      key,
      value: isEncrypted ? secrets.open(text(row[1]), "variable", key) : text(row[1]),
      description: textOrNull(row[2]),
      isEncrypted,
    };
  };
  const decodeConnection = (row: SqlRow): ConnectionRow => {
    const connectionId = text(row[0]);
    const open = (value: unknown, column: string) =>
      value === null ? null : secrets.open(text(value), `connection ${column}`, connectionId);
    return {
      connectionId,
      connType: text(row[1]),
      description: textOrNull(row[2]),
      host: textOrNull(row[3]),
      schema: textOrNull(row[4]),
      login: textOrNull(row[5]),
      password: open(row[6], "password"),
      port: numberOrNull(row[7]),
      extra: open(row[8], "extra"),
    };
  };
  return {
    pools: () => listOf(reader, decodePool, `${SELECT_POOL} order by name`),
    pool: (name) => firstOf(reader, decodePool, `${SELECT_POOL} where name = ?`, [name]),
    poolUse: async () => {
      const use = new Map<string, { running: number; queued: number; scheduled: number; deferred: number }>();
      for (const [pool, state, slots] of await reader.all(POOL_USE)) {
        const entry = use.get(pool as string) ?? { running: 0, queued: 0, scheduled: 0, deferred: 0 };
        use.set(pool as string, entry);
        // One that restarts holds its slots until its attempt has ended.
        entry[state === "restarting" ? "running" : (state as keyof typeof entry)] += count(slots);
      }
      return use;
    },
    variables: () => listOf(reader, decodeVariable, `${SELECT_VARIABLE} order by var_key`),
    variable: (key) => firstOf(reader, decodeVariable, `${SELECT_VARIABLE} where var_key = ?`, [key]),
    connections: () => listOf(reader, decodeConnection, `${SELECT_CONNECTION} order by connection_id`),
    connection: (id) => firstOf(reader, decodeConnection, `${SELECT_CONNECTION} where connection_id = ?`, [id]),
    backfills: async (filter) => {
      const knex = await builder();
      const query = knex("backfill as b");
      if (filter.dagId !== undefined) query.where("b.dag_id", filter.dagId);
      if (filter.isActive === true) query.whereNull("b.completed_at").whereNull("b.cancelled_at");
      if (filter.isActive === false) query.whereRaw("(b.completed_at is not null or b.cancelled_at is not null)");
      return pagedList(reader, query, filter, decodeBackfill, (page) =>
        page.select(knex.raw(BACKFILL_COLUMNS)).orderBy("b.id", "desc"),
      );
    },
    activeBackfills: () =>
      listOf(
        reader,
        decodeBackfill,
        `select ${BACKFILL_COLUMNS} from backfill b where b.completed_at is null and b.cancelled_at is null order by b.id desc`,
      ),
    backfill: (id) =>
      firstOf(reader, decodeBackfill, `select ${BACKFILL_COLUMNS} from backfill b where b.id = ?`, [id]),
    backfillDates: (id) =>
      listOf(
        reader,
        decodeBackfillDate,
        "select backfill_id, sort_order, logical_date, run_key, state, reason from backfill_date where backfill_id = ? order by sort_order",
        [id],
      ),
    workers: () =>
      listOf(
        reader,
        decodeWorker,
        "select worker_id, kind, hostname, pid, version, started_at, heartbeat_at, lease_until, slots, queues, state from worker order by worker_id",
      ),
    integrity: () => integrityProblems(reader, checkFile),
    schemaVersion: async () => text((await firstRow(reader, "select max(name) from schema_migration"))?.[0]),
  };
}

function decodePool(row: SqlRow): PoolRow {
  return {
    name: text(row[0]),
    slots: count(row[1]),
    description: textOrNull(row[2]),
    includeDeferred: Boolean(row[3]),
  };
}

function decodeBackfill(row: SqlRow): BackfillRow {
  return {
    id: count(row[0]),
    dagId: text(row[1]),
    fromDate: count(row[2]),
    toDate: count(row[3]),
    conf: json(row[4]),
    isPaused: Boolean(row[5]),
    reprocess: row[6] as BackfillRow["reprocess"],
    maxActiveRuns: count(row[7]),
    isReverse: Boolean(row[8]),
    runOnLatestVersion: Boolean(row[9]),
    createdBy: text(row[10]),
    createdAt: count(row[11]),
    updatedAt: count(row[12]),
    completedAt: numberOrNull(row[13]),
    cancelledAt: numberOrNull(row[14]),
  };
}

function decodeBackfillDate(row: SqlRow): BackfillDateRow {
  return {
    backfillId: count(row[0]),
    sortOrder: count(row[1]),
    logicalDate: count(row[2]),
    runKey: numberOrNull(row[3]) as RunKey | null,
    state: row[4] as BackfillDateRow["state"],
    reason: textOrNull(row[5]),
  };
}

function decodeWorker(row: SqlRow): WorkerRow {
  return {
    workerId: text(row[0]),
    kind: row[1] as WorkerRow["kind"],
    hostname: text(row[2]),
    pid: count(row[3]),
    version: text(row[4]),
    startedAt: count(row[5]),
    heartbeatAt: count(row[6]),
    leaseUntil: count(row[7]),
    slots: count(row[8]),
    queues: json(row[9]),
    state: row[10] as WorkerRow["state"],
  };
}
