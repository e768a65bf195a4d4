import type { DagDefinition, TaskDefinition } from "./definition.ts";
import type { NewTaskInstance } from "./run.ts";

/**
 * A definition made ready for deciding: tasks are numbers (their position in `definition.tasks`), edges are lists of
 * numbers. Compile once per DAG version and keep it; it is never changed and may be shared by all runs of the version.
 */
export interface CompiledGraph {
  readonly definition: DagDefinition;
  /** Number of tasks. */
  readonly size: number;
  readonly tasks: readonly TaskDefinition[];
  /** Task index by task id. */
  readonly taskIndex: ReadonlyMap<string, number>;
  /** Direct upstream task indexes per task, ascending. */
  readonly upstream: readonly (readonly number[])[];
  /** Direct downstream task indexes per task, ascending. */
  readonly downstream: readonly (readonly number[])[];
  /** Task indexes, upstream before downstream; ties by index, so that it is the same everywhere. */
  readonly order: Int32Array;
  /** Position of each task in `order`. */
  readonly position: Int32Array;
  /** Tasks without upstream. */
  readonly roots: readonly number[];
  /** Tasks without downstream. */
  readonly leaves: readonly number[];
  /** Tasks whose states decide the run's: the leaves, where teardowns do not count unless there is nothing else. */
  readonly decidingLeaves: readonly number[];
  /** Effective priority weight per task, by its weight rule. */
  readonly weights: Float64Array;
  /**
   * Setups that a task depends on without a direct edge (airflow.md 1.6): upstream setups without a teardown, or whose
   * teardown is downstream of the task. Absent when it has none.
   */
  readonly indirectSetups: ReadonlyMap<number, readonly number[]>;
  /** The reverse: tasks to look at again when this setup ends. */
  readonly setupDependents: ReadonlyMap<number, readonly number[]>;
  /** True when a task looks at the previous run (dependsOnPast, waitForDownstream): the run then needs `PastFacts`. */
  readonly needsPast: boolean;
}

/**
 * Compiles a definition. Cost is linear in tasks and edges, except for the weights of tasks with several downstreams.
 * @throws GraphError on a cycle, a duplicate task id or an unknown upstream.
 */
export function compileGraph(_definition: DagDefinition): CompiledGraph {
  throw new Error("compileGraph is not there yet");
}

/** The instances a new run of this definition starts with: one per task, `tiNo` = position, map index −1. */
export function materializeTasks(_definition: DagDefinition): readonly NewTaskInstance[] {
  throw new Error("materializeTasks is not there yet");
}
