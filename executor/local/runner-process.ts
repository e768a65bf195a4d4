import { type ChildProcess, spawn } from "node:child_process";
import type { EventEmitter } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Isolation } from "../../core/definition.ts";
import { endMarked, sendSignal } from "../processes.ts";
import { type RunnerOptions, readToHost, type ToHost, type ToRunner } from "../protocol.ts";
import { runnerEnvironment } from "./environment.ts";
import type { RunnerExit } from "./exit.ts";

/** What a runner's owner hears from it. */
export interface RunnerEvents {
  /** It takes work now. */
  onReady(runner: RunnerProcess): void;
  onMessages(runner: RunnerProcess, messages: readonly ToHost[]): void;
  /** Bytes that something wrote to its stdout or stderr past the runner's own capture: native code, children that inherited it. */
  onOutput(runner: RunnerProcess, source: "stdout" | "stderr", chunk: Buffer): void;
  /** It has ended, and so has every process that it started. Called once. */
  onExit(runner: RunnerProcess, exit: RunnerExit): void;
}

export interface RunnerSpec {
  readonly options: RunnerOptions;
  readonly home: string;
  /** V8 old-space limit, MB. */
  readonly memoryLimitMb: number;
  readonly env: NodeJS.ProcessEnv;
}

/** How much of stderr is kept to say why a runner died. */
const STDERR_TAIL = 8_192;
/** How long an exited runner's pipes may stay open before its end is reported all the same, ms. */
const PIPE_LINGER_MS = 500;
/** How long a runner that was asked to leave may take, ms. */
const LEAVE_MS = 2_000;

const MAIN = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../runner/main.ts" : "../runner/main.js", import.meta.url),
);

let serial = 0;

/** One child process that runs author code: leader of a process group of its own, reached over IPC. */
export class RunnerProcess {
  readonly pid: number | undefined;
  /** Value of its `SLUICE_RUNNER` mark, which all its descendants inherit. */
  readonly runnerId: string;
  readonly memoryLimitMb: number;
  readonly isolation: Isolation;
  /** Numbers of the attempts it has now. */
  readonly attempts = new Set<number>();
  /** Hashes of bundles it has been given work of. */
  readonly bundles = new Set<string>();
  isReady = false;
  /** Gets no further work. */
  isRetiring = false;
  /** Why the host killed it, if it did. */
  killReason: string | undefined;
  /** `performance.now()` of when it last had work. */
  idleSince = 0;
  /** Undefined when the system refused to start it. */
  readonly #child: ChildProcess | undefined;
  readonly #events: RunnerEvents;
  readonly #outbox: ToRunner[] = [];
  #stderrTail = "";
  #hasExited = false;
  #leaveTimer: NodeJS.Timeout | undefined;

