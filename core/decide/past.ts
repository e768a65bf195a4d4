import type { WaitReason } from "../reason.ts";
import type { TaskState } from "../states.ts";
import type { RunMemory } from "./memory.ts";
import type { PastFacts } from "./types.ts";

/** The previous run, looked up by task. */
export class PastView {
  /** Undefined = there is no previous run. */
  readonly runId: string | undefined;
  /** Per task the states of its instances in that run. */
  readonly #states = new Map<string, TaskState[]>();
  readonly #inEarlierRuns: ReadonlySet<string>;

  constructor(facts: PastFacts) {
    this.runId = facts.kind === "run" ? facts.runId : undefined;
    this.#inEarlierRuns = new Set(facts.kind === "run" ? facts.inEarlierRuns : []);
    if (facts.kind === "none") return;
    for (const { taskId, state } of facts.states) {
      const states = this.#states.get(taskId);
      if (states === undefined) this.#states.set(taskId, [state]);
      else states.push(state);
    }
  }

  has(taskId: string): boolean {
    return this.#states.has(taskId);
  }

  wasInEarlierRun(taskId: string): boolean {
    return this.#inEarlierRuns.has(taskId);
  }

  /** The first state of the task that is neither success nor skipped; undefined when there is none. */
  unsuccessful(taskId: string): TaskState | undefined {
    return this.#states.get(taskId)?.find((state) => state !== "success" && state !== "skipped");
  }
}

/** What a task still waits for in the previous run (airflow.md 1.8); undefined when it may go on. */
export function pastBlock(run: RunMemory, taskIndex: number): WaitReason | undefined {
  const task = run.graph.tasks[taskIndex];
  if (task === undefined || !(task.dependsOnPast || task.waitForDownstream)) return undefined;
  const past = run.past;
  if (past === undefined) return { code: "pastUnknown" };
  const runId = past.runId;
  if (runId === undefined) return undefined;
  const taskId = task.taskId;
  if (!past.has(taskId)) {
    const isFirst = task.ignoreFirstDependsOnPast && !past.wasInEarlierRun(taskId);
    return isFirst ? undefined : { code: "past", runId, taskId, state: null };
  }
  const state = past.unsuccessful(taskId);
  if (state !== undefined) return { code: "past", runId, taskId, state };
  if (!task.waitForDownstream) return undefined;
  for (const next of run.graph.downstream[taskIndex] ?? []) {
    const nextId = run.graph.tasks[next]?.taskId ?? "";
    const nextState = past.unsuccessful(nextId);
    if (nextState !== undefined) return { code: "pastDownstream", runId, taskId: nextId, state: nextState };
  }
  return undefined;
}
