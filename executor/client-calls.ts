import { z } from "zod";
import { InvalidInputError, NotFoundError, SluiceError } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { HostCalls, HostConnection, TriggerCall, XComAddress } from "../sdk/host.ts";
import type { Change } from "../store/changes.ts";
import type { AttemptId, DagRunRow } from "../store/rows.ts";
import type { AdminReads, RunReads, Store, TaskReads } from "../store/store.ts";
import { hostConnection, isSensitiveName, parseConnection, secretsOf } from "./connections.ts";
import type { ClientCalls } from "./executor.ts";
import type { SecretMasker } from "./logs/masker.ts";

/** The part of the store behind the calls. */
export interface ClientCallStore {
  readonly commit: Store["commit"];
  readonly admin: Pick<AdminReads, "variable" | "connection">;
  readonly runs: Pick<RunReads, "find" | "findByLogicalDate" | "previous">;
  readonly tasks: Pick<TaskReads, "find" | "isCurrent" | "xcomJson">;
}

export interface ClientCallOptions {
  /** Creates runs for `triggerDagRun`; see `executor/trigger-run.ts`. `actor` names the asking task in events. */
  readonly trigger: (
    call: TriggerCall,
    actor: string,
  ) => Promise<{ readonly runId: string; readonly created: boolean }>;
  /** Learns the secrets that tasks are given. */
  readonly masker?: SecretMasker;
  /** Holds `SLUICE_VAR_<KEY>` and `SLUICE_CONN_<ID>`, which go before the store. Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Largest XCom, bytes of JSON. Default 1,000,000. */
  readonly xcomMaxBytes?: number;
}

/** The attempt has been cancelled, cleared, or taken over by a newer one; nothing it asks for happens any more. */
export class StaleAttemptError extends SluiceError {
  constructor(method: string) {
    super("stale_attempt", `${method} was refused: this try of the task is no longer the current one.`);
  }
}

const id = z.string().min(1).max(250);
const json: z.ZodType<Json> = z.json() as z.ZodType<Json>;
const address = { dagId: id, runId: id, taskId: id, mapIndex: z.int().min(-1), key: z.string().min(1).max(512) };

const ARGS = {
  getVariable: z.object({ key: id }),
  setVariable: z.object({ key: id, value: z.string(), description: z.string().nullish() }),
  deleteVariable: z.object({ key: id }),
  getConnection: z.object({ connId: id }),
  getXCom: z.object({ ...address, includePriorDates: z.boolean().default(false) }),
  setXCom: z.object({ ...address, value: json }),
  triggerDagRun: z.object({
    dagId: id,
    runId: id,
    conf: z.record(z.string(), json),
    note: z.string().nullable(),
    ifExists: z.enum(["fail", "skip", "reset", "reuse"]),
    failWhenPaused: z.boolean(),
  }),
  getDagRunState: z.object({ dagId: id, runId: id }),
  getTaskState: z.object({ dagId: id, taskId: id.nullable(), logicalDate: z.iso.datetime({ offset: true }) }),
} as const satisfies { readonly [M in keyof HostCalls]: z.ZodType };

type Method = keyof HostCalls;
type Args<M extends Method> = z.output<(typeof ARGS)[M]>;
type Handlers = { readonly [M in Method]: (args: Args<M>, attempt: AttemptId) => Promise<ReturnType<HostCalls[M]>> };

/** Earlier runs looked at for an XCom "of prior dates". */
const PRIOR_RUNS = 1_000;

/**
 * Answers what tasks ask through `getClient()` and `triggerDagRun` from the store. Each call is refused with
 * `StaleAttemptError` unless the attempt is the current one.
 */
export function storeClientCalls(store: ClientCallStore, options: ClientCallOptions): ClientCalls {
  const handlers = handlersFor(store, options);
  return {
    async call(attempt, method, args) {
      if (!Object.hasOwn(ARGS, method)) throw new InvalidInputError(`There is no client call "${method}".`);
      const name = method as Method;
      const parsed = ARGS[name].safeParse(args);
      if (!parsed.success) throw new InvalidInputError(`${method}: ${z.prettifyError(parsed.error)}`);
      if (!(await store.tasks.isCurrent(attempt))) throw new StaleAttemptError(method);
      const handler = handlers[name] as (args: unknown, attempt: AttemptId) => Promise<unknown>;
      return handler(parsed.data, attempt);
    },
  };
}

