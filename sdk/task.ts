import type { Json } from "../core/json.ts";
import { type Blueprint, type GroupRecord, type InputRecord, nameOf, type TaskRecord } from "./blueprint.ts";
import { describe, isPlainObject } from "./checks.ts";
import { makeNode } from "./edges.ts";
import { DagDefinitionError } from "./errors.ts";
import { checkTaskId } from "./ids.ts";
import type { JsonLiteral } from "./json-types.ts";
import { JsonValueProblem, jsonText } from "./json-value.ts";
import type { Site } from "./location.ts";
import { endpointOf, looksLikeNode, requireEndpoint, type TaskRef } from "./node.ts";
import type { NoInputs, OperatorBody } from "./operator.ts";
import { readTaskSpec, type TaskSettings } from "./spec.ts";

/** One input of a task: a literal that JSON can hold, or a placed task that leaves such a value. */
export type TaskInput<V> = JsonLiteral<V> | TaskRef<V>;

/** The inputs of a task, by argument name. */
export type TaskInputs<I> = { readonly [K in keyof I]: TaskInput<I[K]> };

/** Takes no properties at all. */
type Nothing = { readonly [name: string]: never };

/** The arguments that follow from a handler's parameter: none, optional or required. */
export type InputArguments<I extends object> = [keyof I] extends [never]
  ? [inputs?: Nothing]
  : // biome-ignore lint/complexity/noBannedTypes: asks whether nothing is required
    {} extends I
    ? [inputs?: TaskInputs<I>]
    : [inputs: TaskInputs<I>];

/** Places the task and names its inputs; to be called exactly once. `R` is what the task leaves as its XCom. */
export type TaskFactory<I extends object = NoInputs, R = unknown> = (...inputs: InputArguments<I>) => TaskRef<R>;

/** Where and how a task is declared. */
export interface Declaration {
  readonly blueprint: Blueprint;
  readonly group: GroupRecord | undefined;
  /** The id as the author gave it; undefined = from `spec.taskId` or the body. */
  readonly id: unknown;
  readonly body: OperatorBody;
  readonly spec: unknown;
  readonly site: Site;
}

/** Checks a task's id and spec and notes it. @throws DagDefinitionError */
export function declareTask({ blueprint, group, id, body, spec, site }: Declaration): TaskRecord {
  const { taskId: specId, settings } = readSpec(spec, describeDeclared(id, spec, body));
  const prefix = group === undefined ? "" : prefixOf(group);
  const task: TaskRecord = {
    type: "task",
    blueprint,
    taskId: checkTaskId(chooseId(id, specId, body), prefix),
    group,
    settings,
    body,
    site,
    isPlaced: false,
    inputs: new Map(),
    choice: undefined,
  };
  blueprint.addTask(task);
  return task;
}

function readSpec(spec: unknown, task: string): { readonly taskId?: string; readonly settings: TaskSettings } {
  try {
    return readTaskSpec(spec);
  } catch (error) {
    throw new DagDefinitionError(`${task}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function describeDeclared(id: unknown, spec: unknown, body: OperatorBody): string {
  const named = id ?? (isPlainObject(spec) ? spec.taskId : undefined) ?? body.defaultId;
  return typeof named === "string" ? `Task "${named}"` : "A task";
}

function chooseId(id: unknown, specId: string | undefined, body: OperatorBody): unknown {
  if (id !== undefined && specId !== undefined) {
    throw new DagDefinitionError(
      `A task has two ids, ${describe(id)} and (in its spec) ${describe(specId)}. Keep one of them.`,
    );
  }
  const chosen = id ?? specId ?? body.defaultId;
  if (chosen === undefined || chosen === "") {
    throw new DagDefinitionError(
      'A task has no id. Give it as the first argument, dag.task("load", …), or use a named function, or set taskId in the spec.',
    );
  }
  return chosen;
}

/** What stands before the ids of things declared in a group. */
export function prefixOf(group: GroupRecord): string {
  if (group.settings.prefixGroupId !== false) return `${group.groupId}.`;
  return group.parent === undefined ? "" : prefixOf(group.parent);
}

/** The factory of a declared task. */
export function factoryOf(task: TaskRecord): (inputs?: unknown) => TaskRef<never> {
  return (inputs) => placeTask(task, inputs);
}

/** Binds the inputs and gives the reference. @throws DagDefinitionError */
export function placeTask(task: TaskRecord, inputs: unknown): TaskRef<never> {
  if (task.isPlaced) {
    throw new DagDefinitionError(
      `The factory of task "${task.taskId}" was called twice. A task is placed once; declare a second task to run the same code again.`,
    );
  }
  task.blueprint.place(task, bindInputs(task, inputs));
  const ref = makeNode({ taskId: task.taskId }, task);
  // The type parameter exists for the compiler only; the caller knows it.
  return Object.freeze(ref) as unknown as TaskRef<never>;
}

function bindInputs(task: TaskRecord, inputs: unknown): ReadonlyMap<string, InputRecord> {
  if (inputs === undefined) return new Map();
  if (looksLikeNode(inputs)) {
    throw new DagDefinitionError(
      `Task "${task.taskId}" was given a task as its inputs. Name the argument: { rows: ${describeRef(inputs)} }.`,
    );
  }
  if (!isPlainObject(inputs)) {
    throw new DagDefinitionError(
      `The inputs of task "${task.taskId}" are ${describe(inputs)}. Pass one object, with a task or a literal for each argument: { rows: extract() }.`,
    );
  }
  const names = Object.keys(inputs);
  if (task.body.takesNoInputs && names.length > 0) {
    throw new DagDefinitionError(
      `Task "${task.taskId}" (${task.body.kind}) takes no inputs, but was given ${names.map((name) => `"${name}"`).join(", ")}. To run it after another task, use before or after.`,
    );
  }
  return new Map(
    names.flatMap((name) => (inputs[name] === undefined ? [] : [[name, bindInput(task, name, inputs[name])]])),
  );
}

function bindInput(task: TaskRecord, name: string, value: unknown): InputRecord {
  const what = `Input "${name}" of task "${task.taskId}"`;
  if (looksLikeNode(value) || typeof value === "function") return bindReference(task, what, value);
  try {
    const text = jsonText(value, (inner) => {
      if (looksLikeNode(inner)) {
        throw new JsonValueProblem(
          "is a task inside a literal. Pass the task itself as an input of its own, and put the values together in the handler",
        );
      }
      return undefined;
    });
    return { kind: "literal", value: JSON.parse(text ?? "null") as Json };
  } catch (error) {
    if (!(error instanceof JsonValueProblem)) throw error;
    const where = error.path === "$" ? what : `${what}, at ${error.path},`;
    throw new DagDefinitionError(`${where} ${error.message}.`);
  }
}

function bindReference(task: TaskRecord, what: string, value: unknown): InputRecord {
  const source = requireEndpoint(value, what);
  if (source.type === "group") {
    throw new DagDefinitionError(`${what} is ${nameOf(source)}. A group has no value; pass one of its tasks.`);
  }
  if (source.blueprint !== task.blueprint) {
    throw new DagDefinitionError(
      `${what} is task "${source.taskId}" of another Dag, "${source.blueprint.dagId}". Values pass inside one Dag only; read it with getClient().getXCom({ dagId: "${source.blueprint.dagId}", … }).`,
    );
  }
  return { kind: "task", task: source };
}

function describeRef(value: unknown): string {
  const endpoint = endpointOf(value);
  return endpoint?.type === "task" ? endpoint.taskId : "…";
}
