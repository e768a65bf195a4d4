import type { Clock, TimerHandle } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { StoreGate } from "./store-gate.ts";
import type { Timers } from "./timers.ts";

/** How often the sweep looks, ms. */
export const SWEEP_MS = 5_000;

export interface SweepOptions {
  readonly gate: StoreGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timers: Timers;
  /** Something was written that no hint told of: compare everything with the rows. */
  readonly onMissed: () => Promise<void>;
}

/**
 * The safety net behind lost hints and a clock that jumps: every few seconds it fires what is due by the wall clock, and asks one
 * question: is there an event newer than the newest that a hint told of? Only then is anything compared.
 */
export class Sweep {
  readonly #o: SweepOptions;
  #seenEventId = 0;
  #timer: TimerHandle | undefined;
  #sweeping: Promise<void> | undefined;
  #isDistrusted = false;
  #isStopped = false;

  constructor(options: SweepOptions) {
    this.#o = options;
  }

  start(): void {
    this.#plan();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async idle(): Promise<void> {
    await this.#sweeping;
  }

  /** A hint told of events up to this one. */
  saw(lastEventId: number): void {
    this.#seenEventId = Math.max(this.#seenEventId, lastEventId);
  }

  /** What is in memory may differ from the rows, whatever hints have told: compares everything now. */
  distrust(): void {
    this.#isDistrusted = true;
    void this.sweep();
  }

  /** Looks now. */
  sweep(): Promise<void> {
    this.#o.timers.check();
    this.#sweeping ??= this.#look()
      .catch((error: unknown) => {
        if (!this.#isStopped) this.#o.logger.error({ err: error }, "the sweep failed");
      })
      .finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  async #look(): Promise<void> {
    if (this.#isDistrusted) {
      this.#isDistrusted = false;
      await this.#o.onMissed();
    }
    const seen = this.#seenEventId;
    const lastEventId = await this.#o.gate.read((store) => store.events.lastId());
    // A hint may have told of it while the question was under way.
    if (lastEventId <= Math.max(seen, this.#seenEventId)) return;
    await this.#o.onMissed();
    this.saw(lastEventId);
  }

  /** On the clock itself, not on the timers: these are what it checks. */
  #plan(): void {
    if (this.#isStopped) return;
    const { clock } = this.#o;
    this.#timer = clock.setTimer(clock.now() + SWEEP_MS, () => {
      void this.sweep();
      this.#plan();
    });
  }
}
