import type { TriggerRule } from "../../core/definition.ts";
import type { TaskState } from "../../core/states.ts";

/**
 * The table of trigger rules once more, written from the reference text as predicates over the plain list of upstream
 * states, so that the implementation has something independent to be compared with.
 */
export interface Upstream {
  readonly state: TaskState;
  readonly isSetup?: boolean;
}

const DONE: readonly TaskState[] = ["success", "failed", "upstream_failed", "skipped", "removed"];

export function oracle(rule: TriggerRule, upstream: readonly Upstream[], mapIndex = -1): TaskState | "run" | "wait" {
  const states = upstream.map((one) => one.state);
  if (states.length === 0) return "run";
  const has = (...wanted: TaskState[]) => states.some((state) => wanted.includes(state));
  const count = (...wanted: TaskState[]) => states.filter((state) => wanted.includes(state)).length;
  const allDone = states.every((state) => DONE.includes(state));
  // "For a mapped instance removed upstreams are subtracted from U in the run test."
  const runStates = mapIndex >= 0 ? states.filter((state) => state !== "removed") : states;
  const allAre = (...wanted: TaskState[]) => runStates.every((state) => wanted.includes(state));
  const setups = upstream.filter((one) => one.isSetup).map((one) => one.state);

  const table: { [rule in TriggerRule]: { skipped: boolean; failed: boolean; run: boolean } } = {
    all_success: {
      skipped: has("skipped") && !has("failed", "upstream_failed"),
      failed: has("failed", "upstream_failed"),
      run: allAre("success"),
    },
    all_failed: { skipped: has("success", "skipped"), failed: false, run: allAre("failed", "upstream_failed") },
    all_done: { skipped: false, failed: false, run: allDone },
    all_done_min_one_success: {
      skipped: has("skipped"),
      failed: !has("skipped") && allDone && !has("success"),
      run: allDone && !has("skipped") && has("success"),
    },
    all_skipped: { skipped: has("success", "failed", "upstream_failed"), failed: false, run: allAre("skipped") },
    one_success: {
      skipped: states.every((state) => state === "skipped"),
      failed: allDone && !has("success") && !states.every((state) => state === "skipped"),
      run: has("success"),
    },
    one_failed: {
      skipped: allDone && !has("failed", "upstream_failed"),
      failed: false,
      run: has("failed", "upstream_failed"),
    },
    one_done: { skipped: allDone && !has("success", "failed"), failed: false, run: has("success", "failed") },
    none_failed: { skipped: false, failed: has("failed", "upstream_failed"), run: allAre("success", "skipped") },
    none_failed_min_one_success: {
      skipped: states.every((state) => state === "skipped"),
      failed: has("failed", "upstream_failed"),
      run: allAre("success", "skipped") && !states.every((state) => state === "skipped"),
    },
    none_skipped: { skipped: has("skipped"), failed: false, run: allDone && !has("skipped") },
    always: { skipped: false, failed: false, run: true },
    all_done_setup_success: {
      skipped: allDone && setups.length > 0 && setups.every((state) => state === "skipped"),
      failed:
        allDone && setups.length > 0 && !setups.includes("success") && !setups.every((state) => state === "skipped"),
      run: allDone && (setups.length === 0 || setups.includes("success")),
    },
  };
  const row = table[rule];
  if (rule === "all_success" && mapIndex >= 0 && !row.skipped && !row.failed) {
    if (has("removed") && has("success") && mapIndex >= count("success")) return "removed";
  }
  if (row.failed) return "upstream_failed";
  if (row.skipped) return "skipped";
  return row.run ? "run" : "wait";
}
