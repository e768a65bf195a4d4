import type { Isolation } from "../../core/definition.ts";
import type { Reservation, SlotRequest } from "../executor.ts";

export interface SlotOptions {
  readonly workerId: string;
  /** How many tasks of each isolation may run at once. */
  readonly sizes: { readonly [isolation in Isolation]: number };
  /** Queues it takes tasks from; "*" = all. */
  readonly queues: readonly string[];
}

/** The places of one worker. Shared tasks, which need no process each, have places of their own. */
export class Slots {
  readonly #options: SlotOptions;
  /** What each reservation that is out has taken. */
  readonly #reserved = new Map<number, Isolation>();
  readonly #used: { [isolation in Isolation]: number } = { process: 0, shared: 0 };
  #lastToken = 0;
  #isClosed = false;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  free(isolation: Isolation): number {
    return this.#isClosed ? 0 : this.#options.sizes[isolation] - this.#used[isolation];
  }

  reserve({ isolation, queue }: SlotRequest): Reservation | undefined {
    const { queues, workerId } = this.#options;
    if (this.free(isolation) <= 0 || !(queues.includes("*") || queues.includes(queue))) return undefined;
    this.#used[isolation]++;
    const token = ++this.#lastToken;
    this.#reserved.set(token, isolation);
    return { workerId, token };
  }

  /** Gives the place back; a second time it does nothing. */
  release({ token }: Reservation): void {
    const isolation = this.#reserved.get(token);
    if (isolation === undefined) return;
    this.#reserved.delete(token);
    this.#used[isolation]--;
  }

  /** Nothing is reserved any more. */
  close(): void {
    this.#isClosed = true;
  }
}
