import { type NoInputs, type Operator, operator } from "../operator.ts";

/**
 * Does nothing: a place where edges meet. It becomes a success without a worker.
 *
 * @example
 * ```ts
 * import { Dag, empty } from "sluice";
 * const dag = new Dag("gate");
 * dag.task("done", empty())();
 * ```
 */
export function empty(): Operator<NoInputs, undefined> {
  return operator({
    kind: "empty",
    isNoop: true,
    takesNoInputs: true,
    execute: async () => ({ kind: "value", value: undefined }),
  });
}
