import type { Clock } from "../../core/clock.ts";

/** How often somebody may do a thing: `burst` at once, then `perMinute` more each minute. */
export interface Rate {
  readonly burst: number;
  readonly perMinute: number;
}

/** Keys that are remembered; the oldest are forgotten, which only ever allows more. */
const REMEMBERED = 10_000;

/** A token bucket per key (a principal, an address), in the memory of this process. */
export class RateLimiter {
  readonly #clock: Clock;
  /** Time that one takes, and that a full bucket holds, ms. */
  readonly #costMs: number;
  readonly #fullMs: number;
  readonly #buckets = new Map<string, { leftMs: number; at: number }>();

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#costMs = 60_000 / rate.perMinute;
    this.#fullMs = rate.burst * this.#costMs;
  }

  /** Takes one; gives 0 when it is allowed, else the whole seconds until the next one is. */
  take(key: string): number {
    const bucket = this.#filled(key);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size > REMEMBERED && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.leftMs < this.#costMs) return Math.ceil((this.#costMs - bucket.leftMs) / 1_000);
    bucket.leftMs -= this.#costMs;
    return 0;
  }

  /** The bucket with what has come in since; a clock that was set back brings nothing. */
  #filled(key: string): { leftMs: number; at: number } {
    const now = this.#clock.now();
    const old = this.#buckets.get(key);
    if (!old) return { leftMs: this.#fullMs, at: now };
    return { leftMs: Math.min(this.#fullMs, old.leftMs + Math.max(0, now - old.at)), at: now };
  }
}
