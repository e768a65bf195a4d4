import type { Clock, TimerHandle } from "../core/clock.ts";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
  isCancelled: boolean;
}

/**
 * Due instants of the whole scheduler in one heap, behind one timer of the injected clock. The wall clock decides, not the
 * time that has passed: after a jump, `check` fires what has become due and re-arms for what has moved away.
 */
export class Timers {
  readonly #clock: Clock;
  readonly #heap: Due[] = [];
  #order = 0;
  #cancelled = 0;
  #armed: { readonly at: number; readonly handle: TimerHandle } | undefined;
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Instants that wait. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** The earliest instant that waits, epoch ms. */
  get nextAt(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.at;
  }

  /** Calls `fn` once when the clock reads `at` (epoch ms) or later; never within this call. */
  at(at: number, fn: () => void): TimerHandle {
    const due: Due = { at, order: this.#order++, fn, isCancelled: false };
    push(this.#heap, due);
    this.#arm();
    return {
      cancel: () => {
        if (due.isCancelled) return;
        due.isCancelled = true;
        this.#cancelled++;
        // Retries that never come to pass must not pile up until their instant.
        if (this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) this.#compact();
      },
    };
  }

  /** Fires everything that is due by the clock as it reads now. The sweep calls it, for the clock may have jumped. */
  check(): void {
    const now = this.#clock.now();
    for (this.#dropCancelled(); this.#heap[0] !== undefined && this.#heap[0].at <= now; this.#dropCancelled()) {
      const due = pop(this.#heap);
      // From here on `cancel` has nothing left to do.
      due.isCancelled = true;
      due.fn();
    }
    this.#arm();
  }

  /** Forgets everything. */
  stop(): void {
    this.#isStopped = true;
    this.#heap.length = 0;
    this.#cancelled = 0;
    this.#armed?.handle.cancel();
    this.#armed = undefined;
  }

  #arm(): void {
    if (this.#isStopped) return;
    const at = this.nextAt;
    if (at === this.#armed?.at) return;
    this.#armed?.handle.cancel();
    this.#armed = undefined;
    if (at === undefined) return;
    const handle = this.#clock.setTimer(at, () => {
      this.#armed = undefined;
      this.check();
    });
    this.#armed = { at, handle };
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.isCancelled) {
      pop(this.#heap);
      this.#cancelled--;
    }
  }

  #compact(): void {
    const kept = this.#heap.filter((due) => !due.isCancelled);
    this.#heap.length = 0;
    this.#cancelled = 0;
    for (const due of kept) push(this.#heap, due);
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Due[], due: Due): void {
  let index = heap.length;
  heap.push(due);
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || !isBefore(due, parent)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = due;
}

/** The heap is not empty. */
function pop(heap: Due[]): Due {
  const [top] = heap;
  const last = heap.pop();
  if (top === undefined || last === undefined) throw new RangeError("pop of an empty heap");
  if (top === last) return top;
  let index = 0;
  for (;;) {
    let childIndex = 2 * index + 1;
    let child = heap[childIndex];
    if (child === undefined) break;
    const right = heap[childIndex + 1];
    if (right !== undefined && isBefore(right, child)) {
      childIndex++;
      child = right;
    }
    if (!isBefore(child, last)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
  return top;
}
