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
  readonly #rate: Rate;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** Takes one; gives 0 when it is allowed, else the whole seconds until the next one is. */
  take(key: string): number {
    const bucket = this.#filled(key);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size > REMEMBERED && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.left < 1) return Math.max(1, Math.ceil(((1 - bucket.left) * 60) / this.#rate.perMinute));
    bucket.left--;
    return 0;
  }

  /** The bucket with what has come in since; a clock that was set back brings nothing. */
  #filled(key: string): { left: number; at: number } {
    const now = this.#clock.now();
    const old = this.#buckets.get(key);
    if (!old) return { left: this.#rate.burst, at: now };
    const gained = (Math.max(0, now - old.at) / 60_000) * this.#rate.perMinute;
    return { left: Math.min(this.#rate.burst, old.left + gained), at: now };
  }
}
