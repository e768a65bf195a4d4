import type { Knex } from "knex";
import type { Json } from "../../core/json.ts";
import type { SkipDecision, TaskError } from "../../core/run.ts";
import { TASK_STATES, type TaskState } from "../../core/states.ts";
import { COUNT_COLUMNS } from "../apply/scope.ts";
import { pagedList, type QueryBuilder, whereRange } from "../knex/queries.ts";
import type { AttemptRow, AttemptState, RunKey, TaskInstanceRow, XComRow } from "../rows.ts";
import { marks, type SqlRow } from "../statements.ts";
import type { TaskFilter, TaskInstanceInRun, TaskReads } from "../store.ts";
import {
  chunks,
  columnsOf,
  count,
  execute,
  firstOf,
  firstRow,
  json,
  jsonOrNull,
  listOf,
  numberOrNull,
  type Reader,
  text,
  textOrNull,
} from "./reader.ts";

const COLUMNS = [
  "run_key",
  "ti_no",
  "task_id",
  "map_index",
  "state",
  "operator",
  "try_number",
  "max_tries",
  "epoch",
  "pool",
  "pool_slots",
  "queue",
  "executor",
  "priority_weight",
  "scheduled_at",
  "queued_at",
  "start_date",
  "end_date",
  "due_at",
  "first_poke_at",
  "lost_count",
  "branch",
  "reason",
  "note",
];

const SELECT = `select ${COLUMNS.join(", ")} from task_instance`;
const IN_RUN_COLUMNS = `${columnsOf(COLUMNS, "t")}, r.dag_id, r.run_id, r.logical_date, r.run_after`;

const ATTEMPT_COLUMNS = [
  "run_key",
  "ti_no",
  "try_number",
  "epoch",
  "state",
  "worker_id",
  "pid",
  "hostname",
  "queued_at",
  "start_date",
  "end_date",
  "pokes",
  "error",
];
const SELECT_ATTEMPT = `select ${ATTEMPT_COLUMNS.join(", ")} from attempt`;

const SELECT_XCOM =
  "select x.run_key, x.ti_no, t.task_id, t.map_index, x.xcom_key, x.size, x.created_at, x.value " +
  "from xcom x join task_instance t on t.run_key = x.run_key and t.ti_no = x.ti_no";

/** States that only task instances of unfinished runs have. */
const UNFINISHED: ReadonlySet<TaskState> = new Set<TaskState>([
  "scheduled",
  "queued",
  "running",
  "up_for_retry",
  "up_for_reschedule",
  "deferred",
  "awaiting_input",
  "restarting",
]);

