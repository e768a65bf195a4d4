import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { isRunTerminal } from "../core/states.ts";
import { storeClientCalls } from "../executor/client-calls.ts";
import type { AttemptWork, Reservation } from "../executor/executor.ts";
import { LocalExecutor } from "../executor/local.ts";
import { FolderLogStore } from "../executor/logs/folder.ts";
import { storeTrigger } from "../executor/trigger-run.ts";
import { Loader } from "../loader/loader.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import { triggerRun } from "../store/commands/trigger.ts";
import { openStore } from "../store/open.ts";
import type { DagRunRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";

/** A whole installation without its pages, in a folder of its own: what the end-to-end figures are measured on. */
export interface Engine {
  readonly store: Store;
  /** When each attempt was handed to the executor since the last `run`, `performance.now()` ms. */
  readonly starts: readonly number[];
  /** Triggers a run and waits for its end; gives the time from the trigger to the commit that ended it. */
  run(dagId: string): Promise<{ readonly row: DagRunRow; readonly wallMs: number }>;
  stop(): Promise<void>;
}

/** `dagFile`: the text of one DAG file. */
export async function openEngine(dagFile: string, slots: number): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const home = join(folder, "home");
  const dagsFolder = join(folder, "dags");
  mkdirSync(home);
  mkdirSync(dagsFolder);
  writeFileSync(join(dagsFolder, "bench.ts"), dagFile);
  const store = await openStore({ url: `sqlite:${join(home, "sluice.db")}`, secretKey: new Uint8Array(32) });
  const logs = new FolderLogStore(join(home, "logs"));
  const base = { store, clock: systemClock, logger: warnings, workerId: "bench" };
  const calls = storeClientCalls(store, { trigger: storeTrigger(store, systemClock) });
  const executor = new TimedExecutor({ ...base, home, logs, calls, slots, sharedSlots: 16 * slots });
  const scheduler = new Scheduler({ ...base, executors: new Map([["local", executor]]) });
  await scheduler.start();
  const loader = new Loader({ ...base, dagsFolder, home, isPausedByDefault: false });
  await loader.start();
  await loader.idle();
  const errors = await store.dags.importErrors();
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
  return {
    store,
    starts: executor.starts,
    async run(dagId) {
      executor.starts.length = 0;
      const began = performance.now();
      const context = { store, clock: systemClock, actor: "bench", triggeredBy: "test" as const };
      const { runKey } = await triggerRun(context, { dagId });
      const row = await ended(store, runKey);
      if (row.state !== "success")
        throw new Error(`${dagId} ended as ${row.state}: ${await firstError(store, runKey)}`);
      return { row, wallMs: performance.now() - began };
    },
    async stop() {
      await loader.stop();
      await scheduler.stop(1_000);
      await logs.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

class TimedExecutor extends LocalExecutor {
  readonly starts: number[] = [];

  override run(reservation: Reservation, work: AttemptWork): void {
    this.starts.push(performance.now());
    super.run(reservation, work);
  }
}

const warnings: Logger = {
  debug() {},
  info() {},
  warn: (fields, message) => console.error(message, fields),
  error: (fields, message) => console.error(message, fields),
};

async function firstError(store: Store, runKey: number): Promise<string> {
  for (const { tiNo, state } of await store.tasks.ofRun(runKey)) {
    if (state !== "failed") continue;
    const error = (await store.tasks.attempts(runKey, tiNo)).at(-1)?.error;
    return error?.stack ?? error?.message ?? "no error is stored";
  }
  return "no task failed";
}

async function ended(store: Store, runKey: number): Promise<DagRunRow> {
  const { promise, resolve, reject } = Promise.withResolvers<DagRunRow>();
  const look = async () => {
    const row = await store.runs.get(runKey);
    if (row !== undefined && isRunTerminal(row.state)) resolve(row);
  };
  const unsubscribe = store.onCommit(({ changedKinds }) => {
    if (changedKinds.has("run.state")) look().catch(reject);
  });
  look().catch(reject);
  return promise.finally(unsubscribe);
}

/** The value below which the given share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** To so many digits after the point. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
