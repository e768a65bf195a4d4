import { isInside, nameOf } from "./blueprint.ts";
import { DagDefinitionError } from "./errors.ts";
import { captureSite } from "./location.ts";
import { bindNode, type DagNode, type Endpoint, requireEndpoint } from "./node.ts";

/** Gives `node` the methods `before` and `after` of the endpoint it stands for, and makes it known as a node. */
export function makeNode<N extends object>(node: N, endpoint: Endpoint): N & Pick<DagNode, "before" | "after"> {
  const methods = {
    before(...others: readonly DagNode[]) {
      for (const other of others) draw(endpoint, requireEndpoint(other, `What ${nameOf(endpoint)} is put before`));
      return node;
    },
    after(...others: readonly DagNode[]) {
      for (const other of others) draw(requireEndpoint(other, `What ${nameOf(endpoint)} is put after`), endpoint);
      return node;
    },
  };
  return bindNode(Object.assign(node, methods), endpoint) as N & Pick<DagNode, "before" | "after">;
}

/** Draws an order-only edge. Drawing one twice changes nothing. @throws DagDefinitionError */
function draw(from: Endpoint, to: Endpoint): void {
  if (from.blueprint !== to.blueprint) {
    throw new DagDefinitionError(
      `An edge leads from ${nameOf(from)} of Dag "${from.blueprint.dagId}" to ${nameOf(to)} of Dag "${to.blueprint.dagId}". Edges stay inside one Dag; to start another Dag use triggerDagRun.`,
    );
  }
  if (from === to) throw new DagDefinitionError(`An edge leads from ${nameOf(from)} to itself. Remove it.`);
  const contained = (to.type === "group" && isInside(from, to)) || (from.type === "group" && isInside(to, from));
  if (contained) {
    throw new DagDefinitionError(
      `An edge joins ${nameOf(from)} and ${nameOf(to)}, of which one contains the other. Join tasks inside the group, or the group and something outside.`,
    );
  }
  from.blueprint.addEdge(from, to, captureSite(draw));
}
