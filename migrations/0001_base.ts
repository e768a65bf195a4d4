import type { Knex } from "knex";
import { countedKey, createClustered, createPartialIndex, instant, key } from "./tables.ts";

/** The tables of a static DAG's life: code, runs, attempts, history, administration, access. */
export async function up(knex: Knex): Promise<void> {
  await createDags(knex);
  await createRuns(knex);
  await createHistory(knex);
  await createBackfills(knex);
  await createAdministration(knex);
  await createAccess(knex);
  await createAssets(knex);
  await knex("pool").insert({
    name: "default_pool",
    slots: 128,
    description: "Tasks that name no pool",
    include_deferred: false,
  });
}

async function createDags(knex: Knex): Promise<void> {
  await createClustered(knex, "dag", (table) => {
    key(knex, table, "dag_id").notNullable().primary();
    key(knex, table, "file", 700).notNullable();
    table.boolean("is_paused").notNullable();
    table.string("paused_by", 250);
    instant(table, "paused_at");
    table.boolean("is_active").notNullable();
    table.bigInteger("current_version_id").notNullable();
    table.string("display_name", 250);
    table.text("description");
    table.text("tags").notNullable();
    table.text("owners").notNullable();
    table.text("schedule_summary").notNullable();
    table.string("timezone", 64).notNullable();
    table.integer("max_active_runs").notNullable();
    instant(table, "next_run_at");
    instant(table, "next_logical_date");
    instant(table, "last_logical_date");
    table.integer("consecutive_failures").notNullable();
    instant(table, "last_parsed_at").notNullable();
    table.integer("parse_ms").notNullable();
    instant(table, "created_at").notNullable();
  });
  await createClustered(knex, "dag_tag", (table) => {
    key(knex, table, "dag_id").notNullable();
    key(knex, table, "tag").notNullable();
    table.primary(["dag_id", "tag"]);
    table.index(["tag"], "dag_tag_tag");
  });
  await knex.schema.createTable("dag_version", (table) => {
    countedKey(knex, table, true);
    key(knex, table, "dag_id").notNullable();
    table.integer("version_number").notNullable();
    table.string("definition_hash", 64).notNullable();
    table.string("bundle_hash", 64).notNullable();
    table.text("definition", "longtext").notNullable();
    instant(table, "created_at").notNullable();
    table.unique(["dag_id", "version_number"], { indexName: "dag_version_number" });
  });
  await knex.schema.createTable("bundle", (table) => {
    table.string("hash", 64).notNullable().primary();
    table.string("file", 700).notNullable();
    instant(table, "created_at").notNullable();
    table.text("code", "longtext").notNullable();
    table.text("source_map", "longtext").notNullable();
    table.text("sources", "longtext").notNullable();
  });
  await knex.schema.createTable("import_error", (table) => {
    countedKey(knex, table);
    key(knex, table, "file", 700).notNullable();
    table.text("message").notNullable();
    table.text("stack");
    table.integer("line_no");
    table.integer("column_no");
    instant(table, "created_at").notNullable();
    table.unique(["file"], { indexName: "import_error_file" });
  });
}

