import type { Executor } from "../executor/executor.ts";
import type { AttemptId, RunKey } from "../store/rows.ts";

/** An attempt that an executor of this process has, or is about to get. */
export interface LiveAttempt {
  readonly attempt: AttemptId;
  readonly executor: Executor;
  /** True once the executor has it; before, its inputs are being read. */
  isRunning: boolean;
  /** A command or a limit has decided against it; its end only frees the instance. */
  isAbandoned: boolean;
  /** Why it was told to stop. */
  stopReason: string | undefined;
}

/** The attempts that run in the executors of this process, by task instance: at most one each, whatever the rows say. */
export class Attempts {
  readonly #live = new Map<string, LiveAttempt>();
  readonly #byRun = new Map<RunKey, Set<LiveAttempt>>();

  get size(): number {
    return this.#live.size;
  }

  add(attempt: AttemptId, executor: Executor): LiveAttempt {
    const key = keyOf(attempt.runKey, attempt.tiNo);
    if (this.#live.has(key)) throw new RangeError(`task instance ${key} already has an attempt in an executor`);
    const live: LiveAttempt = { attempt, executor, isRunning: false, isAbandoned: false, stopReason: undefined };
    this.#live.set(key, live);
    const ofRun = this.#byRun.get(attempt.runKey);
    if (ofRun === undefined) this.#byRun.set(attempt.runKey, new Set([live]));
    else ofRun.add(live);
    return live;
  }

  get(runKey: RunKey, tiNo: number): LiveAttempt | undefined {
    return this.#live.get(keyOf(runKey, tiNo));
  }

  ofRun(runKey: RunKey): Iterable<LiveAttempt> {
    return this.#byRun.get(runKey) ?? [];
  }

  remove(live: LiveAttempt): void {
    const { runKey, tiNo } = live.attempt;
    this.#live.delete(keyOf(runKey, tiNo));
    const ofRun = this.#byRun.get(runKey);
    ofRun?.delete(live);
    if (ofRun?.size === 0) this.#byRun.delete(runKey);
  }
}

function keyOf(runKey: RunKey, tiNo: number): string {
  return `${runKey}/${tiNo}`;
}
