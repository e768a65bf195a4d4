import { ChildProcess } from "node:child_process";
import { currentAttempt, type RunnerAttempt } from "./attempt.ts";

/** The part of Node's child processes that every way of starting one (spawn, exec, execFile, fork) goes through. */
interface Spawning {
  readonly pid?: number;
  spawn(options: { envPairs?: string[] }): number;
  once(event: "exit", listener: () => void): void;
}

/**
 * Notes every child that author code starts, and marks its environment with the attempt even when the author gave it an environment
 * of its own: afterwards the child and all its descendants can be found, whatever group or session they moved to. Children of
 * `spawnSync` and of worker threads inherit the marks of the runner's own environment.
 */
export function trackChildren(fallback: () => RunnerAttempt | undefined): void {
  const prototype = ChildProcess.prototype as unknown as Spawning;
  const spawn = prototype.spawn;
  prototype.spawn = function (this: Spawning, options) {
    const attempt = currentAttempt.getStore() ?? fallback();
    if (attempt === undefined) return spawn.call(this, options);
    options.envPairs = marked(options.envPairs ?? [], attempt);
    const status = spawn.call(this, options);
    const { pid } = this;
    if (pid !== undefined) {
      attempt.spawned(pid);
      this.once("exit", () => attempt.exited(pid));
    }
    return status;
  };
}

const MARKS = ["SLUICE_HOME", "SLUICE_BOOT_ID", "SLUICE_RUNNER"] as const;
const own = Object.fromEntries(MARKS.map((name) => [name, process.env[name] ?? ""]));

function marked(envPairs: readonly string[], attempt: RunnerAttempt): string[] {
  const others = envPairs.filter((pair) => !/^SLUICE_(HOME|BOOT_ID|RUNNER|ATTEMPT)=/.test(pair));
  return [...others, ...MARKS.map((name) => `${name}=${own[name]}`), `SLUICE_ATTEMPT=${attempt.mark}`];
}
