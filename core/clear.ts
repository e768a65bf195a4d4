import type { CompiledGraph } from "./graph.ts";
import type { TaskInstanceFacts, TaskTransition } from "./run.ts";

/** What to clear in one run; the defaults of each flag is false. */
export interface ClearRequest {
  /** Tasks to begin with: an id for all its instances, or one instance. Absent = all tasks of the run. Unknown ids throw NotFoundError. */
  readonly tasks?: readonly (string | { readonly taskId: string; readonly mapIndex: number })[];
  readonly includeUpstream?: boolean;
  readonly includeDownstream?: boolean;
  /** Only instances that failed or are upstream_failed. With `onlyRunning`: either. */
  readonly onlyFailed?: boolean;
  /** Only instances that run now. */
  readonly onlyRunning?: boolean;
}

/**
 * The instances (tiNo, upstream before downstream) that a clear touches. Setups of the cleared tasks and their teardowns come
 * along, as in Airflow. Instances on which a clear has no effect (none, restarting, removed) are left out.
 */
export function selectForClear(
  _graph: CompiledGraph,
  _tasks: readonly TaskInstanceFacts[],
  _request: ClearRequest,
): readonly number[] {
  throw new Error("selectForClear is not there yet");
}

/**
 * The transitions that clear these instances: → none with a new epoch, branch and timers forgotten, maxTries = tries so far +
 * retries + 1; running → restarting at the same epoch, so that the end of the stopped attempt still matches and releases it.
 */
export function clearTransitions(
  _graph: CompiledGraph,
  _tasks: readonly TaskInstanceFacts[],
  _tiNos: readonly number[],
  _reason?: string,
): readonly TaskTransition[] {
  throw new Error("clearTransitions is not there yet");
}
