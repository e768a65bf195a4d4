import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { Isolation } from "../core/definition.ts";
import { silentLogger } from "../core/logger.ts";
import type { AttemptWork, OutcomeReport } from "../executor/executor.ts";
import { LocalExecutor } from "../executor/local.ts";
import { FolderLogStore } from "../executor/logs/folder.ts";
import { quantile, rounded } from "./engine.ts";

/** What the local executor costs without a database; times in milliseconds. */
export interface ExecutorFigures {
  /** From `start` to the outcome of the first task, process boot and evaluation of the bundle included. */
  readonly coldTask: number;
  /** From `run` to `onOutcome` with a warm process, one task at a time. */
  readonly roundTripP50: number;
  readonly roundTripP99: number;
  /** The same for a task that prints one line, which is stored before the outcome is reported. */
  readonly printingP50: number;
  /** The same for a task that runs `true` with a shell, and leaves no process. */
  readonly shellP50: number;
  readonly processPerSecond: number;
  readonly sharedPerSecond: number;
}

const HASH = "e".repeat(64);
const CODE = `import { spawn } from "node:child_process";
import { Dag } from "sluice";
const dag = new Dag("bench");
dag.task("noop", async () => {})();
dag.task("print", async () => console.log("one line"))();
dag.task("shell", () => new Promise((resolve) => spawn("/bin/sh", ["-c", "true"], { stdio: "ignore" }).once("exit", () => resolve(undefined))))();
`;

/** Measures round trips and throughput of both isolations with no-op TypeScript tasks. */
export async function benchExecutor(repetitions = 3_000): Promise<ExecutorFigures> {
  const home = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const logs = new FolderLogStore(join(home, "logs"));
  const bundle = { hash: HASH, file: "bench.ts", code: CODE, sourceMap: "{}", sources: [], createdAt: 0 };
  const slots = 8;
  const executor = new LocalExecutor({
    home,
    logs,
    store: {
      commit: async () => ({ ok: true, results: [], lastEventId: 0 }),
      dags: { bundle: async () => bundle },
    },
    calls: { call: async () => null },
    workerId: "bench",
    clock: systemClock,
    logger: silentLogger,
    slots,
    sharedSlots: 16 * slots,
  });
  const bench = new Bench(executor);
  try {
    const began = performance.now();
    await bench.start();
    await bench.run("noop", "process");
    const coldTask = performance.now() - began;
    await bench.times("noop", 500);
    const roundTrips = await bench.times("noop", repetitions);
    const printing = await bench.times("print", repetitions / 3);
    const shell = await bench.times("shell", repetitions / 30);
    const processPerSecond = await bench.rate("process", slots, repetitions);
    const sharedPerSecond = await bench.rate("shared", 16 * slots, repetitions * 3);
    return {
      coldTask: rounded(coldTask),
      roundTripP50: rounded(quantile(roundTrips, 0.5), 3),
      roundTripP99: rounded(quantile(roundTrips, 0.99), 3),
      printingP50: rounded(quantile(printing, 0.5), 3),
      shellP50: rounded(quantile(shell, 0.5), 3),
      processPerSecond: rounded(processPerSecond, 0),
      sharedPerSecond: rounded(sharedPerSecond, 0),
    };
  } finally {
    await executor.stop(1_000);
    await logs.close();
    rmSync(home, { recursive: true, force: true });
  }
}

class Bench {
  readonly #executor: LocalExecutor;
  readonly #waiting = new Map<number, (report: OutcomeReport) => void>();
  #runs = 0;

  constructor(executor: LocalExecutor) {
    this.#executor = executor;
  }

  start(): Promise<void> {
    return this.#executor.start({
      onOutcome: (report) => this.#waiting.get(report.attempt.runKey)?.(report),
      onSlotsFree() {},
    });
  }

  async run(taskId: string, isolation: Isolation): Promise<void> {
    const reservation = this.#executor.reserve({ isolation, queue: "default" });
    if (reservation === undefined) throw new Error("no slot is free");
    const runKey = ++this.#runs;
    const ended = new Promise<OutcomeReport>((resolve) => this.#waiting.set(runKey, resolve));
    this.#executor.run(reservation, workOf(runKey, taskId, isolation));
    const { outcome } = await ended;
    this.#waiting.delete(runKey);
    if (outcome.kind !== "success") throw new Error(`${taskId} ended as ${JSON.stringify(outcome)}`);
  }

  /** Round trips one after the other, ms. */
  async times(taskId: string, count: number): Promise<readonly number[]> {
    const times: number[] = [];
    for (let index = 0; index < count; index++) {
      const began = performance.now();
      await this.run(taskId, "process");
      times.push(performance.now() - began);
    }
    return times;
  }

  /** Tasks per second with so many in flight, after a round to warm up. */
  async rate(isolation: Isolation, width: number, count: number): Promise<number> {
    let rate = 0;
    for (const tasks of [count / 3, count]) {
      let started = 0;
      const began = performance.now();
      const line = async () => {
        while (started++ < tasks) await this.run("noop", isolation);
      };
      await Promise.all(Array.from({ length: width }, line));
      rate = (tasks * 1_000) / (performance.now() - began);
    }
    return rate;
  }
}

function workOf(runKey: number, taskId: string, isolation: Isolation): AttemptWork {
  return {
    attempt: { runKey, tiNo: 0, tryNumber: 1, epoch: 1 },
    dagId: "bench",
    runId: "manual__2026-01-01T00:00:00+00:00",
    taskId,
    mapIndex: -1,
    bundleHash: HASH,
    isolation,
    queue: "default",
    context: {
      runType: "manual",
      logicalDate: "2026-01-01T00:00:00.000Z",
      dataIntervalStart: "2026-01-01T00:00:00.000Z",
      dataIntervalEnd: "2026-01-01T00:00:00.000Z",
      runAfter: "2026-01-01T00:00:00.000Z",
      timezone: "UTC",
      params: {},
      conf: {},
      maxTries: 1,
    },
    inputs: {},
  };
}

if (import.meta.main) console.log(JSON.stringify(await benchExecutor(), null, 2));