async function createRuns(knex: Knex): Promise<void> {
  await knex.schema.createTable("dag_run", (table) => {
    countedKey(knex, table, true);
    key(knex, table, "dag_id").notNullable();
    key(knex, table, "run_id").notNullable();
    table.string("run_type", 20).notNullable();
    table.string("state", 20).notNullable();
    instant(table, "logical_date");
    instant(table, "data_interval_start");
    instant(table, "data_interval_end");
    instant(table, "run_after").notNullable();
    instant(table, "queued_at").notNullable();
    instant(table, "start_date");
    instant(table, "end_date");
    table.bigInteger("version_id").notNullable();
    table.bigInteger("backfill_id");
    table.integer("clear_number").notNullable();
    table.integer("revision").notNullable();
    table.string("owner_id", 250);
    table.integer("owner_epoch").notNullable();
    instant(table, "lease_until");
    table.string("triggered_by", 20).notNullable();
    table.string("triggering_user", 250);
    table.text("note");
    table.text("conf", "longtext").notNullable();
    table.text("params", "longtext").notNullable();
    table.unique(["dag_id", "run_id"], { indexName: "dag_run_run_id" });
    table.unique(["dag_id", "logical_date"], { indexName: "dag_run_logical_date" });
    table.index(["dag_id", "run_after", "id"], "dag_run_dag_run_after");
    table.index(["run_after", "id"], "dag_run_run_after");
    table.index(["dag_id", "state", "run_after"], "dag_run_dag_state");
    table.index(["state", "run_after"], "dag_run_state");
    table.index(["state", "end_date"], "dag_run_state_end");
  });
  await createPartialIndex(knex, "dag_run_backfill", "dag_run", "backfill_id", "backfill_id is not null");
  await createClustered(knex, "run_count", (table) => {
    table.bigInteger("run_key").notNullable().primary();
    for (const column of COUNT_COLUMNS) table.integer(column).notNullable();
  });
  await createClustered(knex, "task_instance", (table) => {
    table.bigInteger("run_key").notNullable();
    table.integer("ti_no").notNullable();
    key(knex, table, "task_id").notNullable();
    table.integer("map_index").notNullable();
    table.string("state", 20).notNullable();
    table.string("operator", 100).notNullable();
    table.integer("try_number").notNullable();
    table.integer("max_tries").notNullable();
    table.integer("epoch").notNullable();
    table.string("pool", 250).notNullable();
    table.integer("pool_slots").notNullable();
    table.string("queue", 250).notNullable();
    table.string("executor", 250);
    table.integer("priority_weight").notNullable();
    instant(table, "scheduled_at");
    instant(table, "queued_at");
    instant(table, "start_date");
    instant(table, "end_date");
    instant(table, "due_at");
    instant(table, "first_poke_at");
    table.integer("lost_count").notNullable();
    table.text("branch");
    table.text("reason");
    table.text("note");
    table.primary(["run_key", "ti_no"]);
  });
  await createPartialIndex(knex, "task_instance_failed", "task_instance", "end_date", "state = 'failed'");
  await createClustered(knex, "attempt", (table) => {
    table.bigInteger("run_key").notNullable();
    table.integer("ti_no").notNullable();
    table.integer("try_number").notNullable();
    table.integer("epoch").notNullable();
    table.string("state", 20).notNullable();
    table.string("worker_id", 250);
    table.integer("pid");
    table.string("hostname", 250);
    instant(table, "queued_at");
    instant(table, "start_date");
    instant(table, "end_date");
    table.integer("pokes").notNullable();
    table.text("error");
    table.primary(["run_key", "ti_no", "try_number"]);
  });
  await createPartialIndex(knex, "attempt_running", "attempt", "worker_id", "state = 'running'");
  await createClustered(knex, "xcom", (table) => {
    table.bigInteger("run_key").notNullable();
    table.integer("ti_no").notNullable();
    key(knex, table, "xcom_key").notNullable();
    table.bigInteger("size").notNullable();
    instant(table, "created_at").notNullable();
    table.text("value", "longtext").notNullable();
    table.primary(["run_key", "ti_no", "xcom_key"]);
  });
}

async function createHistory(knex: Knex): Promise<void> {
  await knex.schema.createTable("event", (table) => {
    countedKey(knex, table);
    instant(table, "at").notNullable();
    table.string("kind", 40).notNullable();
    key(knex, table, "dag_id");
    table.bigInteger("run_key");
    table.integer("ti_no");
    table.integer("try_number");
    table.integer("epoch");
    table.string("from_state", 20);
    table.string("to_state", 20);
    table.string("actor", 250).notNullable();
    table.text("detail", "longtext");
    table.index(["run_key", "id"], "event_run");
    table.index(["dag_id", "id"], "event_dag");
  });
}

async function createBackfills(knex: Knex): Promise<void> {
  await knex.schema.createTable("backfill", (table) => {
    countedKey(knex, table, true);
    key(knex, table, "dag_id").notNullable();
    instant(table, "from_date").notNullable();
    instant(table, "to_date").notNullable();
    table.text("conf", "longtext").notNullable();
    table.boolean("is_paused").notNullable();
    table.string("reprocess", 20).notNullable();
    table.integer("max_active_runs").notNullable();
    table.boolean("is_reverse").notNullable();
    table.boolean("run_on_latest_version").notNullable();
    table.string("created_by", 250).notNullable();
    instant(table, "created_at").notNullable();
    instant(table, "updated_at").notNullable();
    instant(table, "completed_at");
    instant(table, "cancelled_at");
    table.index(["dag_id", "id"], "backfill_dag");
  });
  await createClustered(knex, "backfill_date", (table) => {
    table.bigInteger("backfill_id").notNullable();
    table.integer("sort_order").notNullable();
    instant(table, "logical_date").notNullable();
    table.bigInteger("run_key");
    table.string("state", 20).notNullable();
    table.text("reason");
    table.primary(["backfill_id", "sort_order"]);
  });
  await createPartialIndex(knex, "backfill_date_run", "backfill_date", "run_key", "run_key is not null");
}

