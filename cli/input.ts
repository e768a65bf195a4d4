import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { SluiceError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";

/** A date argument: `2026-11-22`, or ISO 8601 with a time (UTC unless it says otherwise). Gives epoch ms. */
export function dateArgument(text: string): number {
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text);
  const value = /^\d{4}-\d\d-\d\d$/.test(text)
    ? Date.parse(`${text}T00:00:00Z`)
    : /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text)
      ? Date.parse(hasZone ? text : `${text}Z`)
      : Number.NaN;
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Write a date as 2026-11-22 or 2026-11-22T06:00:00Z.");
  return value;
}

/** As `dateArgument`, for the end of a range: a date without a time includes that whole day, in UTC. */
export function lastDateArgument(text: string): number {
  return dateArgument(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T23:59:59.999Z` : text);
}

/** A whole number of at least `min`. */
export function numberArgument(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min)
      throw new InvalidArgumentError(`Write a whole number of at least ${min}.`);
    return value;
  };
}

/** JSON on the command line, or `@file`, or `-` for stdin. Must be an object. */
export function jsonArgument(text: string): JsonObject {
  const source = text === "-" ? readFileSync(0, "utf8") : text.startsWith("@") ? readFile(text.slice(1)) : text;
  try {
    const value: unknown = JSON.parse(source);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    throw new InvalidArgumentError(`That is not JSON (${(error as Error).message}).`);
  }
  throw new InvalidArgumentError('Write a JSON object, for example {"day":"2026-11-22"}.');
}

/** The text of a file, or of stdin for `-`. */
export function readFile(path: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    throw new SluiceError("not_found", `Cannot read ${path}: ${(error as Error).message}`);
  }
}

/** Collects an option that may be given several times. */
export function repeatable(value: string, before: readonly string[] = []): readonly string[] {
  return [
    ...before,
    ...value
      .split(",")
      .map((each) => each.trim())
      .filter(Boolean),
  ];
}
