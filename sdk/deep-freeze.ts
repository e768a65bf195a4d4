import { describe, isPlainObject } from "./checks.ts";
import { DagDefinitionError } from "./errors.ts";

/**
 * A frozen copy of a spec. Dates are copied; functions and schemas (zod objects) are kept as they are.
 * @throws DagDefinitionError for instances of other classes and for objects that contain themselves.
 */
export function deepFreeze(value: unknown, what: string): unknown {
  return freeze(value, what, new Set());
}

function freeze(value: unknown, what: string, open: Set<object>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return new Date(value);
  if ("~standard" in value) return value;
  if (open.has(value)) throw new DagDefinitionError(`${what} contains itself. Write plain data.`);
  open.add(value);
  let copy: unknown;
  if (Array.isArray(value)) {
    copy = Object.freeze(value.map((entry) => freeze(entry, what, open)));
  } else if (isPlainObject(value)) {
    copy = Object.freeze(
      Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, freeze(entry, what, open)])),
    );
  } else {
    throw new DagDefinitionError(`${what} contains ${describe(value)}. Write plain data.`);
  }
  open.delete(value);
  return copy;
}
