import type { BranchKind, SensorDefinition } from "../core/definition.ts";
import type { TaskResult, TaskRun } from "./task-run.ts";

/** Inputs of a task that takes none. */
// biome-ignore lint/complexity/noBannedTypes: "no properties" is exactly what is meant
export type NoInputs = {};

/** What an operator tells the rest of the SDK about itself. */
export interface OperatorBody {
  /** Shown in the UI: "ts", "bash", "sensor" … */
  readonly kind: string;
  /** The default id of the task: the handler's name. */
  readonly defaultId?: string;
  /** For display, without secrets. */
  readonly summary?: string;
  readonly sensor?: SensorDefinition;
  readonly branch?: { readonly kind: BranchKind; readonly ignoreDownstreamTriggerRules?: boolean };
  /** The scheduler marks the task success without a worker. */
  readonly isNoop?: boolean;
  /** True: the factory takes no inputs. */
  readonly takesNoInputs?: boolean;
  /** The author's own function, when the task is nothing else. */
  readonly handler?: (inputs: never) => unknown;
  /** Runs one try (or poke). What it throws fails the try. */
  execute(run: TaskRun): Promise<TaskResult>;
}

declare const inputsBrand: unique symbol;
declare const resultBrand: unique symbol;

/**
 * A ready-made body for a task, made by `bash`, `http`, `sensor` and the like and given to `dag.task`. `I` are its
 * inputs, `R` is what it returns.
 */
export interface Operator<I extends object = NoInputs, R = unknown> {
  readonly [inputsBrand]: (inputs: I) => void;
  readonly [resultBrand]: R;
  /** "bash", "http" … */
  readonly kind: string;
}

const bodies = new WeakMap<object, OperatorBody>();

/** Wraps a body into what the author passes on. */
export function operator<I extends object, R>(body: OperatorBody): Operator<I, R> {
  const handle = Object.freeze({ kind: body.kind });
  bodies.set(handle, body);
  // The brands exist for the compiler only.
  return handle as unknown as Operator<I, R>;
}

/** The body behind a handle; undefined for anything else. */
export function bodyOf(value: unknown): OperatorBody | undefined {
  return typeof value === "object" && value !== null ? bodies.get(value) : undefined;
}
