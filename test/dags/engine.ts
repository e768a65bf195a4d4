import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "mocha";
import { readConfig } from "../../cli/config.ts";
import { type Installation, startInstallation } from "../../cli/up.ts";
import { systemClock } from "../../core/clock.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { triggerRun } from "../../store/commands/index.ts";
import type { DagRunRow, RunKey, TaskInstanceRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/verify.ts";
import { projectRoot, within } from "../support/processes.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";

/** A run under test. */
export interface ObservedRun {
  readonly runId: string;
  /** Resolves when the task is in that state. */
  reaches(taskId: string, state: TaskInstanceRow["state"]): Promise<TaskInstanceRow>;
  /** Waits for the end of the run. */
  readonly ended: Promise<EndedRun>;
}

/** How a run ended. */
export interface EndedRun {
  readonly row: DagRunRow;
  /** State by task id. */
  readonly states: { readonly [taskId: string]: TaskInstanceRow["state"] };
  /** Tries by task id. */
  readonly tries: { readonly [taskId: string]: number };
  /** What a task left. */
  xcom(taskId: string): Promise<Json | undefined>;
  /** Messages in a task's log, of its last try. */
  log(taskId: string): Promise<string[]>;
  /** Why a task's last try failed. */
  error(taskId: string): Promise<string | undefined>;
}

/** The whole engine (store, loader, scheduler, local executor) on a folder of its own, with one DAG file in it. */
export interface Engine {
  readonly store: Store;
  readonly home: string;
  /** Path below what the examples keep. */
  kept(...names: string[]): string;
  /** Triggers a run of the DAG. */
  trigger(conf?: JsonObject): Promise<ObservedRun>;
  /** The first run that the DAG's schedule makes. */
  firstScheduled(): Promise<ObservedRun>;
  setVariable(key: string, value: string): Promise<void>;
  /** Resolves once `look` finds something; it looks at once and after every commit. */
  until<T>(look: () => Promise<T | undefined>, what: string): Promise<T>;
}

const RUN_MS = 60_000;

/** Call inside `describe`; gives a function that starts an engine. After the test it is verified and stopped. */
export function engines(): (dagId: string) => Promise<Engine> {
  const running: { installation: Installation; folder: TempFolder }[] = [];
  afterEach(async function () {
    this.timeout(60_000);
    for (const { installation, folder } of running.splice(0)) {
      const violations = await verify(installation.store);
      await installation.stop();
      folder[Symbol.dispose]();
      if (violations.length > 0) throw new Error(`sluice verify: ${JSON.stringify(violations)}`);
    }
  });
  return async (dagId) => {
    const folder = tempFolder("dags");
    copyExample(`${dagId}.ts`, folder.file("dags"));
    const config = readConfig({
      SLUICE_HOME: folder.file("home"),
      SLUICE_DAGS: folder.file("dags"),
      SLUICE_LOG_LEVEL: "error",
    });
    const installation = await startInstallation(config, { scheduler: true, web: false });
    running.push({ installation, folder });
    const engine = new TestEngine(installation.store, config.home, dagId);
    await engine.until(
      async () => (await installation.store.dags.get(dagId)) ?? (await importError(installation.store)),
      `DAG ${dagId}`,
    );
    return engine;
  };
}

/** One example with what it imports, so that no other DAG runs beside it. */
function copyExample(file: string, target: string): void {
  mkdirSync(target);
  for (const name of [file, "lib", "data", ".sluiceignore"]) {
    const source = join(projectRoot, "dags", name);
    if (existsSync(source)) cpSync(source, join(target, name), { recursive: true });
  }
}

async function importError(store: Store): Promise<undefined> {
  const [error] = await store.dags.importErrors();
  if (error !== undefined) throw new Error(`The example cannot be loaded: ${JSON.stringify(error)}`);
}

class TestEngine implements Engine {
  readonly store: Store;
  readonly home: string;
  readonly #dagId: string;

  constructor(store: Store, home: string, dagId: string) {
    this.store = store;
    this.home = home;
    this.#dagId = dagId;
  }

  kept(...names: string[]): string {
    return join(this.home, "examples", ...names);
  }

  async trigger(conf: JsonObject = {}): Promise<ObservedRun> {
    const run = await triggerRun(
      { store: this.store, clock: systemClock, actor: "test", triggeredBy: "test" },
      { dagId: this.#dagId, conf },
    );
    return this.#observe(run);
  }

  async firstScheduled(): Promise<ObservedRun> {
    const find = async () =>
      (await this.store.runs.list({ dagId: this.#dagId, limit: 10, offset: 0 })).rows.find(
        (run) => run.runType === "scheduled",
      );
    const { runId } = await this.until(find, "a scheduled run");
    const run = await this.store.runs.find(this.#dagId, runId);
    if (run === undefined) throw new Error(`Run ${runId} is gone.`);
    return this.#observe(run);
  }

  async setVariable(key: string, value: string): Promise<void> {
    const variable = { key, value, description: null };
    await this.store.commit([{ kind: "variable.put", mode: "upsert", variable }], "test");
  }

  /** Looks at once and after every commit, until there is something. */
  until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
    let unsubscribe = () => {};
    const found = new Promise<T>((resolve, reject) => {
      const again = () => {
        look().then((value) => value !== undefined && resolve(value), reject);
      };
      unsubscribe = this.store.onCommit(again);
      again();
    });
    return within(found, RUN_MS, () => `no ${what}`).finally(unsubscribe);
  }

  #observe({ runKey, runId }: DagRunRow): ObservedRun {
    const end = async () => {
      const isOver = async () => {
        const row = await this.store.runs.get(runKey);
        return row?.state === "success" || row?.state === "failed" ? row : undefined;
      };
      return this.#ended(await this.until(isOver, `end of run ${runId}`));
    };
    return {
      runId,
      get ended() {
        return end();
      },
      reaches: (taskId, state) =>
        this.until(
          async () =>
            (await this.store.tasks.ofRun(runKey)).find((task) => task.taskId === taskId && task.state === state),
          `${state} of ${taskId} in ${runId}`,
        ),
    };
  }

  async #ended(row: DagRunRow): Promise<EndedRun> {
    const tasks = await this.store.tasks.ofRun(row.runKey);
    const numberOf = (taskId: string) => tasks.find((task) => task.taskId === taskId)?.tiNo ?? -1;
    const triesOf = (taskId: string) => tasks.find((task) => task.taskId === taskId)?.tryNumber ?? 1;
    return {
      row,
      states: Object.fromEntries(tasks.map(({ taskId, state }) => [taskId, state])),
      tries: Object.fromEntries(tasks.map(({ taskId, tryNumber }) => [taskId, tryNumber])),
      xcom: async (taskId) => {
        const json = await this.store.tasks.xcomJson(row.runKey, numberOf(taskId), "return_value");
        return json === undefined ? undefined : (JSON.parse(json) as Json);
      },
      log: (taskId) => this.#log(row.runKey, numberOf(taskId), triesOf(taskId)),
      error: async (taskId) =>
        (await this.store.tasks.attempt(row.runKey, numberOf(taskId), triesOf(taskId)))?.error?.message,
    };
  }

  async #log(runKey: RunKey, tiNo: number, tryNumber: number): Promise<string[]> {
    const logs = new FolderLogStore(join(this.home, "logs"));
    try {
      return (await logs.read({ runKey, tiNo, tryNumber }, 0, 1_000)).lines.map(({ message }) => message);
    } finally {
      await logs.close();
    }
  }
}
