import type { DagSummary } from "../../store/rows.ts";
import { runPath } from "./paths.ts";
import { absoluteTime, durationText } from "./time.ts";

/** One run as a bar: a link, its colour the state, its height the duration. */
export interface RunBar {
  readonly href: string;
  readonly state: string;
  /** 4 to 20, px; there is a class for each. */
  readonly height: number;
  /** Tooltip and accessible name. */
  readonly label: string;
}

/** The newest runs of a DAG, oldest first, heights relative to the longest of them. */
export function runBars(dagId: string, runs: DagSummary["recentRuns"], now: number): readonly RunBar[] {
  const durations = runs.map((run) => (run.startDate === null ? 0 : (run.endDate ?? now) - run.startDate));
  const longest = Math.max(1, ...durations);
  return runs
    .map((run, index) => {
      const duration = durations[index] ?? 0;
      return {
        href: runPath(dagId, run.runId),
        state: run.state,
        height: Math.round(4 + (16 * duration) / longest),
        label: `${run.state}, ${absoluteTime(run.runAfter)}${run.startDate === null ? "" : `, ${durationText(duration)}`}`,
      };
    })
    .reverse();
}