/** Reads of task instances, attempts and XComs. */
export function taskReads(reader: Reader, builder: QueryBuilder): TaskReads {
  return {
    ofRun: (runKey) => listOf(reader, decodeTask, `${SELECT} where run_key = ? order by ti_no`, [runKey]),
    get: (runKey, tiNo) => firstOf(reader, decodeTask, `${SELECT} where run_key = ? and ti_no = ?`, [runKey, tiNo]),
    find: (dagId, runId, taskId, mapIndex = -1) =>
      firstOf(
        reader,
        decodeTaskInRun,
        `select ${IN_RUN_COLUMNS} from dag_run r join task_instance t on t.run_key = r.id where r.dag_id = ? and r.run_id = ? and t.task_id = ? and t.map_index = ?`,
        [dagId, runId, taskId, mapIndex],
      ),
    list: async (filter) => {
      const knex = await builder();
      const query = matching(knex, filter);
      return pagedList(
        reader,
        query,
        filter,
        decodeTaskInRun,
        (page) => page.select(knex.raw(IN_RUN_COLUMNS)).orderBy(order(filter)),
        hasCounters(filter) ? () => totalFromCounters(reader, knex, filter) : undefined,
      );
    },
    grid: async (runKeys, taskIds) => {
      const grid = new Map<RunKey, TaskInstanceRow[]>(runKeys.map((runKey) => [runKey, []]));
      for (const part of chunks(runKeys)) {
        const only = taskIds === undefined ? "" : ` and task_id in (${marks(taskIds.length)})`;
        const sql = `${SELECT} where run_key in (${marks(part.length)})${only} order by run_key, ti_no`;
        for (const row of await reader.all(sql, [...part, ...(taskIds ?? [])]))
          grid.get(row[0] as RunKey)?.push(decodeTask(row));
      }
      return grid;
    },
    attempts: (runKey, tiNo) =>
      listOf(reader, decodeAttempt, `${SELECT_ATTEMPT} where run_key = ? and ti_no = ? order by try_number`, [
        runKey,
        tiNo,
      ]),
    attemptsOfRun: (runKey) =>
      listOf(reader, decodeAttempt, `${SELECT_ATTEMPT} where run_key = ? order by ti_no, try_number`, [runKey]),
    attempt: (runKey, tiNo, tryNumber) =>
      firstOf(reader, decodeAttempt, `${SELECT_ATTEMPT} where run_key = ? and ti_no = ? and try_number = ?`, [
        runKey,
        tiNo,
        tryNumber,
      ]),
    runningAttempts: (workerId) =>
      workerId === undefined
        ? listOf(reader, decodeAttempt, `${SELECT_ATTEMPT} where state = 'running' order by run_key, ti_no`)
        : listOf(
            reader,
            decodeAttempt,
            `${SELECT_ATTEMPT} where state = 'running' and worker_id = ? order by run_key, ti_no`,
            [workerId],
          ),
    xcoms: (runKey, tiNo) =>
      tiNo === undefined
        ? listOf(reader, decodeXCom, `${SELECT_XCOM} where x.run_key = ? order by x.ti_no, x.xcom_key`, [runKey])
        : listOf(reader, decodeXCom, `${SELECT_XCOM} where x.run_key = ? and x.ti_no = ? order by x.xcom_key`, [
            runKey,
            tiNo,
          ]),
    xcomJson: async (runKey, tiNo, key) => {
      const row = await firstRow(reader, "select value from xcom where run_key = ? and ti_no = ? and xcom_key = ?", [
        runKey,
        tiNo,
        key,
      ]);
      return row?.[0] as string | undefined;
    },
    isCurrent: async ({ runKey, tiNo, tryNumber, epoch }) => {
      const row = await firstRow(
        reader,
        "select 1 from task_instance t join attempt a on a.run_key = t.run_key and a.ti_no = t.ti_no and a.try_number = ? where t.run_key = ? and t.ti_no = ? and t.epoch = ? and a.epoch = ? and a.state = 'running'",
        [tryNumber, runKey, tiNo, epoch, epoch],
      );
      return row !== undefined;
    },
    countByState: async (runKey) => {
      const row = await firstRow(reader, `select ${COUNT_COLUMNS.join(", ")} from run_count where run_key = ?`, [
        runKey,
      ]);
      const counts: { [state in TaskState]?: number } = {};
      for (const [code, state] of TASK_STATES.entries()) if (row?.[code]) counts[state] = count(row[code]);
      return counts;
    },
  };
}

function matching(knex: Knex, filter: TaskFilter): Knex.QueryBuilder {
  const query = knex("task_instance as t").join("dag_run as r", "r.id", "t.run_key");
  whereRun(query, filter);
  if (filter.taskId !== undefined) query.where("t.task_id", filter.taskId);
  if (filter.pool !== undefined) query.where("t.pool", filter.pool);
  if (filter.queue !== undefined) query.where("t.queue", filter.queue);
  whereRange(query, "t.start_date", filter.startDate);
  whereRange(query, "t.end_date", filter.endDate);
  const { states } = filter;
  if (states?.length === 1 && states[0] === "failed")
    query.whereRaw("t.state = 'failed'"); // So that the partial index serves.
  else if (states !== undefined) {
    query.whereIn("t.state", [...states]);
    whereMayMove(query, states);
  }
  return query;
}

/** Tasks in these states are in unfinished runs alone: the few of these are looked at, not all history. */
function whereMayMove(query: Knex.QueryBuilder, states: readonly TaskState[]): void {
  if (states.every((state) => UNFINISHED.has(state))) query.whereIn("r.state", ["queued", "running"]);
}

