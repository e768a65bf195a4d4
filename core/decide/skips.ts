import type { SkipDecision } from "../run.ts";
import { SUCCESS } from "./codes.ts";
import type { RunMemory } from "./memory.ts";

/**
 * Remembers what a deciding instance skips (Airflow: skipmixin_key) and returns the tasks that this newly concerns.
 * The memory is per task and lives as long as the decision, so that a cleared task is skipped again.
 */
export function applySkips(run: RunMemory, decider: number, decision: SkipDecision): readonly number[] {
  const index = run.taskOfTi[decider] as number;
  if (index < 0) return [];
  const skipped = "followed" in decision ? notFollowed(run, index, decision.followed) : named(run, index, decision);
  const marked: number[] = [];
  for (const task of skipped) {
    const other = run.skippedBy[task] as number;
    // Of several deciders the first by number is named, whichever came first, so that a reopened run says the same.
    if (other < 0 || decider < other) run.skippedBy[task] = decider;
    if (other < 0) marked.push(task);
  }
  return marked;
}

/** Applies the decisions that were stored with successful instances. */
export function restoreSkips(run: RunMemory): void {
  for (const [tiNo, decision] of run.branch) {
    if (run.state[tiNo] === SUCCESS) applySkips(run, tiNo, decision);
  }
}

/**
 * Direct downstreams that are neither followed nor reached from a followed one: the join after an empty branch runs.
 */
function notFollowed(run: RunMemory, index: number, followed: readonly string[]): readonly number[] {
  const direct = run.graph.downstream[index] as readonly number[];
  const chosen = new Set<number>();
  for (const id of followed) {
    const task = run.graph.taskIndex.get(id);
    if (task !== undefined) chosen.add(task);
  }
  const others = direct.filter((task) => !chosen.has(task));
  if (others.length === 0 || chosen.size === 0) return others;
  reachUpTo(run, chosen, others);
  return others.filter((task) => !chosen.has(task));
}

/** Adds to `reached` what is below it, as far down as the last of `targets`. */
function reachUpTo(run: RunMemory, reached: Set<number>, targets: readonly number[]): void {
  const { downstream, position } = run.graph;
  let end = -1;
  for (const target of targets) end = Math.max(end, position[target] as number);
  const open = [...reached];
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    for (const next of downstream[task] as readonly number[]) {
      if ((position[next] as number) > end || reached.has(next)) continue;
      reached.add(next);
      open.push(next);
    }
  }
}

/** The named direct downstreams; with `transitive` everything below them, teardowns excepted. */
function named(
  run: RunMemory,
  index: number,
  decision: { readonly skipped: readonly string[]; readonly transitive?: boolean },
): readonly number[] {
  const { taskIndex, downstream, tasks } = run.graph;
  const direct = new Set(downstream[index]);
  const skipped = new Set<number>();
  for (const id of decision.skipped) {
    const task = taskIndex.get(id);
    if (task !== undefined && direct.has(task)) skipped.add(task);
  }
  if (!decision.transitive) return [...skipped];
  const open = [...skipped];
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    for (const next of downstream[task] as readonly number[]) {
      if (skipped.has(next)) continue;
      skipped.add(next);
      open.push(next);
    }
  }
  return [...skipped].filter((task) => !tasks[task]?.isTeardown);
}
