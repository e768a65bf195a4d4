import { SluiceError } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type { RunState } from "../../core/states.ts";
import { type Duration, durationMs } from "../durations.ts";

/** Where a Sluice is, and who asks. */
export interface ClientOptions {
  /** Default: `SLUICE_BASE_URL`, or "http://127.0.0.1:8080". */
  readonly url?: string;
  /** From `sluice tokens create`. Default: `SLUICE_TOKEN`. */
  readonly token?: string;
  /** Limit for one request. Default 30 s. */
  readonly timeout?: Duration;
}

/** A run to start. */
export interface TriggerOptions {
  readonly conf?: JsonObject;
  readonly runId?: string;
  /** Default: the moment of the request; null = a run without one. */
  readonly logicalDate?: string | Date | null;
  readonly note?: string;
}

/** A run as the API tells it (Airflow's field names). */
export interface DagRunAnswer {
  readonly dag_id: string;
  readonly dag_run_id: string;
  readonly state: RunState;
  readonly run_type: string;
  readonly logical_date: string | null;
  readonly start_date: string | null;
  readonly end_date: string | null;
  readonly conf: JsonObject | null;
  readonly [field: string]: unknown;
}

/** A refusal of the API, or no answer at all (status 0). */
export class ApiError extends SluiceError {
  readonly status: number;

  constructor(message: string, status: number) {
    super("api_error", message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** How long to wait for a run, and how often to look. */
export interface WaitOptions {
  /** Default: as long as it takes. */
  readonly timeout?: Duration;
  /** Default 1 s. */
  readonly every?: Duration;
  readonly signal?: AbortSignal;
}

/**
 * Talks to a running Sluice over HTTP.
 *
 * @example
 * ```ts
 * import { SluiceClient } from "sluice/client";
 *
 * const sluice = new SluiceClient({ url: "http://127.0.0.1:8080", token: process.env.SLUICE_TOKEN });
 * const { dag_run_id } = await sluice.trigger("sales_daily", { conf: { day: "2026-01-31" } });
 * const run = await sluice.wait("sales_daily", dag_run_id, { timeout: "10m" });
 * console.log(run.state);
 * ```
 */
export class SluiceClient {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;

  constructor({ url, token, timeout }: ClientOptions = {}) {
    this.#url = (url ?? process.env.SLUICE_BASE_URL ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
    this.#token = token ?? process.env.SLUICE_TOKEN;
    this.#timeoutMs = durationMs(timeout ?? 30);
  }

  /** Starts a run. @throws ApiError, 404 for an unknown DAG, 409 for a run id in use, 422 for conf that does not fit. */
  async trigger(dagId: string, { conf, runId, logicalDate, note }: TriggerOptions = {}): Promise<DagRunAnswer> {
    const body = {
      ...(conf === undefined ? {} : { conf }),
      ...(runId === undefined ? {} : { dag_run_id: runId }),
      ...(note === undefined ? {} : { note }),
      logical_date: logicalDate === null ? null : new Date(logicalDate ?? Date.now()).toISOString(),
    };
    return (await this.request("POST", `/dags/${encodeURIComponent(dagId)}/dagRuns`, body)) as unknown as DagRunAnswer;
  }

  /** @throws ApiError, 404 for an unknown run. */
  async run(dagId: string, runId: string): Promise<DagRunAnswer> {
    const path = `/dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
    return (await this.request("GET", path)) as unknown as DagRunAnswer;
  }

  /** Waits for the end of a run. @throws ApiError (status 0) on timeout; the signal's reason on abort. */
  async wait(dagId: string, runId: string, { timeout, every = 1, signal }: WaitOptions = {}): Promise<DagRunAnswer> {
    const deadline = timeout === undefined ? Number.POSITIVE_INFINITY : Date.now() + durationMs(timeout);
    for (;;) {
      const run = await this.run(dagId, runId);
      if (run.state === "success" || run.state === "failed") return run;
      if (Date.now() >= deadline)
        throw new ApiError(`Run ${runId} of Dag "${dagId}" is still ${run.state} after ${String(timeout)}.`, 0);
      await pause(durationMs(every), signal);
    }
  }

  /** What a task of a run has left as XCom. @throws ApiError, 404 when nothing. */
  async xcom(dagId: string, runId: string, taskId: string, key = "return_value"): Promise<Json> {
    const [dag, run, task, name] = [dagId, runId, taskId, key].map(encodeURIComponent);
    const answer = await this.request(
      "GET",
      `/dags/${dag}/dagRuns/${run}/taskInstances/${task}/xcomEntries/${name}?stringify=false&deserialize=true`,
    );
    return answer.value ?? null;
  }

  /** Stops, or goes on with, the schedule of a DAG. @throws ApiError, 404 for an unknown DAG. */
  async setPaused(dagId: string, isPaused: boolean): Promise<void> {
    await this.request("PATCH", `/dags/${encodeURIComponent(dagId)}`, { is_paused: isPaused });
  }

  /** Any request of `/api/v2`, by its path below it. @throws ApiError */
  async request(method: string, path: string, body?: JsonObject): Promise<JsonObject> {
    const headers = new Headers({ accept: "application/json" });
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    if (body !== undefined) headers.set("content-type", "application/json");
    const response = await this.#fetch(`${this.#url}/api/v2${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    const text = await response.text();
    if (response.ok) return text === "" ? {} : (JSON.parse(text) as JsonObject);
    throw new ApiError(`${method} ${path}: ${response.status} ${detailOf(text)}`, response.status);
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new ApiError(
        `No answer from ${this.#url}: ${cause instanceof Error ? cause.message : String(cause)}. Is Sluice running there?`,
        0,
      );
    }
  }
}

function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === "string" ? detail : JSON.stringify(detail ?? text);
  } catch {
    return text.slice(0, 500);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
