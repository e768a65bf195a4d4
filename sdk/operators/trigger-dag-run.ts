import { type Check, flag, isPlainObject, oneOf, text } from "../checks.ts";
import { type Duration, durationMs } from "../durations.ts";
import { DagDefinitionError } from "../errors.ts";
import { type NoInputs, type Operator, operator } from "../operator.ts";
import { type AnyText, checkJsonTemplate, checkText, type JsonTemplate, type Text, type TextContext } from "../text.ts";
import { checkOptions, requireOption, summarize } from "./options.ts";

/** The states a run can end in. */
export type FinalRunState = "success" | "failed";

/** Which run to start, and whether to wait for it. */
export interface TriggerDagRunOptions {
  /** The DAG to run. Airflow's name for it is accepted as well: `triggerDagId`. */
  readonly dagId?: Text;
  readonly triggerDagId?: Text;
  /** Id of the new run. Default: one that is made from the calling try. Airflow: `triggerRunId`. */
  readonly runId?: Text;
  readonly triggerRunId?: Text;
  /** The run's conf; texts in it may be templates. */
  readonly conf?: { readonly [key: string]: JsonTemplate } | ((context: TextContext) => object | Promise<object>);
  readonly note?: Text;
  /** A run of this id exists: clear it, so that it runs again. Default false: fail. */
  readonly resetDagRun?: boolean;
  /** A run of this id exists: skip this task. Default false. */
  readonly skipWhenAlreadyExists?: boolean;
  /** Fail when the other DAG is paused, instead of leaving a queued run. Default false. */
  readonly failWhenDagIsPaused?: boolean;
  /** Succeed only when the run has; no slot is held meanwhile. Default false. */
  readonly waitForCompletion?: boolean;
  /** How often to look. Default 60 s. */
  readonly pokeInterval?: Duration;
  /** Longest wait; then the task fails for good. Default 7 days. */
  readonly timeout?: Duration;
  /** States in which the wait is over. Default ["success"]. */
  readonly allowedStates?: readonly FinalRunState[];
  /** States in which the task fails. Default ["failed"]. */
  readonly failedStates?: readonly FinalRunState[];
  /** Accepted for Airflow's sake, without effect: waiting never holds a slot. */
  readonly deferrable?: boolean;
}

/** Checked options. */
export interface TriggerPlan {
  readonly dagId: AnyText;
  readonly runId?: AnyText;
  readonly conf?: unknown;
  readonly note?: AnyText;
  readonly resetDagRun?: boolean;
  readonly skipWhenAlreadyExists?: boolean;
  readonly failWhenDagIsPaused?: boolean;
  readonly waitForCompletion?: boolean;
  readonly pokeIntervalMs: number;
  readonly allowedStates: readonly FinalRunState[];
  readonly failedStates: readonly FinalRunState[];
}

const textOption = (what: string) => (value: unknown) => checkText(what, value);

const conf: Check<unknown> = (value) => {
  if (typeof value === "function") return value;
  if (!isPlainObject(value)) throw new TypeError("must be an object or a function that gives one");
  checkJsonTemplate("conf", value);
  return value;
};

const states: Check<readonly FinalRunState[]> = (value) => {
  if (!Array.isArray(value)) throw new TypeError('must be a list of "success" and "failed"');
  return value.map(oneOf(["success", "failed"]));
};

const WEEK_MS = 7 * 86_400_000;

/**
 * Starts a run of another DAG (or of this one), and waits for its end if asked to. The task leaves the run's id.
 *
 * @example
 * ```ts
 * import { Dag, triggerDagRun } from "sluice";
 * const dag = new Dag("month_end", { schedule: "@monthly" });
 * dag.task("close_books", triggerDagRun({ dagId: "books", conf: { month: "{{ ds }}" }, waitForCompletion: true }))();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function triggerDagRun(options: TriggerDagRunOptions): Operator<NoInputs, string> {
  const checked = checkOptions("triggerDagRun", options, {
    dagId: textOption("dagId"),
    triggerDagId: textOption("triggerDagId"),
    runId: textOption("runId"),
    triggerRunId: textOption("triggerRunId"),
    conf,
    note: textOption("note"),
    resetDagRun: flag,
    skipWhenAlreadyExists: flag,
    failWhenDagIsPaused: flag,
    waitForCompletion: flag,
    pokeInterval: durationMs,
    timeout: durationMs,
    allowedStates: states,
    failedStates: states,
    deferrable: flag,
  });
  const pokeIntervalMs = Math.max(1000, checked.pokeInterval ?? 60_000);
  const plan: TriggerPlan = {
    ...checked,
    dagId: requireOption(
      "triggerDagRun",
      "dagId",
      onlyOne("dagId", checked.dagId, "triggerDagId", checked.triggerDagId),
    ),
    runId: onlyOne("runId", checked.runId, "triggerRunId", checked.triggerRunId),
    pokeIntervalMs,
    allowedStates: checked.allowedStates ?? ["success"],
    failedStates: checked.failedStates ?? ["failed"],
  };
  return operator({
    kind: "triggerDagRun",
    takesNoInputs: true,
    summary: typeof plan.dagId === "string" ? summarize(`→ ${text(plan.dagId)}`) : undefined,
    sensor: checked.waitForCompletion
      ? { everyMs: pokeIntervalMs, timeoutMs: checked.timeout ?? WEEK_MS, softFail: false }
      : undefined,
    execute: async (run) => {
      const { startOrFollow } = await import("./trigger-run.ts");
      return startOrFollow(plan, run);
    },
  });
}

function onlyOne<T>(name: string, value: T | undefined, otherName: string, other: T | undefined): T | undefined {
  if (value !== undefined && other !== undefined) {
    throw new DagDefinitionError(`triggerDagRun: ${name} and ${otherName} mean the same. Keep one of them.`);
  }
  return value ?? other;
}
