import type { HostAttempt } from "./attempt.ts";
import type { RunnerProcess } from "./runner-process.ts";

export interface SharedPoolOptions {
  readonly idleMs: number;
  readonly pingMs: number;
  readonly pongTimeoutMs: number;
  readonly startRunner: () => RunnerProcess;
  readonly onAssigned: (attempt: HostAttempt, runner: RunnerProcess) => void;
  /** It gave no sign of life; the owner kills it. */
  readonly onBlocked: (runner: RunnerProcess, reason: string) => void;
}

/**
 * The runner of isolation `shared`: many asynchronous tasks in one process. There is one at a time, started with the first such task;
 * one that is in doubt gets no further work and ends when its tasks have. While it has work it must answer pings: code that blocks its
 * event loop holds up every task in it.
 */
export class SharedPool {
  readonly #options: SharedPoolOptions;
  readonly #runners = new Set<RunnerProcess>();
  #current: RunnerProcess | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #serial = 0;
  /** When each runner last proved that its event loop turns, `performance.now()`. */
  readonly #aliveAt = new WeakMap<RunnerProcess, number>();
  /** Pings in a row without an answer. Rounds are counted, not time, so that a host that was stopped itself blames nobody. */
  readonly #missed = new WeakMap<RunnerProcess, number>();
  #isStopped = false;

  constructor(options: SharedPoolOptions) {
    this.#options = options;
  }

  get runners(): ReadonlySet<RunnerProcess> {
    return this.#runners;
  }

  /** Gives the attempt to the shared runner, starting one if need be; messages wait in its pipe while it boots. */
  assign(attempt: HostAttempt): void {
    const runner = this.#runner();
    if (runner.attempts.size === 0) this.alive(runner);
    this.#options.onAssigned(attempt, runner);
    this.#planPing();
  }

  /** One of its attempts has ended. */
  released(runner: RunnerProcess): void {
    if (runner.attempts.size > 0) return;
    runner.idleSince = performance.now();
    if (runner.isRetiring) runner.leave();
    else this.#planIdle();
  }

  /** Gets no further work; ends when its tasks have. */
  retire(runner: RunnerProcess): void {
    runner.isRetiring = true;
    if (this.#current === runner) this.#current = undefined;
    if (runner.attempts.size === 0) runner.leave();
  }

  /** A message came from it. */
  alive(runner: RunnerProcess): void {
    this.#aliveAt.set(runner, performance.now());
    this.#missed.set(runner, 0);
  }

  /** Whether its event loop has proved to turn since that moment of `performance.now()`. */
  hasAnsweredSince(runner: RunnerProcess, moment: number): boolean {
    return (this.#aliveAt.get(runner) ?? 0) >= moment;
  }

  ping(runner: RunnerProcess): void {
    runner.send(["ping", ++this.#serial]);
  }

  exited(runner: RunnerProcess): void {
    this.#runners.delete(runner);
    if (this.#current === runner) this.#current = undefined;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#pingTimer);
    clearTimeout(this.#idleTimer);
    for (const runner of this.#runners) runner.leave();
  }

  #runner(): RunnerProcess {
    if (this.#current === undefined || this.#current.isRetiring) {
      this.#current = this.#options.startRunner();
      this.#runners.add(this.#current);
    }
    return this.#current;
  }

  #planPing(): void {
    if (this.#pingTimer !== undefined || this.#isStopped) return;
    this.#pingTimer = setTimeout(() => {
      this.#pingTimer = undefined;
      const busy = [...this.#runners].filter((runner) => runner.attempts.size > 0);
      for (const runner of busy) this.#checkUp(runner);
      if (busy.length > 0) this.#planPing();
    }, this.#options.pingMs);
    this.#pingTimer.unref();
  }

  #checkUp(runner: RunnerProcess): void {
    if (!runner.isReady) return;
    const missed = this.#missed.get(runner) ?? 0;
    const { pingMs, pongTimeoutMs, onBlocked } = this.#options;
    if (missed * pingMs >= pongTimeoutMs) {
      onBlocked(runner, `gave no sign of life for ${Math.round((missed * pingMs) / 1_000)} s`);
      return;
    }
    this.#missed.set(runner, missed + 1);
    this.ping(runner);
  }

  #planIdle(): void {
    if (this.#idleTimer !== undefined || this.#isStopped) return;
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = undefined;
      const runner = this.#current;
      if (runner === undefined || runner.attempts.size > 0) return;
      if (performance.now() - runner.idleSince >= this.#options.idleMs) this.retire(runner);
      else this.#planIdle();
    }, this.#options.idleMs);
    this.#idleTimer.unref();
  }
}
