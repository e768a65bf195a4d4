import { createHash } from "node:crypto";
import type { Affected } from "../../store/commands/clear.ts";

/** Fingerprint of a previewed set: the confirming form carries it, so that a set that has changed since is shown again instead. */
export function digestOf(parts: readonly (string | number | null)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}

/** The fingerprint of task instances as they stand: any change of state or try changes it. */
export function affectedDigest(affected: readonly Affected[]): string {
  return digestOf(
    affected.flatMap(({ run, task }) => [run.runKey, run.state, task.tiNo, task.state, task.epoch, task.tryNumber]),
  );
}
