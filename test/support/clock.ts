import type { Clock, TimerHandle } from "../../core/clock.ts";

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that stands still until a test moves it. Timers fire in the order of their instants (equal ones in the order
 * in which they were set), and while one fires, `now()` is the instant it was due at.
 */
export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Set<PendingTimer>();

  /** `start`: epoch milliseconds, or anything `Date.parse` reads. */
  constructor(start: number | string = "2026-01-01T00:00:00Z") {
    this.#now = typeof start === "number" ? start : Date.parse(start);
    if (!Number.isFinite(this.#now)) throw new TypeError(`FakeClock cannot start at ${String(start)}`);
  }

  now(): number {
    return this.#now;
  }

  setTimer(at: number, fn: () => void): TimerHandle {
    const timer: PendingTimer = { at, order: this.#order++, fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** How many timers are waiting. */
  get pending(): number {
    return this.#timers.size;
  }

  /** The instant of the next timer (epoch ms), or undefined without one. */
  get nextAt(): number | undefined {
    return this.#next()?.at;
  }

  /** Moves on by `ms` and fires what becomes due, timers set on the way included. Does not wait for promises. */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms);
  }

  /** Moves on to the instant `at` (epoch ms) and fires what becomes due. Going back is refused: that is `jumpTo`. */
  advanceTo(at: number): void {
    if (at < this.#now) throw new RangeError("FakeClock.advanceTo cannot go back; use jumpTo");
    for (let timer = this.#next(); timer !== undefined && timer.at <= at; timer = this.#next()) this.#fire(timer);
    this.#now = at;
  }

  /** As `advance`, and lets promises settle after each timer, so that asynchronous code keeps up with the clock. */
  async advanceAsync(ms: number): Promise<void> {
    const at = this.#now + ms;
    await settle();
    for (let timer = this.#next(); timer !== undefined && timer.at <= at; timer = this.#next()) {
      this.#fire(timer);
      await settle();
    }
    this.#now = at;
    await settle();
  }

  /** Fires the next timer at its instant; false if none waits. */
  fireNext(): boolean {
    const timer = this.#next();
    if (timer !== undefined) this.#fire(timer);
    return timer !== undefined;
  }

  /** Sets the wall clock without firing anything, forwards or backwards: somebody has set the machine's clock. */
  jumpTo(at: number): void {
    this.#now = at;
  }

  #fire(timer: PendingTimer): void {
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.fn();
  }

  #next(): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Lets every promise that can settle without I/O settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
