import type { TaskError } from "../../core/run.ts";

/** How a runner process ended, and the last of what it printed on stderr. */
export interface RunnerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderrTail: string;
  /** V8 old-space limit it ran under, MB. */
  readonly memoryLimitMb: number;
  /** Set when it never got as far as taking work. */
  readonly isBootFailure?: boolean;
  /** Why the host killed it, completing "the runner …". */
  readonly killReason?: string;
}

/**
 * Names why a task's process ended before the task returned. An exit without a result is a failure, whatever the exit code;
 * `name` tells the causes apart: `OutOfMemory`, `ProcessCrashed`, `ProcessKilled`, `ExitWithoutResult`, `RunnerFailed`.
 */
export function classifyExit(exit: RunnerExit): TaskError {
  const { code, signal, stderrTail, memoryLimitMb } = exit;
  if (exit.killReason !== undefined)
    return { name: "RunnerKilled", message: `The process that ran the task was killed: it ${exit.killReason}.` };
  if (isHeapExhausted(stderrTail))
    return {
      name: "OutOfMemory",
      message: `The task used up its JavaScript heap of ${memoryLimitMb} MB, and its process ended. Work on less at once, or raise the task's memoryLimit.`,
    };
  if (exit.isBootFailure)
    return {
      name: "RunnerFailed",
      message:
        `The process that should run the task did not start (${endOf(code, signal)}). ${lastLines(stderrTail)}`.trim(),
    };
  if (signal === "SIGKILL")
    return {
      name: "ProcessKilled",
      message:
        "The task's process was killed from outside with SIGKILL; the system does so when memory runs out. Look at the system's log, lower SLUICE_SLOTS or give the machine more memory.",
    };
  if (signal === "SIGSEGV" || signal === "SIGABRT" || signal === "SIGBUS" || signal === "SIGILL" || signal === "SIGFPE")
    return {
      name: "ProcessCrashed",
      message: `The task's process crashed with ${signal}, as native code does. ${lastLines(stderrTail)}`.trim(),
    };
  if (signal !== null)
    return { name: "ProcessKilled", message: `The task's process was ended from outside with ${signal}.` };
  return {
    name: "ExitWithoutResult",
    message: `The task's process ended with exit code ${code ?? "unknown"} before the task returned (exit-without-result). A task must return or throw; remove calls of process.exit.`,
  };
}

function isHeapExhausted(stderrTail: string): boolean {
  return /JavaScript heap out of memory|Reached heap limit|invalid (?:array|table) size Allocation failed/.test(
    stderrTail,
  );
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit code ${code ?? "unknown"}` : `signal ${signal}`;
}

function lastLines(stderrTail: string): string {
  const lines = stderrTail
    .trim()
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.length === 0 ? "" : `Its last words: ${lines.slice(-8).join("\n")}`;
}
