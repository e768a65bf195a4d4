import { type Checked, type Checks, checkSpec } from "../checks.ts";
import { DagDefinitionError } from "../errors.ts";

/**
 * Checks what was passed to an operator.
 * @throws DagDefinitionError beginning with the operator's name.
 */
export function checkOptions<C extends Checks>(operator: string, options: unknown, checks: C): Checked<C> {
  try {
    return checkSpec(options, checks);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const about = message.replace(" in its spec.", " in its options.").replace(/^the spec must/, "its options must");
    throw new DagDefinitionError(`${operator}: ${about}${/[.?]$/.test(about) ? "" : "."}`);
  }
}

/** @throws DagDefinitionError when a required option is missing. */
export function requireOption<T>(operator: string, name: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new DagDefinitionError(`${operator}: the option ${name} is missing.`);
}

const SUMMARY_LENGTH = 200;

/** A text for display: shortened, with what looks like a secret left out. */
export function summarize(text: string): string {
  const masked = text
    // The patterns below take quadratic time.
    .slice(0, 4 * SUMMARY_LENGTH)
    .replaceAll(/(\w+:\/\/)[^/@\s]+@/g, "$1***@")
    .replaceAll(/((?:password|passwd|secret|token|api[_-]?key)["']?\s*[=:]\s*["']?)(?!\{\{)[^\s"'&]+/gi, "$1***")
    .replaceAll(/\s+/g, " ")
    .trim();
  return masked.length > SUMMARY_LENGTH ? `${masked.slice(0, SUMMARY_LENGTH)}…` : masked;
}
