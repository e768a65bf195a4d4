import type { Json } from "../../core/json.ts";
import { callback } from "../checks.ts";
import type { NoInputs, Operator } from "../operator.ts";
import {
  type HttpAnswer,
  type HttpRequestOptions,
  readRequest,
  requestChecks,
  requestSummary,
} from "../operators/http.ts";
import { checkOptions } from "../operators/options.ts";
import { type SensorOptions, sensorChecks, sensorDefinition } from "./options.ts";
import { makeSensor } from "./sensor.ts";

/** What to ask, and what to wait for. `timeout` is that of the sensor; one request has 60 s, see `requestTimeout`. */
export interface HttpSensorOptions<I extends object = NoInputs>
  extends Omit<HttpRequestOptions<I>, "timeout">,
    SensorOptions {
  /** Limit for one request. Default 60 s. */
  readonly requestTimeout?: HttpRequestOptions["timeout"];
  /** Whether the wait is over. Default: status 200 to 299. */
  readonly check?: (answer: HttpAnswer) => boolean | Promise<boolean>;
}

/**
 * Waits until a server answers as wished. A status of 404, 409, 423, 425, 429 or 5xx, and a server that cannot be
 * reached, mean "not yet"; other refusals fail the task. Leaves the body of the last answer.
 *
 * @example
 * ```ts
 * import { Dag, httpSensor } from "sluice";
 * const dag = new Dag("after_export");
 * dag.task("wait", httpSensor({ url: "https://export.example/{{ params.day }}", check: ({ json }) => json === "ready", every: "5m" }))();
 * ```
 * @throws DagDefinitionError for options that are not valid.
 */
export function httpSensor<I extends object = NoInputs>(options: HttpSensorOptions<I>): Operator<I, Json> {
  const { check, every, timeout, softFail, backoff, requestTimeout, ...request } = checkOptions("httpSensor", options, {
    ...requestChecks,
    ...sensorChecks,
    requestTimeout: requestChecks.timeout,
    check: callback,
  });
  const plan = readRequest("httpSensor", { ...request, timeout: requestTimeout });
  return makeSensor({
    kind: "httpSensor",
    summary: requestSummary(plan),
    definition: sensorDefinition({ every, timeout, softFail, backoff }),
    poke: async (run) => {
      const { pokeServer } = await import("./poke-server.ts");
      return pokeServer(plan, check as HttpSensorOptions["check"], run);
    },
  });
}
