import { RunMemory } from "./decide/memory.ts";
import type { Decision, RunEvent, RunFacts } from "./decide/types.ts";
import type { CompiledGraph } from "./graph.ts";
import type { WaitReason } from "./reason.ts";
import type { TaskInstanceFacts } from "./run.ts";

export { RunMemory } from "./decide/memory.ts";
export type { Decision, PastFacts, RunEvent, RunFacts } from "./decide/types.ts";

/**
 * Builds the memory of a run from its rows (any order; `tiNo` is the key). It decides nothing: follow it with the event `begin`,
 * which yields exactly the transitions that are missing. So it serves a new run, a recovery and a clear alike.
 */
export function openRun(graph: CompiledGraph, facts: RunFacts, tasks: readonly TaskInstanceFacts[]): RunMemory {
  return new RunMemory(graph, facts, tasks);
}

/**
 * What follows from one event. Synchronous and deterministic; the work is proportional to the edges of what changes. The memory is
 * moved to the decided state: when the commit of the decision fails, drop the memory and open the run again from its rows.
 *
 * Events that do not fit the present state (a second end of the same attempt, an early `due`, anything after the run has
 * ended) decide nothing.
 */
export function decide(_run: RunMemory, _event: RunEvent, _env: { readonly now: number }): Decision {
  throw new Error("decide is not there yet");
}

/** What a `none` instance waits for; undefined for every other state, and when the next decision would move it on. */
export function waitReason(_run: RunMemory, _tiNo: number): WaitReason | undefined {
  throw new Error("waitReason is not there yet");
}