function whereRun(query: Knex.QueryBuilder, filter: TaskFilter): void {
  const { dagId, runId, runKey, dagIds, runIds } = filter;
  if (dagId !== undefined) query.where("r.dag_id", dagId);
  if (runId !== undefined) query.where("r.run_id", runId);
  if (runKey !== undefined) query.where("r.id", runKey);
  if (dagIds !== undefined) query.whereIn("r.dag_id", [...dagIds]);
  if (runIds !== undefined) query.whereIn("r.run_id", [...runIds]);
  whereRange(query, "r.logical_date", filter.logicalDate);
  whereRange(query, "r.run_after", filter.runAfter);
}

/** Whether the counters of the runs know the total. */
function hasCounters({ taskId, pool, queue, startDate, endDate }: TaskFilter): boolean {
  return [taskId, pool, queue, startDate, endDate].every((condition) => condition === undefined);
}

async function totalFromCounters(reader: Reader, knex: Knex, filter: TaskFilter): Promise<number> {
  const states =
    filter.states === undefined ? TASK_STATES : TASK_STATES.filter((state) => filter.states?.includes(state));
  if (states.length === 0) return 0;
  const sum = states.map((state) => `c.n_${state}`).join(" + ");
  const query = knex("run_count as c")
    .join("dag_run as r", "r.id", "c.run_key")
    .select(knex.raw(`sum(${sum})`));
  whereRun(query, filter);
  whereMayMove(query, states);
  const rows = await execute(reader, query);
  return count(rows[0]?.[0]);
}

function order({ orderBy = "id", isDescending }: TaskFilter): { column: string; order: "asc" | "desc" }[] {
  const columns = [...(orderBy === "id" ? [] : [`t.${orderBy}`]), "t.run_key", "t.ti_no"];
  return columns.map((column) => ({ column, order: isDescending ? "desc" : "asc" }));
}

function decodeTask(row: SqlRow): TaskInstanceRow {
  return {
    runKey: row[0] as RunKey,
    tiNo: row[1] as number,
    taskId: text(row[2]),
    mapIndex: row[3] as number,
    state: row[4] as TaskState,
    operator: text(row[5]),
    tryNumber: row[6] as number,
    maxTries: row[7] as number,
    epoch: row[8] as number,
    pool: text(row[9]),
    poolSlots: row[10] as number,
    queue: text(row[11]),
    executor: textOrNull(row[12]),
    priorityWeight: row[13] as number,
    scheduledAt: numberOrNull(row[14]),
    queuedAt: numberOrNull(row[15]),
    startDate: numberOrNull(row[16]),
    endDate: numberOrNull(row[17]),
    dueAt: numberOrNull(row[18]),
    firstPokeAt: numberOrNull(row[19]),
    lostCount: row[20] as number,
    branch: jsonOrNull<SkipDecision>(row[21]),
    reason: textOrNull(row[22]),
    note: textOrNull(row[23]),
  };
}

function decodeTaskInRun(row: SqlRow): TaskInstanceInRun {
  const at = COLUMNS.length;
  return {
    ...decodeTask(row),
    dagId: text(row[at]),
    runId: text(row[at + 1]),
    logicalDate: numberOrNull(row[at + 2]),
    runAfter: count(row[at + 3]),
  };
}

function decodeAttempt(row: SqlRow): AttemptRow {
  return {
    runKey: row[0] as RunKey,
    tiNo: row[1] as number,
    tryNumber: row[2] as number,
    epoch: row[3] as number,
    state: row[4] as AttemptState,
    workerId: textOrNull(row[5]),
    pid: numberOrNull(row[6]),
    hostname: textOrNull(row[7]),
    queuedAt: numberOrNull(row[8]),
    startDate: numberOrNull(row[9]),
    endDate: numberOrNull(row[10]),
    pokes: count(row[11]),
    error: jsonOrNull<TaskError>(row[12]),
  };
}

function decodeXCom(row: SqlRow): XComRow {
  return {
    runKey: row[0] as RunKey,
    tiNo: row[1] as number,
    taskId: text(row[2]),
    mapIndex: row[3] as number,
    key: text(row[4]),
    size: count(row[5]),
    createdAt: count(row[6]),
    value: json<Json>(row[7]),
  };
}
