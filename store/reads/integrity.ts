import { count, firstRow, type Reader } from "./reader.ts";

/** Rows whose parent is missing: name, and the query that counts them. */
const ORPHANS: readonly (readonly [string, string])[] = [
  [
    "task instances without a run",
    "select count(*) from task_instance t where not exists (select 1 from dag_run r where r.id = t.run_key)",
  ],
  [
    "counters without a run",
    "select count(*) from run_count c where not exists (select 1 from dag_run r where r.id = c.run_key)",
  ],
  [
    "runs without counters",
    "select count(*) from dag_run r where not exists (select 1 from run_count c where c.run_key = r.id)",
  ],
  [
    "runs without a version",
    "select count(*) from dag_run r where not exists (select 1 from dag_version v where v.id = r.version_id and v.dag_id = r.dag_id)",
  ],
  [
    "attempts without a task instance",
    "select count(*) from attempt a where not exists (select 1 from task_instance t where t.run_key = a.run_key and t.ti_no = a.ti_no)",
  ],
  [
    "XComs without a task instance",
    "select count(*) from xcom x where not exists (select 1 from task_instance t where t.run_key = x.run_key and t.ti_no = x.ti_no)",
  ],
  [
    "events without their run",
    "select count(*) from event e where e.run_key is not null and not exists (select 1 from dag_run r where r.id = e.run_key)",
  ],
  [
    "DAGs without their version",
    "select count(*) from dag d where not exists (select 1 from dag_version v where v.id = d.current_version_id and v.dag_id = d.dag_id)",
  ],
  [
    "backfill dates without their backfill",
    "select count(*) from backfill_date b where not exists (select 1 from backfill f where f.id = b.backfill_id)",
  ],
  [
    "backfill dates without their run",
    "select count(*) from backfill_date b where b.run_key is not null and not exists (select 1 from dag_run r where r.id = b.run_key)",
  ],
];

/** What the database finds wrong with its file, and rows that refer to nothing. */
export async function integrityProblems(
  reader: Reader,
  checkFile: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const problems = [...(await checkFile())];
  for (const [name, sql] of ORPHANS) {
    const amount = count((await firstRow(reader, sql))?.[0]);
    if (amount > 0) problems.push(`There are ${amount} ${name}.`);
  }
  return problems;
}
