import type { TimerHandle } from "../../core/clock.ts";
import type { TaskOutcome } from "../../core/run.ts";
import { LineSplitter } from "../../sdk/lines.ts";
import type { AttemptId } from "../../store/rows.ts";
import type { AttemptWork, LogLine, Reservation } from "../executor.ts";
import { LogBudget, type LogLimits } from "../logs/budget.ts";
import type { RunnerProcess } from "./runner-process.ts";

/** Why the host stops an attempt, and what it will have been. */
export interface StopOrder {
  readonly message: string;
  readonly signalName: "AbortError" | "TimeoutError";
  readonly outcome: TaskOutcome;
  /** From the abort signal to SIGTERM, ms. */
  readonly graceMs: number;
}

/** An outcome with the value the task returned. */
export interface AttemptEnd {
  readonly outcome: TaskOutcome;
  readonly returnValueJson?: string;
}

/** The host's side of one attempt, from `run` to its outcome. */
export class HostAttempt {
  /** Number of the attempt in IPC messages. */
  readonly id: number;
  readonly work: AttemptWork;
  readonly reservation: Reservation;
  /** Set while a runner has it. */
  runner: RunnerProcess | undefined;
  stop: StopOrder | undefined;
  /** An outcome that is reported once its process is gone, because code of the attempt may still run there. */
  held: AttemptEnd | undefined;
  hasSettled = false;
  /** Whether it ever started a child process. */
  hadChildren = false;
  /** Children that run, by process id. */
  readonly children = new Set<number>();
  readonly timers = new Set<TimerHandle>();
  readonly #native: NativeOutput;

  constructor(id: number, work: AttemptWork, reservation: Reservation, logLimits: LogLimits) {
    this.id = id;
    this.work = work;
    this.reservation = reservation;
    this.#native = new NativeOutput(logLimits);
  }

  /** Whether anything arrived on the runner's own pipes. */
  get hasNativeOutput(): boolean {
    return this.#native.isUsed;
  }

  /** Lines of what arrived on the runner's own pipes while it was this attempt's. */
  nativeLines(at: number, source: "stdout" | "stderr", chunk: Buffer): LogLine[] {
    return this.#native.push(at, source, chunk);
  }

  /** The rest of that, at the end. */
  lastNativeLines(at: number): LogLine[] {
    return this.#native.end(at);
  }

  cancelTimers(): void {
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
  }
}

/** The key under which an attempt is found by its id. */
export function attemptKey({ runKey, tiNo, tryNumber, epoch }: AttemptId): string {
  return `${runKey}/${tiNo}/${tryNumber}/${epoch}`;
}

type Source = "stdout" | "stderr";

/** Cuts bytes of the runner's pipes into log lines; made lazily, because most tasks never write there. */
class NativeOutput {
  readonly #limits: LogLimits;
  #budget: LogBudget | undefined;
  readonly #splitters = new Map<Source, LineSplitter>();
  #at = 0;
  #lines: LogLine[] = [];

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  get isUsed(): boolean {
    return this.#budget !== undefined;
  }

  push(at: number, source: Source, chunk: Buffer): LogLine[] {
    this.#budget ??= new LogBudget(this.#limits);
    if (this.#budget.isSpent) {
      this.#budget.skip();
      return [];
    }
    this.#at = at;
    this.#splitter(source, this.#budget).push(chunk);
    return this.#take();
  }

  end(at: number): LogLine[] {
    this.#at = at;
    for (const splitter of this.#splitters.values()) splitter.end();
    const closing = this.#budget?.close(at);
    if (closing !== undefined) this.#lines.push(closing);
    return this.#take();
  }

  #splitter(source: Source, budget: LogBudget): LineSplitter {
    const present = this.#splitters.get(source);
    if (present !== undefined) return present;
    const level = source === "stdout" ? "info" : "error";
    const splitter = new LineSplitter((message) => {
      const line = budget.admit({ at: this.#at, level, source, message });
      if (line !== undefined) this.#lines.push(line);
    });
    this.#splitters.set(source, splitter);
    return splitter;
  }

  #take(): LogLine[] {
    if (this.#lines.length === 0) return [];
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }
}