async function createAdministration(knex: Knex): Promise<void> {
  await createClustered(knex, "pool", (table) => {
    key(knex, table, "name").notNullable().primary();
    table.integer("slots").notNullable();
    table.text("description");
    table.boolean("include_deferred").notNullable();
  });
  await createClustered(knex, "variable", (table) => {
    key(knex, table, "var_key").notNullable().primary();
    table.text("value", "longtext").notNullable();
    table.text("description");
    table.boolean("is_encrypted").notNullable();
  });
  await createClustered(knex, "connection", (table) => {
    key(knex, table, "connection_id").notNullable().primary();
    table.string("conn_type", 250).notNullable();
    table.text("description");
    table.text("host");
    table.text("conn_schema");
    table.text("login");
    table.text("password");
    table.integer("port");
    table.text("extra", "longtext");
  });
  await createClustered(knex, "worker", (table) => {
    key(knex, table, "worker_id").notNullable().primary();
    table.string("kind", 20).notNullable();
    table.string("hostname", 250).notNullable();
    table.integer("pid").notNullable();
    table.string("version", 50).notNullable();
    instant(table, "started_at").notNullable();
    instant(table, "heartbeat_at").notNullable();
    instant(table, "lease_until").notNullable();
    table.integer("slots").notNullable();
    table.text("queues").notNullable();
    table.string("state", 20).notNullable();
  });
  await createClustered(knex, "lease", (table) => {
    key(knex, table, "name").notNullable().primary();
    table.string("owner_id", 250).notNullable();
    table.integer("epoch").notNullable();
    instant(table, "lease_until").notNullable();
  });
}

async function createAccess(knex: Knex): Promise<void> {
  // "user" is a reserved word of PostgreSQL.
  await knex.schema.createTable("app_user", (table) => {
    countedKey(knex, table, true);
    key(knex, table, "username").notNullable();
    table.string("role", 20).notNullable();
    instant(table, "created_at").notNullable();
    table.boolean("is_active").notNullable();
    table.text("settings").notNullable();
    table.unique(["username"], { indexName: "app_user_username" });
  });
  await createClustered(knex, "session", (table) => {
    table.string("token_hash", 64).notNullable().primary();
    table.bigInteger("user_id").notNullable();
    table.string("csrf_secret", 250).notNullable();
    instant(table, "created_at").notNullable();
    instant(table, "expires_at").notNullable();
    table.index(["expires_at"], "session_expires_at");
  });
  await createClustered(knex, "login_link", (table) => {
    table.string("token_hash", 64).notNullable().primary();
    table.bigInteger("user_id").notNullable();
    instant(table, "expires_at").notNullable();
  });
  await knex.schema.createTable("api_token", (table) => {
    countedKey(knex, table, true);
    table.string("name", 250).notNullable();
    table.string("token_hash", 64).notNullable();
    table.string("role", 20).notNullable();
    table.string("created_by", 250).notNullable();
    instant(table, "created_at").notNullable();
    instant(table, "last_used_at");
    instant(table, "revoked_at");
    table.unique(["token_hash"], { indexName: "api_token_hash" });
  });
}

async function createAssets(knex: Knex): Promise<void> {
  await knex.schema.createTable("asset", (table) => {
    countedKey(knex, table, true);
    key(knex, table, "name").notNullable();
    table.text("uri").notNullable();
    table.string("asset_group", 250).notNullable();
    table.text("extra");
    instant(table, "created_at").notNullable();
    table.unique(["name"], { indexName: "asset_name" });
  });
  await knex.schema.createTable("asset_event", (table) => {
    countedKey(knex, table);
    table.bigInteger("asset_id").notNullable();
    table.bigInteger("run_key");
    table.integer("ti_no");
    instant(table, "at").notNullable();
    table.text("extra");
    table.index(["asset_id", "id"], "asset_event_asset");
  });
}

/** One counter per task state. Written out: a released migration must not change with `TASK_STATES`. */
const COUNT_COLUMNS = [
  "n_none",
  "n_scheduled",
  "n_queued",
  "n_running",
  "n_success",
  "n_failed",
  "n_up_for_retry",
  "n_up_for_reschedule",
  "n_upstream_failed",
  "n_skipped",
  "n_removed",
  "n_deferred",
  "n_awaiting_input",
  "n_restarting",
];
