import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DagDefinition } from "../core/definition.ts";
import type { NewRun, NewTaskInstance } from "../core/run.ts";
import type { Change } from "../store/changes.ts";
import { openStore } from "../store/open.ts";
import type { RunKey } from "../store/rows.ts";
import type { Store } from "../store/store.ts";

/** What the store costs; times in milliseconds unless the name says otherwise. */
export interface StoreFigures {
  /** Acknowledged lists per second, each one transition with its event, at so many lists in flight. */
  readonly commitsPerSecond: { readonly [inFlight: number]: number };
  /** Finish + success + XCom + schedule + queue + start, one after the other: whole time and CPU of each, µs. */
  readonly handOverWallUs: number;
  readonly handOverCpuUs: number;
  /** The same, 100 chains at once: wall time of each, µs. */
  readonly handOverAt100Us: number;
  readonly commitP50: number;
  readonly commitP99: number;
  readonly createRunOf10000: number;
  readonly readRunOf10000: number;
  /** The DAG list page: 1,000 DAGs of 100 runs each, pages of 50. */
  readonly summariesP50: number;
  readonly summariesP95: number;
  readonly bootCpu: number;
}

const secretKey = new Uint8Array(32);

/** Measures a SQLite store in a folder of its own. */
export async function benchStore(): Promise<StoreFigures> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const url = `sqlite:${join(folder, "bench.db")}`;
  let store = await openStore({ url, secretKey });
  try {
    const [{ versionId = 0 } = {}] = await commit(store, [dagPut("bench")]);
    const commitsPerSecond: { [inFlight: number]: number } = {};
    for (const inFlight of [1, 10, 100]) commitsPerSecond[inFlight] = await commitRate(store, versionId, inFlight);
    const one = await handOvers(store, versionId, 1, 1000);
    const hundred = await handOvers(store, versionId, 100, 40);
    const big = await bigRun(store, versionId);
    const summaries = await listPage(store);
    await store.close();
    const cpu = process.cpuUsage();
    store = await openStore({ url, secretKey });
    const bootCpu = cpuMs(cpu);
    return {
      commitsPerSecond,
      handOverWallUs: one.wallUs,
      handOverCpuUs: one.cpuUs,
      handOverAt100Us: hundred.wallUs,
      commitP50: one.p50,
      commitP99: one.p99,
      ...big,
      ...summaries,
      bootCpu,
    };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

/** Callers that each wait for their answer before they commit again; every list moves one task instance. */
async function commitRate(store: Store, versionId: number, inFlight: number): Promise<number> {
  const each = Math.ceil(4000 / inFlight ** 0.3 / inFlight);
  const runKey = await createRun(store, versionId, `rate-${inFlight}`, inFlight);
  const began = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async (_, tiNo) => {
      for (let round = 0; round < each; round++) {
        const [from, to] = round % 2 === 0 ? (["none", "scheduled"] as const) : (["scheduled", "none"] as const);
        await commit(store, [{ kind: "task.transitions", runKey, transitions: [{ tiNo, from, to, epoch: 0 }] }]);
      }
    }),
  );
  return Math.round(((inFlight * each) / (performance.now() - began)) * 1000);
}

/** Chains of tasks, each handed over to the next in one list. */
async function handOvers(store: Store, versionId: number, chains: number, length: number) {
  const runs: RunKey[] = [];
  for (let chain = 0; chain < chains; chain++) {
    const runKey = await createRun(store, versionId, `chain-${chains}-${chain}`, length);
    await commit(store, launch(runKey, 0));
    runs.push(runKey);
  }
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const began = performance.now();
  await Promise.all(
    runs.map(async (runKey) => {
      for (let tiNo = 0; tiNo + 1 < length; tiNo++) {
        const start = performance.now();
        await commit(store, handOver(runKey, tiNo));
        times.push(performance.now() - start);
      }
    }),
  );
  times.sort((a, b) => a - b);
  return {
    wallUs: round(((performance.now() - began) * 1000) / times.length),
    cpuUs: round((cpuMs(cpu) * 1000) / times.length),
    p50: round(quantile(times, 0.5)),
    p99: round(quantile(times, 0.99)),
  };
}

