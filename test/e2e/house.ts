import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { scheduler } from "node:timers/promises";
import type { BrowserContextOptions, Page } from "playwright-core";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { openStore } from "../../store/open.ts";
import type { DagRunRow, RunKey, TaskInstanceRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { type Violation, verify } from "../../store/verify.ts";
import type { TestBrowser } from "../support/browser.ts";
import { projectRoot, runProcess, startProcess, type TestProcess } from "../support/processes.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";

/** How long anything may take that is waited for, ms. */
const PATIENCE_MS = 20_000;

/** A real installation: `sluice up` in processes of its own on an empty state folder. The tests look into its database from outside. */
export class House implements AsyncDisposable {
  readonly #folder: TempFolder;
  #process: TestProcess | undefined;
  #store: Store | undefined;
  #cookie = "";
  url = "";

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  /** Starts one with these files in its DAG folder, and waits for its first page. */
  static async open(files: Readonly<Record<string, string>> = {}): Promise<House> {
    const house = new House(tempFolder("e2e"));
    mkdirSync(house.file("dags"));
    mkdirSync(house.file("gates"));
    for (const [name, text] of Object.entries(files)) house.write(name, text);
    await house.up();
    return house;
  }

  /** Starts `sluice up` (again) and logs in. */
  async up(): Promise<void> {
    const command = ["sh", `${projectRoot}/cli/sluice`, "--json", "up"];
    this.#process = startProcess(command, { cwd: this.#folder.path, env: this.env });
    const line = await this.#process.line('"loginUrl"', 30_000);
    const { url, loginUrl } = JSON.parse(line) as { url: string; loginUrl: string };
    this.url = url;
    const login = await fetch(loginUrl, { redirect: "manual" });
    this.#cookie = /sluice_session=([^;]+)/.exec(login.headers.get("set-cookie") ?? "")?.[1] ?? "";
    this.#store ??= await openStore({ url: `sqlite:${this.file("home", "sluice.db")}`, secretKey: new Uint8Array(32) });
  }

  /** The environment of every process of this installation. */
  get env(): Readonly<Record<string, string>> {
    return {
      SLUICE_HOME: this.file("home"),
      SLUICE_DAGS: this.file("dags"),
      SLUICE_PORT: "0",
      SLUICE_LOG_LEVEL: "warn",
      SLUICE_KILL_GRACE_SECONDS: "0.3",
      SLUICE_SLOTS: "8",
      GATES: this.file("gates"),
    };
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error("The installation was never up.");
    return this.#store;
  }

  /** What it has printed so far. */
  get stderr(): string {
    return this.#process?.stderr() ?? "";
  }

  file(...names: string[]): string {
    return this.#folder.file(...names);
  }

  /** Saves a DAG file as editors do: beside it first, then in its place. */
  write(name: string, text: string): void {
    const path = this.file("dags", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.tmp~`, text);
    renameSync(`${path}.tmp~`, path);
  }

  remove(name: string): void {
    rmSync(this.file("dags", name));
  }

  /** Lets tasks pass that `await gate(name)`. */
  openGate(name: string): void {
    writeFileSync(this.file("gates", name), "");
  }

  /** A page of somebody who is logged in. */
  async page(browser: TestBrowser, path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    await context.addCookies([{ name: "sluice_session", value: this.#cookie, url: this.url }]);
    const page = await context.newPage();
    await page.goto(this.url + path);
    return page;
  }

  /** Status and text of an answer to somebody who is logged in. */
  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(this.url + path, { headers: { cookie: `sluice_session=${this.#cookie}` } });
    return { status: response.status, text: await response.text() };
  }

  /** Looks again and again until there is something; `what` says what, when there never is. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms\n${this.stderr}`);
      await scheduler.wait(15);
    }
  }

  /** The run, once it is in this state. */
  async run(dagId: string, runId: string, state: DagRunRow["state"]): Promise<DagRunRow> {
    try {
      return await this.until(`run ${runId} of ${dagId} is ${state}`, async () => {
        const row = await this.store.runs.find(dagId, runId);
        return row?.state === state ? row : undefined;
      });
    } catch (error) {
      throw new Error(await this.#account(dagId, runId), { cause: error });
    }
  }

  /** What became of a run, for messages. */
  async #account(dagId: string, runId: string): Promise<string> {
    const row = await this.store.runs.find(dagId, runId);
    if (row === undefined) return `There is no run ${runId} of ${dagId}.`;
    const attempts = await this.store.tasks.attemptsOfRun(row.runKey);
    const tries = attempts.map(({ tiNo, tryNumber, state, error }) => ({ tiNo, tryNumber, state, error }));
    return `Run ${runId} of ${dagId} is ${row.state}: ${JSON.stringify([await this.states(row.runKey), tries])}`;
  }

  /** The task instance, once it is in this state. */
  async task(dagId: string, runId: string, taskId: string, state: TaskInstanceRow["state"]): Promise<TaskInstanceRow> {
    return this.until(`task ${taskId} of ${runId} is ${state}`, async () => {
      const row = await this.store.tasks.find(dagId, runId, taskId);
      if (row?.state !== state && (row?.state === "failed" || row?.state === "upstream_failed"))
        throw new Error(await this.#account(dagId, runId));
      return row?.state === state ? row : undefined;
    });
  }

  /** States of a run's tasks by id. */
  async states(runKey: RunKey): Promise<Readonly<Record<string, string>>> {
    return Object.fromEntries((await this.store.tasks.ofRun(runKey)).map(({ taskId, state }) => [taskId, state]));
  }

  /** The messages of a try that are on the disk. */
  async log(task: Pick<TaskInstanceRow, "runKey" | "tiNo" | "tryNumber">): Promise<readonly string[]> {
    const logs = new FolderLogStore(this.file("home", "logs"));
    try {
      return (await logs.read(task, 0, 100_000)).lines.map(({ message }) => message);
    } finally {
      await logs.close();
    }
  }

  /** What `sluice verify` finds. */
  verify(): Promise<readonly Violation[]> {
    return verify(this.store);
  }

  /** What a `sluice` command prints as JSON; rejects when it fails. */
  async cli(...args: readonly string[]): Promise<unknown> {
    const command = ["sh", `${projectRoot}/cli/sluice`, ...args, "--json"];
    const { code, stdout, stderr } = await runProcess(command, { cwd: this.#folder.path, env: this.env });
    if (code !== 0) throw new Error(`sluice ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
    return JSON.parse(stdout);
  }

  /** The text of a file, "" while there is none. */
  read(...names: string[]): string {
    try {
      return readFileSync(this.file(...names), "utf8");
    } catch {
      return "";
    }
  }

  /** As when the machine loses power: every process at once, nobody is told. */
  async losePower(): Promise<void> {
    await this.#process?.kill();
    await this.#process?.[Symbol.asyncDispose]();
  }

  /** Ends it in an orderly way, and insists that it leaves no process behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process?.stop();
      await this.#process?.[Symbol.asyncDispose]();
    } finally {
      await this.#store?.close();
      this.#folder[Symbol.dispose]();
    }
  }
}

/** For DAG files: tasks that wait until the test opens a gate, or for ever. */
export const GATES = `
import { watch, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
/** Resolves once the test has opened the gate. */
export function gate(name: string, signal?: AbortSignal): Promise<void> {
  const folder = process.env.GATES as string;
  mkdirSync(folder, { recursive: true });
  return new Promise((resolve, reject) => {
    const look = () => { if (existsSync(join(folder, name))) { watcher.close(); resolve(); } };
    const watcher = watch(folder, look);
    signal?.addEventListener("abort", () => { watcher.close(); reject(signal.reason); });
    look();
  });
}
`;
