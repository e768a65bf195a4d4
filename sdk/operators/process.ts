import { type ChildProcess, spawn } from "node:child_process";
import { SluiceError } from "../../core/errors.ts";
import { FailFast } from "../errors.ts";
import type { RuntimeHost } from "../host.ts";
import { LineSplitter } from "../lines.ts";

/** A program to start. */
export interface ProcessSpec {
  readonly argv: readonly string[];
  readonly env: { readonly [name: string]: string };
  readonly cwd?: string;
}

/** How a program ended; one of `code` and `signal` is null. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last line of its standard output, without trailing white space. */
  readonly lastLine: string;
}

/** A program ended with an exit code other than 0, or by a signal. */
export class CommandError extends SluiceError {
  readonly exitCode: number | null;
  readonly signal: string | null;

  constructor(exitCode: number | null, signal: string | null) {
    super(
      "command_failed",
      exitCode === null ? `The command was ended by ${signal}.` : `The command ended with exit code ${exitCode}.`,
    );
    this.name = "CommandError";
    this.exitCode = exitCode;
    this.signal = signal;
  }
}

/** From SIGTERM to SIGKILL. */
const KILL_GRACE_MS = 5000;
/** How long processes left behind may go on writing before they are ended. */
const LEFTOVER_GRACE_MS = 2000;
/** How long the pipes are read after a SIGKILL: a process that has left the group may hold them open for ever. */
const PIPE_GRACE_MS = 1000;

/**
 * Runs a program as the leader of its own process group and waits for its end; its output goes to the log, line by
 * line. When the host's signal aborts, the group gets SIGTERM, then SIGKILL. What the program leaves running in
 * its group is ended with it.
 * @throws FailFast when it cannot be started.
 */
export function runProcess(spec: ProcessSpec, host: RuntimeHost): Promise<ProcessEnd> {
  const [program = "", ...args] = spec.argv;
  host.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = start(program, args, spec, reject);
    if (child === undefined) return;
    const output = readOutput(child, host);
    const group = new ProcessGroup(child, host);
    child.once("error", (error) => {
      group.release();
      reject(startFailure(program, spec, error));
    });
    child.once("exit", (code, signal) => {
      group.endLeftovers();
      output.closed.then(() => {
        group.release();
        resolve({ code, signal, lastLine: output.lastLine() });
      }, reject);
    });
  });
}

function start(
  program: string,
  args: readonly string[],
  spec: ProcessSpec,
  reject: (error: Error) => void,
): ChildProcess | undefined {
  try {
    return spawn(program, args, { cwd: spec.cwd, env: spec.env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    reject(startFailure(program, spec, error as Error));
    return undefined;
  }
}

function startFailure(program: string, { cwd }: ProcessSpec, error: Error & { code?: string }): FailFast {
  const why: { readonly [code: string]: string } = {
    ENOENT: `there is no such program, or no such working directory${cwd === undefined ? "" : ` (${cwd})`}`,
    EACCES: "it may not be executed",
    E2BIG: "its arguments and environment are too long; write large values to a file and pass its name",
    ENOTDIR: `the working directory ${cwd ?? ""} is no directory`,
  };
  return new FailFast(`"${program}" could not be started: ${why[error.code ?? ""] ?? error.message}.`, {
    cause: error,
  });
}

interface Output {
  readonly closed: Promise<void>;
  lastLine(): string;
}

function readOutput(child: ChildProcess, host: RuntimeHost): Output {
  let last = "";
  const stdout = new LineSplitter((message) => {
    last = message;
    host.log({ level: "info", source: "stdout", message });
  });
  const stderr = new LineSplitter((message) => host.log({ level: "error", source: "stderr", message }));
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => {
      stdout.end();
      stderr.end();
      resolve();
    });
  });
  return { closed, lastLine: () => last.trimEnd() };
}

/** The process group that a child leads. */
class ProcessGroup {
  readonly #child: ChildProcess;
  readonly #host: RuntimeHost;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #onAbort = () => this.#end(KILL_GRACE_MS);

  constructor(child: ChildProcess, host: RuntimeHost) {
    this.#child = child;
    this.#host = host;
    if (child.pid !== undefined) host.spawned(child.pid);
    host.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The leader is gone: whoever still holds its output is given a moment, then ended. */
  endLeftovers(): void {
    this.#later(LEFTOVER_GRACE_MS, () => this.#end(LEFTOVER_GRACE_MS));
  }

  /** Everything is over: nothing of the group stays behind. */
  release(): void {
    this.#host.signal.removeEventListener("abort", this.#onAbort);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#kill("SIGKILL");
    if (this.#child.pid !== undefined) this.#host.exited(this.#child.pid);
  }

  #end(graceMs: number): void {
    this.#kill("SIGTERM");
    this.#later(graceMs, () => {
      this.#kill("SIGKILL");
      this.#later(PIPE_GRACE_MS, () => {
        this.#child.stdout?.destroy();
        this.#child.stderr?.destroy();
      });
    });
  }

  #later(ms: number, action: () => void): void {
    this.#timers.push(setTimeout(action, ms));
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}
