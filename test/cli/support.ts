import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeCommand, projectRoot, runProcess, startProcess, type TestProcess } from "../support/processes.ts";
import type { TempFolder } from "../support/temp.ts";

/** How a command ended and what it printed. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line on a state folder and a DAG folder of its own, as child processes. */
export class CliBench {
  readonly #folder: TempFolder;

  constructor(folder: TempFolder) {
    this.#folder = folder;
    mkdirSync(this.dags, { recursive: true });
  }

  get home(): string {
    return this.#folder.file("home");
  }

  get dags(): string {
    return this.#folder.file("dags");
  }

  get command(): readonly string[] {
    return [...nodeCommand, join(projectRoot, "cli", "main.ts")];
  }

  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { SLUICE_HOME: this.home, SLUICE_DAGS: this.dags, SLUICE_PORT: "0", ...more };
  }

  dag(name: string, text: string): void {
    writeFileSync(join(this.dags, name), text);
  }

  run(args: readonly string[], options: { input?: string; env?: Record<string, string> } = {}): Promise<Ran> {
    return runProcess([...this.command, ...args], {
      env: this.env(options.env),
      input: options.input,
      timeoutMs: 30_000,
    });
  }

  /** Runs a command that must succeed, and gives its one JSON value. */
  async json<T>(...args: string[]): Promise<T> {
    const ran = await this.run([...args, "--json"]);
    if (ran.code !== 0) throw new Error(`sluice ${args.join(" ")} ended with ${ran.code}: ${ran.stderr}`);
    return JSON.parse(ran.stdout) as T;
  }

  /** Starts `up --json` and waits until it serves. */
  async up(
    env: Record<string, string> = {},
  ): Promise<{ process: TestProcess; url: string; loginUrl: string; pid: number }> {
    const child = startProcess([...this.command, "up", "--json"], { env: this.env(env) });
    const ready = JSON.parse(await child.line(/^\{.*"loginUrl"/, 30_000)) as {
      url: string;
      loginUrl: string;
      pid: number;
    };
    return { process: child, ...ready };
  }

  /** Repeats a JSON command until its value holds: what `up` does beside us has no other signal that a child process could await. */
  async until<T>(holds: (value: T) => boolean, ...args: string[]): Promise<T> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const ran = await this.run([...args, "--json"]);
      const value = ran.code === 0 ? (JSON.parse(ran.stdout) as T) : undefined;
      if (value !== undefined && holds(value)) return value;
      if (performance.now() > deadline)
        throw new Error(`sluice ${args.join(" ")} stayed at ${ran.stdout}${ran.stderr}`);
    }
  }

  hasStateFile(name: string): boolean {
    return existsSync(join(this.home, name));
  }
}

/** Two tasks, of which the first prints and the second adds what it gets to a param. */
export const SUMS = `import { Dag } from "sluice";
import { z } from "zod";
const dag = new Dag("sums", { params: z.object({ add: z.number().int().default(1) }) });
const first = dag.task("first", async () => { console.log("counting"); return 41; });
const total = dag.task("total", async ({ value }: { value: number }) => value + 1);
total({ value: first() });
`;

/** A task that waits until a file is there. */
export const GATED = (gate: string) => `import { existsSync } from "node:fs";
import { Dag } from "sluice";
const dag = new Dag("gated");
const wait = dag.task("wait", async () => {
  console.log("waiting at the gate");
  while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 20));
  return "through";
});
wait();
`;
