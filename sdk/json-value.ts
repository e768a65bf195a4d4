import { className, isPlainObject } from "./checks.ts";

/** Why a value cannot be written as JSON. The message is a predicate: "is a BigInt …". */
export class JsonValueProblem extends Error {
  /** Where in the value, as in "$.rows[3].id". */
  path = "$";
}

/** Deeper values would overflow the stack of whoever reads them. */
const DEEPEST = 500;

/** May stand in for a value: a JSON-compatible replacement, or undefined to go on as usual. */
export type Replace = (value: object) => string | undefined;

/**
 * The value as JSON text; undefined for undefined. Dates become ISO texts, undefined properties are left out. Everything
 * else that would be changed or lost on the way is refused.
 * @throws JsonValueProblem naming the place.
 */
export function jsonText(value: unknown, replace?: Replace): string | undefined {
  if (value === undefined) return undefined;
  return JSON.stringify(new Walk(replace).copy(value));
}

/** Copies a value into one that `JSON.stringify` writes faithfully. */
class Walk {
  readonly #replace: Replace | undefined;
  readonly #open = new Set<object>();
  /** Where the walk is. */
  readonly #path: (string | number)[] = [];

  constructor(replace: Replace | undefined) {
    this.#replace = replace;
  }

  copy(value: unknown): unknown {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        if (Number.isFinite(value)) return value;
        throw this.#problem(`is ${value}, which JSON cannot hold; use null or a text`);
      case "bigint":
        throw this.#problem("is a BigInt, which JSON cannot hold; use String(value) or Number(value)");
      case "symbol":
        throw this.#problem("is a symbol, which JSON cannot hold");
      case "function":
        throw this.#problem(
          `is a function${value.name === "" ? "" : ` (${shown(value.name)})`}, which JSON cannot hold`,
        );
      case "undefined":
        throw this.#problem("is undefined, which JSON cannot hold in a list; use null");
      default:
        return value === null ? null : this.#copyObject(value as object);
    }
  }

  #copyObject(value: object): unknown {
    const replacement = this.#guard(() => this.#replace?.(value));
    if (replacement !== undefined) return replacement;
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) throw this.#problem("is an invalid Date");
      return value.toISOString();
    }
    if (this.#open.size >= DEEPEST) throw this.#problem(`is nested deeper than ${DEEPEST} levels`);
    if (this.#open.has(value)) throw this.#problem("refers back to something that contains it (a circular structure)");
    this.#open.add(value);
    const copied = Array.isArray(value) ? this.#copyArray(value) : this.#copyRecord(value);
    this.#open.delete(value);
    return copied;
  }

  #copyArray(value: readonly unknown[]): unknown[] {
    const copied: unknown[] = [];
    for (let index = 0; index < value.length; index++) {
      this.#path.push(index);
      copied.push(this.copy(this.#guard(() => value[index])));
      this.#path.pop();
    }
    return copied;
  }

  #copyRecord(value: object): unknown {
    if (!isPlainObject(value)) return this.#copyInstance(value);
    const copied: { [key: string]: unknown } = {};
    for (const key of Object.keys(value)) {
      this.#path.push(key);
      const entry = this.#guard(() => value[key]);
      // Defined, not assigned: an own key "__proto__" stays a key.
      if (entry !== undefined) Object.defineProperty(copied, key, { value: this.copy(entry), enumerable: true });
      this.#path.pop();
    }
    return copied;
  }

  #copyInstance(value: object): unknown {
    if (value instanceof Promise) throw this.#problem("is a Promise; await it");
    const toJson = this.#guard(() => (value as { toJSON?: unknown }).toJSON);
    if (typeof toJson === "function" && !ArrayBuffer.isView(value)) {
      return this.copy(this.#guard(() => toJson.call(value)));
    }
    throw this.#problem(`is an instance of ${shown(className(value))}, which JSON cannot hold; ${advice(value)}`);
  }

  /** Getters, proxies and `toJSON` are the author's code and may throw. */
  #guard<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#problem(
        error instanceof JsonValueProblem ? error.message : `could not be read: ${shown(errorText(error))}`,
      );
    }
  }

  #problem(message: string): JsonValueProblem {
    const problem = new JsonValueProblem(message);
    // The head of the path tells enough about something nested without end.
    problem.path = pathText(this.#path.slice(0, 20));
    return problem;
  }
}

function advice(value: object): string {
  if (value instanceof Map) return "use Object.fromEntries(map)";
  if (value instanceof Set) return "use [...set]";
  if (value instanceof Error) return "use its message";
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return 'use Buffer.from(bytes).toString("base64"), or write a file and return its path';
  return "return a plain object, as in { ...value }";
}

function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return /^[A-Za-z_$][\w$]*$/.test(step) ? `${text}.${step}` : `${text}[${JSON.stringify(shown(step))}]`;
  }, "$");
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function errorText(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "an error that cannot be shown";
  }
}
