import { availableParallelism } from "node:os";
import type { TaskError } from "../../core/run.ts";
import type { HostAttempt } from "./attempt.ts";
import { classifyExit, type RunnerExit } from "./exit.ts";
import type { RunnerProcess } from "./runner-process.ts";

export interface ProcessPoolOptions {
  /** Runners at most. */
  readonly size: number;
  readonly idleMs: number;
  readonly growAfterMs: number;
  readonly memoryLimitMb: number;
  /** Starts a process; its events must reach `ready` and `exited`. */
  readonly startRunner: (memoryLimitMb: number) => RunnerProcess;
  /** A ready runner took the attempt. */
  readonly onAssigned: (attempt: HostAttempt, runner: RunnerProcess) => void;
  /** No process could be started for it. */
  readonly onRefused: (attempt: HostAttempt, error: TaskError) => void;
}

interface Waiting {
  readonly attempt: HostAttempt;
  readonly since: number;
}

/** How long the pool does not grow after a start that failed. */
const START_PAUSE_MS = 1_000;

/**
 * The runners of isolation `process`: one task at a time in each, kept warm. Starting one costs about 100 ms of a core, more than many
 * short tasks together, so a task first waits a moment for a warm one; only then the pool grows, a few at a time. It shrinks to
 * one idle runner. Tasks with a memory limit of their own get runners started with that limit.
 */
export class ProcessPool {
  readonly #options: ProcessPoolOptions;
  readonly #runners = new Set<RunnerProcess>();
  /** Ready and without work, the one used last at the end. */
  readonly #idle: RunnerProcess[] = [];
  #waiting: Waiting[] = [];
  #growTimer: NodeJS.Timeout | undefined;
  #shrinkTimer: NodeJS.Timeout | undefined;
  #growNotBefore = 0;
  #isStopped = false;

  constructor(options: ProcessPoolOptions) {
    this.#options = options;
  }

  /** Runner processes that live, booting ones included. */
  get runners(): ReadonlySet<RunnerProcess> {
    return this.#runners;
  }

