/** A place among those that run at once. `release` is idempotent. */
export interface Slot {
  /** Makes room for others: a slow one goes on beside the regular ones, as long as few do. */
  stepAside(): void;
  release(): void;
}

interface Waiting {
  readonly isUrgent: boolean;
  readonly start: () => void;
}

/** Limits how many run at once; urgent ones go first, otherwise in order of arrival. */
export class Slots {
  readonly #size: number;
  readonly #besides: number;
  readonly #waiting: Waiting[] = [];
  #used = 0;
  #aside = 0;

  /** `besides`: how many slow ones may go on without counting. */
  constructor(size: number, besides = 0) {
    this.#size = size;
    this.#besides = besides;
  }

  /** Waits for a place. */
  acquire(isUrgent: boolean): Promise<Slot> {
    return new Promise((resolve) => {
      const waiting: Waiting = { isUrgent, start: () => resolve(this.#slot()) };
      const firstPatient = isUrgent ? this.#waiting.findIndex((other) => !other.isUrgent) : -1;
      if (firstPatient >= 0) this.#waiting.splice(firstPatient, 0, waiting);
      else this.#waiting.push(waiting);
      this.#fill();
    });
  }

  #slot(): Slot {
    let place: "regular" | "aside" | "left" = "regular";
    return {
      stepAside: () => {
        if (place !== "regular" || this.#aside >= this.#besides) return;
        place = "aside";
        this.#used--;
        this.#aside++;
        this.#fill();
      },
      release: () => {
        if (place === "regular") this.#used--;
        if (place === "aside") this.#aside--;
        place = "left";
        this.#fill();
      },
    };
  }

  #fill(): void {
    while (this.#used < this.#size) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#used++;
      next.start();
    }
  }
}
