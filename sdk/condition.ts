import { type Blueprint, type ChoiceRecord, type GroupRecord, nameOf, type TaskRecord } from "./blueprint.ts";
import { describe } from "./checks.ts";
import { makeNode } from "./edges.ts";
import { DagDefinitionError } from "./errors.ts";
import { captureSite, type Site } from "./location.ts";
import { type DagNode, endpointOf, requireEndpoint, type TaskRef } from "./node.ts";
import { decisionBody } from "./operators/decision.ts";
import { declareTask, placeTask } from "./task.ts";

/** `dag.if(…)`: name the side for true with `then` (required), and the one for false with `else`. */
export interface IfNode extends DagNode {
  /** The task to run when the decision is true. @throws DagDefinitionError */
  then(task: TaskRef): IfNode;
  /** The task to run when the decision is false. @throws DagDefinitionError */
  else(task: TaskRef): IfNode;
}

/** `dag.switch(…)`: name each task that may be chosen with `case`. */
export interface SwitchNode extends DagNode {
  /** A task that may be chosen. @throws DagDefinitionError */
  case(task: TaskRef): SwitchNode;
}

interface DecisionDeclaration {
  readonly blueprint: Blueprint;
  readonly group: GroupRecord | undefined;
  /** A handler, or a placed task. */
  readonly decider: unknown;
  readonly inputs: unknown;
  readonly spec: unknown;
  readonly site: Site;
}

/** Declares the deciding task of `dag.if`, or takes the one that is passed. @throws DagDefinitionError */
export function declareIf(declaration: DecisionDeclaration): IfNode {
  const { task, choice } = declareDecision("if", declaration);
  const node = makeNode(
    {
      // biome-ignore lint/suspicious/noThenProperty: Airflow's name; awaiting the node by mistake is caught below
      then(...args: readonly unknown[]) {
        if (args.length > 1 && typeof args[0] === "function") {
          throw new DagDefinitionError(
            `The condition ${nameOf(task)} was awaited. Conditions are declared, not awaited: dag.if(…).then(task).else(task).`,
          );
        }
        addChoice(task, choice, "then", args[0]);
        return node;
      },
      else(side: unknown) {
        addChoice(task, choice, "else", side);
        return node;
      },
    },
    task,
  );
  return Object.freeze(node) as unknown as IfNode;
}

/** Declares the deciding task of `dag.switch`, or takes the one that is passed. @throws DagDefinitionError */
export function declareSwitch(declaration: DecisionDeclaration): SwitchNode {
  const { task, choice } = declareDecision("switch", declaration);
  const node = makeNode(
    {
      case(side: unknown) {
        addChoice(task, choice, undefined, side);
        return node;
      },
    },
    task,
  );
  return Object.freeze(node) as unknown as SwitchNode;
}

interface Decision {
  readonly task: TaskRecord;
  readonly choice: ChoiceRecord;
}

function declareDecision(kind: "if" | "switch", declaration: DecisionDeclaration): Decision {
  const choice: ChoiceRecord = { kind, choices: [], site: declaration.site };
  const task =
    typeof declaration.decider === "function" ? newDecider(kind, declaration) : givenDecider(kind, declaration);
  task.choice = choice;
  return { task, choice };
}

function newDecider(
  kind: "if" | "switch",
  { blueprint, group, decider, inputs, spec, site }: DecisionDeclaration,
): TaskRecord {
  const body = decisionBody(kind, decider as (inputs: never) => unknown);
  const task = declareTask({ blueprint, group, id: undefined, body, spec, site });
  placeTask(task, inputs);
  return task;
}

function givenDecider(kind: "if" | "switch", { blueprint, decider, inputs, spec }: DecisionDeclaration): TaskRecord {
  const task = requireEndpoint(decider, `What dag.${kind} decides by`);
  if (task.type === "group") {
    throw new DagDefinitionError(
      `dag.${kind} was given ${nameOf(task)}. A group decides nothing; pass one of its tasks.`,
    );
  }
  requireSameDag(kind, blueprint, task);
  if (inputs !== undefined || spec !== undefined) {
    throw new DagDefinitionError(
      `dag.${kind} was given the placed ${nameOf(task)} and more. Its inputs and settings were named where it was declared; leave the rest away.`,
    );
  }
  if (task.choice !== undefined) {
    throw new DagDefinitionError(
      `The ${nameOf(task)} already decides a dag.${task.choice.kind}. Give each decision a task of its own.`,
    );
  }
  if (task.body.branch !== undefined || task.body.isNoop) {
    throw new DagDefinitionError(
      `The ${nameOf(task)} (${task.body.kind}) cannot decide a dag.${kind}. Pass a task with a handler.`,
    );
  }
  return task;
}

function addChoice(task: TaskRecord, choice: ChoiceRecord, label: "then" | "else" | undefined, side: unknown): void {
  const method = label ?? "case";
  const chosen = requireEndpoint(side, `What ${nameOf(task)} names with ${method}`);
  if (chosen.type === "group") {
    throw new DagDefinitionError(
      `${method} of ${nameOf(task)} names ${nameOf(chosen)}. A group cannot be a branch; name one task and put the group after it.`,
    );
  }
  requireSameDag(choice.kind, task.blueprint, chosen);
  if (chosen === task) throw new DagDefinitionError(`${method} of ${nameOf(task)} names the deciding task itself.`);
  if (endpointOf(side) === chosen && choice.choices.some((other) => other.task === chosen)) {
    throw new DagDefinitionError(
      label === undefined
        ? `The ${nameOf(task)} names ${nameOf(chosen)} in two cases. Name each task once.`
        : `Both sides of ${nameOf(task)} are ${nameOf(chosen)}. If it runs either way, put it after the condition instead: check.before(${chosen.taskId}).`,
    );
  }
  if (label !== undefined && choice.choices.some((other) => other.label === label)) {
    throw new DagDefinitionError(`The ${nameOf(task)} names ${label} twice. Keep one of them.`);
  }
  choice.choices.push({ label: label ?? chosen.taskId, task: chosen });
  task.blueprint.addEdge(task, chosen, captureSite(addChoice));
}

function requireSameDag(kind: string, blueprint: Blueprint, task: TaskRecord): void {
  if (task.blueprint === blueprint) return;
  throw new DagDefinitionError(
    `dag.${kind} of Dag "${blueprint.dagId}" was given ${nameOf(task)} of another Dag, ${describe(task.blueprint.dagId)}. Conditions stay inside one Dag.`,
  );
}
