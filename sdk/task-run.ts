import type { JsonObject } from "../core/json.ts";
import type { SkipDecision } from "../core/run.ts";
import type { TaskContext } from "./context.ts";
import type { DagInternals } from "./dag.ts";
import type { RuntimeHost } from "./host.ts";

/** What an operator gets to work with for one try. */
export interface TaskRun {
  readonly context: TaskContext;
  readonly dag: DagInternals;
  readonly host: RuntimeHost;
  /** The task's inputs by argument name. */
  readonly inputs: { readonly [argument: string]: unknown };
  /** Ids of the tasks directly below, sorted. */
  readonly downstream: readonly string[];
  /** The choices of an `if` or `switch`, in the order of declaration. */
  readonly choices: readonly { readonly label: string; readonly taskId: string }[];
  /** Full ids that `value` (a task id, a group id or a placed task) stands for. */
  resolveTasks(value: unknown): readonly string[] | undefined;
  /** Ids at or below any of `taskIds`. */
  reachable(taskIds: readonly string[]): ReadonlySet<string>;
  /** True when the DAG wants native values from templates that are one expression. */
  readonly nativeTemplates: boolean;
  /** The run's params as they are stored, without the schema's transforms. */
  readonly rawParams: JsonObject;
  /** First poke of this try, epoch ms; undefined on the first. */
  readonly firstPokeAt: number | undefined;
  /** Epoch ms. */
  now(): number;
}

/** How a body ended: with a value (undefined pushes no XCom) and perhaps a decision, or "not yet". */
export type TaskResult =
  | { readonly kind: "value"; readonly value: unknown; readonly branch?: SkipDecision }
  | { readonly kind: "reschedule"; readonly at: number };
