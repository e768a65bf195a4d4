import { mkdirSync, writeFileSync } from "node:fs";
import { readConfig } from "../../cli/config.ts";
import { type Installation, startInstallation } from "../../cli/up.ts";
import { systemClock } from "../../core/clock.ts";
import { isRunTerminal } from "../../core/states.ts";
import type { LogLine } from "../../executor/executor.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { type TriggerInput, triggerRun } from "../../store/commands/index.ts";
import type { AttemptRow, DagRunRow, RunKey, TaskInstanceRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/verify.ts";
import { describeProcesses, leftBehind, within } from "../support/processes.ts";

export interface RealOptions {
  /** Text of DAG files by name. */
  readonly dags: { readonly [file: string]: string };
  /** Any settings besides the folders. */
  readonly env?: { readonly [name: string]: string };
  /** Serve pages and API as well. Default false. */
  readonly web?: boolean;
  /** The state folder, when it is to lie somewhere else. */
  readonly home?: string;
}

/** What a task of a run left. */
export interface TaskTrace {
  readonly task: TaskInstanceRow;
  readonly attempts: readonly AttemptRow[];
  /** Of the last try. */
  readonly log: readonly LogLine[];
}

/** A whole Sluice in this process, put together by `cli/up.ts`, with real task processes. */
export class RealInstallation implements AsyncDisposable {
  readonly home: string;
  readonly installation: Installation;
  readonly #logs: FolderLogStore;

  constructor(home: string, installation: Installation) {
    this.home = home;
    this.installation = installation;
    this.#logs = new FolderLogStore(`${home}/logs`);
  }

  get store(): Store {
    return this.installation.store;
  }

  get command() {
    return { store: this.store, clock: systemClock, actor: "user:test", triggeredBy: "rest_api" as const };
  }

  trigger(dagId: string, input: Omit<TriggerInput, "dagId"> = {}): Promise<DagRunRow> {
    return triggerRun(this.command, { dagId, ...input });
  }

  /** Triggers a run and waits for its end. */
  async run(dagId: string, input: Omit<TriggerInput, "dagId"> = {}): Promise<DagRunRow> {
    return this.ended((await this.trigger(dagId, input)).runKey);
  }

  /** Waits for the end of a run. */
  async ended(runKey: RunKey, timeoutMs = 30_000): Promise<DagRunRow> {
    return this.until(`run ${runKey} ends`, timeoutMs, async () => {
      const row = await this.store.runs.get(runKey);
      return row !== undefined && isRunTerminal(row.state) ? row : undefined;
    });
  }

  /** Waits for something that is true after some commit. */
  async until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => void look().then((value) => value !== undefined && resolve(value), reject);
    const unsubscribe = this.store.onCommit(check);
    check();
    return within(promise, timeoutMs, () => `waited until ${what}`).finally(unsubscribe);
  }

  /** What a task of a run left behind. */
  async trace(runKey: RunKey, taskId: string): Promise<TaskTrace> {
    const task = (await this.store.tasks.ofRun(runKey)).find((row) => row.taskId === taskId);
    if (task === undefined) throw new Error(`no task ${taskId}`);
    const attempts = await this.store.tasks.attempts(runKey, task.tiNo);
    const { lines } = await this.#logs.read({ runKey, tiNo: task.tiNo, tryNumber: task.tryNumber }, 0, 10_000);
    return { task, attempts, log: lines };
  }

  /** The error of the last try of a task. */
  async error(runKey: RunKey, taskId: string): Promise<string> {
    const { attempts } = await this.trace(runKey, taskId);
    const { name = "", message = "" } = attempts.at(-1)?.error ?? {};
    return `${name}: ${message}`;
  }

  /** Stops everything and insists that the database keeps its promises and that no process is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    const violations = await verify(this.store);
    await this.installation.stop();
    await this.#logs.close();
    const left = await leftBehind("SLUICE_HOME", this.home, 2_000);
    if (left.length > 0) throw new Error(`Processes left behind: ${describeProcesses(left)}`);
    if (violations.length > 0) throw new Error(`Violations: ${JSON.stringify(violations, null, 2)}`);
  }
}

/** Starts an installation in a folder and waits until its DAG files are loaded; import errors are errors. */
export async function startReal(folder: string, options: RealOptions): Promise<RealInstallation> {
  const { dags, env = {}, web = false, home = `${folder}/home` } = options;
  mkdirSync(home, { recursive: true });
  mkdirSync(`${folder}/dags`, { recursive: true });
  for (const [file, text] of Object.entries(dags)) writeFileSync(`${folder}/dags/${file}`, text);
  const settings = { SLUICE_HOME: home, SLUICE_DAGS: `${folder}/dags`, SLUICE_LOG_LEVEL: "silent", SLUICE_PORT: "0" };
  const config = readConfig({ ...settings, SLUICE_KILL_GRACE_SECONDS: "0.3", ...env }, folder);
  const real = new RealInstallation(home, await startInstallation(config, { scheduler: true, web }));
  try {
    await real.until("all DAG files are loaded", 30_000, async () => {
      const [error] = await real.store.dags.importErrors();
      if (error !== undefined) throw new Error(error.message);
      const files = new Set((await real.store.dags.files()).map(({ file }) => file));
      return Object.keys(dags).every((file) => files.has(file)) || undefined;
    });
  } catch (error) {
    await real.installation.stop();
    throw error;
  }
  return real;
}
