import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { Loader } from "../../loader/loader.ts";
import { setPaused } from "../../store/commands/index.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { describeProcesses, leftBehind } from "../support/processes.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { check } from "./check.ts";
import { Client, type Issued } from "./client.ts";
import { storeOptions } from "./engine.ts";
import { EngineProcess, leftovers } from "./engine-process.ts";
import { type Random, randomOf } from "./random.ts";

export interface LaneOptions {
  readonly seed: number;
  /** Kills to inject. */
  readonly kills: number;
  /** After so many kills everything settles, is checked, and a new database begins. Default 150. */
  readonly killsPerRound?: number;
  /** No further kill is injected after this, ms. Default: no limit. */
  readonly budgetMs?: number;
  /** The engine as `bundleEngine` made it. */
  readonly engine: string;
  readonly onRound?: (report: LaneReport) => void;
}

/** What a lane did and found. */
export interface LaneReport {
  readonly seed: number;
  killsPlanned: number;
  kills: number;
  /** Kills that hit the engine before it was ready. */
  killsWhileBooting: number;
  /** Kills that hit the tasks at the same time. */
  killsOfEverything: number;
  rounds: number;
  runs: number;
  leftAlone: number;
  succeeded: number;
  attempts: number;
  lostAttempts: number;
  effects: number;
  repeated: number;
  commands: { ok: number; fail: number; info: number };
  bootCpuMs: number[];
  violations: string[];
}

/** What a lane that has nothing to show yet reports. */
export function emptyReport(seed: number): LaneReport {
  return {
    seed,
    killsPlanned: 0,
    kills: 0,
    killsWhileBooting: 0,
    killsOfEverything: 0,
    rounds: 0,
    runs: 0,
    leftAlone: 0,
    succeeded: 0,
    attempts: 0,
    lostAttempts: 0,
    effects: 0,
    repeated: 0,
    commands: { ok: 0, fail: 0, info: 0 },
    bootCpuMs: [],
    violations: [],
  };
}

/** A whole load is through within this when nobody kills any more, ms. */
const SETTLE_MS = 120_000;
const DAGS = join(dirname(fileURLToPath(import.meta.url)), "dags");

/** Kills the engine again and again, and looks in between whether it keeps its promises. */
export async function runLane(options: LaneOptions): Promise<LaneReport> {
  const { seed, kills, killsPerRound = 150, budgetMs = Infinity, onRound } = options;
  const report = emptyReport(seed);
  report.killsPlanned = kills;
  const random = randomOf(seed);
  const end = performance.now() + budgetMs;
  while (report.kills < kills && performance.now() < end && report.violations.length < 20) {
    await runRound({ ...options, random, report, end, kills: Math.min(killsPerRound, kills - report.kills) });
    report.rounds++;
    onRound?.(report);
  }
  return report;
}

interface RoundOptions {
  readonly random: Random;
  readonly report: LaneReport;
  readonly engine: string;
  readonly kills: number;
  /** `performance.now()` after which no further kill is injected. */
  readonly end: number;
}

async function runRound(options: RoundOptions): Promise<void> {
  const { random, report, engine, kills, end } = options;
  const folder = tempFolder("chaos");
  const round = new Round(folder, engine, await prepare(folder), random, report);
  const before = report.violations.length;
  let isClean = false;
  try {
    for (let kill = 0; kill < kills && performance.now() < end; kill++) await round.liveAndDie();
    await round.settle();
    isClean = report.violations.length === before;
  } finally {
    await round.close();
    // The database and the ledger of a failure are kept: they are the only trace.
    if (isClean) folder[Symbol.dispose]();
    else report.violations.push(`The state of this round is kept in ${folder.path}.`);
  }
}

/** A new state folder with the load's DAGs in its database. */
async function prepare(folder: TempFolder): Promise<Store> {
  const home = folder.file("home");
  mkdirSync(home);
  const store = await openStore(storeOptions(home));
  const pool = { name: "tight", slots: 2, description: null, includeDeferred: false };
  await store.commit([{ kind: "pool.put", mode: "create", pool }], "chaos-setup");
  const base = { store, clock: systemClock, logger: silentLogger, home, dagsFolder: DAGS };
  const loader = new Loader({ ...base, isPausedByDefault: false, evaluateTimeoutMs: 60_000 });
  await loader.idle();
  await loader.stop();
  const errors = await store.dags.importErrors();
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
  return store;
}

/** One database, from its first start to its last check. */
class Round {
  readonly #home: string;
  readonly #ledger: string;
  readonly #engine: string;
  readonly #store: Store;
  readonly #random: Random;
  readonly #report: LaneReport;
  readonly #client: Client;
  #present: EngineProcess | undefined;

