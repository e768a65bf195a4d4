import { flag } from "../checks.ts";
import type { TaskRef } from "../node.ts";
import { type NoInputs, type Operator, operator } from "../operator.ts";
import { callHandler, checkHandler } from "./handler.ts";
import { checkOptions } from "./options.ts";

/** How far `shortCircuit` reaches. */
export interface ShortCircuitOptions {
  /** True (default): everything below is skipped. False: the tasks directly below, and then their trigger rules decide. */
  readonly ignoreDownstreamTriggerRules?: boolean;
}

/**
 * Goes on only when the handler returns something truthy; otherwise what lies below is skipped. The task itself
 * succeeds either way, and leaves what the handler returned.
 *
 * @example
 * ```ts
 * import { Dag, shortCircuit } from "sluice";
 * const dag = new Dag("weekdays", { schedule: "@daily" });
 * const workday = dag.task("workday", shortCircuit(() => new Date().getDay() % 6 !== 0))();
 * dag.task("invoice", async () => "sent")().after(workday);
 * ```
 * @throws DagDefinitionError for a handler with two parameters or an unknown option.
 */
export function shortCircuit<I extends object = NoInputs, R = unknown>(
  handler: (inputs: I) => R,
  options?: ShortCircuitOptions,
): Operator<I, Awaited<R>> {
  checkHandler("The function given to shortCircuit", handler);
  const { ignoreDownstreamTriggerRules } = checkOptions("shortCircuit", options, {
    ignoreDownstreamTriggerRules: flag,
  });
  const transitive = ignoreDownstreamTriggerRules ?? true;
  return operator({
    kind: "shortCircuit",
    defaultId: handler.name,
    branch: { kind: "shortCircuit", ignoreDownstreamTriggerRules: transitive },
    execute: async (run) => {
      const value = await callHandler(handler, run);
      if (value) return { kind: "value", value };
      return { kind: "value", value, branch: { skipped: run.downstream, transitive } };
    },
  });
}

/** What a `branch` handler may return: one or several tasks or groups directly below, by reference or full id, or none. */
export type BranchChoice = TaskRef | string | readonly (TaskRef | string)[] | null | undefined;

/**
 * Follows the tasks that the handler names; the other tasks directly below are skipped, unless they can also be reached
 * from one that is followed. A task where the branches meet again needs the rule `none_failed_min_one_success`.
 *
 * @example
 * ```ts
 * import { branch, Dag } from "sluice";
 * const dag = new Dag("route");
 * const pick = dag.task("pick", branch(async ({ size }: { size: number }) => (size > 100 ? "bulk" : "single")))({ size: 7 });
 * dag.task("bulk", async () => "by lorry")().after(pick);
 * dag.task("single", async () => "by bike")().after(pick);
 * ```
 * @throws DagDefinitionError for a handler with two parameters.
 */
export function branch<I extends object = NoInputs>(
  handler: (inputs: I) => BranchChoice | Promise<BranchChoice>,
): Operator<I, string[]> {
  checkHandler("The function given to branch", handler);
  return operator({
    kind: "branch",
    defaultId: handler.name,
    branch: { kind: "branch" },
    execute: async (run) => {
      const { followedTasks } = await import("./branch-choice.ts");
      const followed = followedTasks(await callHandler(handler, run), run);
      return { kind: "value", value: followed, branch: { followed } };
    },
  });
}

/**
 * Lets only the newest scheduled run go on; in older ones, as they come with catch-up and backfills, the tasks directly
 * below are skipped. Manual runs always go on.
 *
 * @example
 * ```ts
 * import { Dag, latestOnly } from "sluice";
 * const dag = new Dag("mirror", { schedule: "@hourly", catchup: true });
 * const newest = dag.task("newest", latestOnly())();
 * dag.task("refresh", async () => "done")().after(newest);
 * ```
 */
export function latestOnly(): Operator<NoInputs, undefined> {
  return operator({
    kind: "latestOnly",
    takesNoInputs: true,
    branch: { kind: "latestOnly" },
    execute: async (run) => {
      const { isNewestRun } = await import("./latest-run.ts");
      if (isNewestRun(run)) return { kind: "value", value: undefined };
      run.host.log({ level: "info", source: "sluice", message: "A newer run is due: what lies below is skipped." });
      return { kind: "value", value: undefined, branch: { skipped: run.downstream } };
    },
  });
}
