import type { DialectSql } from "../apply/scope.ts";

/** What SQLite says in its own way. */
export const sqliteSql: DialectSql = {
  openAttempt:
    "insert into attempt (run_key, ti_no, try_number, epoch, state, worker_id, pid, hostname, queued_at, start_date, pokes) " +
    "select run_key, ti_no, ?, ?, 'running', ?, ?, ?, queued_at, ?, 1 from task_instance where run_key = ? and ti_no = ? " +
    "on conflict (run_key, ti_no, try_number) do update set epoch = excluded.epoch, state = excluded.state, worker_id = excluded.worker_id, " +
    "pid = excluded.pid, hostname = excluded.hostname, end_date = null, error = null, pokes = pokes + 1",
  putXCom:
    "insert into xcom (run_key, ti_no, xcom_key, size, created_at, value) values (?, ?, ?, ?, ?, ?) " +
    "on conflict (run_key, ti_no, xcom_key) do update set size = excluded.size, created_at = excluded.created_at, value = excluded.value",
};
