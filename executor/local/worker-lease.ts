import { hostname } from "node:os";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { Change } from "../../store/changes.ts";
import type { WorkerRow } from "../../store/rows.ts";
import type { ExecutorStore } from "./options.ts";

export interface WorkerLeaseOptions {
  readonly store: Pick<ExecutorStore, "commit">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly workerId: string;
  readonly kind: WorkerRow["kind"];
  readonly slots: number;
  readonly queues: readonly string[];
  readonly version: string;
  /** Length of the lease, ms; renewed every third of it. */
  readonly leaseMs: number;
}

/** The row that says this worker lives, renewed until `stop`. A renewal that fails is tried again at the next third of the lease. */
export class WorkerLease {
  readonly #options: WorkerLeaseOptions;
  #timer: TimerHandle | undefined;
  #isStopped = false;

  constructor(options: WorkerLeaseOptions) {
    this.#options = options;
  }

  /** Writes the row. Rejects when the store refuses. */
  async start(): Promise<void> {
    await this.#register();
    this.#plan();
  }

  /** Says that the worker has left. A store that is away learns it when the lease ends. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#write({ kind: "worker.state", workerId: this.#options.workerId, state: "stopped" });
  }

  async #register(): Promise<void> {
    const { clock, workerId, kind, slots, queues, version, leaseMs } = this.#options;
    const worker = {
      workerId,
      kind,
      hostname: hostname(),
      pid: process.pid,
      version,
      startedAt: clock.now(),
      slots,
      queues,
    };
    await this.#commit({ kind: "worker.put", worker: { ...worker, state: "active" }, leaseMs });
  }

  #plan(): void {
    if (this.#isStopped) return;
    const { clock, leaseMs } = this.#options;
    this.#timer = clock.setTimer(clock.now() + leaseMs / 3, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { workerId, leaseMs } = this.#options;
    await this.#write({ kind: "worker.heartbeat", workerId, leaseMs });
    this.#plan();
  }

  async #write(change: Change): Promise<void> {
    try {
      await this.#commit(change);
    } catch (error) {
      this.#options.logger.warn(
        { err: error, workerId: this.#options.workerId },
        "The worker's lease could not be written",
      );
    }
  }

  async #commit(change: Change): Promise<void> {
    const { store, workerId } = this.#options;
    const result = await store.commit([change], `worker:${workerId}`);
    if (!result.ok) throw new Error(result.message);
  }
}
