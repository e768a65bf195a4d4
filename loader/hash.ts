import { createHash } from "node:crypto";
import type { DagDefinition } from "../core/definition.ts";

/** SHA-256 of a text in UTF-8, 64 hex digits. */
export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** JSON with sorted keys and without absent ones, so that equal values give equal text whatever order built them. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner) ? sortKeys(inner) : inner,
  );
}

/** What tells two versions of a DAG apart: its definition and the code of its file. */
export function definitionHash(definition: DagDefinition, bundleHash: string): string {
  return sha256(`${bundleHash}\n${canonicalJson(definition)}`);
}

function sortKeys(value: object): object {
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  // fromEntries defines own keys, so "__proto__" stays a key like any other.
  return Object.fromEntries(entries);
}