async function bigRun(store: Store, versionId: number) {
  const began = performance.now();
  const runKey = await createRun(store, versionId, "big", 10_000);
  const created = performance.now();
  await store.tasks.ofRun(runKey);
  return { createRunOf10000: round(created - began), readRunOf10000: round(performance.now() - created) };
}

async function listPage(store: Store) {
  for (let dag = 0; dag < 1000; dag++) {
    const dagId = `dag_${String(dag).padStart(4, "0")}`;
    const [{ versionId = 0 } = {}] = await commit(store, [dagPut(dagId)]);
    await commit(
      store,
      Array.from(
        { length: 100 },
        (_, n): Change => ({
          kind: "run.create",
          run: newRun(dagId, `run_${n}`, versionId, n),
          tasks: [],
        }),
      ),
    );
  }
  const times: number[] = [];
  for (let page = 0; page < 60; page++) {
    const start = performance.now();
    const { rows } = await store.dags.summaries({ limit: 50, offset: (page % 20) * 50 });
    // The first page loads the query builder.
    if (page > 0) times.push(performance.now() - start);
    if (rows.length !== 50 || rows[10]?.recentRuns.length !== 14) throw new Error("the list page is not whole");
  }
  times.sort((a, b) => a - b);
  return { summariesP50: round(quantile(times, 0.5)), summariesP95: round(quantile(times, 0.95)) };
}

async function commit(store: Store, changes: readonly Change[]) {
  const result = await store.commit(changes, "bench");
  if (!result.ok) throw new Error(result.message);
  return result.results;
}

async function createRun(store: Store, versionId: number, runId: string, tasks: number): Promise<RunKey> {
  const [{ runKey } = {}] = await commit(store, [
    { kind: "run.create", run: newRun("bench", runId, versionId, 0), tasks: Array.from({ length: tasks }, newTask) },
  ]);
  if (runKey === undefined) throw new Error("no run was created");
  return runKey;
}

function launch(runKey: RunKey, tiNo: number): Change[] {
  const attempt = { runKey, tiNo, tryNumber: 1, epoch: 1 };
  return [
    {
      kind: "task.transitions",
      runKey,
      transitions: [
        { tiNo, from: "none", to: "scheduled", epoch: 0 },
        { tiNo, from: "scheduled", to: "queued", epoch: 0, newEpoch: 1, tryNumber: 1 },
      ],
    },
    { kind: "attempt.start", attempt, workerId: "bench" },
  ];
}

function handOver(runKey: RunKey, tiNo: number): Change[] {
  const attempt = { runKey, tiNo, tryNumber: 1, epoch: 1 };
  return [
    { kind: "attempt.finish", attempt, state: "success" },
    { kind: "task.transitions", runKey, transitions: [{ tiNo, from: "running", to: "success", epoch: 1 }] },
    { kind: "xcom.set", runKey, tiNo, key: "return_value", json: '{"rows":1000}', attempt },
    ...launch(runKey, tiNo + 1),
  ];
}

function dagPut(dagId: string): Change {
  const definition: DagDefinition = {
    dagId,
    tags: ["bench"],
    owners: ["bench"],
    timetable: { kind: "none" },
    timezone: "UTC",
    catchup: false,
    maxActiveRuns: 16,
    maxActiveTasks: 16,
    maxConsecutiveFailedRuns: 0,
    failFast: false,
    tasks: [],
    groups: [],
  };
  return {
    kind: "dag.put",
    file: `${dagId}.ts`,
    definition,
    definitionHash: dagId,
    bundleHash: "bench",
    parseMs: 1,
    isPausedByDefault: false,
    scheduleSummary: "never",
  };
}

function newRun(dagId: string, runId: string, versionId: number, n: number): NewRun {
  return {
    dagId,
    runId,
    runType: "scheduled",
    state: n === 99 ? "running" : "success",
    logicalDate: null,
    dataIntervalStart: null,
    dataIntervalEnd: null,
    runAfter: 1_700_000_000_000 + n * 3_600_000,
    conf: {},
    params: {},
    triggeredBy: "timetable",
    triggeringUser: null,
    versionId,
    backfillId: null,
    note: null,
  };
}

function newTask(_: unknown, tiNo: number): NewTaskInstance {
  return {
    tiNo,
    taskId: `group.task_${tiNo}`,
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

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return round((user + system) / 1000);
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
