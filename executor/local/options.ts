import { availableParallelism } from "node:os";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { WorkerRow } from "../../store/rows.ts";
import type { DagReads, Store } from "../../store/store.ts";
import type { ClientCalls, LogStore } from "../executor.ts";

/** The part of the store that the local executor uses: bundles in, the worker's lease out. */
export interface ExecutorStore {
  readonly commit: Store["commit"];
  readonly dags: Pick<DagReads, "bundle">;
}

export interface LocalExecutorOptions {
  /** State folder, absolute. Bundles lie in `bundles/` below it. */
  readonly home: string;
  /** The DAG folder, absolute, so that a DAG file finds what lies beside it (`import.meta.dirname`) when its tasks run. */
  readonly dagsFolder?: string;
  readonly store: ExecutorStore;
  readonly logs: LogStore;
  readonly calls: ClientCalls;
  /** Name of this worker in leases and attempts. */
  readonly workerId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tasks of isolation `process` at once. Default 4 × cores. */
  readonly slots?: number;
  /** Tasks of isolation `shared` at once. Default 16 × slots. */
  readonly sharedSlots?: number;
  /** Queues it takes tasks from. Default all ("*"): an installation of one machine has nobody else for them. */
  readonly queues?: readonly string[];
  /** What it is in the table of workers. Default "up". */
  readonly workerKind?: WorkerRow["kind"];
  /** What runners inherit, secrets taken out. Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Replaces registered secrets in text; applied to errors. The log store masks lines itself. */
  readonly mask?: (text: string) => string;
  /** Version of Sluice, for the worker's row. */
  readonly version?: string;
  readonly limits?: Partial<LocalLimits>;
}

/** Durations are ms. */
export interface LocalLimits {
  /** From the abort signal to SIGTERM. */
  readonly graceMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly termMs: number;
  /** V8 old-space limit of runners, MB, for tasks that set none. */
  readonly memoryLimitMb: number;
  /** Resident size at which an idle runner is replaced, MB. */
  readonly retireRssMb: number;
  /** Idle runners beyond the first end after this. */
  readonly idleMs: number;
  /** A task that waits longer than this for a warm runner gets a new one. */
  readonly growAfterMs: number;
  /** How often a busy shared runner is asked for a sign of life. */
  readonly pingMs: number;
  /** A shared runner that gives none for so long is killed. */
  readonly pongTimeoutMs: number;
  /** Lease of the worker's row; renewed every third of it. */
  readonly leaseMs: number;
  /** Log kept per try. */
  readonly logBytes: number;
  readonly logLines: number;
  /** Largest XCom, bytes of JSON. */
  readonly xcomMaxBytes: number;
}

export const DEFAULT_LIMITS: LocalLimits = {
  graceMs: 5_000,
  termMs: 1_000,
  memoryLimitMb: 512,
  retireRssMb: 400,
  idleMs: 10_000,
  growAfterMs: 10,
  pingMs: 2_000,
  pongTimeoutMs: 10_000,
  leaseMs: 15_000,
  logBytes: 20_000_000,
  logLines: 1_000_000,
  xcomMaxBytes: 1_000_000,
};

/** Tasks at once when nobody says otherwise: tasks mostly wait. */
export function defaultSlots(): number {
  return 4 * availableParallelism();
}
