import { createHash } from "node:crypto";
import { systemClock } from "../../core/clock.ts";
import type { JsonObject } from "../../core/json.ts";
import { silentLogger } from "../../core/logger.ts";
import type { AttemptWork, LogLine, OutcomeReport } from "../../executor/executor.ts";
import type { ExecutorStore, LocalExecutorOptions, LocalLimits } from "../../executor/local/options.ts";
import { LocalExecutor } from "../../executor/local.ts";
import { type FolderLogOptions, FolderLogStore } from "../../executor/logs/folder.ts";
import type { Change } from "../../store/changes.ts";
import type { BundleRow } from "../../store/rows.ts";
import { describeProcesses, leftBehind } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";
import type { ExecutorHarness, HarnessSettings, Started, TaskRequest } from "./conformance.ts";

/** The few things that an executor asks of a store. */
export interface FakeStore extends ExecutorStore {
  readonly changes: Change[];
}

const EMPTY_MAP = '{"version":3,"sources":[],"names":[],"mappings":""}';

/** A store that holds one bundle under its hash, and remembers what is committed. */
export function fakeStore(code: string, sourceMap = EMPTY_MAP): FakeStore {
  const changes: Change[] = [];
  const hash = hashOf(code);
  const bundle: BundleRow = {
    hash,
    file: "d.ts",
    code,
    sourceMap,
    sources: [],
    createdAt: 0,
  };
  return {
    changes,
    commit: async (list) => {
      changes.push(...list);
      return { ok: true, results: list.map(() => ({})), lastEventId: 0 };
    },
    dags: { bundle: async (wanted) => (wanted === hash ? bundle : undefined) },
  };
}

export function hashOf(code: string): string {
  return createHash("sha256").update(code).digest("hex");
}

export interface LocalSettings extends HarnessSettings {
  readonly limits?: Partial<LocalLimits>;
  readonly sharedSlots?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly logs?: FolderLogOptions;
  readonly sourceMap?: string;
  readonly dagsFolder?: string;
  readonly mask?: LocalExecutorOptions["mask"];
}

export interface LocalHarness extends ExecutorHarness {
  readonly executor: LocalExecutor;
  readonly store: FakeStore;
  readonly home: string;
}

/** A local executor with real child processes. Disposing of it stops it and insists that no process of it is left. */
export async function openLocal(code: string, settings: LocalSettings = {}): Promise<LocalHarness> {
  const folder = tempFolder("executor");
  const store = fakeStore(code, settings.sourceMap);
  const calls: { method: string; args: JsonObject }[] = [];
  const logs = new FolderLogStore(folder.file("logs"), settings.logs);
  const { slots = 4, sharedSlots, graceMs = 5_000, env, mask, dagsFolder } = settings;
  const executor = new LocalExecutor({
    home: folder.path,
    store,
    logs,
    calls: {
      call: async (_attempt, method, args) => {
        calls.push({ method, args });
        return settings.answer?.(method, args) ?? null;
      },
    },
    workerId: "worker-1",
    clock: systemClock,
    logger: silentLogger,
    slots,
    sharedSlots,
    env,
    mask,
    dagsFolder,
    limits: { graceMs, termMs: 200, ...settings.limits },
  });

  const outcomes: OutcomeReport[] = [];
  const freeAtReport: number[] = [];
  const waiting = new Map<number, (report: OutcomeReport) => void>();
  await executor.start({
    onOutcome(report) {
      outcomes.push(report);
      freeAtReport.push(executor.freeSlots);
      waiting.get(report.attempt.runKey)?.(report);
    },
    onSlotsFree() {},
  });

  let runs = 0;
  const run = (task: TaskRequest): Started => {
    const work = workOf(++runs, hashOf(code), task);
    const reservation = executor.reserve({ isolation: work.isolation, queue: work.queue });
    if (reservation === undefined) throw new Error("No slot is free.");
    const outcome = new Promise<OutcomeReport>((resolve) => waiting.set(work.attempt.runKey, resolve));
    executor.run(reservation, work);
    const log = async () => (await logs.read(work.attempt, 0, 10_000)).lines;
    return { work, outcome, log, printed: (text) => printed(logs, work, text) };
  };

  return {
    executor,
    store,
    home: folder.path,
    outcomes,
    freeAtReport,
    calls,
    run,
    async [Symbol.asyncDispose]() {
      await executor.stop(0);
      await logs.close();
      const left = await leftBehind("SLUICE_BOOT_ID", executor.bootId, 1_000);
      folder[Symbol.dispose]();
      if (left.length > 0) throw new Error(`The executor left processes behind: ${describeProcesses(left)}`);
    },
  };
}

/** An attempt of DAG "d", complete. */
export function workOf(runKey: number, bundleHash: string, task: TaskRequest): AttemptWork {
  return {
    attempt: { runKey, tiNo: 0, tryNumber: 1, epoch: 1 },
    dagId: "d",
    runId: `run-${runKey}`,
    mapIndex: -1,
    bundleHash,
    isolation: "process",
    queue: "default",
    context: {
      runType: "manual",
      logicalDate: "2026-01-01T00:00:00.000Z",
      dataIntervalStart: null,
      dataIntervalEnd: null,
      runAfter: "2026-01-01T00:00:00.000Z",
      timezone: "UTC",
      params: { p: 1 },
      conf: {},
      maxTries: 1,
    },
    inputs: {},
    ...task,
  };
}

/** Resolves when the log holds the text. */
async function printed(logs: FolderLogStore, work: AttemptWork, text: string): Promise<void> {
  const has = async () => {
    const { lines } = await logs.read(work.attempt, 0, 10_000);
    return lines.some((line: LogLine) => line.message.includes(text));
  };
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      has().then((found) => {
        if (!found) return;
        unwatch();
        resolve();
      }, reject);
    };
    const unwatch = logs.watch(work.attempt, look);
    look();
  });
}
