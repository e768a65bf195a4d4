import type { Clock } from "../core/clock.ts";
import type { Store } from "../store/store.ts";
import type { Health } from "../webserver/deps.ts";

/** What `up` knows of its own engine; absent parts are looked up in the worker table. */
interface EngineView {
  readonly scheduler: {
    readonly isHealthy: boolean;
    readonly storeHealth: { readonly isAvailable: boolean; readonly message?: string };
  };
}

/** Health of the parts: the database answers a read, the engine beside us says how it is, or its heartbeat in the database is fresh. */
export function installationHealth(
  store: Store,
  clock: Clock,
  engine: EngineView | undefined,
  logs?: { readonly failure: string | undefined },
): () => Promise<Health> {
  return async () => {
    try {
      const workers = await store.admin.workers();
      const now = clock.now();
      const alive = workers.filter((worker) => worker.state === "active" && worker.leaseUntil > now);
      const newest = alive.reduce<number | null>((max, worker) => Math.max(max ?? 0, worker.heartbeatAt), null);
      const heartbeat = newest === null ? null : new Date(newest).toISOString();
      const status = (engine?.scheduler.isHealthy ?? alive.length > 0) ? "healthy" : "unhealthy";
      return {
        metadatabase: databaseHealth(engine),
        scheduler: { status, latest_scheduler_heartbeat: heartbeat },
        dag_processor: { status, latest_dag_processor_heartbeat: heartbeat },
        executor: executorHealth(status, logs?.failure),
      };
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return {
        metadatabase: { status: "unhealthy", detail },
        scheduler: { status: "unhealthy", latest_scheduler_heartbeat: null },
        dag_processor: { status: "unhealthy", latest_dag_processor_heartbeat: null },
        executor: { status: "unhealthy" },
      };
    }
  };
}

/** It can be read when we get here; whether it can be written knows the scheduler, which tries all the time. */
function databaseHealth(engine: EngineView | undefined): Health["metadatabase"] {
  const { isAvailable = true, message } = engine?.scheduler.storeHealth ?? {};
  return isAvailable ? { status: "healthy" } : { status: "unhealthy", detail: message };
}

function executorHealth(status: "healthy" | "unhealthy", failure: string | undefined): Health["executor"] {
  if (failure === undefined) return { status };
  return { status: "unhealthy", detail: `Log lines of tasks are being lost (${failure}). Free some space there.` };
}