  constructor(spec: RunnerSpec, events: RunnerEvents) {
    this.#events = events;
    this.isolation = spec.options.isolation;
    this.memoryLimitMb = spec.memoryLimitMb;
    this.runnerId = `${process.pid}.${++serial}.${spec.options.bootId}`;
    try {
      this.#child = startProcess(spec, this.runnerId);
      this.pid = this.#child.pid;
      this.#listen(this.#child);
    } catch (error) {
      // Out of memory or of file descriptors, mostly; the owner hears of it as of any runner that did not get ready.
      queueMicrotask(() => this.#ended({ code: null, signal: null }, (error as Error).message));
    }
  }

  /** Queues a message; all of one turn leave in one write. */
  send(message: ToRunner): void {
    if (this.#outbox.push(message) === 1) queueMicrotask(() => this.#flush());
  }

  /** Stops reading its stdout and stderr, so that whoever floods them is blocked by a full pipe; `false` reads on. */
  pauseOutput(isPaused: boolean): void {
    for (const stream of [this.#child?.stdout, this.#child?.stderr]) {
      if (isPaused) stream?.pause();
      else stream?.resume();
    }
  }

  /** Sends a signal to its whole process group. */
  signalGroup(signal: NodeJS.Signals): void {
    if (this.pid !== undefined && !this.#hasExited) sendSignal(-this.pid, signal);
  }

  /** Kills its process group at once; `reason` completes "the runner …". */
  kill(reason: string): void {
    this.isRetiring = true;
    this.killReason ??= reason;
    this.signalGroup("SIGKILL");
  }

  /** Forgets what was printed before the attempt that now begins. */
  forgetOutput(): void {
    this.#stderrTail = "";
  }

  /** Asks it to end, which it does at once unless its event loop is blocked; then it is killed. */
  leave(): void {
    this.isRetiring = true;
    if (this.#hasExited || this.#leaveTimer !== undefined) return;
    if (this.#child?.connected) this.#child.disconnect();
    this.#leaveTimer = setTimeout(() => this.signalGroup("SIGKILL"), LEAVE_MS);
  }

  #listen(child: ChildProcess): void {
    child.on("message", (message) => this.#receive(message));
    child.once("error", (error) => {
      // Without a pid it was never started: too many processes or files, or no memory.
      if (child.pid === undefined) this.#ended({ code: null, signal: null }, `${error.message}\n`);
    });
    child.stdout?.on("data", (chunk: Buffer) => this.#events.onOutput(this, "stdout", chunk));
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderrTail = (this.#stderrTail + chunk.toString("utf8")).slice(-STDERR_TAIL);
      this.#events.onOutput(this, "stderr", chunk);
    });
    // Not the child's own "close": that never comes once the channel was closed from this side.
    const closed = Promise.all([closeOf(child.stdout), closeOf(child.stderr), emitted(child, "disconnect")]);
    child.once("exit", (code, signal) => void this.#afterExit({ code, signal }, closed));
  }

  #receive(message: unknown): void {
    const messages = readToHost(message);
    if (messages === undefined) {
      this.kill("sent a message that no runner sends");
      return;
    }
    if (messages[0]?.[0] === "ready" && !this.isReady) {
      this.isReady = true;
      this.#events.onReady(this);
      return;
    }
    this.#events.onMessages(this, messages);
  }

  #flush(): void {
    const messages = this.#outbox.splice(0);
    if (!this.#child?.connected) return; // Its exit is on the way and tells the owner.
    this.#child.send(messages, (error) => {
      if (error !== null) this.signalGroup("SIGKILL");
    });
  }

  /** Ends what it left behind first: a child that holds its pipes open would delay the news, and one that lives on is nobody's. */
  async #afterExit(end: Pick<RunnerExit, "code" | "signal">, closed: Promise<unknown>): Promise<void> {
    this.isRetiring = true;
    if (this.pid !== undefined) sendSignal(-this.pid, "SIGKILL");
    this.#hasExited = true;
    await endMarked([{ name: "SLUICE_RUNNER", value: this.runnerId }]);
    let linger: NodeJS.Timeout | undefined;
    await Promise.race([closed, new Promise<void>((resolve) => (linger = setTimeout(resolve, PIPE_LINGER_MS)))]);
    clearTimeout(linger);
    this.#ended(end, this.#stderrTail);
  }

  #ended(end: Pick<RunnerExit, "code" | "signal">, stderrTail: string): void {
    this.isRetiring = true;
    this.#hasExited = true;
    clearTimeout(this.#leaveTimer);
    const { memoryLimitMb, isReady } = this;
    this.#events.onExit(this, {
      ...end,
      stderrTail,
      memoryLimitMb,
      isBootFailure: !isReady,
      killReason: this.killReason,
    });
  }
}

function startProcess({ options, home, memoryLimitMb, env }: RunnerSpec, runnerId: string): ChildProcess {
  const flags = [
    "--disable-warning=ExperimentalWarning",
    `--max-old-space-size=${memoryLimitMb}`,
    // Young objects come on top of the limit, three times this; V8's own choice would allow 192 MB.
    "--max-semi-space-size=16",
  ];
  return spawn(process.execPath, [...flags, MAIN, JSON.stringify(options)], {
    env: runnerEnvironment(env, { home, bootId: options.bootId, runnerId }),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "json",
    detached: true,
  });
}

/** When everything was read from it, and nobody can write to it any more. */
function closeOf(stream: Readable | null | undefined): Promise<void> {
  // A process that could not be started has no streams, whatever the types say.
  return stream === null || stream === undefined || stream.destroyed ? Promise.resolve() : emitted(stream, "close");
}

function emitted(emitter: EventEmitter, event: string): Promise<void> {
  return new Promise((resolve) => emitter.once(event, () => resolve()));
}
