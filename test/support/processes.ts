import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { scheduler } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The folder of the project. */
export const projectRoot = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The command line that runs a TypeScript file of the project on the pinned Node. */
export const nodeCommand = ["sh", join(projectRoot, "scripts", "node.sh")] as const;

/** How a process ended: an exit code, or the signal that ended it. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that a test has started. Disposing of it kills it with its whole group and throws if any of them stays. */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  /** All that it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when the process has ended and its output is complete (or a descendant holds it open for a second). */
  readonly ended: Promise<ProcessEnd>;
  /**
   * Resolves with the first line (of either stream, already printed or still to come) that contains the text or
   * matches the pattern; rejects, with the output, if the process ends or `timeoutMs` (default 15,000) passes first.
   */
  line(wanted: string | RegExp, timeoutMs?: number): Promise<string>;
  /** Sends a signal to the process alone (default SIGTERM) and waits for its end. */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<ProcessEnd>;
  /** Kills the whole group with SIGKILL at once, as a machine that loses power does. */
  kill(): Promise<ProcessEnd>;
}

/** What `startProcess` takes besides the command; `env` is added to the environment of the tests. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed; default: no standard input. */
  readonly input?: string;
}

const MARK = "SLUICE_TEST_PROCESS";

/** Starts a command as the leader of a new process group. Use `await using`, or `stop` it. */
export function startProcess(command: readonly string[], options: StartOptions = {}): TestProcess {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError("startProcess needs a command");
  const mark = randomUUID();
  const child = spawn(program, args, {
    cwd: options.cwd ?? projectRoot,
    env: { ...process.env, ...options.env, [MARK]: mark },
    detached: true,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  child.stdin?.end(options.input);
  return new Spawned(child, command.join(" "), mark);
}

/** Starts a TypeScript file of the project on the pinned Node. */
export function startScript(file: string, args: readonly string[] = [], options?: StartOptions): TestProcess {
  return startProcess([...nodeCommand, join(projectRoot, file), ...args], options);
}

/** Runs a command to its end and gives what it printed. Rejects, and kills it, after `timeoutMs` (default 60,000). */
export async function runProcess(
  command: readonly string[],
  options: StartOptions & { readonly timeoutMs?: number } = {},
): Promise<ProcessEnd & { stdout: string; stderr: string }> {
  await using child = startProcess(command, options);
  const end = await within(child.ended, options.timeoutMs ?? 60_000, () => describeOutput(command.join(" "), child));
  return { ...end, stdout: child.stdout(), stderr: child.stderr() };
}

class Spawned implements TestProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #mark: string;
  readonly #printed = { stdout: "", stderr: "" };
  readonly #watchers = new Set<() => void>();
  #end: ProcessEnd | undefined;

  constructor(child: ChildProcess, name: string, mark: string) {
    this.#child = child;
    this.#name = name;
    this.#mark = mark;
    this.pid = child.pid ?? -1;
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream]?.setEncoding("utf8").on("data", (chunk: string) => {
        this.#printed[stream] += chunk;
        this.#wake();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        const end = () => {
          clearTimeout(grace);
          this.#end = { code, signal };
          this.#wake();
          resolve(this.#end);
        };
        child.once("close", end);
        // A descendant that lives on may hold the pipes open for ever.
        const grace = setTimeout(end, 1_000);
      });
    });
    this.ended.catch(() => this.#wake());
  }

  readonly stdout = (): string => this.#printed.stdout;
  readonly stderr = (): string => this.#printed.stderr;

  async line(wanted: string | RegExp, timeoutMs = 15_000): Promise<string> {
    const matches = (line: string) => (typeof wanted === "string" ? line.includes(wanted) : wanted.test(line));
    const find = () => [this.stdout(), this.stderr()].flatMap(completeLines).find(matches);
    const watch: { wake?: () => void } = {};
    const found = new Promise<string>((resolve, reject) => {
      watch.wake = () => {
        const line = find();
        if (line !== undefined) resolve(line);
        else if (this.#end !== undefined)
          reject(new Error(describeOutput(`${this.#name} ended before ${wanted}`, this)));
      };
      this.#watchers.add(watch.wake);
      this.ended.catch(reject);
      watch.wake();
    });
    try {
      return await within(found, timeoutMs, () => describeOutput(`${this.#name} did not print ${wanted}`, this));
    } finally {
      if (watch.wake !== undefined) this.#watchers.delete(watch.wake);
    }
  }

  async stop(signal: NodeJS.Signals = "SIGTERM", timeoutMs = 15_000): Promise<ProcessEnd> {
    if (this.#end === undefined) this.#child.kill(signal);
    return within(this.ended, timeoutMs, () => describeOutput(`${this.#name} did not end on ${signal}`, this));
  }

  async kill(): Promise<ProcessEnd> {
    killGroup(this.pid);
    return this.ended;
  }

  /** Ends the group first, then insists that nobody is left who was started from here, whatever group it moved to. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.pid === -1) return;
    const wasRunning = this.#end === undefined;
    killGroup(this.pid);
    await this.ended;
    const left = await leftBehind(MARK, this.#mark, wasRunning ? 2_000 : 500);
    await killAll(left.map(({ pid }) => pid));
    if (left.length > 0) throw new Error(`${this.#name} left processes behind: ${describeProcesses(left)}`);
  }

  #wake(): void {
    for (const wake of [...this.#watchers]) wake();
  }
}

/** A running process as /proc shows it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly command: string;
}

/**
 * The processes that were started with `name=value` in their environment, on Linux; elsewhere none are found. A child
 * inherits its parent's environment, so this finds descendants whatever group or session they have moved to.
 */
export function processesWithEnv(name: string, value: string): ProcessEntry[] {
  const found: ProcessEntry[] = [];
  for (const pid of numericNames("/proc")) {
    if (pid === process.pid) continue;
    const environment = readProc(pid, "environ");
    if (!environment.split("\0").includes(`${name}=${value}`)) continue;
    found.push({ pid, command: commandOf(pid).slice(0, 200) });
  }
  return found;
}

/** As `processesWithEnv`, but gives those that are ending up to `graceMs` to be gone. */
export async function leftBehind(name: string, value: string, graceMs: number): Promise<ProcessEntry[]> {
  const deadline = performance.now() + graceMs;
  let left = processesWithEnv(name, value);
  while (left.length > 0 && performance.now() < deadline) {
    await scheduler.wait(25);
    left = processesWithEnv(name, value);
  }
  return left;
}

/** Whether a process runs; one that has ended and is not yet reaped by its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return !/^State:\tZ/m.test(readProc(pid, "status"));
}

/** One line about processes, for messages. */
export function describeProcesses(entries: readonly ProcessEntry[]): string {
  return entries.map(({ pid, command }) => `${pid} (${command})`).join(", ");
}

/** Sends SIGKILL to the group whose leader is `pid`; one that is gone already is fine. */
export function killGroup(pid: number): void {
  if (pid > 1) killProcess(-pid);
}

/** Sends SIGKILL to each and waits until all of them are gone: the kernel takes its time with a large process. */
export async function killAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) killProcess(pid);
  while (pids.some(isRunning)) await scheduler.wait(5);
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The command line of a process, on Linux; empty for one that has ended. */
export function commandOf(pid: number): string {
  return readProc(pid, "cmdline").split("\0").join(" ").trim();
}

/** The process ids of the direct children of a process, on Linux. */
export function childrenOf(pid: number): number[] {
  return numericNames(`/proc/${pid}/task`).flatMap((thread) =>
    readProc(pid, `task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

function numericNames(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Empty for a process that has ended meanwhile or belongs to somebody else. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

/** The lines that have ended; the one still being printed would match in part. */
function completeLines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

function describeOutput(what: string, { stdout, stderr }: Pick<TestProcess, "stdout" | "stderr">): string {
  return `${what}\n--- stdout\n${stdout().slice(-4_000)}\n--- stderr\n${stderr().slice(-4_000)}`;
}

/** Rejects with `message()` if the promise takes longer than `timeoutMs`. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, message: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Timed out after ${timeoutMs} ms: ${message()}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
