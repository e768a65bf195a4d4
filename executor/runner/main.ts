/**
 * The process that runs author code. It is started by `executor/local/runner-process.ts`, gets work over IPC, and has neither the
 * database nor a secret. When the channel closes, the host has left or died: it kills what it started and ends.
 */
import { flushCompileCache } from "node:module";
import { describeError } from "../../sdk/failure.ts";
import { registerSdkResolution } from "../../sdk/resolve-hook.ts";
import { executeTask } from "../../sdk/runtime.ts";
import { endMarked } from "../processes.ts";
import type { RunnerOptions, ToRunner } from "../protocol.ts";
import { currentAttempt, RunnerAttempt } from "./attempt.ts";
import { Bundles } from "./bundles.ts";
import { HostChannel } from "./channel.ts";
import { trackChildren } from "./children.ts";
import { guardProcess } from "./faults.ts";
import { captureOutput } from "./output.ts";
import { Surroundings } from "./surroundings.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as RunnerOptions;
const attempts = new Map<number, RunnerAttempt>();
const bundles = new Bundles(options.bundles, options.dags);
const isShared = options.isolation === "shared";
/** With isolation `process`, the attempt that is running: what cannot be traced by context is its doing. */
let sole: RunnerAttempt | undefined;
let finished = 0;
let isRetiring = false;

// The author's files, not the bundle's lines, stand in stack traces.
process.setSourceMapsEnabled(true);
delete process.env.NODE_COMPILE_CACHE;

registerSdkResolution();

const channel = new HostChannel(receive, leave);
const surroundings = new Surroundings();
captureOutput((source, level, text) => (currentAttempt.getStore() ?? sole)?.print(source, level, text));
trackChildren(() => sole);
const exit = guardProcess(channel, () => sole);
channel.post(["ready"]);
channel.flush();
setTimeout(flushCompileCache, 1_000).unref();

function receive(messages: readonly ToRunner[]): void {
  for (const message of messages) {
    switch (message[0]) {
      case "run":
        void run(new RunnerAttempt(message[1], message[2], options, channel));
        break;
      case "abort":
        abort(message[1], message[2], message[3]);
        break;
      case "reply":
        attempts.get(message[1])?.settleCall(message[2], message[3], message[4], message[5]);
        break;
      case "ping":
        channel.post(["pong", message[1]]);
        channel.flush();
        break;
    }
  }
}

/** Listeners of the signal run in the context of whoever fires it; what they print belongs to their attempt. */
function abort(id: number, name: string, reason: string): void {
  const attempt = attempts.get(id);
  if (attempt !== undefined) currentAttempt.run(attempt, () => attempt.abort(name, reason));
}

/** The life of an attempt: find its DAG, let the SDK execute its task, report, tidy up. */
async function run(attempt: RunnerAttempt): Promise<void> {
  begin(attempt);
  const { bundleHash, dagId } = attempt.work;
  try {
    const dag = bundles.ready(bundleHash, dagId) ?? (await bundles.dag(bundleHash, dagId));
    const { outcome, returnValueJson } = await currentAttempt.run(attempt, () =>
      executeTask(dag, attempt.work, attempt),
    );
    await attempt.finish(outcome, returnValueJson);
  } catch (error) {
    // Not the task's own failure (the SDK turns that into an outcome): its bundle cannot be evaluated, or does not hold the DAG.
    await attempt.finish({ kind: "failed", error: describeError(error), retryable: true });
  }
  attempts.delete(attempt.id);
  setImmediate(tidy);
}

function begin(attempt: RunnerAttempt): void {
  attempts.set(attempt.id, attempt);
  if (isShared) return;
  sole = attempt;
  process.env.SLUICE_ATTEMPT = attempt.mark;
}

/** Between two tasks, after the first one's outcome has left: what one author's code changed must not meet the next. */
function tidy(): void {
  if (!isShared && attempts.size === 0) surroundings.restore();
  if (isRetiring || finished++ % (isShared ? 100 : 1) !== 0) return;
  const isLarge = process.memoryUsage.rss() > options.retireRssMb * 2 ** 20;
  if (!isLarge && !bundles.isFull) return;
  isRetiring = true;
  channel.post(["retire", isLarge ? "it has grown large" : "it has evaluated many bundles"]);
}

/** The host closed the channel or died. Nothing may outlive this process that was started from it. */
function leave(): void {
  for (const attempt of attempts.values()) {
    abort(attempt.id, "AbortError", "Sluice has stopped");
    attempt.killChildren();
  }
  const runnerId = process.env.SLUICE_RUNNER;
  const gone =
    runnerId === undefined || attempts.size === 0
      ? Promise.resolve([])
      : endMarked([{ name: "SLUICE_RUNNER", value: runnerId }]);
  // Exit listeners of author code could hold the process up.
  process.removeAllListeners("exit");
  void gone.finally(() => exit(0));
}
