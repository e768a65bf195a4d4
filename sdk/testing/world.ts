import type { DagDefinition } from "../../core/definition.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { mergeParams } from "../../core/params.ts";
import type { RunType } from "../../core/states.ts";
import type { HostCalls, HostConnection, RuntimeHost, TaskLogLine } from "../host.ts";
import type { TaskWork } from "../runtime.ts";

/** The surroundings of a task or run under test. Nothing outside of the process is touched by them. */
export interface TestOptions {
  /** Set over the defaults of the DAG's params and checked by its schema. */
  readonly params?: JsonObject;
  /** What was sent with the trigger. Default: `params`. */
  readonly conf?: JsonObject;
  /** Default "2026-01-01T00:00:00Z"; null = a run without one. */
  readonly logicalDate?: string | Date | null;
  readonly dataInterval?: { readonly start: string | Date; readonly end: string | Date };
  /** Default "test". */
  readonly runId?: string;
  /** Default "manual". */
  readonly runType?: RunType;
  /** Where the clock of sensors and retries begins. Default: the logical date. */
  readonly now?: string | Date;
  /** Variables by key. */
  readonly variables?: { readonly [key: string]: string };
  /** Connections by id; what is left out is null. */
  readonly connections?: { readonly [connId: string]: Partial<Omit<HostConnection, "id">> };
  /** Told of every log line as it comes, beside what the result collects. */
  readonly onLog?: (taskId: string, line: TaskLogLine) => void;
  /** How runs end that `triggerDagRun` waits for, by DAG id. Default "success". */
  readonly dagRuns?: { readonly [dagId: string]: "success" | "failed" | "running" };
}

/** A run that a task under test has asked for. */
export interface TriggeredRun {
  readonly dagId: string;
  readonly runId: string;
  readonly conf: JsonObject;
}

/** What stands in for Sluice while something is tested: a clock, variables, connections, XComs. */
export class TestWorld {
  /** Epoch ms; moves only when a test waits for a retry or a poke. */
  now: number;
  readonly variables: Map<string, string>;
  readonly triggered: TriggeredRun[] = [];
  readonly #options: TestOptions;
  readonly #definition: DagDefinition;
  readonly #params: JsonObject;
  readonly #logicalDate: string | null;
  /** JSON texts by `xcomKey`. */
  readonly #xcoms = new Map<string, string>();

  /** @throws Error when the params do not fit the DAG's schema. */
  constructor(definition: DagDefinition, options: TestOptions) {
    this.#options = options;
    this.#definition = definition;
    this.#params = checkedParams(definition, options.params ?? options.conf ?? {});
    const { logicalDate = "2026-01-01T00:00:00Z" } = options;
    this.#logicalDate = logicalDate === null ? null : new Date(logicalDate).toISOString();
    this.now = new Date(options.now ?? this.#logicalDate ?? "2026-01-01T00:00:00Z").getTime();
    this.variables = new Map(Object.entries(options.variables ?? {}));
  }

  get runId(): string {
    return this.#options.runId ?? "test";
  }

  get runType(): RunType {
    return this.#options.runType ?? "manual";
  }

  /** Epoch ms. */
  get logicalDate(): number | null {
    return this.#logicalDate === null ? null : Date.parse(this.#logicalDate);
  }

  work(
    taskId: string,
    inputs: { readonly [name: string]: string },
    tryNumber: number,
    maxTries: number,
    firstPokeAt?: number,
  ): TaskWork {
    const { dataInterval } = this.#options;
    const iso = (date: string | Date | undefined) =>
      date === undefined ? this.#logicalDate : new Date(date).toISOString();
    return {
      attempt: { tryNumber },
      runId: this.runId,
      taskId,
      mapIndex: -1,
      inputs,
      context: {
        runType: this.runType,
        logicalDate: this.#logicalDate,
        dataIntervalStart: iso(dataInterval?.start),
        dataIntervalEnd: iso(dataInterval?.end),
        runAfter: iso(dataInterval?.end) ?? new Date(this.now).toISOString(),
        timezone: this.#definition.timezone,
        params: this.#params,
        conf: this.#options.conf ?? this.#options.params ?? {},
        maxTries,
        ...(firstPokeAt === undefined ? {} : { firstPokeAt }),
      },
    };
  }

  host(log: (line: TaskLogLine) => void, signal: AbortSignal): RuntimeHost {
    return {
      call: async (method, args) => {
        const answer = this.#calls[method as keyof HostCalls] as ((args: JsonObject) => unknown) | undefined;
        if (answer === undefined) throw new Error(`${method} has no answer in a test.`);
        return answer(args);
      },
      log,
      signal,
      spawned: () => undefined,
      exited: () => undefined,
      now: () => this.now,
    };
  }

  /** Keeps a line of a task in `lines` and tells whoever listens. */
  logTo(lines: TaskLogLine[], taskId: string): (line: TaskLogLine) => void {
    return (line) => {
      lines.push(line);
      this.#options.onLog?.(taskId, line);
    };
  }

  xcomText(taskId: string, key: string): string | undefined {
    return this.#xcoms.get(xcomKey(this.#definition.dagId, this.runId, taskId, key));
  }

  setXcomText(taskId: string, key: string, text: string): void {
    this.#xcoms.set(xcomKey(this.#definition.dagId, this.runId, taskId, key), text);
  }

  /** A new try begins with none of the task's XComs. */
  clearXComs(taskId: string): void {
    const prefix = xcomKey(this.#definition.dagId, this.runId, taskId, "").slice(0, -3);
    for (const key of this.#xcoms.keys()) if (key.startsWith(prefix)) this.#xcoms.delete(key);
  }

  readonly #calls: HostCalls = {
    getVariable: ({ key }) => this.variables.get(key) ?? null,
    setVariable: ({ key, value }) => {
      this.variables.set(key, value);
      return null;
    },
    deleteVariable: ({ key }) => {
      this.variables.delete(key);
      return null;
    },
    getConnection: ({ connId }) => {
      const given = this.#options.connections?.[connId];
      if (given === undefined) return null;
      const blank = { type: "", host: null, schema: null, login: null, password: null, port: null, extra: null };
      return { ...blank, ...given, id: connId };
    },
    getXCom: ({ dagId, runId, taskId, key }) =>
      JSON.parse(this.#xcoms.get(xcomKey(dagId, runId, taskId, key)) ?? "null") as Json,
    setXCom: ({ dagId, runId, taskId, key, value }) => {
      this.#xcoms.set(xcomKey(dagId, runId, taskId, key), JSON.stringify(value));
      return null;
    },
    triggerDagRun: ({ dagId, runId, conf }) => {
      this.triggered.push({ dagId, runId, conf });
      return { runId, created: true };
    },
    getDagRunState: ({ dagId }) => ({ state: this.#options.dagRuns?.[dagId] ?? "success" }),
    getTaskState: () => ({ state: "success" }),
  };
}

function xcomKey(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}

function checkedParams(definition: DagDefinition, conf: JsonObject): JsonObject {
  const merged = mergeParams(definition, conf);
  if (merged.ok) return merged.params;
  const issues = merged.issues.map(({ path, message }) => (path === "" ? message : `${path} ${message}`));
  throw new TypeError(`The params do not fit Dag "${definition.dagId}": ${issues.join("; ")}.`);
}
