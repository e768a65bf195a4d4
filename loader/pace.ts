const WINDOW_MS = 30_000;
const QUICK_CHANGES = 10;
const QUIET_MS = 1_200;

/**
 * When a changed file is loaded: at once, unless it has been changing all the time. More than ten changes in half a
 * minute, and it has to be quiet for 1.2 s (half a minute at the longest) first, so that a file rewritten every second
 * makes a few versions instead of thousands, and the last change is still visible within two seconds.
 */
export class Pace {
  #changes: number[] = [];
  #heldSince: number | undefined;

  /** Notes a change at `now` (epoch ms) and gives when it is to be loaded. */
  changed(now: number): number {
    this.#changes = this.#changes.filter((at) => at > now - WINDOW_MS && at <= now);
    this.#changes.push(now);
    if (this.#changes.length <= QUICK_CHANGES) {
      this.#heldSince = undefined;
      return now;
    }
    this.#heldSince ??= now;
    return Math.min(now + QUIET_MS, this.#heldSince + WINDOW_MS);
  }

  /** The file is being loaded: the next change is held anew. */
  loaded(): void {
    this.#heldSince = undefined;
  }
}
