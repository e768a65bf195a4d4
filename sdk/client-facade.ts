import type { Json } from "../core/json.ts";
import { currentScope } from "./context.ts";
import { ConnectionNotFoundError, VariableNotFoundError } from "./errors.ts";
import type { HostConnection } from "./host.ts";
import { xcomJson } from "./xcom.ts";

/** A connection as tasks see it; `extra` is the text as it was entered, usually JSON. */
export type Connection = HostConnection;

/** Names an XCom. What is left out is that of the running task. */
export interface XComSelector {
  /** Default: "return_value", what the task returned. */
  readonly key?: string;
  readonly dagId?: string;
  readonly runId?: string;
  readonly taskId?: string;
  /** −1 (default) = the unmapped task. */
  readonly mapIndex?: number;
}

/** What a task may ask Sluice for while it runs. Missing things are null; the `OrThrow` variants raise instead. */
export interface TaskClient {
  getVariable(key: string): Promise<string | null>;
  /** @throws VariableNotFoundError */
  getVariableOrThrow(key: string): Promise<string>;
  /** Creates or overwrites. Without `description` an old one is cleared. */
  setVariable(key: string, value: string, description?: string): Promise<void>;
  deleteVariable(key: string): Promise<void>;
  getConnection(connId: string): Promise<Connection | null>;
  /** @throws ConnectionNotFoundError */
  getConnectionOrThrow(connId: string): Promise<Connection>;
  /** With `includePriorDates`, the newest value of earlier runs when this run has none. */
  getXCom<T = Json>(selector: XComSelector & { readonly includePriorDates?: boolean }): Promise<T | null>;
  /** @throws XComValueError when JSON cannot hold the value, or it is too large. */
  setXCom(xcom: XComSelector & { readonly key: string; readonly value: unknown }): Promise<void>;
}

/**
 * The client of the task that is running.
 *
 * @example
 * ```ts
 * import { Dag, getClient } from "sluice";
 *
 * const dag = new Dag("push_rates");
 * dag.task("push", async () => {
 *   const url = await getClient().getVariableOrThrow("rates_url");
 *   const { login, password } = await getClient().getConnectionOrThrow("rates_api");
 *   await getClient().setXCom({ key: "asked", value: { url, as: login, known: password !== null } });
 * })();
 * ```
 * @throws Error outside of a task.
 */
export function getClient(): TaskClient {
  const { context, host } = currentScope("getClient()");
  const address = (selector: XComSelector) => ({
    dagId: selector.dagId ?? context.dagId,
    runId: selector.runId ?? context.runId,
    taskId: selector.taskId ?? context.taskId,
    mapIndex: selector.mapIndex ?? -1,
    key: selector.key ?? "return_value",
  });
  const getVariable = async (key: string) => (await host.call("getVariable", { key })) as string | null;
  const getConnection = async (connId: string) => (await host.call("getConnection", { connId })) as Connection | null;
  return {
    getVariable,
    getVariableOrThrow: async (key) => (await getVariable(key)) ?? raise(new VariableNotFoundError(key)),
    setVariable: async (key, value, description) => {
      if (typeof value !== "string")
        throw new TypeError(`The value of variable "${key}" must be a text; use JSON.stringify.`);
      await host.call("setVariable", { key, value, description: description ?? null });
    },
    deleteVariable: async (key) => void (await host.call("deleteVariable", { key })),
    getConnection,
    getConnectionOrThrow: async (connId) => (await getConnection(connId)) ?? raise(new ConnectionNotFoundError(connId)),
    getXCom: async <T>(selector: XComSelector & { readonly includePriorDates?: boolean }) => {
      const value = await host.call("getXCom", {
        ...address(selector),
        includePriorDates: selector.includePriorDates ?? false,
      });
      return (value ?? null) as T | null;
    },
    setXCom: async ({ value, ...selector }) => {
      await host.call("setXCom", { ...address(selector), value: xcomJson(value, context.taskId, host) });
    },
  };
}

function raise(error: Error): never {
  throw error;
}
