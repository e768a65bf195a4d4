import type { Knex } from "knex";
import { RUN_STATES, type RunState, TASK_STATES, type TaskState } from "../../core/states.ts";
import { COUNT_COLUMNS } from "../apply/scope.ts";
import { contains, pagedList, type QueryBuilder, whereRange } from "../knex/queries.ts";
import type { DagRunRow, RunKey, RunSummary } from "../rows.ts";
import { marks, type SqlRow } from "../statements.ts";
import type { RunFilter, RunReads } from "../store.ts";
import {
  chunks,
  columnsOf,
  count,
  firstOf,
  json,
  listOf,
  numberOrNull,
  type Reader,
  text,
  textOrNull,
} from "./reader.ts";

const COLUMNS = [
  "id",
  "dag_id",
  "run_id",
  "run_type",
  "state",
  "logical_date",
  "data_interval_start",
  "data_interval_end",
  "run_after",
  "queued_at",
  "start_date",
  "end_date",
  "version_id",
  "backfill_id",
  "clear_number",
  "revision",
  "owner_id",
  "owner_epoch",
  "triggered_by",
  "triggering_user",
  "note",
  "conf",
  "params",
];

const SELECT = `select ${COLUMNS.join(", ")} from dag_run`;
const SUMMARY_COLUMNS = `${columnsOf(COLUMNS, "r")}, v.version_number, ${columnsOf(COUNT_COLUMNS, "c")}`;
const SUMMARY_TABLES = "dag_run r join dag_version v on v.id = r.version_id join run_count c on c.run_key = r.id";

/** Reads of runs. */
export function runReads(reader: Reader, builder: QueryBuilder): RunReads {
  return {
    get: (runKey) => firstOf(reader, decodeRun, `${SELECT} where id = ?`, [runKey]),
    find: (dagId, runId) => firstOf(reader, decodeRun, `${SELECT} where dag_id = ? and run_id = ?`, [dagId, runId]),
    findByLogicalDate: (dagId, logicalDate) =>
      firstOf(reader, decodeRun, `${SELECT} where dag_id = ? and logical_date = ?`, [dagId, logicalDate]),
    summary: (dagId, runId) =>
      firstOf(
        reader,
        decodeSummary,
        `select ${SUMMARY_COLUMNS} from ${SUMMARY_TABLES} where r.dag_id = ? and r.run_id = ?`,
        [dagId, runId],
      ),
    list: async (filter) => {
      const knex = await builder();
      const query = matching(knex("dag_run as r"), filter);
      return pagedList(reader, query, filter, decodeSummary, (page) =>
        page
          .join("dag_version as v", "v.id", "r.version_id")
          .join("run_count as c", "c.run_key", "r.id")
          .select(knex.raw(SUMMARY_COLUMNS))
          .orderBy(order(filter)),
      );
    },
    unfinished: () =>
      listOf(reader, decodeRun, `${SELECT} where state in ('queued', 'running') order by run_after, id`),
    changedSince: async (known) => {
      const changed: DagRunRow[] = [];
      for (const part of chunks(known)) {
        const seen = new Map(part.map(({ runKey, revision }) => [runKey, revision]));
        const keys = await reader.all(`select id, revision from dag_run where id in (${marks(part.length)})`, [
          ...seen.keys(),
        ]);
        const newer = keys.filter(([id, revision]) => (revision as number) > (seen.get(id as RunKey) ?? 0));
        if (newer.length > 0)
          changed.push(
            ...(await listOf(
              reader,
              decodeRun,
              `${SELECT} where id in (${marks(newer.length)})`,
              newer.map(([id]) => id as RunKey),
            )),
          );
      }
      return changed;
    },
    previous: (dagId, logicalDate) =>
      firstOf(reader, decodeRun, `${SELECT} where dag_id = ? and logical_date < ? order by logical_date desc limit 1`, [
        dagId,
        logicalDate,
      ]),
    countByState: async (dagId) => {
      const rows =
        dagId === undefined
          ? await reader.all("select state, count(*) from dag_run group by state")
          : await reader.all("select state, count(*) from dag_run where dag_id = ? group by state", [dagId]);
      return Object.fromEntries(rows) as { readonly [state in RunState]?: number };
    },
    inRange: (dagId, fromDate, toDate) =>
      listOf(
        reader,
        decodeRun,
        `${SELECT} where dag_id = ? and logical_date >= ? and logical_date <= ? order by logical_date`,
        [dagId, fromDate, toDate],
      ),
  };
}

function matching(query: Knex.QueryBuilder, filter: RunFilter): Knex.QueryBuilder {
  if (filter.dagId !== undefined) query.where("r.dag_id", filter.dagId);
  if (filter.dagIds !== undefined) query.whereIn("r.dag_id", [...filter.dagIds]);
  if (filter.states !== undefined) query.whereIn("r.state", known(filter.states));
  if (filter.runTypes !== undefined) query.whereIn("r.run_type", [...filter.runTypes]);
  if (filter.runIdPattern !== undefined) contains(query, ["r.run_id"], filter.runIdPattern);
  if (filter.versionNumber !== undefined)
    query.whereIn("r.version_id", (versions: Knex.QueryBuilder) =>
      versions
        .select("id")
        .from("dag_version")
        .where("version_number", filter.versionNumber as number),
    );
  if (filter.backfillId !== undefined) query.where("r.backfill_id", filter.backfillId);
  whereRange(query, "r.logical_date", filter.logicalDate);
  whereRange(query, "r.run_after", filter.runAfter);
  whereRange(query, "r.start_date", filter.startDate);
  whereRange(query, "r.end_date", filter.endDate);
  return query;
}

function known(states: readonly RunState[]): RunState[] {
  return states.filter((state) => RUN_STATES.includes(state));
}

function order({ orderBy, isDescending }: RunFilter): { column: string; order: "asc" | "desc" }[] {
  const direction = (isDescending ?? orderBy === undefined) ? "desc" : "asc";
  const columns = orderBy === "id" ? ["r.id"] : [`r.${orderBy ?? "run_after"}`, "r.id"];
  return columns.map((column) => ({ column, order: direction }));
}

function decodeRun(row: SqlRow): DagRunRow {
  return {
    runKey: row[0] as RunKey,
    dagId: text(row[1]),
    runId: text(row[2]),
    runType: row[3] as DagRunRow["runType"],
    state: row[4] as RunState,
    logicalDate: numberOrNull(row[5]),
    dataIntervalStart: numberOrNull(row[6]),
    dataIntervalEnd: numberOrNull(row[7]),
    runAfter: count(row[8]),
    queuedAt: count(row[9]),
    startDate: numberOrNull(row[10]),
    endDate: numberOrNull(row[11]),
    versionId: count(row[12]),
    backfillId: numberOrNull(row[13]),
    clearNumber: count(row[14]),
    revision: count(row[15]),
    ownerId: textOrNull(row[16]),
    ownerEpoch: count(row[17]),
    triggeredBy: row[18] as DagRunRow["triggeredBy"],
    triggeringUser: textOrNull(row[19]),
    note: textOrNull(row[20]),
    conf: json(row[21]),
    params: json(row[22]),
  };
}

function decodeSummary(row: SqlRow): RunSummary {
  const counts: { [state in TaskState]?: number } = {};
  for (const [code, state] of TASK_STATES.entries()) {
    const amount = count(row[COLUMNS.length + 1 + code]);
    if (amount !== 0) counts[state] = amount;
  }
  return { ...decodeRun(row), versionNumber: count(row[COLUMNS.length]), counts };
}
