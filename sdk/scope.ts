import type { Blueprint, GroupRecord } from "./blueprint.ts";
import { describe } from "./checks.ts";
import { declareIf, declareSwitch, type IfNode, type SwitchNode } from "./condition.ts";
import { makeNode } from "./edges.ts";
import { DagDefinitionError } from "./errors.ts";
import { checkGroupId } from "./ids.ts";
import type { Jsonify } from "./json-types.ts";
import { captureSite, type Site } from "./location.ts";
import type { DagNode, TaskRef } from "./node.ts";
import { bodyOf, type NoInputs, type Operator, type OperatorBody } from "./operator.ts";
import { handlerBody } from "./operators/handler.ts";
import { readGroupSpec, type TaskGroupSpec, type TaskSpec } from "./spec.ts";
import { declareTask, factoryOf, type InputArguments, prefixOf, type TaskFactory } from "./task.ts";

/** A task's own code: gets its inputs, returns its XCom. Context and client come from `getContext()` and `getClient()`. */
export type Handler<I extends object = NoInputs, R = unknown> = (inputs: I) => R;

/** The arguments of `if` and `switch` behind the handler. */
export type DecisionArguments<I extends object> =
  InputArguments<I> extends [inputs: infer N]
    ? [inputs: N, spec?: TaskSpec]
    : [inputs?: InputArguments<I>[0], spec?: TaskSpec];

/** What the body of a DAG and of a group have in common: tasks, groups and conditions are declared in it. */
export interface Scope {
  /**
   * Declares a task and returns its factory, which must be called exactly once.
   *
   * @throws DagDefinitionError for a bad or doubled id, an unknown key in the spec, a handler with two parameters.
   */
  task<I extends object = NoInputs, R = unknown>(
    id: string,
    handler: Handler<I, R>,
    spec?: TaskSpec,
  ): TaskFactory<I, Jsonify<Awaited<R>>>;
  task<I extends object, R>(id: string, operator: Operator<I, R>, spec?: TaskSpec): TaskFactory<I, R>;
  /** The id is the function's name, or `spec.taskId`. */
  task<I extends object = NoInputs, R = unknown>(
    handler: Handler<I, R>,
    spec?: TaskSpec,
  ): TaskFactory<I, Jsonify<Awaited<R>>>;
  task<I extends object, R>(operator: Operator<I, R>, spec?: TaskSpec): TaskFactory<I, R>;

  /** Declares a group; what is declared in it gets ids that begin with "id.". @throws DagDefinitionError */
  taskGroup(id: string, spec?: TaskGroupSpec): TaskGroup;

  /**
   * Declares a decision: the side that is not taken is skipped. The handler must return true or false. Its id is the
   * function's name, or `spec.taskId`.
   */
  if<I extends object = NoInputs>(
    handler: Handler<I, boolean | Promise<boolean>>,
    ...inputsAndSpec: DecisionArguments<I>
  ): IfNode;
  /** The task decides that is passed. */
  if(decision: TaskRef<boolean>): IfNode;

  /** Declares a choice: the handler returns one of the tasks named with `case` (or its id), the others are skipped. */
  switch<I extends object = NoInputs>(
    handler: Handler<I, SwitchChoice | Promise<SwitchChoice>>,
    ...inputsAndSpec: DecisionArguments<I>
  ): SwitchNode;
  /** The task decides that is passed. */
  switch(decision: TaskRef<string>): SwitchNode;
}

/** What the handler of a `switch` may return. */
export type SwitchChoice = TaskRef | string;

/**
 * A named part of a DAG. Its tasks' ids begin with "group." unless `prefixGroupId` is false. An edge to a group leads
 * to its first tasks, an edge from it comes from its last ones; an empty group constrains nothing.
 */
export interface TaskGroup extends Scope, DagNode {
  /** Full id, with the prefixes of the groups around it. */
  readonly groupId: string;
}

/** The methods of a scope. `group` is undefined for the DAG itself. */
export function scopeOf(blueprint: Blueprint, group: GroupRecord | undefined): Scope {
  const scope = {
    task: (...args: readonly unknown[]) => {
      const site = captureSite(scope.task);
      return factoryOf(declareTask({ blueprint, group, ...readTaskArguments(args), site }));
    },
    taskGroup: (id: unknown, spec?: unknown) => declareGroup(blueprint, group, id, spec, captureSite(scope.taskGroup)),
    if: (decider: unknown, inputs?: unknown, spec?: unknown) =>
      declareIf({ blueprint, group, decider, inputs, spec, site: captureSite(scope.if) }),
    switch: (decider: unknown, inputs?: unknown, spec?: unknown) =>
      declareSwitch({ blueprint, group, decider, inputs, spec, site: captureSite(scope.switch) }),
  };
  // The overloads are checked where authors call them; here everything is unknown.
  return scope as unknown as Scope;
}

interface TaskArguments {
  readonly id: unknown;
  readonly body: OperatorBody;
  readonly spec: unknown;
}

/** `(id, body, spec?)` or `(body, spec?)`. */
function readTaskArguments(args: readonly unknown[]): TaskArguments {
  const [first, second, third] = args;
  const anonymous = bodyFrom(first);
  if (anonymous !== undefined) return { id: undefined, body: anonymous, spec: second };
  const body = bodyFrom(second);
  if (body === undefined) {
    throw new DagDefinitionError(
      `${typeof first === "string" ? `Task "${first}"` : "A task"} has no code: expected a function or an operator such as bash({ … }), got ${describe(typeof first === "string" ? second : first)}.`,
    );
  }
  return { id: first, body, spec: third };
}

function bodyFrom(value: unknown): OperatorBody | undefined {
  return typeof value === "function" ? handlerBody("ts", value as Handler<never>) : bodyOf(value);
}

function declareGroup(
  blueprint: Blueprint,
  parent: GroupRecord | undefined,
  id: unknown,
  spec: unknown,
  site: Site,
): TaskGroup {
  const groupId = checkGroupId(id, parent === undefined ? "" : prefixOf(parent));
  const settings = readSettings(groupId, spec);
  const group: GroupRecord = {
    type: "group",
    blueprint,
    groupId,
    label: settings.label ?? String(id),
    parent,
    settings,
    site,
  };
  blueprint.addGroup(group);
  const handle = makeNode({ groupId, ...scopeOf(blueprint, group) }, group);
  // The brand exists for the compiler only.
  return Object.freeze(handle) as unknown as TaskGroup;
}

function readSettings(groupId: string, spec: unknown): GroupRecord["settings"] {
  try {
    return readGroupSpec(spec);
  } catch (error) {
    throw new DagDefinitionError(`Group "${groupId}": ${error instanceof Error ? error.message : String(error)}`);
  }
}
