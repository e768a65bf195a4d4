import { applyTriggerRule, type UpstreamCounts } from "../trigger-rules.ts";
import { FAILED, IS_TERMINAL, SKIPPED, SUCCESS, TALLY_SIZE, UPSTREAM_FAILED } from "./codes.ts";
import type { RunMemory } from "./memory.ts";
import { pastBlock } from "./past.ts";

/**
 * What may become of an instance that has not started, and what says so. `waitPast`: only the previous run holds it.
 */
export interface Judgement {
  readonly verdict: "run" | "wait" | "waitPast" | "skipped" | "upstream_failed" | "removed";
  readonly ground: "dates" | "branch" | "setup" | "rule" | "past";
}

/**
 * What the states at this moment say about an instance that has not started, in this order: its dates, the memory of
 * branches, indirect setups, the trigger rule, and the previous run last.
 */
export function judge(run: RunMemory, tiNo: number): Judgement {
  const index = run.taskOfTi[tiNo] as number;
  const task = run.graph.tasks[index];
  if (task === undefined) return { verdict: "removed", ground: "rule" };
  if (run.isOutsideDates?.[index] === 1) return { verdict: "skipped", ground: "dates" };

  const judgement = judgeUpstream(run, tiNo, index);
  const { verdict } = judgement;
  const looksAtPast = verdict === "run" || (verdict === "skipped" && task.waitForPastDependsBeforeSkipping);
  if (looksAtPast && run.graph.needsPast && pastBlock(run, index) !== undefined) {
    return { verdict: "waitPast", ground: "past" };
  }
  return judgement;
}

function judgeUpstream(run: RunMemory, tiNo: number, index: number): Judgement {
  if ((run.skippedBy[index] as number) >= 0) return { verdict: "skipped", ground: "branch" };
  const hasUpstream = (run.tally[index * TALLY_SIZE] as number) > 0;
  if (!hasUpstream || run.graph.tasks[index]?.triggerRule === "always") return { verdict: "run", ground: "rule" };
  const bySetups = indirectSetupVerdict(run, index);
  if (bySetups !== "run") return { verdict: bySetups, ground: "setup" };
  return { verdict: ruleVerdict(run, tiNo, index), ground: "rule" };
}

/** Setups that the task depends on without an edge must all succeed; a failure or skip is passed on at once. */
function indirectSetupVerdict(run: RunMemory, index: number) {
  const setups = run.graph.indirectSetups.get(index);
  if (setups === undefined) return "run";
  let verdict: "run" | "wait" | "skipped" = "run";
  for (const setup of setups) {
    for (let tiNo = run.firstTi[setup] as number; tiNo >= 0; tiNo = run.nextTi[tiNo] as number) {
      const state = run.state[tiNo];
      if (state === FAILED || state === UPSTREAM_FAILED) return "upstream_failed";
      if (state === SKIPPED) verdict = "skipped";
      else if (state !== SUCCESS && verdict === "run") verdict = "wait";
    }
  }
  return verdict;
}

function ruleVerdict(run: RunMemory, tiNo: number, index: number) {
  const task = run.graph.tasks[index];
  if (task === undefined) return "removed";
  const counts = upstreamCounts(run, index);
  const mapIndex = run.mapIndex[tiNo] as number;
  if (task.triggerRule !== "all_done_setup_success") return applyTriggerRule(task.triggerRule, counts, { mapIndex });
  const done = counts.success + counts.failed + counts.upstreamFailed + counts.skipped + counts.removed;
  // The setups matter only at the end, so that a teardown after many tasks does not look at all of them each time.
  return done < counts.total
    ? "wait"
    : applyTriggerRule(task.triggerRule, counts, { setups: directSetups(run, index) });
}

/** The tally of a task's direct upstream instances. */
export function upstreamCounts(run: RunMemory, index: number): UpstreamCounts {
  const base = index * TALLY_SIZE;
  return {
    total: run.tally[base] as number,
    success: run.tally[base + 1] as number,
    failed: run.tally[base + 2] as number,
    upstreamFailed: run.tally[base + 3] as number,
    skipped: run.tally[base + 4] as number,
    removed: run.tally[base + 5] as number,
  };
}

function directSetups(run: RunMemory, index: number) {
  const setups = { total: 0, success: 0, skipped: 0 };
  for (const up of run.graph.upstream[index] as readonly number[]) {
    if (!run.graph.tasks[up]?.isSetup) continue;
    for (let tiNo = run.firstTi[up] as number; tiNo >= 0; tiNo = run.nextTi[tiNo] as number) {
      setups.total++;
      if (run.state[tiNo] === SUCCESS) setups.success++;
      if (run.state[tiNo] === SKIPPED) setups.skipped++;
    }
  }
  return setups;
}

/** Ids of the tasks among these with an unfinished instance: at most three names, and how many there are. */
export function unfinishedTasks(run: RunMemory, tasks: readonly number[]) {
  const waitingFor: string[] = [];
  let count = 0;
  for (const index of tasks) {
    let tiNo = run.firstTi[index] as number;
    while (tiNo >= 0 && IS_TERMINAL[run.state[tiNo] as number] === 1) tiNo = run.nextTi[tiNo] as number;
    if (tiNo < 0) continue;
    count++;
    if (waitingFor.length < 3) waitingFor.push(run.graph.tasks[index]?.taskId ?? "");
  }
  return { waitingFor, count };
}