  constructor(folder: TempFolder, engine: string, store: Store, random: Random, report: LaneReport) {
    this.#home = folder.file("home");
    this.#ledger = folder.file("ledger.jsonl");
    this.#engine = engine;
    this.#store = store;
    this.#random = random;
    this.#report = report;
    this.#client = new Client({ store, clock: systemClock, random, send: (command) => this.#present?.send(command) });
  }

  /** Starts the engine, uses it for a while, and kills it at a moment that only the seed knows. */
  async liveAndDie(): Promise<void> {
    const random = this.#random;
    const engine = this.#start();
    const whileBooting = random.chance(0.25);
    const killed = new AbortController();
    const using = this.#use(killed.signal);
    if (whileBooting) await sleep(random.between(0, this.#usualBootMs * 1.2));
    else {
      await this.#awaitReady(engine);
      await sleep(random.chance(0.75) ? random.between(0, 450) : random.between(450, 1_400));
    }
    const everything = random.chance(0.3);
    const report = this.#report;
    if (engine.hasExited) report.violations.push(`The engine ended by itself:\n${engine.stderr}`);
    else report.kills++;
    if (whileBooting) report.killsWhileBooting++;
    if (everything) report.killsOfEverything++;
    await engine.kill(this.#home, everything);
    killed.abort();
    await using;
  }

  /** Lets everything end, and looks at what is left. */
  async settle(): Promise<void> {
    const store = this.#store;
    const context = { store, clock: systemClock, actor: "settle", triggeredBy: "test" as const };
    await setPaused(context, "fan", false);
    // No further dates; the runs of a DAG without a file end all the same.
    const ended = await store.commit([{ kind: "dag.deactivate", dagId: "tick" }], "settle");
    if (!ended.ok) throw new Error(ended.message);
    const engine = this.#start();
    await this.#awaitReady(engine);
    const { violations } = this.#report;
    const waited = await this.#allEnded();
    if (waited.length > 0)
      violations.push(`Not ended ${SETTLE_MS / 1_000} s after the last kill: ${waited.join("; ")}\n${engine.stderr}`);
    await engine.stop();
    const left = await leftBehind("SLUICE_HOME", this.#home, 3_000);
    if (left.length > 0) violations.push(`Processes left after an orderly stop: ${describeProcesses(left)}`);
    this.#add(this.#client.issued, await check(store, this.#ledger, this.#client.issued));
  }

  async close(): Promise<void> {
    if (this.#present?.hasExited === false) await this.#present.kill(this.#home, true);
    await this.#store.close();
  }

  #start(): EngineProcess {
    this.#present = new EngineProcess(this.#engine, this.#home, this.#ledger);
    return this.#present;
  }

  #usualBootMs = 400;

  /** Ready, and nothing of former starts is left. */
  async #awaitReady(engine: EngineProcess): Promise<void> {
    const startedAt = performance.now();
    const ready = await engine.ready;
    if (ready === undefined) return;
    this.#usualBootMs = 0.8 * this.#usualBootMs + 0.2 * (performance.now() - startedAt);
    this.#report.bootCpuMs.push(ready.cpuMs);
    const left = leftovers(this.#home, ready.bootId);
    if (left.length > 0) this.#report.violations.push(`Processes of former starts: ${describeProcesses(left)}`);
  }

  /** Gives commands until the engine is dead. */
  async #use(killed: AbortSignal): Promise<void> {
    while (!killed.aborted) {
      await this.#client.act();
      await sleep(this.#random.between(10, 120), undefined, { signal: killed }).catch(() => undefined);
    }
  }

  /** Names what has not ended in time. */
  async #allEnded(): Promise<readonly string[]> {
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      const { queued = 0, running = 0 } = await this.#store.runs.countByState();
      const { total } = await this.#store.admin.backfills({ isActive: true });
      if (queued + running + total === 0) return [];
      if (performance.now() > deadline) break;
      await sleep(50);
    }
    const rows = await this.#store.runs.unfinished();
    const backfills = await this.#store.admin.backfills({ isActive: true });
    return [
      ...rows.map(({ dagId, runId, state }) => `${dagId} ${runId} is ${state}`),
      ...backfills.rows.map(({ id }) => `backfill ${id}`),
    ];
  }

  #add(issued: readonly Issued[], findings: Awaited<ReturnType<typeof check>>): void {
    const report = this.#report;
    for (const { outcome } of issued) report.commands[outcome]++;
    for (const key of ["runs", "leftAlone", "succeeded", "attempts", "lostAttempts", "effects", "repeated"] as const)
      report[key] += findings[key];
    report.violations.push(...findings.problems);
  }
}
