import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TaskDefinition } from "../../core/definition.ts";
import { commit } from "../store/fixtures.ts";
import type { FakeClock } from "../support/clock.ts";
import { failure, playRun, putDag, task } from "./seed.ts";
import type { TestWeb } from "./support.ts";

const DAY = 86_400_000;

/** The source of the seeded "etl" DAG, as the code page shows it. */
const ETL_SOURCE = `import { Dag } from "sluice";
import { bash } from "sluice/operators";

/** Loads yesterday's orders into the warehouse. */
export const dag = new Dag("etl", { schedule: "0 6 * * *", tags: ["sales"] });

const rows = dag.task("extract", async () => fetch("https://example.test/orders.csv").then((r) => r.text()));
`;

/** A few DAGs with a month of history, for tests of pages and for looking at them. Gives the addresses worth looking at by name. */
export async function seedAll(web: TestWeb, clock: FakeClock): Promise<Readonly<Record<string, string>>> {
  const { store } = web;
  mkdirSync(web.dagsFolder, { recursive: true });
  const etl = await putDag(
    store,
    {
      dagId: "etl",
      description: "Loads yesterday's orders into the warehouse.",
      docMd:
        "# Orders\n\nLoads **orders** from the shop.\n\n- source: `orders.csv`\n- owner: [sales](https://example.test)",
      tags: ["sales", "daily"],
      timetable: { kind: "cron", expressions: ["0 6 * * *"], timezone: "UTC", intervals: false },
      groups: [
        { groupId: "load", label: "load" },
        { groupId: "load.marts", parentId: "load", label: "marts" },
      ],
      tasks: [
        task("extract"),
        task("check", ["extract"], { operator: "branch", branch: { kind: "branch" } }),
        task("load.orders", ["check"], {
          groupId: "load",
          retries: 1,
          inputs: {
            rows: { kind: "xcom", taskId: "extract", key: "return_value" },
            table: { kind: "literal", value: "orders" },
          },
        }),
        task("load.customers", ["check"], {
          groupId: "load",
          operator: "bash",
          operatorSummary: "psql -f customers.sql",
        }),
        task("load.marts.daily", ["load.orders", "load.customers"], { groupId: "load.marts" }),
        task("load.marts.weekly", ["load.orders"], { groupId: "load.marts" }),
        task("quality", ["load.marts.daily", "load.marts.weekly"], { edgeLabels: { "load.marts.daily": "rows" } }),
        task("report", ["quality"], { operator: "http", docMd: "Sends the *report*." }),
      ],
    },
    ETL_SOURCE,
  );
  clock.advanceTo(Date.parse("2026-10-20T06:00:00Z") > clock.now() ? Date.parse("2026-10-20T06:00:00Z") : clock.now());
  const start = clock.now();
  for (let day = 0; day < 30; day++) {
    clock.advanceTo(Math.max(clock.now(), start + day * DAY + 6 * 3_600_000));
    const logicalDate = start + day * DAY + 6 * 3_600_000;
    await playRun(
      store,
      clock,
      etl,
      {
        dagId: "etl",
        runId: `scheduled__${new Date(logicalDate).toISOString().replace(".000Z", "+00:00")}`,
        logicalDate,
      },
      {
        outcome: (taskId, tryNumber) => {
          if (day % 9 === 4 && taskId === "load.orders") return failure("connect ECONNREFUSED 10.0.0.7:5432");
          if (day % 5 === 2 && taskId === "load.orders" && tryNumber === 1) return failure("deadlock detected");
          if (day % 7 === 5 && taskId === "load.customers") return { kind: "skipped", message: "nothing new" };
          return { kind: "success" };
        },
        duration: (taskId) => 5_000 + taskId.length * 1_700 + ((day * 7_919) % 9_000),
      },
    );
  }
  clock.advance(2 * 3_600_000);
  const now = await playRun(
    store,
    clock,
    etl,
    { dagId: "etl", runId: "manual__now" },
    { stopAfter: 2, duration: () => 41_000 },
  );
  clock.advance(12_000);
  const running = (await store.tasks.ofRun(now)).find((row) => row.state === "running");
  const attempt = { runKey: now, tiNo: running?.tiNo ?? 2, tryNumber: 1, epoch: 1 };
  web.logs.append(
    attempt,
    Array.from({ length: 40 }, (_, at) => ({
      at: clock.now() - 12_000 + at * 240,
      level: at % 17 === 13 ? ("warning" as const) : ("info" as const),
      source: at % 3 === 0 ? "stdout" : "task",
      message:
        at === 5
          ? "\u001b[32mok\u001b[0m loaded \u001b[1m1,204\u001b[0m rows, see https://example.test/rows?id=1"
          : `loaded batch ${at} of orders`,
      fields: at % 10 === 9 ? { batch: at, rows: at * 100 } : undefined,
    })),
  );
  const failed = (await store.runs.list({ dagId: "etl", states: ["failed"], limit: 1 })).rows[0];
  const failedTask = failed && (await store.tasks.find("etl", failed.runId, "load.orders"));
  if (failedTask)
    for (const tryNumber of [1, 2])
      web.logs.append({ runKey: failedTask.runKey, tiNo: failedTask.tiNo, tryNumber, epoch: tryNumber }, [
        { at: clock.now(), level: "info", source: "sluice", message: `Try ${tryNumber} of 2 begins` },
        { at: clock.now() + 120, level: "info", source: "stdout", message: "connecting to 10.0.0.7:5432" },
        {
          at: clock.now() + 4_000,
          level: "error",
          source: "stderr",
          message:
            "Error: connect ECONNREFUSED 10.0.0.7:5432\n    at TCPConnectWrap.afterConnect (node:net:1634:16)\n    at load (dags/etl.ts:12:9)",
        },
        {
          at: clock.now() + 4_001,
          level: "error",
          source: "sluice",
          message: "Failed: Error: connect ECONNREFUSED 10.0.0.7:5432",
        },
      ]);
  await commit(
    store,
    [
      {
        kind: "xcom.set",
        runKey: now,
        tiNo: 0,
        key: "return_value",
        json: JSON.stringify({ rows: 1204, file: "orders.csv", columns: ["id", "total"] }),
        attempt: null,
      },
      { kind: "run.note", runKey: now, note: "Checked by **hand** after the outage." },
    ],
    "user:ann",
  );

  const wide: TaskDefinition[] = [task("start", [], { operator: "empty", isNoop: true })];
  const groups = Array.from({ length: 5 }, (_, g) => ({ groupId: `region_${g}`, label: `region ${g}` }));
  for (let g = 0; g < 5; g++)
    for (let step = 0; step < 11; step++)
      wide.push(
        task(
          `region_${g}.step_${step}`,
          step === 0
            ? ["start"]
            : step % 3 === 0
              ? [`region_${g}.step_${step - 1}`, `region_${g}.step_${step - 3}`]
              : [`region_${g}.step_${step - 1}`],
          { groupId: `region_${g}` },
        ),
      );
  wide.push(
    ...["join", "train", "score", "publish"].map((id, at) =>
      task(
        id,
        at === 0 ? groups.map((each) => `${each.groupId}.step_10`) : [["join"], ["train"], ["train", "score"]][at - 1],
      ),
    ),
  );
  const big = await putDag(store, {
    dagId: "forecast",
    tags: ["ml"],
    groups,
    tasks: wide,
    timetable: { kind: "delta", everyMs: 3_600_000, intervals: false },
  });
  for (let hour = 0; hour < 3; hour++)
    await playRun(
      store,
      clock,
      big,
      { dagId: "forecast", runId: `hour-${hour}` },
      {
        duration: (taskId) => 400 + taskId.length * 130,
        outcome: (taskId) =>
          hour === 1 && taskId === "region_2.step_5" ? failure("model did not converge") : { kind: "success" },
      },
    );

  await putDag(store, { dagId: "brand_new", tasks: [task("only")] });
  const broken = await putDag(store, { dagId: "broken", tasks: [task("one"), task("two", ["one"])] });
  await playRun(store, clock, broken, { dagId: "broken", runId: "first" });
  writeFileSync(
    join(web.dagsFolder, "broken.ts"),
    'import { Dag } from "sluice";\nconst dag = new Dag("broken");\ndag.task("one", asinc () => 1);\n',
  );
  await commit(
    store,
    [
      {
        kind: "importError.put",
        file: "broken.ts",
        message: 'Expected ")" but found "=>"',
        stack: 'broken.ts:3:26: ERROR: Expected ")"',
        line: 3,
        column: 26,
      },
      { kind: "dag.pause", dagId: "broken", isPaused: true },
    ],
    "user:ann",
  );
  const failedPath = `/dags/etl/runs/${encodeURIComponent(failed?.runId ?? "")}`;
  return {
    overview: "/dags/etl",
    grid: "/dags/etl/grid",
    "grid-big": "/dags/forecast/grid?open=none",
    "grid-empty": "/dags/brand_new/grid",
    broken: "/dags/broken",
    graph: "/dags/etl/graph",
    "graph-big": "/dags/forecast/graph?open=all",
    "graph-closed": "/dags/forecast/graph?open=none",
    "graph-list": "/dags/etl/graph?view=list",
    runs: "/dags/etl/runs",
    tasks: "/dags/etl/tasks",
    code: "/dags/etl/code",
    details: "/dags/etl/details",
    run: "/dags/etl/runs/manual__now",
    "run-failed": failedPath,
    "run-gantt": `${failedPath}?tab=gantt`,
    "run-graph": `${failedPath}?tab=graph`,
    "run-events": `${failedPath}?tab=events`,
    "run-xcom": "/dags/etl/runs/manual__now?tab=xcom",
    "run-details": "/dags/etl/runs/manual__now?tab=details",
    task: `/dags/etl/runs/manual__now/tasks/${encodeURIComponent(running?.taskId ?? "")}`,
    "task-failed": `${failedPath}/tasks/load.orders`,
    "task-waiting": "/dags/etl/runs/manual__now/tasks/report",
    "task-inputs": `${failedPath}/tasks/load.orders?tab=inputs`,
    "task-xcom": "/dags/etl/runs/manual__now/tasks/extract?tab=xcom",
    "task-attempts": `${failedPath}/tasks/load.orders?tab=attempts`,
    "task-events": `${failedPath}/tasks/load.orders?tab=events`,
    "task-details": `${failedPath}/tasks/load.orders?tab=details`,
  };
}
