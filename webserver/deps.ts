import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { RunKey } from "../store/rows.ts";
import type { Store } from "../store/store.ts";

/** What the web server is given; it never loads author code and reaches the scheduler only through these. */
export interface WebDeps {
  readonly store: Store;
  readonly logs: TaskLogs;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Public address without a trailing slash; cookies are `Secure` when it is https. */
  readonly baseUrl: () => string;
  readonly version: string;
  readonly sessionMs: number;
  /** Live reasons from the scheduler beside us; absent in a separate web process, which explains from rows. */
  readonly explain?: Explainer;
  /** Parse one file again now, or all; absent where no loader runs in this process. */
  readonly reparse?: (file?: string) => Promise<void>;
  /** Health of the parts of this installation. */
  readonly health: () => Promise<Health>;
  readonly dagsFolder: string;
  /** Holds `SLUICE_VAR_<KEY>` and `SLUICE_CONN_<ID>`, which pages list read-only. Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Largest XCom that people may write, bytes of JSON; default 262,144. */
  readonly xcomLimitBytes?: number;
  /** Settings in force with their origin, secrets masked: for the config page. */
  readonly settings: () => readonly {
    readonly name: string;
    readonly value: string;
    readonly origin: string;
    readonly about: string;
  }[];
}

/** One sentence why something does not run. */
export interface Explainer {
  explain(runKey: RunKey, tiNo: number): Promise<string>;
  explainRun(runKey: RunKey): Promise<string>;
}

/** The part of the log store that pages read (see executor/executor.ts, LogStore). */
export interface TaskLogs {
  read(key: TaskLogKey, fromLine: number, limit: number): Promise<TaskLogPage>;
  watch(key: TaskLogKey, listener: () => void): () => void;
  stream(key: TaskLogKey): NodeJS.ReadableStream;
}

export interface TaskLogKey {
  readonly runKey: number;
  readonly tiNo: number;
  readonly tryNumber: number;
}

export interface TaskLogPage {
  readonly lines: readonly {
    readonly at: number;
    readonly level: "debug" | "info" | "warning" | "error";
    readonly source: string;
    readonly message: string;
    readonly fields?: object;
  }[];
  readonly nextLine: number;
  readonly isEnd: boolean;
}

/** Airflow's health words: "healthy" or "unhealthy", each part with its newest heartbeat (ISO 8601). */
export interface Health {
  readonly metadatabase: { readonly status: "healthy" | "unhealthy"; readonly detail?: string };
  readonly scheduler: {
    readonly status: "healthy" | "unhealthy";
    readonly latest_scheduler_heartbeat: string | null;
    readonly detail?: string;
  };
  readonly dag_processor: {
    readonly status: "healthy" | "unhealthy";
    readonly latest_dag_processor_heartbeat: string | null;
    readonly detail?: string;
  };
  readonly executor: { readonly status: "healthy" | "unhealthy"; readonly detail?: string };
}
