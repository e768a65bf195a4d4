import { bodyOf, type OperatorBody } from "../operator.ts";
import { branch, shortCircuit } from "../operators/flow.ts";
import { callHandler, handlerBody } from "../operators/handler.ts";
import { makeSensor } from "../sensors/sensor.ts";

/** Stands in for a task's code: a function of its inputs, or simply what it returns. */
export type TaskStub = ((inputs: never) => unknown) | string | number | boolean | null | undefined | object;

/** The body with the author's code replaced: what is returned means what it would mean there. */
export function stubBody(body: OperatorBody, stub: TaskStub): OperatorBody {
  const handler = typeof stub === "function" ? (stub as (inputs: never) => unknown) : () => stub;
  const { sensor, branch: decision } = body;
  if (sensor !== undefined && body.kind !== "triggerDagRun") {
    return made(makeSensor({ kind: body.kind, definition: sensor, poke: (run) => callHandler(handler, run) }));
  }
  if (decision?.kind === "branch") return made(branch(handler as () => string[]));
  if (decision?.kind === "shortCircuit") {
    return made(shortCircuit(handler, { ignoreDownstreamTriggerRules: decision.ignoreDownstreamTriggerRules }));
  }
  return handlerBody(body.kind, handler);
}

function made(operator: unknown): OperatorBody {
  const body = bodyOf(operator);
  if (body === undefined) throw new TypeError("not an operator");
  return body;
}
