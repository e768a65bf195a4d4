import type { Json, JsonObject } from "../core/json.ts";
import { className } from "./checks.ts";

const DEEPEST = 6;
const MOST_ENTRIES = 200;
const LONGEST_TEXT = 8192;

/** Fields of a log line as JSON. Whatever JSON cannot hold becomes a text; what is too much is cut. Never throws. */
export function logFields(fields: unknown): JsonObject | undefined {
  if (fields === undefined || fields === null) return undefined;
  const json = toJson(fields, DEEPEST, new Set());
  return typeof json === "object" && json !== null && !Array.isArray(json) ? (json as JsonObject) : { value: json };
}

function toJson(value: unknown, depth: number, open: Set<object>): Json {
  switch (typeof value) {
    case "string":
      return value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value;
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "object":
      return value === null ? null : objectToJson(value, depth, open);
    default:
      return safely(() => String(value));
  }
}

function objectToJson(value: object, depth: number, open: Set<object>): Json {
  if (open.has(value)) return "[circular]";
  if (depth === 0) return `[${className(value)}]`;
  open.add(value);
  try {
    return compositeToJson(value, (inner) => toJson(inner, depth - 1, open));
  } catch (error) {
    return `[unreadable: ${safely(() => String(error))}]`;
  } finally {
    open.delete(value);
  }
}

function compositeToJson(value: object, inner: (value: unknown) => Json): Json {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Error)
    return { name: inner(value.name), message: inner(value.message), stack: inner(value.stack ?? "") };
  if (ArrayBuffer.isView(value)) return `[${className(value)} of ${value.byteLength} bytes]`;
  if (value instanceof Map)
    return entriesToJson(
      [...value].map(([key, entry]) => [safely(() => String(key)), entry]),
      inner,
    );
  if (Array.isArray(value) || value instanceof Set) return [...value].slice(0, MOST_ENTRIES).map(inner);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return inner(toJSON.call(value));
  return entriesToJson(Object.entries(value), inner);
}

function entriesToJson(entries: readonly (readonly [string, unknown])[], inner: (value: unknown) => Json): Json {
  return Object.fromEntries(entries.slice(0, MOST_ENTRIES).map(([key, entry]) => [key, inner(entry)]));
}

function safely(read: () => string): string {
  try {
    return read();
  } catch {
    return "[unreadable]";
  }
}
