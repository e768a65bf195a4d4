import type { TaskError, TaskOutcome } from "../core/run.ts";
import { describe } from "./checks.ts";
import { FailFast, RetryAfter, Skip } from "./errors.ts";
import { withoutMachinery } from "./location.ts";

const MESSAGE_BYTES = 8 * 1024;
const STACK_BYTES = 16 * 1024;
const CAUSES_SHOWN = 5;

/** What a thrown value means for the try. */
export function outcomeOf(
  thrown: unknown,
  policy: {
    readonly now: number;
    readonly retryOn?: (error: unknown) => boolean;
    readonly onBadPolicy: (error: TaskError) => void;
  },
): TaskOutcome {
  if (isA(thrown, Skip)) return { kind: "skipped", message: describeError(thrown).message };
  const error = describeError(thrown);
  if (isA(thrown, FailFast)) return { kind: "failed", error, retryable: false };
  if (isA(thrown, RetryAfter)) {
    return { kind: "failed", error, retryable: true, retryAfterMs: thrown.delayMs(policy.now) };
  }
  return { kind: "failed", error, retryable: isRetryable(thrown, policy) };
}

function isRetryable(
  thrown: unknown,
  {
    retryOn,
    onBadPolicy,
  }: { readonly retryOn?: (error: unknown) => boolean; readonly onBadPolicy: (error: TaskError) => void },
): boolean {
  if (retryOn === undefined) return true;
  try {
    return retryOn(thrown) !== false;
  } catch (error) {
    onBadPolicy(describeError(error));
    return true;
  }
}

/** A thrown value as it is stored. Takes anything, never throws; long texts are cut. */
export function describeError(thrown: unknown): TaskError {
  if (!isError(thrown)) {
    return {
      name: "Error",
      message: truncate(
        `thrown was ${safely(() => describe(thrown)) ?? "something that cannot be shown"}, not an Error`,
        MESSAGE_BYTES,
      ),
    };
  }
  const name = textOf(() => thrown.name) ?? "Error";
  const message = textOf(() => thrown.message) ?? "(the error's message cannot be read)";
  const stack = stackWithCauses(thrown);
  return {
    name: truncate(name, 200),
    message: truncate(message, MESSAGE_BYTES),
    ...(stack === "" ? {} : { stack: truncate(stack, STACK_BYTES) }),
  };
}

/** As `instanceof`, also for proxies that throw when they are asked. */
function isA<T>(value: unknown, kind: abstract new (...args: never[]) => T): value is T {
  return safely(() => value instanceof kind) ?? false;
}

function isError(value: unknown): value is Error {
  return safely(() => value instanceof Error || Object.prototype.toString.call(value) === "[object Error]") ?? false;
}

function stackWithCauses(error: Error): string {
  const parts: string[] = [];
  const seen = new Set<unknown>();
  let current: unknown = error;
  while (isError(current) && !seen.has(current) && parts.length < CAUSES_SHOWN) {
    const shown: Error = current;
    seen.add(shown);
    const stack = textOf(() => shown.stack) ?? textOf(() => shown.message) ?? "";
    parts.push(
      `${parts.length === 0 ? "" : "Caused by: "}${truncate(withoutMachinery(withoutLongMessage(stack)), STACK_BYTES)}`,
    );
    if (shown instanceof AggregateError) parts.push(...innerErrors(shown));
    current = safely(() => shown.cause);
  }
  return parts.join("\n");
}

function innerErrors(error: AggregateError): readonly string[] {
  const errors = safely(() => [...error.errors].slice(0, CAUSES_SHOWN)) ?? [];
  return errors.map((inner, index) => {
    const text = isError(inner) ? (textOf(() => inner.stack) ?? "") : (safely(() => describe(inner)) ?? "");
    return `[${index}]: ${truncate(text, 2048)}`;
  });
}

/** A stack repeats the message in front of its frames; a long one would push the frames out. */
function withoutLongMessage(stack: string): string {
  if (stack.length <= MESSAGE_BYTES) return stack;
  const frames = stack.indexOf("\n    at ");
  return frames < 1024 ? stack : `${stack.slice(0, 1024)}…${stack.slice(frames, frames + STACK_BYTES)}`;
}

/** At most `bytes` of UTF-8; says so when something was cut. */
export function truncate(text: string, bytes: number): string {
  if (text.length * 3 <= bytes || (text.length <= bytes && Buffer.byteLength(text) <= bytes)) return text;
  const note = `… (cut, ${text.length} characters in all)`;
  const room = new Uint8Array(bytes - Buffer.byteLength(note));
  const { read } = new TextEncoder().encodeInto(text, room);
  return text.slice(0, read) + note;
}

function textOf(read: () => unknown): string | undefined {
  const value = safely(read);
  return typeof value === "string" ? value : value === undefined ? undefined : safely(() => String(value));
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
