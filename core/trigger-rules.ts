import type { TriggerRule } from "./definition.ts";

/** How the direct upstream instances of a task stand; mapped ones count one by one. */
export interface UpstreamCounts {
  readonly total: number;
  readonly success: number;
  readonly failed: number;
  readonly upstreamFailed: number;
  readonly skipped: number;
  readonly removed: number;
}

/** What else a rule may look at. */
export interface RuleContext {
  /** Own map index; −1 for a task that is not mapped (default). */
  readonly mapIndex?: number;
  /** The direct upstream setups; looked at by `all_done_setup_success` only. */
  readonly setups?: Pick<UpstreamCounts, "total" | "success" | "skipped">;
}

/** What a trigger rule says at this moment. Everything but `wait` is final as long as nothing is cleared. */
export type RuleVerdict = "run" | "wait" | "skipped" | "upstream_failed" | "removed";

/**
 * Airflow's trigger rules (airflow.md 1.7, the table row by row). `skipped` and `upstream_failed` are said as soon as
 * their condition holds, without waiting for the rest, except where the table says "all done". No upstream at all:
 * run. An unknown rule never runs.
 */
export function applyTriggerRule(rule: TriggerRule, counts: UpstreamCounts, context: RuleContext = {}): RuleVerdict {
  const { total, success, skipped, removed } = counts;
  if (total === 0) return "run";
  const mapIndex = context.mapIndex ?? -1;
  // A mapped instance does not wait for upstream instances that no longer exist.
  const needed = mapIndex >= 0 ? total - removed : total;
  const failed = counts.failed + counts.upstreamFailed;
  const isAllDone = success + failed + skipped + removed >= total;

  switch (rule) {
    case "all_success":
      if (failed > 0) return "upstream_failed";
      if (skipped > 0) return "skipped";
      if (mapIndex >= 0 && removed > 0 && success > 0 && mapIndex >= success) return "removed";
      return success >= needed ? "run" : "wait";
    case "all_failed":
      if (success + skipped > 0) return "skipped";
      return failed >= needed ? "run" : "wait";
    case "all_done":
      return isAllDone ? "run" : "wait";
    case "all_done_min_one_success":
      if (skipped > 0) return "skipped";
      if (!isAllDone) return "wait";
      return success > 0 ? "run" : "upstream_failed";
    case "all_skipped":
      if (success + failed > 0) return "skipped";
      return skipped >= needed ? "run" : "wait";
    case "one_success":
      if (success > 0) return "run";
      if (!isAllDone) return "wait";
      return skipped === total ? "skipped" : "upstream_failed";
    case "one_failed":
      if (failed > 0) return "run";
      return isAllDone ? "skipped" : "wait";
    case "one_done":
      if (success + counts.failed > 0) return "run";
      return isAllDone ? "skipped" : "wait";
    case "none_failed":
      if (failed > 0) return "upstream_failed";
      return success + skipped >= needed ? "run" : "wait";
    case "none_failed_min_one_success":
      if (failed > 0) return "upstream_failed";
      if (skipped === total) return "skipped";
      return success + skipped >= needed ? "run" : "wait";
    case "none_skipped":
      if (skipped > 0) return "skipped";
      return isAllDone ? "run" : "wait";
    case "always":
      return "run";
    case "all_done_setup_success": {
      if (!isAllDone) return "wait";
      const setups = context.setups;
      if (setups === undefined || setups.total === 0 || setups.success > 0) return "run";
      return setups.skipped === setups.total ? "skipped" : "upstream_failed";
    }
    default:
      return "wait";
  }
}
