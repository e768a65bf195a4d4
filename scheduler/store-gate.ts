import type { Clock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Change, CommitResult } from "../store/changes.ts";
import type { Store } from "../store/store.ts";

/** First wait after the store went away, ms; doubles up to `MAX_BACKOFF_MS`. */
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/** Whether the scheduler can write, for health pages. */
export interface StoreHealth {
  readonly isAvailable: boolean;
  /** Since when it is away, epoch ms. */
  readonly since?: number;
  /** What the store said. */
  readonly message?: string;
}

/**
 * The scheduler's way to the store. While the database is away or its disk is full, writes and reads wait here, in order, and are
 * repeated with a growing delay: nothing is lost and nothing overtakes.
 */
export class StoreGate {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #health: StoreHealth = { isAvailable: true };
  #backoffMs = MIN_BACKOFF_MS;
  #reopening: Promise<void> | undefined;
  #giveUp: (() => void) | undefined;
  #isStopped = false;
  #pending = 0;
  readonly #backListeners = new Set<() => void>();
  readonly #idleWatchers = new Set<() => void>();

  constructor(store: Store, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  get health(): StoreHealth {
    return this.#health;
  }

  /**
   * Calls back when the store answers again after an outage. A commit whose answer was lost may stand; whoever keeps rows in memory
   * compares them then.
   */
  onBack(listener: () => void): void {
    this.#backListeners.add(listener);
  }

  /** Writes and reads that have not settled. */
  get pending(): number {
    return this.#pending;
  }

  /** `Store.commit` that waits for the store. Rejects with what is not an outage, and with the outage itself after `stop`. */
  commit(changes: readonly Change[], actor = "scheduler"): Promise<CommitResult> {
    return this.#whenAvailable(() => this.#store.commit(changes, actor));
  }

  /** A read that waits for the store. */
  read<T>(query: (store: Store) => Promise<T>): Promise<T> {
    return this.#whenAvailable(() => query(this.#store));
  }

  /** Resolves when nothing is pending. */
  async idle(): Promise<void> {
    while (this.#pending > 0) await new Promise<void>((resolve) => this.#idleWatchers.add(resolve));
  }

  /** From here on an outage is reported instead of waited for. */
  stop(): void {
    this.#isStopped = true;
    this.#giveUp?.();
  }

  async #whenAvailable<T>(action: () => Promise<T>): Promise<T> {
    this.#pending++;
    try {
      for (;;) {
        if (this.#reopening !== undefined) await this.#reopening;
        try {
          const result = await action();
          this.#isBack();
          return result;
        } catch (error) {
          if (!isOutage(error) || this.#isStopped) throw error;
          this.#isAway(error);
        }
      }
    } finally {
      this.#pending--;
      if (this.#pending === 0) {
        const watchers = [...this.#idleWatchers];
        this.#idleWatchers.clear();
        for (const wake of watchers) wake();
      }
    }
  }

  #isBack(): void {
    if (this.#health.isAvailable || this.#reopening !== undefined) return;
    this.#logger.info({ awaySince: this.#health.since }, "the store is back");
    this.#health = { isAvailable: true };
    this.#backoffMs = MIN_BACKOFF_MS;
    for (const listener of this.#backListeners) listener();
  }

  #isAway(error: SluiceError): void {
    if (this.#reopening !== undefined) return;
    if (this.#health.isAvailable) {
      this.#logger.error({ err: error }, "the store is not available; waiting for it");
    }
    this.#health = { isAvailable: false, since: this.#health.since ?? this.#clock.now(), message: error.message };
    this.#reopening = new Promise<void>((resolve) => {
      const reopen = () => {
        timer.cancel();
        this.#reopening = undefined;
        this.#giveUp = undefined;
        resolve();
      };
      const timer = this.#clock.setTimer(this.#clock.now() + this.#backoffMs, reopen);
      this.#giveUp = reopen;
    });
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, this.#backoffMs * 2);
  }
}

function isOutage(error: unknown): error is SluiceError {
  return error instanceof SluiceError && error.code === "store_unavailable";
}
