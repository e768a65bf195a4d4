import { inspect } from "node:util";
import type { TaskError } from "../../core/run.ts";

const MESSAGE_LIMIT = 10_000;
const STACK_LIMIT = 20_000;

/** Whatever was thrown, as a bounded record. Never throws itself, whatever getters and proxies the value is made of. */
export function toTaskError(thrown: unknown): TaskError {
  try {
    if (thrown instanceof Error) {
      const stack = typeof thrown.stack === "string" ? shorten(thrown.stack, STACK_LIMIT) : undefined;
      return {
        name: shorten(String(thrown.name), 200),
        message: shorten(String(thrown.message), MESSAGE_LIMIT),
        stack,
      };
    }
    return { name: "Thrown", message: shorten(typeof thrown === "string" ? thrown : inspect(thrown), MESSAGE_LIMIT) };
  } catch {
    return { name: "Thrown", message: "The task threw a value that cannot be shown." };
  }
}

function shorten(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} characters more)`;
}
