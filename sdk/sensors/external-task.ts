import type { TaskState } from "../../core/states.ts";
import { type Check, oneOf } from "../checks.ts";
import { type Duration, durationMs } from "../durations.ts";
import { DagDefinitionError } from "../errors.ts";
import type { NoInputs, Operator } from "../operator.ts";
import { checkOptions, requireOption, summarize } from "../operators/options.ts";
import { type AnyText, checkText, type Text, type TextContext } from "../text.ts";
import { type SensorOptions, sensorChecks, sensorDefinition } from "./options.ts";
import { makeSensor } from "./sensor.ts";

/** The states that another run or task can end in. */
export type FinalState = Extract<TaskState, "success" | "failed" | "skipped" | "upstream_failed">;

/** What to wait for. */
export interface ExternalTaskOptions extends SensorOptions {
  readonly dagId: Text;
  /** A task of it; default: the whole run. */
  readonly taskId?: Text;
  /** The other run's logical date is earlier by so much. Default 0: both are the same. */
  readonly delta?: Duration;
  /** The other run's logical date. Not together with `delta`. */
  readonly logicalDate?: (context: TextContext) => Date | string;
  /** States in which the wait is over. Default ["success"]. */
  readonly allowedStates?: readonly FinalState[];
  /** States in which this task fails. Default: none, so that it goes on waiting for a repair. */
  readonly failedStates?: readonly FinalState[];
  /** States in which this task is skipped. Default: none. */
  readonly skippedStates?: readonly FinalState[];
}

/** Checked options. */
export interface ExternalTaskPlan {
  readonly dagId: AnyText;
  readonly taskId?: AnyText;
  readonly deltaMs: number;
  readonly logicalDate?: (context: never) => unknown;
  readonly allowedStates: readonly FinalState[];
  readonly failedStates: readonly FinalState[];
  readonly skippedStates: readonly FinalState[];
}

const states: Check<readonly FinalState[]> = (value) => {
  if (!Array.isArray(value)) throw new TypeError('must be a list of states such as "success"');
  return value.map(oneOf(["success", "failed", "skipped", "upstream_failed"]));
};

const dateFunction: Check<(context: never) => unknown> = (value) => {
  if (typeof value !== "function") throw new TypeError("must be a function (ctx) => Date");
  return value as (context: never) => unknown;
};

/**
 * Waits for a run of another DAG, or for a task of it, that has the same logical date (or an earlier one, by `delta`).
 * Leaves the state that it has found.
 *
 * @example
 * ```ts
 * import { Dag, externalTask } from "sluice";
 * const dag = new Dag("report", { schedule: "0 6 * * *" });
 * dag.task("orders", externalTask({ dagId: "orders", taskId: "load", delta: "6h", failedStates: ["failed"] }))();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function externalTask(options: ExternalTaskOptions): Operator<NoInputs, FinalState> {
  const { dagId, taskId, delta, logicalDate, allowedStates, failedStates, skippedStates, ...timing } = checkOptions(
    "externalTask",
    options,
    {
      dagId: (value: unknown) => checkText("dagId", value),
      taskId: (value: unknown) => checkText("taskId", value),
      delta: durationMs,
      logicalDate: dateFunction,
      allowedStates: states,
      failedStates: states,
      skippedStates: states,
      ...sensorChecks,
    },
  );
  if (delta !== undefined && logicalDate !== undefined) {
    throw new DagDefinitionError("externalTask: delta and logicalDate both name the other run. Keep one of them.");
  }
  const plan: ExternalTaskPlan = {
    dagId: requireOption("externalTask", "dagId", dagId),
    taskId,
    deltaMs: delta ?? 0,
    logicalDate,
    allowedStates: allowedStates ?? ["success"],
    failedStates: failedStates ?? [],
    skippedStates: skippedStates ?? [],
  };
  return makeSensor({
    kind: "externalTask",
    summary: [plan.dagId, plan.taskId].every((text) => typeof text !== "function")
      ? summarize([plan.dagId, plan.taskId ?? []].flat().join("."))
      : undefined,
    definition: sensorDefinition(timing),
    poke: async (run) => {
      const { findExternalTask } = await import("./find-external-task.ts");
      return findExternalTask(plan, run);
    },
  });
}
