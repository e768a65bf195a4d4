import { flag } from "../checks.ts";
import type { NoInputs, Operator } from "../operator.ts";
import { checkOptions, requireOption, summarize } from "../operators/options.ts";
import { renderText } from "../render.ts";
import { checkText, type Text } from "../text.ts";
import { type SensorOptions, sensorChecks, sensorDefinition } from "./options.ts";
import { makeSensor } from "./sensor.ts";

/** Which file to wait for. */
export interface FileSensorOptions<I extends object = NoInputs> extends SensorOptions {
  /** A path, or a pattern such as "/in/orders-*.csv". */
  readonly path: Text<I>;
  /** Wait until it has content. Default false. */
  readonly nonEmpty?: boolean;
}

/**
 * Waits for a file (or folder). Leaves its path; with a pattern, that of the first match in alphabetical order.
 *
 * @example
 * ```ts
 * import { Dag, fileSensor } from "sluice";
 * const dag = new Dag("orders", { schedule: "@daily" });
 * dag.task("wait", fileSensor({ path: "/in/orders-{{ ds }}-*.csv", every: "1m", timeout: "6h", nonEmpty: true }))();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function fileSensor<I extends object = NoInputs>(options: FileSensorOptions<I>): Operator<I, string> {
  const { path, nonEmpty, ...timing } = checkOptions("fileSensor", options, {
    path: (value: unknown) => checkText("path", value),
    nonEmpty: flag,
    ...sensorChecks,
  });
  const pattern = requireOption("fileSensor", "path", path);
  return makeSensor({
    kind: "fileSensor",
    summary: typeof pattern === "string" ? summarize(pattern) : undefined,
    definition: sensorDefinition(timing),
    poke: async (run) => {
      const { findFile } = await import("./find-file.ts");
      return findFile(await renderText(pattern, run), nonEmpty ?? false);
    },
  });
}
