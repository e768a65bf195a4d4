import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import type { TaskDefinition } from "../core/definition.ts";
import type { NewRun, NewTaskInstance } from "../core/run.ts";
import type { Change, ChangeResult } from "../store/changes.ts";
import { openStore } from "../store/open.ts";
import type { RunKey } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { quantile, rounded } from "./engine.ts";
import { type Served, serve } from "./served.ts";

/** What pages cost in a database with history; server time in milliseconds, from the request's first byte to the answer's last. */
export interface PageFigures {
  readonly dags: number;
  readonly runsOfEach: number;
  readonly repetitions: number;
  readonly pages: { readonly [name: string]: PageTime };
  /** The DAG list asked for by eight browsers at once. */
  readonly dagListAtEight: PageTime;
}

/** One page. */
export interface PageTime {
  /** The first request of all. */
  readonly first: number;
  readonly p50: number;
  readonly p95: number;
  readonly kilobytes: number;
}

const DAGS = 1_000;
const RUNS = 100;
const NEWEST = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const LOG_BYTES = 100e6;

/** 1,000 DAGs of 100 runs, a DAG of 40 tasks, a run of 1,000 tasks, a log of 100 MB. */
export async function benchPages(repetitions = 60): Promise<PageFigures> {
  const home = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    const logOf = await fill(home);
    const dags = join(home, "dags");
    mkdirSync(dags);
    await writeLog(join(home, "logs"), logOf);
    // Without the loader: these DAGs have no files.
    const served = await serve(home, dags, "web");
    try {
      return { dags: DAGS, runsOfEach: RUNS, repetitions, ...(await measure(served, repetitions)) };
    } finally {
      await served.stop();
    }
  } finally {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measure(served: Served, repetitions: number): Promise<Pick<PageFigures, "pages" | "dagListAtEight">> {
  const lists = Array.from({ length: 20 }, (_, page) => `/dags?page=${page + 1}`);
  const paths: { readonly [name: string]: readonly string[] } = {
    dagList: lists,
    dagListFiltered: ["/dags?q=77", "/dags?tag=team3", "/dags?state=failed"],
    home: ["/"],
    runs: ["/runs", "/runs?state=failed"],
    grid25x40: ["/dags/grid/grid"],
    run1000Tasks: ["/dags/large/runs/run_0"],
    log100Mb: ["/dags/large/runs/run_0/tasks/task_0"],
    log100MbEnd: ["/dags/large/runs/run_0/tasks/task_0?from=1000000"],
  };
  const pages: { [name: string]: PageTime } = {};
  await served.counted();
  for (const [name, variants] of Object.entries(paths)) pages[name] = await time(served, variants, repetitions, 1);
  return { pages, dagListAtEight: await time(served, lists, 4 * repetitions, 8) };
}

async function time(served: Served, paths: readonly string[], count: number, atOnce: number): Promise<PageTime> {
  let asked = 0;
  let characters = 0;
  const times: number[] = [];
  const browser = async () => {
    while (asked < count) {
      const page = await served.page(paths[asked++ % paths.length] ?? "");
      characters = Math.max(characters, page.length);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, browser));
  for (const { ms } of (await served.counted()).requests) times.push(ms);
  return {
    first: rounded(times[0] ?? Number.NaN, 1),
    p50: rounded(quantile(times, 0.5), 1),
    p95: rounded(quantile(times, 0.95), 1),
    kilobytes: rounded(characters / 1_000, 0),
  };
}

/** The run whose first task has the log. */
async function fill(home: string): Promise<RunKey> {
  const store = await openStore({ url: `sqlite:${join(home, "sluice.db")}`, secretKey: new Uint8Array(32) });
  try {
    for (let dag = 0; dag < DAGS; dag++) {
      const dagId = `dag_${String(dag).padStart(4, "0")}`;
      const versionId = await putDag(store, dagId, 5, `team${dag % 10}`);
      const runs = Array.from({ length: RUNS }, (_, age): Change => runOf(dagId, versionId, age, []));
      const created = await commit(store, runs);
      // Of each DAG a run of its own age is the one that failed, so that any list has some.
      const ends = created.map(({ runKey = 0 }, age): Change => end(runKey, (age + dag) % 23 === 0));
      await commit(store, dag % 50 === 0 ? ends.slice(1) : ends);
    }
    await fillRuns(store, "grid", 40, 25);
    return await fillRuns(store, "large", 1_000, 1);
  } finally {
    await store.close();
  }
}

/** Finished runs whose tasks have run; answers the last. */
async function fillRuns(store: Store, dagId: string, tasks: number, runs: number): Promise<RunKey> {
  const versionId = await putDag(store, dagId, tasks, "wide");
  let last: RunKey = 0;
  for (let age = runs - 1; age >= 0; age--) {
    const rows = Array.from({ length: tasks }, (_, tiNo) => newTask(tiNo));
    const [{ runKey = 0 } = {}] = await commit(store, [runOf(dagId, versionId, age, rows)]);
    for (let tiNo = 0; tiNo < tasks; tiNo++) await runTask(store, runKey, tiNo, (tiNo + age) % 31 === 30);
    await commit(store, [end(runKey, false)]);
    last = runKey;
  }
  return last;
}

async function runTask(store: Store, runKey: RunKey, tiNo: number, isFailed: boolean): Promise<void> {
  const attempt = { runKey, tiNo, tryNumber: 1, epoch: 1 };
  const state = isFailed ? "failed" : "success";
  await commit(store, [
    {
      kind: "task.transitions",
      runKey,
      transitions: [
        { tiNo, from: "none", to: "scheduled", epoch: 0 },
        { tiNo, from: "scheduled", to: "queued", epoch: 0, newEpoch: 1, tryNumber: 1 },
      ],
    },
    { kind: "attempt.start", attempt, workerId: "bench" },
    { kind: "attempt.finish", attempt, state },
    { kind: "task.transitions", runKey, transitions: [{ tiNo, from: "running", to: state, epoch: 1 }] },
  ]);
}

async function commit(store: Store, changes: readonly Change[]): Promise<readonly ChangeResult[]> {
  const result = await store.commit(changes, "bench");
  if (!result.ok) throw new Error(result.message);
  return result.results;
}

async function putDag(store: Store, dagId: string, tasks: number, tag: string): Promise<number> {
  const [{ versionId = 0 } = {}] = await commit(store, [
    {
      kind: "dag.put",
      file: `${dagId}.ts`,
      definition: {
        dagId,
        description: `What ${dagId} does, in one sentence for the list.`,
        tags: ["bench", tag],
        owners: ["bench"],
        timetable: { kind: "none" },
        timezone: "UTC",
        catchup: false,
        maxActiveRuns: 16,
        maxActiveTasks: 16,
        maxConsecutiveFailedRuns: 0,
        failFast: false,
        tasks: Array.from({ length: tasks }, (_, tiNo) => taskOf(tiNo)),
        groups: [],
      },
      definitionHash: dagId,
      bundleHash: "bench",
      parseMs: 1,
      isPausedByDefault: false,
      scheduleSummary: "Every hour",
    },
  ]);
  return versionId;
}

function taskOf(tiNo: number): TaskDefinition {
  return {
    taskId: `task_${tiNo}`,
    operator: "ts",
    upstream: tiNo === 0 ? [] : [`task_${Math.floor((tiNo - 1) / 4)}`],
    inputs: {},
    triggerRule: "all_success",
    retries: 0,
    retryDelayMs: 0,
    retryExponentialBackoff: 1,
    pool: "default_pool",
    poolSlots: 1,
    priorityWeight: 1,
    weightRule: "downstream",
    queue: "default",
    isolation: "process",
    doXcomPush: true,
    dependsOnPast: false,
    waitForDownstream: false,
    ignoreFirstDependsOnPast: true,
  } as unknown as TaskDefinition;
}

function newTask(tiNo: number): NewTaskInstance {
  return {
    tiNo,
    taskId: `task_${tiNo}`,
    mapIndex: -1,
    operator: "ts",
    pool: "default_pool",
    poolSlots: 1,
    queue: "default",
    executor: null,
    priorityWeight: 1,
    maxTries: 1,
  };
}

function runOf(dagId: string, versionId: number, age: number, tasks: readonly NewTaskInstance[]): Change {
  const runAfter = NEWEST - age * HOUR;
  const run: NewRun = {
    dagId,
    runId: `run_${age}`,
    runType: "scheduled",
    state: "running",
    logicalDate: runAfter - HOUR,
    dataIntervalStart: runAfter - HOUR,
    dataIntervalEnd: runAfter,
    runAfter,
    conf: {},
    params: {},
    triggeredBy: "timetable",
    triggeringUser: null,
    versionId,
    backfillId: null,
    note: null,
  };
  return { kind: "run.create", run, tasks };
}

function end(runKey: RunKey, isFailed: boolean): Change {
  return { kind: "run.state", runKey, from: ["running"], to: isFailed ? "failed" : "success" };
}

async function writeLog(folder: string, runKey: RunKey): Promise<void> {
  mkdirSync(join(folder, String(runKey)), { recursive: true });
  const file = createWriteStream(join(folder, String(runKey), "0-1.ndjson"));
  for (let at = 0, bytes = 0; bytes < LOG_BYTES; ) {
    let lines = "";
    for (let count = 0; count < 1_000; count++, at++) {
      const message = `row ${at}: read from the source, checked, and written to the warehouse`;
      lines += `${JSON.stringify({ at: NEWEST + at, level: "info", source: "stdout", message })}\n`;
    }
    bytes += lines.length;
    if (!file.write(lines)) await new Promise<void>((resolve) => file.once("drain", () => resolve()));
  }
  file.end();
  await finished(file);
}

if (import.meta.main) console.log(JSON.stringify(await benchPages(), null, 2));
