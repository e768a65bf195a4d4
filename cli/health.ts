import type { Clock } from "../core/clock.ts";
import type { Store } from "../store/store.ts";
import type { Health } from "../webserver/deps.ts";

/** What `up` knows of its own engine; absent parts are looked up in the worker table. */
interface EngineView {
  readonly scheduler: { readonly isHealthy: boolean };
}

/** Health of the parts: the database answers a read, the engine beside us says how it is, or its heartbeat in the database is fresh. */
export function installationHealth(store: Store, clock: Clock, engine: EngineView | undefined): () => Promise<Health> {
  return async () => {
    try {
      const workers = await store.admin.workers();
      const now = clock.now();
      const alive = workers.filter((worker) => worker.state === "active" && worker.leaseUntil > now);
      const newest = alive.reduce<number | null>((max, worker) => Math.max(max ?? 0, worker.heartbeatAt), null);
      const heartbeat = newest === null ? null : new Date(newest).toISOString();
      const status = engine
        ? engine.scheduler.isHealthy
          ? "healthy"
          : "unhealthy"
        : alive.length > 0
          ? "healthy"
          : "unhealthy";
      return {
        metadatabase: { status: "healthy" },
        scheduler: { status, latest_scheduler_heartbeat: heartbeat },
        dag_processor: { status, latest_dag_processor_heartbeat: heartbeat },
        executor: { status },
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
