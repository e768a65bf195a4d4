import { describe } from "./checks.ts";
import { DagDefinitionError } from "./errors.ts";

const LONGEST_ID = 250;
const LONGEST_GROUP_ID = 200;
const WORD = /^[\p{L}\p{N}\p{M}_.-]+$/u;

/** @throws DagDefinitionError unless it is an id for a DAG: 1 to 250 letters, digits, `_`, `-` and `.`. */
export function checkDagId(id: unknown): string {
  if (typeof id === "string" && id.length <= LONGEST_ID && WORD.test(id) && /[^.]/.test(id)) return id;
  throw new DagDefinitionError(
    `A Dag cannot have the id ${describe(id)}. Use 1 to ${LONGEST_ID} letters, digits, "_", "-" and ".".`,
  );
}

/** @throws DagDefinitionError unless a task can be declared under it: no dot, which stands between a group and its tasks. */
export function checkTaskId(id: unknown, prefix: string): string {
  if (typeof id !== "string" || !WORD.test(id)) {
    throw new DagDefinitionError(`A task cannot have the id ${describe(id)}. Use letters, digits, "_" and "-".`);
  }
  if (id.includes(".")) {
    throw new DagDefinitionError(
      `A task cannot have the id ${describe(id)}: the dot stands between a group and its tasks. Declare the task in a group (dag.taskGroup) or write "_" instead.`,
    );
  }
  if (prefix.length + id.length > LONGEST_ID) {
    throw new DagDefinitionError(
      `The id ${describe(prefix + id)} is longer than ${LONGEST_ID} characters, prefixes of its groups included. Shorten it.`,
    );
  }
  return prefix + id;
}

/** @throws DagDefinitionError unless a group can be declared under it: 1 to 200 characters, no dot. */
export function checkGroupId(id: unknown, prefix: string): string {
  if (typeof id !== "string" || !WORD.test(id) || id.includes(".") || id.length > LONGEST_GROUP_ID) {
    throw new DagDefinitionError(
      `A task group cannot have the id ${describe(id)}. Use 1 to ${LONGEST_GROUP_ID} letters, digits, "_" and "-"; no dot.`,
    );
  }
  if (prefix.length + id.length > LONGEST_ID) {
    throw new DagDefinitionError(
      `The group id ${describe(prefix + id)} is longer than ${LONGEST_ID} characters, prefixes included. Shorten it.`,
    );
  }
  return prefix + id;
}
