import type { TriggerRule } from "../definition.ts";
import type { SkipDecision } from "../run.ts";
import { FAILED, IS_TERMINAL, SKIPPED, SUCCESS, UPSTREAM_FAILED } from "./codes.ts";
import type { Judgement } from "./evaluate.ts";
import type { RunMemory } from "./memory.ts";

/** The sentence stored with a transition that a judgement caused. */
export function describe(run: RunMemory, tiNo: number, judgement: Judgement): string {
  const index = run.taskOfTi[tiNo] as number;
  const task = run.graph.tasks[index];
  if (task === undefined) return "the DAG no longer has this task";
  switch (judgement.verdict) {
    case "run":
      return RUN_REASONS[(run.graph.upstream[index] as readonly number[]).length === 0 ? "root" : task.triggerRule];
    case "removed":
      return "its upstream has fewer mapped instances now";
    case "upstream_failed":
      return describeFailure(run, tiNo, index, judgement);
    case "skipped":
      return describeSkip(run, index, judgement);
    default:
      return "waits again for what it depends on";
  }
}

const RUN_REASONS: { readonly [rule in TriggerRule | "root"]: string } = {
  root: "nothing to wait for",
  all_success: "all upstream succeeded",
  all_failed: "all upstream failed",
  all_done: "all upstream done",
  all_done_min_one_success: "all upstream done, at least one succeeded",
  all_skipped: "all upstream skipped",
  one_success: "one upstream succeeded",
  one_failed: "one upstream failed",
  one_done: "one upstream done",
  none_failed: "no upstream failed",
  none_failed_min_one_success: "no upstream failed, at least one succeeded",
  none_skipped: "no upstream skipped",
  always: "always runs",
  all_done_setup_success: "all upstream done, its setup succeeded",
};

function describeFailure(run: RunMemory, tiNo: number, index: number, { ground }: Judgement): string {
  const rule = run.graph.tasks[index]?.triggerRule;
  if (ground === "rule") {
    if (rule === "one_success" || rule === "all_done_min_one_success") return "no upstream succeeded";
    if (rule === "all_done_setup_success") return "no setup succeeded";
  }
  return `${run.idOf(rootCause(run, tiNo))} failed`;
}

/** The instance whose failure made this one upstream_failed, however far up; itself when there is none to be found. */
export function rootCause(run: RunMemory, tiNo: number): number {
  const path: number[] = [];
  let at = tiNo;
  let root = run.rootCause.get(at);
  while (root === undefined) {
    path.push(at);
    const up = failedUpstream(run, at);
    if (up === undefined) root = at;
    else if (run.state[up] === FAILED) root = up;
    else root = run.rootCause.get(up);
    at = up ?? at;
  }
  for (const passed of path) run.rootCause.set(passed, root);
  return root;
}

function failedUpstream(run: RunMemory, tiNo: number): number | undefined {
  const index = run.taskOfTi[tiNo] as number;
  if (index < 0) return undefined;
  const setups = run.graph.indirectSetups.get(index) ?? [];
  const tasks = run.graph.upstream[index] as readonly number[];
  return (
    firstInState(run, setups, FAILED) ??
    firstInState(run, tasks, FAILED) ??
    firstInState(run, setups, UPSTREAM_FAILED) ??
    firstInState(run, tasks, UPSTREAM_FAILED)
  );
}

function firstInState(run: RunMemory, tasks: readonly number[], state: number): number | undefined {
  return firstInstance(run, tasks, (found) => found === state);
}

function firstInstance(run: RunMemory, tasks: readonly number[], test: (state: number) => boolean): number | undefined {
  for (const index of tasks) {
    for (let tiNo = run.firstTi[index] as number; tiNo >= 0; tiNo = run.nextTi[tiNo] as number) {
      if (test(run.state[tiNo] as number)) return tiNo;
    }
  }
  return undefined;
}

function describeSkip(run: RunMemory, index: number, { ground }: Judgement): string {
  if (ground === "dates") return "the run's logical date is outside the task's startDate and endDate";
  if (ground === "branch") return describeBranch(run, run.skippedBy[index] as number);
  const upstream = run.graph.upstream[index] as readonly number[];
  if (ground === "setup") return named(run, run.graph.indirectSetups.get(index) ?? [], SKIPPED, "was skipped");
  switch (run.graph.tasks[index]?.triggerRule) {
    case "all_failed":
    case "all_skipped":
      return describeUnfit(run, upstream);
    case "one_success":
    case "none_failed_min_one_success":
      return "all upstream skipped";
    case "one_failed":
      return "no upstream failed";
    case "one_done":
      return "no upstream succeeded or failed";
    case "all_done_setup_success":
      return "its setup was skipped";
    default:
      return named(run, upstream, SKIPPED, "was skipped");
  }
}

function named(run: RunMemory, tasks: readonly number[], state: number, what: string): string {
  const tiNo = firstInState(run, tasks, state);
  return tiNo === undefined ? `an upstream ${what}` : `${run.idOf(tiNo)} ${what}`;
}

/** For the rules that want every upstream to fail, or every one to be skipped: the first that did not. */
function describeUnfit(run: RunMemory, upstream: readonly number[]): string {
  const success = firstInState(run, upstream, SUCCESS);
  if (success !== undefined) return `${run.idOf(success)} succeeded`;
  const other = firstInstance(run, upstream, (state) => IS_TERMINAL[state] === 1);
  return other === undefined ? "an upstream ended otherwise" : `${run.idOf(other)} was ${run.stateOf(other)}`;
}

function describeBranch(run: RunMemory, decider: number): string {
  const id = run.idOf(decider);
  const kind = run.taskOf(decider)?.branch?.kind ?? "branch";
  const decision: SkipDecision | undefined = run.branch.get(decider);
  if (kind === "latestOnly") return `${id} found a newer interval`;
  if (decision === undefined || "skipped" in decision) return `${id} chose to skip it`;
  return `${kind} ${id} chose ${decision.followed.length === 0 ? "nothing" : decision.followed.join(", ")}`;
}
