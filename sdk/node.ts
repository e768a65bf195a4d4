import type { GroupRecord, TaskRecord } from "./blueprint.ts";
import { describe } from "./checks.ts";
import { DagDefinitionError } from "./errors.ts";

declare const nodeBrand: unique symbol;
declare const resultBrand: unique symbol;

/** Anything that an order-only edge can begin or end at: a placed task, a group, a condition. */
export interface DagNode {
  readonly [nodeBrand]: true;
  /** Draws an edge from this to each of `nodes`: they start after it. Returns this. @throws DagDefinitionError */
  before(...nodes: readonly DagNode[]): this;
  /** Draws an edge from each of `nodes` to this: it starts after them. Returns this. @throws DagDefinitionError */
  after(...nodes: readonly DagNode[]): this;
}

/** A placed task; `T` is what it leaves as its XCom. Pass it to another task as an input. */
export interface TaskRef<T = unknown> extends DagNode {
  readonly [resultBrand]: T;
  /** Full id, with the prefixes of its groups. */
  readonly taskId: string;
}

/** What stands behind a node. */
export type Endpoint = TaskRecord | GroupRecord;

const endpoints = new WeakMap<object, Endpoint>();

/** Seen also by other copies of this package, so that a mix-up of copies can be told from a made-up object. */
const NODE_MARK = Symbol.for("sluice.node");

/** Makes `node` the author's handle of `endpoint`. */
export function bindNode<N extends object>(node: N, endpoint: Endpoint): N {
  Object.defineProperty(node, NODE_MARK, { value: true });
  endpoints.set(node, endpoint);
  return node;
}

/** The endpoint of a node of this copy of the package; undefined for everything else. */
export function endpointOf(value: unknown): Endpoint | undefined {
  return typeof value === "object" && value !== null ? endpoints.get(value) : undefined;
}

/** Whether a value is, or pretends to be, a node of this or another copy of the package. */
export function looksLikeNode(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return endpoints.has(value) || NODE_MARK in value;
}

/**
 * The endpoint of something that must be a node.
 * @throws DagDefinitionError for anything else; the message begins with `what`.
 */
export function requireEndpoint(value: unknown, what: string): Endpoint {
  const endpoint = endpointOf(value);
  if (endpoint !== undefined) return endpoint;
  if (looksLikeNode(value)) {
    throw new DagDefinitionError(`${what} comes from a second copy of this package. Import "sluice" in one way only.`);
  }
  if (typeof value === "function") {
    throw new DagDefinitionError(
      `${what} is a function. A task must be placed before it is used: call its factory, as in \`load()\`, and pass what that returns.`,
    );
  }
  throw new DagDefinitionError(`${what} is ${describe(value)}, not a task. Pass what a task's factory returned.`);
}
