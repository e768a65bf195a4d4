import type { CompiledGraph } from "../../core/graph.ts";
import { isRunTerminal, isTerminal, type TaskState } from "../../core/states.ts";
import { applyTriggerRule, type UpstreamCounts } from "../../core/trigger-rules.ts";
import type { EventRow, TaskInstanceRow } from "../rows.ts";
import type { RunFold } from "./fold.ts";
import { placeOf, type Report } from "./report.ts";

/** The states of a run's instances by task, for rules that look upstream. */
export interface RunShape {
  readonly graph: CompiledGraph;
  readonly rows: readonly TaskInstanceRow[];
  /** Numbers of the instances of each task, by the task's place in the graph. */
  readonly instances: readonly (readonly number[])[];
}

/** A run's instances, sorted by the tasks of its version. */
export function shapeOf(graph: CompiledGraph, rows: readonly TaskInstanceRow[]): RunShape {
  const instances: number[][] = graph.tasks.map(() => []);
  for (const row of rows) {
    const index = graph.taskIndex.get(row.taskId);
    if (index !== undefined) instances[index]?.push(row.tiNo);
  }
  return { graph, rows, instances };
}

/**
 * I30: the scheduler lets a task begin only when its trigger rule says so, and ends it as upstream_failed only when the
 * rule can no longer hold. Called with the states before the event.
 */
export function checkTriggerRule(run: RunFold, shape: RunShape, event: EventRow, report: Report): void {
  if (event.kind !== "task.state" || event.fromState !== "none" || event.actor !== "scheduler") return;
  const row = shape.rows[event.tiNo ?? -1];
  const index = row === undefined ? undefined : shape.graph.taskIndex.get(row.taskId);
  const task = index === undefined ? undefined : shape.graph.tasks[index];
  // Setups without a direct edge count in their own way.
  if (row === undefined || index === undefined || task === undefined || shape.graph.indirectSetups.has(index)) return;
  const expected =
    event.toState === "scheduled" || event.toState === "success"
      ? "run"
      : event.toState === "upstream_failed"
        ? "upstream_failed"
        : undefined;
  if (expected === undefined || (task.isSetup ?? task.isTeardown) !== undefined) return;
  const verdict = applyTriggerRule(task.triggerRule, countUpstream(run, shape, index), { mapIndex: row.mapIndex });
  if (verdict !== expected)
    report.add(
      "I30",
      `The task became ${event.toState}; its rule ${task.triggerRule} said "${verdict}" at that moment.`,
      placeOf(event),
    );
}

function countUpstream(run: RunFold, shape: RunShape, index: number): UpstreamCounts {
  const counts = { total: 0, success: 0, failed: 0, upstreamFailed: 0, skipped: 0, removed: 0 };
  for (const upstream of shape.graph.upstream[index] ?? []) {
    for (const tiNo of shape.instances[upstream] ?? []) {
      counts.total++;
      const state = run.tasks[tiNo]?.state;
      if (state === "success") counts.success++;
      else if (state === "failed") counts.failed++;
      else if (state === "upstream_failed") counts.upstreamFailed++;
      else if (state === "skipped") counts.skipped++;
      else if (state === "removed") counts.removed++;
    }
  }
  return counts;
}

/** I17, at the end of an instant in which a run or one of its instances changed. */
export function checkRunEnd(run: RunFold, shape: RunShape, report: Report): void {
  if (!isRunTerminal(run.state)) return;
  const place = placeOf(run.lastStateEvent);
  const open = run.tasks.findIndex((task) => !isTerminal(task.state));
  if (open >= 0)
    report.add(
      "I17",
      `The run is ${run.state} while its task ${shape.rows[open]?.taskId ?? open} is ${run.tasks[open]?.state}.`,
      { ...place, tiNo: open },
    );
  else if (run.state === "success" && run.lastStateEvent.actor === "scheduler") {
    const failed = (state: TaskState | undefined) => state === "failed" || state === "upstream_failed";
    const leaf = shape.graph.decidingLeaves
      .flatMap((index) => shape.instances[index] ?? [])
      .find((tiNo) => failed(run.tasks[tiNo]?.state));
    if (leaf !== undefined)
      report.add("I17", `The run is a success although its leaf ${shape.rows[leaf]?.taskId} is not.`, place);
  }
}
