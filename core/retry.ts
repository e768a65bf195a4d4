import type { TaskDefinition } from "./definition.ts";

/** No delay between two tries is longer than this, whatever a task says. */
export const MAX_RETRY_DELAY_MS = 24 * 3_600_000;

/** How many attempts in a row, lost to dying workers, are tried again; the next loss fails the task. */
export const MAX_LOST_IN_A_ROW = 3;

/** Which failed try asks for a delay. */
export interface FailedTry {
  readonly dagId: string;
  readonly runId: string;
  readonly mapIndex: number;
  /** Number of the try that failed, from 1. */
  readonly tryNumber: number;
  /** As stored with the instance: highest allowed tryNumber. */
  readonly maxTries: number;
  /** What the author asked for (RetryAfter); overrides delay, factor and the task's own cap. */
  readonly retryAfterMs?: number;
}

/**
 * Milliseconds to wait before the next try: `retryDelayMs`, times `retryFactor` per further try when that is over 1,
 * then spread over [delay, 2 × delay) by a hash of what failed, then capped by `maxRetryDelayMs` and 24 h. The spread
 * is the same each time it is asked for. Tries before a clear, and lost ones, do not lengthen it.
 */
export function retryDelayMs(
  task: Pick<TaskDefinition, "taskId" | "retries" | "retryDelayMs" | "retryFactor" | "maxRetryDelayMs">,
  failed: FailedTry,
): number {
  if (failed.retryAfterMs !== undefined) return clamp(failed.retryAfterMs, MAX_RETRY_DELAY_MS);
  const cap = Math.min(task.maxRetryDelayMs ?? MAX_RETRY_DELAY_MS, MAX_RETRY_DELAY_MS);
  if (!(task.retryFactor > 1)) return clamp(task.retryDelayMs, cap);
  const before = Math.max(0, failed.maxTries - (task.retries + 1));
  const nth = Math.max(1, failed.tryNumber - before);
  const delay = Math.min(task.retryDelayMs * task.retryFactor ** (nth - 1), MAX_RETRY_DELAY_MS);
  return clamp(Math.round(delay * (1 + spread(task.taskId, failed))), cap);
}

function clamp(ms: number, cap: number): number {
  return ms > 0 ? Math.min(ms, cap) : 0;
}

/** A number in [0, 1) that depends on nothing but what failed. */
function spread(taskId: string, failed: FailedTry): number {
  const text = JSON.stringify([failed.dagId, taskId, failed.mapIndex, failed.runId, failed.tryNumber]);
  return hash32(text) / 2 ** 32;
}

/** FNV-1a over UTF-16 units with a final mix, so that neighbouring tries land far apart. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
