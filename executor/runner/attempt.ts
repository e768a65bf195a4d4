import { AsyncLocalStorage } from "node:async_hooks";
import type { JsonObject } from "../../core/json.ts";
import type { TaskOutcome } from "../../core/run.ts";
import { LineSplitter } from "../../sdk/lines.ts";
import type { AttemptWork, LogLine } from "../executor.ts";
import { LogBudget } from "../logs/budget.ts";
import { endMarked, processesSince, sendSignal } from "../processes.ts";
import type { RunnerOptions } from "../protocol.ts";
import type { HostChannel } from "./channel.ts";

/** Which attempt the running code belongs to; follows it through promises, timers and callbacks. */
export const currentAttempt = new AsyncLocalStorage<RunnerAttempt>();

/** Log messages sent at once in one turn of the event loop; what is printed beyond waits for its end or for 64 KB. */
const IMMEDIATE_SENDS = 32;
const BATCH_CHARACTERS = 65_536;
/** Attempts younger than this look for left children among recent process ids only, ms. */
const RECENT_MS = 60_000;

type Source = "stdout" | "stderr";

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** An answer of the host to a client call that was refused; `code` is machine-readable. */
export class HostCallError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "HostCallError";
    this.code = code;
  }
}

/** One attempt inside the runner: its log, its calls to the host, its children. Serves as the SDK's `RuntimeHost`. */
export class RunnerAttempt {
  readonly id: number;
  readonly work: AttemptWork;
  /** `SLUICE_ATTEMPT` of the commands it starts. */
  readonly mark: string;
  hasEnded = false;
  readonly #options: RunnerOptions;
  readonly #channel: HostChannel;
  readonly #controller = new AbortController();
  readonly #budget: LogBudget;
  readonly #splitters: { stdout?: LineSplitter; stderr?: LineSplitter } = {};
  readonly #calls = new Map<number, PendingCall>();
  readonly #children = new Set<number>();
  readonly #startedAt = performance.now();
  #firstChild: number | undefined;
  #printLevel: LogLine["level"] = "info";
  #lastCall = 0;
  #lines: LogLine[] = [];
  #characters = 0;
  #sendsLeft = IMMEDIATE_SENDS;
  #isTurnPlanned = false;

  constructor(id: number, work: AttemptWork, options: RunnerOptions, channel: HostChannel) {
    this.id = id;
    this.work = work;
    this.mark = `${options.bootId}.${id}`;
    this.#options = options;
    this.#channel = channel;
    this.#budget = new LogBudget({ bytes: options.logBytes, lines: options.logLines });
  }

  /** Fires on cancel, timeout and shutdown. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Largest XCom, bytes of JSON. */
  get xcomMaxBytes(): number {
    return this.#options.xcomMaxBytes;
  }

  /** `name`: "AbortError" or "TimeoutError", which is how the SDK tells a cancel from a timeout. */
  abort(name: string, reason: string): void {
    this.#controller.abort(new DOMException(reason, name));
  }

  // --- what the SDK calls ------------------------------------------------------------------------------------

  readonly call = (method: string, args: JsonObject): Promise<unknown> => {
    const callId = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#calls.set(callId, { resolve, reject });
      this.#channel.post(["call", this.id, callId, method, args]);
      this.#channel.flush();
    });
  };

  readonly log = (line: Omit<LogLine, "at">): void => {
    this.#append({ at: Date.now(), ...line });
  };

  readonly spawned = (pid: number): void => {
    if (this.#children.has(pid)) return;
    this.#firstChild ??= pid;
    this.#children.add(pid);
    this.#channel.post(["spawned", this.id, pid]);
    this.#channel.flush();
  };

  readonly exited = (pid: number): void => {
    if (this.#children.delete(pid)) this.#channel.post(["exited", this.id, pid]);
  };

  // --- what the runner calls ---------------------------------------------------------------------------------

  /** Text that the attempt's code printed. */
  print(source: Source, level: LogLine["level"], text: string): void {
    if (this.hasEnded) return;
    this.#printLevel = level;
    this.#splitters[source] ??= new LineSplitter((message) => this.log({ level: this.#printLevel, source, message }));
    this.#splitters[source].push(text);
  }

  /** The host's answer to `call`. */
  settleCall(callId: number, isOk: boolean, value: unknown, code: string): void {
    const pending = this.#calls.get(callId);
    this.#calls.delete(callId);
    if (isOk) pending?.resolve(value);
    else pending?.reject(new HostCallError(String(value), code));
  }

  /** Ends what it started, then reports how it ended. Only the first call counts. */
  async finish(outcome: TaskOutcome, returnValueJson?: string): Promise<void> {
    if (this.hasEnded) return;
    if (this.#firstChild !== undefined) await this.#endChildren(this.#firstChild);
    this.finishNow(outcome, returnValueJson);
  }

  /** As `finish`, for a process that is about to end and takes its children along. */
  finishNow(outcome: TaskOutcome, returnValueJson?: string): void {
    if (this.hasEnded) return;
    this.#closeLog();
    this.hasEnded = true;
    this.#channel.post(["done", this.id, outcome, returnValueJson ?? null, this.signal.aborted]);
    if (this.#options.isolation === "process") this.#channel.flush();
  }

  /** SIGKILL to every child that still runs, with its group. */
  killChildren(): void {
    for (const pid of this.#children) {
      sendSignal(-pid, "SIGKILL");
      sendSignal(pid, "SIGKILL");
    }
  }

  async #endChildren(firstChild: number): Promise<void> {
    const left = this.#children.size;
    this.killChildren();
    const isRecent = performance.now() - this.#startedAt < RECENT_MS;
    const candidates = isRecent ? () => processesSince(firstChild) : undefined;
    const killed = await endMarked([{ name: "SLUICE_ATTEMPT", value: this.mark }], candidates);
    const count = Math.max(left, killed.length);
    if (count > 0)
      this.log({
        level: "warning",
        source: "sluice",
        message: `${count} ${count === 1 ? "process that the task left running was" : "processes that the task left running were"} ended.`,
      });
  }

  #append(line: LogLine): void {
    if (this.hasEnded) return;
    const admitted = this.#budget.admit(line);
    if (admitted === undefined) return;
    this.#lines.push(admitted);
    this.#characters += admitted.message.length;
    // The first lines of a turn leave at once: after them the task may block the event loop, or take the process down.
    if (this.#sendsLeft > 0 || this.#characters > BATCH_CHARACTERS) {
      this.#sendsLeft--;
      this.#sendLines();
    }
    if (this.#isTurnPlanned) return;
    this.#isTurnPlanned = true;
    setImmediate(() => {
      this.#isTurnPlanned = false;
      this.#sendsLeft = IMMEDIATE_SENDS;
      if (!this.hasEnded) this.#sendLines();
    });
  }

  #sendLines(): void {
    if (this.#lines.length === 0) return;
    this.#channel.post(["log", this.id, this.#lines]);
    this.#channel.flush();
    this.#lines = [];
    this.#characters = 0;
  }

  #closeLog(): void {
    this.#sendsLeft = 0;
    for (const splitter of Object.values(this.#splitters)) splitter.end();
    const closing = this.#budget.close(Date.now());
    if (closing !== undefined) this.#lines.push(closing);
    // Leaves in the same message as the outcome, before it.
    if (this.#lines.length > 0) this.#channel.post(["log", this.id, this.#lines]);
    this.#lines = [];
  }
}
