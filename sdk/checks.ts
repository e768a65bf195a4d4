import { SluiceError } from "../core/errors.ts";
import { suggestion } from "./keys.ts";

/** Turns what an author wrote for one key into what is stored. @throws TypeError saying what it must be: "must be …". */
export type Check<T> = (value: unknown) => T;

/** A check for each known key. */
export type Checks = { readonly [key: string]: Check<unknown> };

/** What `Checks` turn a spec into: the keys that were given, each checked. */
export type Checked<C extends Checks> = { -readonly [K in keyof C]?: ReturnType<C[K]> };

/**
 * Checks a spec key by key. Keys whose value is undefined count as absent.
 * @throws TypeError naming the offending key; for an unknown one also the nearest known.
 */
export function checkSpec<C extends Checks>(spec: unknown, checks: C): Checked<C> {
  if (spec === undefined) return {};
  if (!isPlainObject(spec)) throw new TypeError(`the spec must be a plain object, not ${describe(spec)}.`);
  const checked: { [key: string]: unknown } = {};
  for (const [key, value] of Object.entries(spec)) {
    const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
    if (check === undefined) {
      throw new TypeError(`unknown key ${JSON.stringify(key)} in its spec.${suggestion(key, Object.keys(checks))}`);
    }
    if (value === undefined) continue;
    try {
      checked[key] = check(value);
    } catch (error) {
      if (error instanceof SluiceError) throw error;
      if (error instanceof NestedProblem) throw new TypeError(`${key}: ${error.message}`);
      throw new TypeError(
        `${key} ${error instanceof Error ? error.message : String(error)}, but it is ${describe(value)}.`,
      );
    }
  }
  return checked as Checked<C>;
}

/** Says by itself which value is at fault, so that nothing needs to be added. */
class NestedProblem extends TypeError {}

/** A check for a spec inside a spec; its message is put behind the outer key. */
export function nested<T>(check: Check<T>): Check<T> {
  return (value) => {
    try {
      return check(value);
    } catch (error) {
      throw new NestedProblem(error instanceof Error ? error.message : String(error));
    }
  };
}

/** Whether a value was written as `{…}` (or has no prototype): no array, no instance of a class. */
export function isPlainObject(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

const SHOWN = 80;

/** A value in a few words, for messages. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
    case "function":
      return `the function ${value.name || "(anonymous)"}`;
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return "an array";
      return isPlainObject(value) ? "an object" : `an instance of ${className(value)}`;
    case "bigint":
      return `the BigInt ${value}n`;
    default:
      return String(value);
  }
}

/** The name of a value's class, or "an unknown class". Never throws. */
export function className(value: object): string {
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === "string" && name !== "" ? name : "an unknown class";
  } catch {
    return "an unknown class";
  }
}

const LONGEST_TEXT = 100_000;

/** A text of at most 100,000 characters; may be empty. */
export const text: Check<string> = (value) => {
  if (typeof value !== "string") throw new TypeError("must be a text");
  if (value.length > LONGEST_TEXT) throw new TypeError(`must have at most ${LONGEST_TEXT} characters`);
  return value;
};

/** A text that names something: 1 to 250 characters, not only white space. */
export const name: Check<string> = (value) => {
  if (typeof value !== "string" || value.trim() === "" || value.length > 250) {
    throw new TypeError("must be a text of 1 to 250 characters");
  }
  return value;
};

/** True or false. */
export const flag: Check<boolean> = (value) => {
  if (typeof value !== "boolean") throw new TypeError("must be true or false");
  return value;
};

/** A whole number from `least` up. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): Check<number> {
  return (value) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
      throw new TypeError(
        most === Number.MAX_SAFE_INTEGER
          ? `must be a whole number ≥ ${least}`
          : `must be a whole number from ${least} to ${most}`,
      );
    }
    return value;
  };
}

/** Any finite number from `least` up. */
export function number(least: number): Check<number> {
  return (value) => {
    if (typeof value !== "number" || !Number.isFinite(value) || value < least) {
      throw new TypeError(`must be a number ≥ ${least}`);
    }
    return value;
  };
}

/** One of some words. */
export function oneOf<const W extends string>(words: readonly W[]): Check<W> {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found === undefined)
      throw new TypeError(`must be one of ${words.map((word) => JSON.stringify(word)).join(", ")}`);
    return found;
  };
}

/** A list of names, as a copy. */
export const names: Check<readonly string[]> = (value) => {
  if (!Array.isArray(value)) throw new TypeError("must be a list of texts");
  return value.map((entry) => {
    try {
      return name(entry);
    } catch {
      throw new TypeError("must be a list of texts of 1 to 250 characters");
    }
  });
};

/** A function. */
export const callback: Check<(...args: never[]) => unknown> = (value) => {
  if (typeof value !== "function") throw new TypeError("must be a function");
  return value as (...args: never[]) => unknown;
};

/** A text in ISO 8601, or a `Date`; kept as given, since a text without offset is read in the DAG's time zone. */
export const instant: Check<string | Date> = (value) => {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return new Date(value);
  if (typeof value === "string" && ISO.test(value) && !Number.isNaN(Date.parse(value))) return value;
  throw new TypeError('must be a Date or an ISO 8601 text such as "2026-01-31" or "2026-01-31T06:00:00+01:00"');
};

const ISO = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;
