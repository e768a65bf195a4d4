import type { NoInputs, Operator } from "../operator.ts";
import { operator } from "../operator.ts";
import { callHandler, checkHandler } from "../operators/handler.ts";
import { checkOptions } from "../operators/options.ts";
import type { TaskRun } from "../task-run.ts";
import { nextPoke, type SensorOptions, sensorChecks, sensorDefinition } from "./options.ts";

/** What a sensor leaves: whatever it answered that was not "not yet". */
export type Sensed<R> = Exclude<Awaited<R>, false | null | undefined | 0 | "">;

/**
 * Waits until the handler returns something truthy, which becomes the task's XCom. Between two pokes no slot is held;
 * each poke calls the handler anew, perhaps in another process.
 *
 * @example
 * ```ts
 * import { access } from "node:fs/promises";
 * import { Dag, sensor } from "sluice";
 * const dag = new Dag("import");
 * const arrived = () => access("/in/orders.csv").then(() => true, () => false);
 * dag.task("wait", sensor(arrived, { every: "30s", timeout: "2h", softFail: true }))();
 * ```
 * @throws DagDefinitionError for a handler with two parameters or options that are not valid.
 */
export function sensor<I extends object = NoInputs, R = unknown>(
  handler: (inputs: I) => R,
  options?: SensorOptions,
): Operator<I, Sensed<R>> {
  checkHandler("The function given to sensor", handler);
  const definition = sensorDefinition(checkOptions("sensor", options, sensorChecks));
  return makeSensor({ kind: "sensor", defaultId: handler.name, definition, poke: (run) => callHandler(handler, run) });
}

interface SensorBody {
  readonly kind: string;
  readonly defaultId?: string;
  readonly summary?: string;
  readonly definition: ReturnType<typeof sensorDefinition>;
  /** Anything falsy means "not yet". */
  readonly poke: (run: TaskRun) => Promise<unknown>;
}

/** A sensor from what it does at each poke. */
export function makeSensor<I extends object, R>({
  kind,
  defaultId,
  summary,
  definition,
  poke,
}: SensorBody): Operator<I, R> {
  return operator({
    kind,
    defaultId,
    summary,
    sensor: definition,
    execute: async (run) => {
      const value = await poke(run);
      if (value) return { kind: "value", value };
      return { kind: "reschedule", at: nextPoke(definition, run.firstPokeAt, run.now()) };
    },
  });
}