  /** Starts the first runner ahead of its work. */
  prefork(): void {
    if (this.#runners.size === 0 && !this.#isStopped) this.#start(this.#options.memoryLimitMb);
  }

  /** Gives the attempt to a warm runner, or lets it wait for one. */
  assign(attempt: HostAttempt): void {
    const runner = this.#takeIdle(attempt);
    if (runner !== undefined) {
      this.#options.onAssigned(attempt, runner);
      return;
    }
    this.#waiting.push({ attempt, since: performance.now() });
    this.#grow();
  }

  /** The attempt no longer waits. */
  withdraw(attempt: HostAttempt): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.attempt !== attempt);
  }

  /** The runner can take work: it has started, or its attempt has ended. */
  ready(runner: RunnerProcess): void {
    if (runner.isRetiring || this.#isStopped) {
      runner.leave();
      return;
    }
    const next = this.#waiting.findIndex(({ attempt }) => this.#limitOf(attempt) === runner.memoryLimitMb);
    const waiting = next < 0 ? undefined : this.#waiting.splice(next, 1)[0];
    if (waiting !== undefined) {
      this.#options.onAssigned(waiting.attempt, runner);
      return;
    }
    runner.idleSince = performance.now();
    this.#idle.push(runner);
    if (this.#waiting.length > 0) this.#grow();
    else this.#planShrink();
  }

  /** It asked for no further work. Ends now if idle, else after its attempt. */
  retire(runner: RunnerProcess): void {
    runner.isRetiring = true;
    if (this.#removeIdle(runner)) runner.leave();
  }

  exited(runner: RunnerProcess, exit: RunnerExit): void {
    this.#runners.delete(runner);
    this.#removeIdle(runner);
    if (exit.isBootFailure && !this.#isStopped) this.#startFailed(runner.memoryLimitMb, exit);
    this.#grow();
  }

  /**
   * The machine is out of memory, processes or files. While others like it work, the pool makes do with them for a while; else one task
   * per failed start is told, so that it ends in errors, not in a loop.
   */
  #startFailed(memoryLimitMb: number, exit: RunnerExit): void {
    this.#growNotBefore = performance.now() + START_PAUSE_MS;
    if ([...this.#runners].some((other) => other.isReady && other.memoryLimitMb === memoryLimitMb)) return;
    const refused = this.#waiting.find(({ attempt }) => this.#limitOf(attempt) === memoryLimitMb);
    if (refused === undefined) return;
    this.withdraw(refused.attempt);
    this.#options.onRefused(refused.attempt, classifyExit(exit));
  }

  /** Asks every runner to end. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#growTimer);
    clearTimeout(this.#shrinkTimer);
    this.#idle.length = 0;
    for (const runner of this.#runners) runner.leave();
  }

  #takeIdle(attempt: HostAttempt): RunnerProcess | undefined {
    const limit = this.#limitOf(attempt);
    let best = -1;
    for (let index = this.#idle.length - 1; index >= 0; index--) {
      const runner = this.#idle[index];
      if (runner?.memoryLimitMb !== limit) continue;
      if (best < 0) best = index;
      if (!runner.bundles.has(attempt.work.bundleHash)) continue;
      best = index; // It has evaluated this code before.
      break;
    }
    return best < 0 ? undefined : this.#idle.splice(best, 1)[0];
  }

  #grow(): void {
    const first = this.#waiting[0];
    if (first === undefined || this.#isStopped) return;
    const limit = this.#limitOf(first.attempt);
    const alike = [...this.#runners].filter((runner) => runner.memoryLimitMb === limit);
    const booting = alike.filter((runner) => !runner.isReady).length;
    const isAwaited = booting < Math.min(this.#waiting.length, availableParallelism());
    const waited = performance.now() - first.since;
    const isDue =
      alike.length === 0 || (waited >= this.#options.growAfterMs && performance.now() >= this.#growNotBefore);
    if (isDue && isAwaited && this.#makeRoom()) this.#start(limit);
    if (this.#growTimer !== undefined) return;
    this.#growTimer = setTimeout(() => {
      this.#growTimer = undefined;
      this.#grow();
    }, this.#options.growAfterMs);
  }

  /** Whether one more runner may start; ends an idle one of another memory limit for it when the pool is full. */
  #makeRoom(): boolean {
    if (this.#runners.size < this.#options.size) return true;
    if ([...this.#runners].some((runner) => runner.isRetiring)) return false;
    const idle = this.#idle.shift();
    idle?.leave();
    return false; // Its exit comes back to `#grow`.
  }

  #start(memoryLimitMb: number): void {
    this.#runners.add(this.#options.startRunner(memoryLimitMb));
  }

  #planShrink(): void {
    if (this.#shrinkTimer !== undefined || this.#isStopped || !this.#hasSurplus()) return;
    this.#shrinkTimer = setTimeout(() => {
      this.#shrinkTimer = undefined;
      const due = performance.now() - this.#options.idleMs;
      while (this.#hasSurplus() && (this.#idle[0]?.idleSince ?? Infinity) <= due) this.#idle.shift()?.leave();
      this.#planShrink();
    }, this.#options.idleMs);
    this.#shrinkTimer.unref();
  }

  /** More idle runners than the one that is kept for the next task, which must be an ordinary one. */
  #hasSurplus(): boolean {
    return (
      this.#idle.length > 1 || (this.#idle.length === 1 && this.#idle[0]?.memoryLimitMb !== this.#options.memoryLimitMb)
    );
  }

  #removeIdle(runner: RunnerProcess): boolean {
    const index = this.#idle.indexOf(runner);
    if (index >= 0) this.#idle.splice(index, 1);
    return index >= 0;
  }

  #limitOf(attempt: HostAttempt): number {
    return attempt.work.memoryLimitMb ?? this.#options.memoryLimitMb;
  }
}
