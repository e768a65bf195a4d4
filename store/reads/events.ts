import type { Knex } from "knex";
import { contains, pagedList, type QueryBuilder, whereRange } from "../knex/queries.ts";
import type { EventRow, RunKey } from "../rows.ts";
import type { SqlRow } from "../statements.ts";
import type { EventFilter, EventReads } from "../store.ts";
import { count, firstOf, firstRow, jsonOrNull, listOf, numberOrNull, type Reader, text, textOrNull } from "./reader.ts";

const COLUMNS =
  "e.id, e.at, e.kind, e.dag_id, e.run_key, r.run_id, e.ti_no, t.task_id, t.map_index, e.try_number, e.epoch, e.from_state, e.to_state, e.actor, e.detail";
const SELECT =
  `select ${COLUMNS} from event e left join dag_run r on r.id = e.run_key ` +
  "left join task_instance t on t.run_key = e.run_key and t.ti_no = e.ti_no";

/** Reads of the history. */
export function eventReads(reader: Reader, builder: QueryBuilder): EventReads {
  return {
    after: (afterId, limit) =>
      listOf(reader, decodeEvent, `${SELECT} where e.id > ? order by e.id limit ?`, [afterId, limit]),
    lastId: async () => numberOrNull((await firstRow(reader, "select max(id) from event"))?.[0]) ?? 0,
    get: (id) => firstOf(reader, decodeEvent, `${SELECT} where e.id = ?`, [id]),
    list: async (filter) => {
      const knex = await builder();
      return pagedList(reader, matching(knex, filter), filter, decodeEvent, (page) =>
        withNames(page, filter)
          .select(knex.raw(COLUMNS))
          .orderBy("e.id", filter.isDescending ? "desc" : "asc"),
      );
    },
    ofRun: (runKey) => listOf(reader, decodeEvent, `${SELECT} where e.run_key = ? order by e.id`, [runKey]),
  };
}

function matching(knex: Knex, filter: EventFilter): Knex.QueryBuilder {
  const query = knex("event as e");
  if (filter.dagId !== undefined) query.where("e.dag_id", filter.dagId);
  if (filter.runKey !== undefined) query.where("e.run_key", filter.runKey);
  if (needsRun(filter)) query.join("dag_run as r", "r.id", "e.run_key").where("r.run_id", filter.runId as string);
  if (needsTask(filter)) query.join("task_instance as t", ofTask).where("t.task_id", filter.taskId as string);
  if (filter.kinds !== undefined) query.whereIn("e.kind", [...filter.kinds]);
  if (filter.actorPattern !== undefined) contains(query, ["e.actor"], filter.actorPattern);
  whereRange(query, "e.at", filter.at);
  return query;
}

/** The names of the run and the task, where the filter has not joined them already. */
function withNames(query: Knex.QueryBuilder, filter: EventFilter): Knex.QueryBuilder {
  if (!needsRun(filter)) query.leftJoin("dag_run as r", "r.id", "e.run_key");
  if (!needsTask(filter)) query.leftJoin("task_instance as t", ofTask);
  return query;
}

function needsRun(filter: EventFilter): boolean {
  return filter.runId !== undefined;
}

function needsTask(filter: EventFilter): boolean {
  return filter.taskId !== undefined;
}

function ofTask(join: Knex.JoinClause): void {
  join.on("t.run_key", "e.run_key").andOn("t.ti_no", "e.ti_no");
}

function decodeEvent(row: SqlRow): EventRow {
  return {
    id: count(row[0]),
    at: count(row[1]),
    kind: text(row[2]),
    dagId: textOrNull(row[3]),
    runKey: numberOrNull(row[4]) as RunKey | null,
    runId: textOrNull(row[5]),
    tiNo: numberOrNull(row[6]),
    taskId: textOrNull(row[7]),
    mapIndex: numberOrNull(row[8]),
    tryNumber: numberOrNull(row[9]),
    epoch: numberOrNull(row[10]),
    fromState: textOrNull(row[11]),
    toState: textOrNull(row[12]),
    actor: text(row[13]),
    detail: jsonOrNull(row[14]),
  };
}
