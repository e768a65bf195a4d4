import { describe, isPlainObject } from "./checks.ts";
import type { TaskContext } from "./context.ts";
import { DagDefinitionError } from "./errors.ts";
import type { NoInputs } from "./operator.ts";
import { parseTemplate } from "./template.ts";

/** What a text function gets: the task's context and its inputs. */
export type TextContext<I extends object = NoInputs> = TaskContext & { readonly inputs: I };

/**
 * A text that an operator works with: fixed, with `{{ ds }}`, `{{ params.day }}`, `{{ var.value.x }}` and the like in
 * it, or a function of the context.
 */
export type Text<I extends object = NoInputs> = string | ((context: TextContext<I>) => string | Promise<string>);

/** Values by name, each a text. */
export interface TextMap<I extends object = NoInputs> {
  readonly [name: string]: Text<I>;
}

/** JSON in which every text may be a template. */
export type JsonTemplate =
  | null
  | boolean
  | number
  | string
  | readonly JsonTemplate[]
  | { readonly [key: string]: JsonTemplate };

/** Any text whatever its inputs, as operators keep it. */
export type AnyText = string | ((context: never) => unknown);

/** @throws DagDefinitionError unless it is a text or a function; templates in it are checked. */
export function checkText(what: string, value: unknown): AnyText {
  if (typeof value === "function") return value as AnyText;
  if (typeof value !== "string") {
    throw new DagDefinitionError(`${what} must be a text or a function (ctx) => text, but it is ${describe(value)}.`);
  }
  checkTemplate(what, value);
  return value;
}

/** As `checkText`, for each value of an object. */
export function checkTextMap(what: string, value: unknown): { readonly [name: string]: AnyText } {
  if (!isPlainObject(value))
    throw new DagDefinitionError(`${what} must be an object of texts, but it is ${describe(value)}.`);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .map(([name, entry]) => [name, checkText(`${what}.${name}`, entry)]),
  );
}

/** Checks the templates in a JSON value. @throws DagDefinitionError */
export function checkJsonTemplate(what: string, value: unknown): void {
  if (typeof value === "string") checkTemplate(what, value);
  else if (Array.isArray(value)) for (const entry of value) checkJsonTemplate(what, entry);
  else if (isPlainObject(value)) for (const entry of Object.values(value)) checkJsonTemplate(what, entry);
}

function checkTemplate(what: string, value: string): void {
  try {
    parseTemplate(value);
  } catch (error) {
    throw new DagDefinitionError(`${what} ${error instanceof Error ? error.message : String(error)}`);
  }
}