function handlersFor(store: ClientCallStore, options: ClientCallOptions): Handlers {
  const { masker, trigger, env = process.env, xcomMaxBytes = 1_000_000 } = options;
  const write = async (change: Change, attempt: AttemptId) => {
    const result = await store.commit([change], actorOf(attempt));
    if (!result.ok) throw new SluiceError("refused", result.message);
  };

  return {
    async getVariable({ key }) {
      const value = env[`SLUICE_VAR_${environmentName(key)}`] ?? (await store.admin.variable(key))?.value ?? null;
      if (value !== null && isSensitiveName(key)) masker?.register(value);
      return value;
    },
    async setVariable({ key, value, description }, attempt) {
      if (isSensitiveName(key)) masker?.register(value);
      // A task that sets only the value keeps what a person wrote beside it.
      const about = description ?? (await store.admin.variable(key))?.description ?? null;
      await write({ kind: "variable.put", mode: "upsert", variable: { key, value, description: about } }, attempt);
      return null;
    },
    async deleteVariable({ key }, attempt) {
      if ((await store.admin.variable(key)) !== undefined) await write({ kind: "variable.delete", key }, attempt);
      return null;
    },
    async getConnection({ connId }) {
      const connection = await findConnection(connId, store, env);
      for (const secret of connection === null ? [] : secretsOf(connection)) masker?.register(secret);
      return connection;
    },
    async getXCom({ includePriorDates, ...xcom }) {
      const run = await store.runs.find(xcom.dagId, xcom.runId);
      if (run === undefined) throw new NotFoundError(`DAG "${xcom.dagId}" has no run "${xcom.runId}".`);
      return readXCom(store, run, xcom, includePriorDates ? PRIOR_RUNS : 0);
    },
    async setXCom({ value, ...xcom }, attempt) {
      const text = JSON.stringify(value);
      const size = Buffer.byteLength(text);
      if (size > xcomMaxBytes)
        throw new InvalidInputError(
          `XCom "${xcom.key}" of task "${xcom.taskId}" is too large: ${size} bytes of JSON, the limit is ${xcomMaxBytes}. Write it to a file or a table and pass where it is.`,
        );
      const task = await store.tasks.find(xcom.dagId, xcom.runId, xcom.taskId, xcom.mapIndex);
      if (task === undefined || task.runKey !== attempt.runKey)
        throw new NotFoundError(
          `This run has no task "${xcom.taskId}" with map index ${xcom.mapIndex}; XComs can be set in one's own run only.`,
        );
      await write(
        { kind: "xcom.set", runKey: task.runKey, tiNo: task.tiNo, key: xcom.key, json: text, attempt },
        attempt,
      );
      return null;
    },
    triggerDagRun: (call, attempt) => trigger(call as TriggerCall & { conf: JsonObject }, actorOf(attempt)),
    async getDagRunState({ dagId, runId }) {
      const run = await store.runs.find(dagId, runId);
      return run === undefined ? null : { state: run.state };
    },
    async getTaskState({ dagId, taskId, logicalDate }) {
      const run = await store.runs.findByLogicalDate(dagId, Date.parse(logicalDate));
      if (run === undefined || taskId === null) return run === undefined ? null : { state: run.state };
      const task = await store.tasks.find(dagId, run.runId, taskId);
      return task === undefined ? null : { state: task.state };
    },
  };
}

async function findConnection(
  connId: string,
  store: Pick<ClientCallStore, "admin">,
  env: NodeJS.ProcessEnv,
): Promise<HostConnection | null> {
  const given = env[`SLUICE_CONN_${environmentName(connId)}`];
  if (given !== undefined) return parseConnection(connId, given);
  const row = await store.admin.connection(connId);
  return row === undefined ? null : hostConnection(row);
}

async function readXCom(store: ClientCallStore, run: DagRunRow, xcom: XComAddress, priorRuns: number): Promise<Json> {
  let current: DagRunRow | undefined = run;
  for (let seen = 0; current !== undefined && seen <= priorRuns; seen++) {
    const task = await store.tasks.find(xcom.dagId, current.runId, xcom.taskId, xcom.mapIndex);
    const text = task === undefined ? undefined : await store.tasks.xcomJson(current.runKey, task.tiNo, xcom.key);
    if (text !== undefined) return JSON.parse(text) as Json;
    if (current.logicalDate === null || seen === priorRuns) return null;
    current = await store.runs.previous(xcom.dagId, current.logicalDate);
  }
  return null;
}

/** As Airflow: upper case, and what a variable's name cannot hold becomes `_`. */
function environmentName(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9_]/g, "_");
}

function actorOf({ runKey, tiNo, tryNumber }: AttemptId): string {
  return `task:${runKey}/${tiNo}/${tryNumber}`;
}
