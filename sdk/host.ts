import type { Json, JsonObject } from "../core/json.ts";

/** One line that a task wrote. */
export interface TaskLogLine {
  readonly level: "debug" | "info" | "warning" | "error";
  /** "stdout", "stderr", "task" (structured), "sluice" (the system's own remarks). */
  readonly source: string;
  readonly message: string;
  readonly fields?: JsonObject;
}

/** What a task's process offers to the task it runs. */
export interface RuntimeHost {
  /** Asks for something outside the process; the methods are those of `HostCalls`. Values are JSON. */
  call(method: string, args: JsonObject): Promise<unknown>;
  log(line: TaskLogLine): void;
  /** Aborts on cancel, timeout and shutdown. */
  readonly signal: AbortSignal;
  /** A child process (the leader of its own process group) was started, or has ended. */
  spawned(pid: number): void;
  exited(pid: number): void;
  /** Largest XCom in bytes of JSON. Default: `SLUICE_XCOM_MAX_BYTES`, or 1 MiB. */
  readonly xcomMaxBytes?: number;
  /** Epoch ms; default: the machine's clock. */
  now?(): number;
}

/** The methods of `RuntimeHost.call`. Missing things are null; everything else that goes wrong is a rejection. */
export interface HostCalls {
  getVariable(args: { key: string }): string | null;
  setVariable(args: { key: string; value: string; description: string | null }): null;
  deleteVariable(args: { key: string }): null;
  getConnection(args: { connId: string }): HostConnection | null;
  /** `includePriorDates`: when this run has none, the newest of earlier runs. */
  getXCom(args: XComAddress & { includePriorDates: boolean }): Json;
  setXCom(args: XComAddress & { value: Json }): null;
  /** Creates a run. With `runId` taken: `ifExists` decides. Answers what became of it. */
  triggerDagRun(args: TriggerCall): { runId: string; created: boolean };
  getDagRunState(args: { dagId: string; runId: string }): { state: string } | null;
  /** The state of one task of a run found by its logical date; null when there is no such run or task. */
  getTaskState(args: { dagId: string; taskId: string | null; logicalDate: string }): { state: string } | null;
}

/** A connection as tasks see it. */
export interface HostConnection {
  readonly id: string;
  readonly type: string;
  readonly host: string | null;
  readonly schema: string | null;
  readonly login: string | null;
  readonly password: string | null;
  readonly port: number | null;
  readonly extra: string | null;
}

/** Names one XCom. `mapIndex` −1 = an unmapped task. */
export interface XComAddress {
  readonly dagId: string;
  readonly runId: string;
  readonly taskId: string;
  readonly mapIndex: number;
  readonly key: string;
}

/** Asks for a run of another DAG. */
export interface TriggerCall {
  readonly dagId: string;
  readonly runId: string;
  readonly conf: JsonObject;
  readonly note: string | null;
  /** "fail": reject; "skip": leave it alone; "reset": clear it, so that it runs again; "reuse": it is this very call, repeated. */
  readonly ifExists: "fail" | "skip" | "reset" | "reuse";
  /** Reject when the DAG is paused. */
  readonly failWhenPaused: boolean;
}
