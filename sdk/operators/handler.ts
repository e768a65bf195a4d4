import { DagDefinitionError } from "../errors.ts";
import type { OperatorBody } from "../operator.ts";
import type { TaskRun } from "../task-run.ts";

/** A function of the author's, of any type. */
type AnyHandler = (inputs: never) => unknown;

/** The body of a task that is the author's own function. @throws DagDefinitionError when it has two parameters. */
export function handlerBody(kind: string, handler: AnyHandler, extra: Partial<OperatorBody> = {}): OperatorBody {
  checkHandler(kind === "ts" ? "A task's handler" : `The function given to ${kind}`, handler);
  return {
    kind,
    defaultId: handler.name,
    handler,
    execute: async (run) => ({ kind: "value", value: await callHandler(handler, run) }),
    ...extra,
  };
}

/** @throws DagDefinitionError unless it is a function of at most one parameter. */
export function checkHandler(what: string, handler: unknown): asserts handler is AnyHandler {
  if (typeof handler !== "function") throw new DagDefinitionError(`${what} must be a function.`);
  if (handler.length > 1) {
    throw new DagDefinitionError(
      `${what}${handler.name === "" ? "" : ` (${handler.name})`} has ${handler.length} parameters, but gets one object with all inputs: async ({ rows, day }) => …. Context and client come from getContext() and getClient().`,
    );
  }
}

/** Calls the author's function with the inputs of this run. */
export async function callHandler(handler: AnyHandler, run: TaskRun): Promise<unknown> {
  return handler(run.inputs as never);
}
