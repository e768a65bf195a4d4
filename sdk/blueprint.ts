import type { Json } from "../core/json.ts";
import { DagDefinitionError } from "./errors.ts";
import type { Site } from "./location.ts";
import type { Endpoint } from "./node.ts";
import type { OperatorBody } from "./operator.ts";
import type { GroupSettings, TaskSettings } from "./spec.ts";

/** Where one input of a task comes from. */
export type InputRecord =
  | { readonly kind: "task"; readonly task: TaskRecord }
  | { readonly kind: "literal"; readonly value: Json };

/** What a deciding task chooses from. */
export interface ChoiceRecord {
  readonly kind: "if" | "switch";
  /** In the order of declaration; the label is "then", "else" or the id of the case. */
  readonly choices: { readonly label: string; readonly task: TaskRecord }[];
  readonly site: Site;
}

/** A declared task; placed once its factory was called. */
export interface TaskRecord {
  readonly type: "task";
  readonly blueprint: Blueprint;
  readonly taskId: string;
  readonly group: GroupRecord | undefined;
  readonly settings: TaskSettings;
  readonly body: OperatorBody;
  readonly site: Site;
  isPlaced: boolean;
  inputs: ReadonlyMap<string, InputRecord>;
  choice: ChoiceRecord | undefined;
}

/** A task group. */
export interface GroupRecord {
  readonly type: "group";
  readonly blueprint: Blueprint;
  readonly groupId: string;
  readonly label: string;
  readonly parent: GroupRecord | undefined;
  readonly settings: GroupSettings;
  readonly site: Site;
}

/** An order-only edge as it was drawn; groups are expanded when the DAG is read, since they may still grow. */
export interface EdgeRecord {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly site: Site;
}

/** What the author has declared of one DAG so far. */
export class Blueprint {
  readonly dagId: string;
  readonly declared: TaskRecord[] = [];
  /** In the order of their factories' calls. */
  readonly placed: TaskRecord[] = [];
  readonly groups: GroupRecord[] = [];
  readonly edges: EdgeRecord[] = [];
  readonly #ids = new Map<string, Endpoint>();
  /** Grows with every declaration, so that what was derived from an earlier state can be thrown away. */
  revision = 0;

  constructor(dagId: string) {
    this.dagId = dagId;
  }

  /** The task or group of this id. */
  find(id: string): Endpoint | undefined {
    return this.#ids.get(id);
  }

  addTask(task: TaskRecord): void {
    this.#claim(task.taskId, task);
    this.declared.push(task);
  }

  addGroup(group: GroupRecord): void {
    this.#claim(group.groupId, group);
    this.groups.push(group);
  }

  place(task: TaskRecord, inputs: ReadonlyMap<string, InputRecord>): void {
    task.isPlaced = true;
    task.inputs = inputs;
    this.placed.push(task);
    this.revision++;
  }

  addEdge(from: Endpoint, to: Endpoint, site: Site): void {
    this.edges.push({ from, to, site });
    this.revision++;
  }

  #claim(id: string, owner: Endpoint): void {
    const other = this.#ids.get(id);
    if (other !== undefined) {
      throw new DagDefinitionError(
        `Dag "${this.dagId}" has two ${other.type === owner.type ? `${owner.type}s` : "things, a task and a group,"} with the id "${id}". Rename one of them.`,
      );
    }
    this.#ids.set(id, owner);
    this.revision++;
  }
}

/** How messages call an endpoint. */
export function nameOf(endpoint: Endpoint): string {
  return endpoint.type === "task" ? `task "${endpoint.taskId}"` : `group "${endpoint.groupId}"`;
}

/** Whether a task or group lies in `group`, at any depth. */
export function isInside(endpoint: Endpoint, group: GroupRecord): boolean {
  let parent = endpoint.type === "task" ? endpoint.group : endpoint.parent;
  while (parent !== undefined && parent !== group) parent = parent.parent;
  return parent === group;
}

/** The groups that an endpoint lies in, innermost first. */
export function groupsAround(endpoint: Endpoint): readonly GroupRecord[] {
  const groups: GroupRecord[] = [];
  let group = endpoint.type === "task" ? endpoint.group : endpoint.parent;
  for (; group !== undefined; group = group.parent) groups.push(group);
  return groups;
}
