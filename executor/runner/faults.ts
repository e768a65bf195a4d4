import { describeError } from "../../sdk/failure.ts";
import { currentAttempt, type RunnerAttempt } from "./attempt.ts";
import type { HostChannel } from "./channel.ts";

/**
 * What author code does to the process instead of returning: an exception or rejection that nobody catches, and `process.exit`. Each is
 * put down to the attempt it came from, and the process takes no further work. `sole`: the only attempt there is, in a process
 * that runs one at a time. Returns the real `process.exit`.
 */
export function guardProcess(channel: HostChannel, sole: () => RunnerAttempt | undefined): (code: number) => void {
  const exit = process.exit.bind(process);

  process.on("uncaughtException", (thrown, origin) => {
    const attempt = currentAttempt.getStore() ?? sole();
    const what = origin === "unhandledRejection" ? "an unhandled rejection" : "an uncaught exception";
    channel.post(["retire", `${what}: ${describeError(thrown).message}`]);
    attempt?.killChildren();
    attempt?.finishNow({ kind: "failed", error: describeError(thrown), retryable: true });
    channel.flush();
  });

  process.exit = ((code?: number): never => {
    const attempt = currentAttempt.getStore() ?? sole();
    const caller = new Error(
      `The task called process.exit(${code ?? ""}) instead of returning (exit-without-result). Return, or throw FailFast.`,
    );
    caller.name = "ExitWithoutResult";
    channel.post(["retire", "process.exit was called"]);
    attempt?.killChildren();
    attempt?.finishNow({ kind: "failed", error: describeError(caller), retryable: true });
    channel.flush();
    // The host ends the process once it has read this. Others may be running here; the caller must not go on.
    if (attempt !== undefined) throw caller;
    return exit(code);
  }) as typeof process.exit;
  return exit;
}
