import { FAILED, NONE, UPSTREAM_FAILED } from "./codes.ts";
import { rootCause } from "./describe.ts";
import { judge } from "./evaluate.ts";
import type { RunMemory } from "./memory.ts";
import type { Step } from "./step.ts";

/** Ends the run when everything has ended (the leaves decide, with failFast any failure), or when nothing can run any more. */
export function completeRun(step: Step): void {
  const { run } = step;
  if (run.unfinished > 0) {
    if (isDeadlocked(run)) endDeadlock(step);
    return;
  }
  const failed = failedLeaf(run) ?? firstFailure(run);
  if (failed === undefined) end(step, "success");
  else end(step, "failed", `${run.idOf(failed)} failed`);
}

function end(step: Step, to: "success" | "failed", reason?: string): void {
  step.run.runState = to;
  step.runState = reason === undefined ? { to } : { to, reason };
}

/** The instance to name for a failed run: a failed leaf, or what made a leaf upstream_failed. */
function failedLeaf(run: RunMemory): number | undefined {
  let upstreamFailed: number | undefined;
  for (const leaf of run.graph.decidingLeaves) {
    for (let tiNo = run.firstTi[leaf] as number; tiNo >= 0; tiNo = run.nextTi[tiNo] as number) {
      if (run.state[tiNo] === FAILED) return tiNo;
      if (run.state[tiNo] === UPSTREAM_FAILED) upstreamFailed ??= tiNo;
    }
  }
  return upstreamFailed === undefined ? undefined : rootCause(run, upstreamFailed);
}

/**
 * With failFast the leaves are skipped because of a failure above them: any failure decides, but for a teardown's, which does not
 * count without failFast either.
 */
function firstFailure(run: RunMemory): number | undefined {
  if (!run.graph.definition.failFast || run.counts[FAILED] === 0) return undefined;
  for (let tiNo = 0; tiNo < run.state.length; tiNo++) {
    if (run.state[tiNo] === FAILED && run.taskOf(tiNo)?.isTeardown !== true) return tiNo;
  }
  return undefined;
}

/**
 * Only waiting instances are left, and no outside event is to come that could move one: not even the previous run's.
 */
function isDeadlocked(run: RunMemory): boolean {
  if (run.counts[NONE] !== run.unfinished) return false;
  for (let tiNo = 0; tiNo < run.state.length; tiNo++) {
    if (run.state[tiNo] === NONE && judge(run, tiNo).verdict === "waitPast") return false;
  }
  return true;
}

/** What is left can never start: it ends with the run, so that an ended run has no open instance. */
function endDeadlock(step: Step): void {
  const { run } = step;
  const stuck: number[] = [];
  for (let tiNo = 0; tiNo < run.state.length; tiNo++) if (run.state[tiNo] === NONE) stuck.push(tiNo);
  const names = stuck.slice(0, 3).map((tiNo) => run.idOf(tiNo));
  const more = stuck.length > names.length ? ` and ${stuck.length - names.length} more` : "";
  const reason = `deadlock: ${names.join(", ")}${more} can never start`;
  for (const tiNo of stuck) step.move(tiNo, UPSTREAM_FAILED, {}, "its trigger rule can never hold");
  // Told by the moves, but there is nothing left to look at.
  step.settle();
  end(step, "failed", reason);
}
