import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { RunOwner } from "./run-owner.ts";
import type { StoreGate } from "./store-gate.ts";

export interface RecoveryOptions {
  readonly gate: StoreGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly owner: RunOwner;
  readonly workerId: string;
  /** True where the store lets only one scheduler run: then every other one is dead, whatever its lease says. */
  readonly isAlone: boolean;
}

/**
 * What happens once at the start: the workers of former starts are declared lost, and every unfinished run is taken over. A running
 * run is read into memory, and what its rows say runs while nobody runs it ends as `lost` there; so the same code serves
 * a start, a command and a refused commit.
 */
export class Recovery {
  readonly #o: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#o = options;
  }

  async run(): Promise<void> {
    const lost = await this.#loseWorkers();
    const rows = await this.#o.gate.read((store) => store.runs.unfinished());
    if (rows.length + lost > 0) this.#o.logger.info({ runs: rows.length, lostWorkers: lost }, "taking over");
    this.#o.owner.recover(rows);
  }

  async #loseWorkers(): Promise<number> {
    const { gate, clock, workerId, isAlone } = this.#o;
    const workers = await gate.read((store) => store.admin.workers());
    const now = clock.now();
    const lost = workers.filter(
      (worker) =>
        worker.workerId !== workerId &&
        worker.kind !== "webserver" &&
        (worker.state === "active" || worker.state === "draining") &&
        (isAlone || worker.leaseUntil < now),
    );
    for (const worker of lost) await gate.commit([{ kind: "worker.state", workerId: worker.workerId, state: "lost" }]);
    return lost.length;
  }
}
