import type { OutcomeReport } from "../executor/executor.ts";
import type { Start } from "./draft.ts";
import type { StoreGate } from "./store-gate.ts";
import type { Values } from "./values.ts";
import { workOf } from "./work.ts";

/** Hands committed starts to their executors. */
export class Launcher {
  readonly #gate: StoreGate;
  readonly #values: Values;
  readonly #onFailure: (report: OutcomeReport) => void;
  #pending = 0;

  /** `onFailure`: the attempt could not be handed over, and this is its end. */
  constructor(gate: StoreGate, values: Values, onFailure: (report: OutcomeReport) => void) {
    this.#gate = gate;
    this.#values = values;
    this.#onFailure = onFailure;
  }

  /** Starts whose inputs are being read. */
  get pending(): number {
    return this.#pending;
  }

  /** At once, unless an input has to be read first; then `onSettled` is called when it is done. */
  launch(start: Start, onSettled: () => void): void {
    try {
      const work = workOf(start.run, start.live.attempt, this.#values, this.#gate);
      if (!(work instanceof Promise)) {
        start.live.isRunning = true;
        start.executor.run(start.reservation, work);
        return;
      }
      this.#pending++;
      void work
        .then((ready) => {
          if (start.live.isAbandoned || start.live.stopReason !== undefined)
            throw new RangeError("it was stopped first");
          start.live.isRunning = true;
          start.executor.run(start.reservation, ready);
        })
        .catch((error: unknown) => this.#failed(start, error))
        .finally(() => {
          this.#pending--;
          onSettled();
        });
    } catch (error) {
      this.#failed(start, error);
    }
  }

  #failed({ live, executor, reservation }: Start, cause: unknown): void {
    if (!live.isRunning) executor.release(reservation);
    const message = `The executor could not start the task: ${cause instanceof Error ? cause.message : String(cause)}`;
    this.#onFailure({ attempt: live.attempt, outcome: { kind: "lost", error: { name: "NotStarted", message } } });
  }
}
