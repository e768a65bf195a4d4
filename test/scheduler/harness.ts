import { createHash } from "node:crypto";
import { afterEach } from "mocha";
import type { DagDefinition } from "../../core/definition.ts";
import { type Logger, silentLogger } from "../../core/logger.ts";
import type { TaskState } from "../../core/states.ts";
import { Scheduler } from "../../scheduler/scheduler.ts";
import type { Change } from "../../store/changes.ts";
import { type TriggerInput, triggerRun } from "../../store/commands/trigger.ts";
import { openStore } from "../../store/open.ts";
import type { DagRunRow, RunKey, TaskInstanceRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/verify.ts";
import { FakeClock } from "../support/clock.ts";
import { tempFolders } from "../support/temp.ts";
import { ScriptedExecutor } from "./scripted-executor.ts";

export interface HarnessOptions {
  readonly slots?: number;
  /** Anything `Date.parse` reads. Default 2026-01-01T00:00:00Z. */
  readonly now?: string;
  readonly logger?: Logger;
  /** Put between the scheduler and its store. */
  readonly wrap?: (store: Store) => Store;
}

/** A scheduler on a real SQLite file, with a scripted executor and a clock that the test moves. */
export class Harness {
  readonly clock: FakeClock;
  readonly path: string;
  readonly #options: HarnessOptions;
  store!: Store;
  executor!: ScriptedExecutor;
  scheduler!: Scheduler;
  #boots = 0;

  constructor(path: string, options: HarnessOptions) {
    this.path = path;
    this.#options = options;
    this.clock = new FakeClock(options.now ?? "2026-01-01T00:00:00Z");
  }

  /** Opens the store (again) and starts a new scheduler with a new worker id and a new executor. */
  async boot(): Promise<void> {
    await this.openOnly();
    await this.startOnly();
  }

  async openOnly(): Promise<void> {
    this.store = await openStore({ url: `sqlite:${this.path}`, secretKey: new Uint8Array(32), clock: this.clock });
  }

  async startOnly(): Promise<void> {
    await this.startWithoutWaiting();
    await this.idle();
  }

  /** Starts, but lets nothing come to rest. */
  async startWithoutWaiting(): Promise<void> {
    this.#boots++;
    const { slots = 16, logger = silentLogger, wrap = (store) => store } = this.#options;
    const workerId = `worker-${this.#boots}`;
    this.executor = new ScriptedExecutor(slots, workerId);
    this.scheduler = new Scheduler({
      store: wrap(this.store),
      executors: new Map([["local", this.executor]]),
      clock: this.clock,
      logger,
      workerId,
    });
    await this.scheduler.start();
  }

  /** As `kill -9`: nothing is told, nothing is finished; what was not committed is gone. */
  async crash(): Promise<void> {
    this.executor.vanish();
    this.scheduler.kill();
    await this.store.close();
  }

  async close(): Promise<void> {
    await this.scheduler?.stop(0);
    await this.store?.close();
  }

  idle(): Promise<void> {
    return this.scheduler.idle();
  }

  /** Lets time pass and everything follow that comes with it. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (;;) {
      await this.idle();
      const { nextAt } = this.clock;
      if (nextAt === undefined || nextAt > end) break;
      this.clock.advanceTo(Math.max(nextAt, this.clock.now()));
    }
    this.clock.advanceTo(end);
    await this.idle();
  }

  /** The clock is moved at once, as on a machine that was asleep; what is due by then happens. */
  async jump(to: string): Promise<void> {
    this.clock.jumpTo(Date.parse(to));
    await this.scheduler.sweep();
    await this.idle();
  }

  async commit(...changes: readonly Change[]): Promise<void> {
    const result = await this.store.commit(changes, "test");
    if (!result.ok) throw new Error(result.message);
  }

  /** Stores a version of each DAG, as the loader does. */
  async put(...definitions: readonly DagDefinition[]): Promise<void> {
    for (const definition of definitions) {
      const definitionHash = createHash("sha256").update(JSON.stringify(definition)).digest("hex");
      await this.commit(
        { kind: "bundle.put", hash: "b1", file: "dags.ts", code: "", sourceMap: "", sources: [] },
        {
          kind: "dag.put",
          file: `${definition.dagId}.ts`,
          definition,
          definitionHash,
          bundleHash: "b1",
          parseMs: 1,
          isPausedByDefault: false,
          scheduleSummary: "test",
        },
      );
    }
    await this.idle();
  }

  /** Triggers a run and lets follow what follows at once. */
  async trigger(dagId: string, input: Omit<TriggerInput, "dagId"> = {}): Promise<DagRunRow> {
    const row = await this.triggerOnly(dagId, input);
    await this.idle();
    return row;
  }

  triggerOnly(dagId: string, input: Omit<TriggerInput, "dagId"> = {}): Promise<DagRunRow> {
    return triggerRun(this.command, { dagId, ...input });
  }

  get command() {
    return { store: this.store, clock: this.clock, actor: "user:test", triggeredBy: "rest_api" as const };
  }

  async run(runKey: RunKey): Promise<DagRunRow> {
    const row = await this.store.runs.get(runKey);
    if (row === undefined) throw new Error(`no run ${runKey}`);
    return row;
  }

  /** State of the newest run of a DAG, or of the given one. */
  async runStates(dagId: string): Promise<{ readonly [runId: string]: string }> {
    const { rows } = await this.store.runs.list({ dagId, limit: 1_000, orderBy: "id" });
    return Object.fromEntries(rows.map(({ runId, state }) => [runId, state]));
  }

  async tasks(runKey: RunKey): Promise<{ readonly [taskId: string]: TaskState }> {
    const rows = await this.store.tasks.ofRun(runKey);
    return Object.fromEntries(rows.map(({ taskId, state }) => [taskId, state]));
  }

  async task(runKey: RunKey, taskId: string): Promise<TaskInstanceRow> {
    const row = (await this.store.tasks.ofRun(runKey)).find((task) => task.taskId === taskId);
    if (row === undefined) throw new Error(`no task ${taskId}`);
    return row;
  }

  async explain(runKey: RunKey, taskId: string): Promise<string> {
    return this.scheduler.explain(runKey, (await this.task(runKey, taskId)).tiNo);
  }

  /** Ids of the tasks that were started, in order. */
  get started(): readonly string[] {
    return this.executor.started.map(({ taskId }) => taskId);
  }
}

/** Call inside `describe`; gives a function that boots a harness, closed after its test. */
export function harnesses(): (options?: HarnessOptions) => Promise<Harness> {
  const made: Harness[] = [];
  afterEach(async () => {
    for (const harness of made.splice(0)) {
      // Whatever a test did, its database keeps every promise.
      const violations = await verify(harness.store);
      await harness.close();
      if (violations.length > 0) throw new Error(`violations: ${JSON.stringify(violations, null, 2)}`);
    }
  });
  const folders = tempFolders();
  return async (options = {}) => {
    const harness = new Harness(folders("scheduler").file("sluice.db"), options);
    made.push(harness);
    await harness.boot();
    return harness;
  };
}

/** The store with some of its methods replaced. */
export function wrapStore(store: Store, replaced: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(key in replaced ? replaced : target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
