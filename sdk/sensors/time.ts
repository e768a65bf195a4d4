import { flag } from "../checks.ts";
import { type Duration, durationMs } from "../durations.ts";
import { DagDefinitionError, FailFast } from "../errors.ts";
import { type NoInputs, type Operator, operator } from "../operator.ts";
import { checkOptions } from "../operators/options.ts";
import { renderText } from "../render.ts";
import { resolveInstant } from "../schedule.ts";
import type { TaskRun } from "../task-run.ts";
import { type AnyText, checkText, type Text } from "../text.ts";
import { type SensorOptions, sensorDefinition } from "./options.ts";

/** Until when to wait: exactly one of `at` and `after`. */
export interface TimeSensorOptions extends Pick<SensorOptions, "timeout" | "softFail"> {
  /**
   * A time of day such as "06:30", on the day of the run (its `runAfter`) in the DAG's time zone; or an instant, as
   * `Date` or ISO 8601 text (without offset: in the DAG's time zone).
   */
  readonly at?: Text | Date;
  /** A duration, counted from the end of the run's data interval; without one, from its `runAfter`. */
  readonly after?: Duration;
}

/**
 * Waits until a moment, without poking in between. Leaves the moment as ISO 8601 text.
 *
 * @example
 * ```ts
 * import { Dag, timeSensor } from "sluice";
 * const dag = new Dag("close", { schedule: "@daily", timezone: "Europe/Berlin" });
 * dag.task("evening", timeSensor({ at: "18:30" }))();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function timeSensor(options: TimeSensorOptions): Operator<NoInputs, string> {
  const { at, after, timeout, softFail } = checkOptions("timeSensor", options, {
    at: readAt,
    after: durationMs,
    timeout: durationMs,
    softFail: flag,
  });
  if ((at === undefined) === (after === undefined)) {
    throw new DagDefinitionError("timeSensor: give either at or after.");
  }
  return operator({
    kind: "timeSensor",
    takesNoInputs: true,
    summary: typeof at === "string" ? `at ${at}` : undefined,
    sensor: sensorDefinition({ timeout, softFail }),
    execute: async (run) => {
      const moment = after === undefined ? await momentOf(at ?? "", run) : startOf(run) + after;
      if (run.now() < moment) return { kind: "reschedule", at: moment };
      return { kind: "value", value: new Date(moment).toISOString() };
    },
  });
}

function readAt(value: unknown): AnyText | Date {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? new Date(value) : checkText("at", value);
}

function startOf({ context }: TaskRun): number {
  return (context.dataInterval?.end ?? context.runAfter).getTime();
}

const TIME_OF_DAY = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?$/;

async function momentOf(at: AnyText | Date, run: TaskRun): Promise<number> {
  if (at instanceof Date) return at.getTime();
  const text = (await renderText(at, run)).trim();
  const { timezone, runAfter } = run.context;
  const time = TIME_OF_DAY.exec(text);
  // "sv-SE" writes dates as 2026-01-31.
  const day = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone }).format(runAfter);
  const iso = time === null ? text : `${day}T${(time[1] ?? "").padStart(2, "0")}:${time[2]}:${time[3] ?? "00"}`;
  if (!Number.isNaN(Date.parse(iso)) && /^\d{4}-\d{2}-\d{2}/.test(iso))
    return Date.parse(resolveInstant(iso, timezone));
  throw new FailFast(
    `timeSensor: at became ${JSON.stringify(text)}, which is neither a time such as "18:30" nor an ISO 8601 date.`,
  );
}
