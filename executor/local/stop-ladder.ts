import type { Clock } from "../../core/clock.ts";
import { endMarked, findMarked, sendSignal } from "../processes.ts";
import type { AttemptEnd, HostAttempt, StopOrder } from "./attempt.ts";
import type { RunnerProcess } from "./runner-process.ts";
import type { SharedPool } from "./shared-pool.ts";

export interface StopLadderOptions {
  readonly clock: Clock;
  /** From SIGTERM to SIGKILL, ms. */
  readonly termMs: number;
  /** Start of the host, part of the marks of attempts. */
  readonly bootId: string;
  readonly shared: SharedPool;
  /** The attempt has not begun, or was given up: no process of it is left, unless in a shared runner that is being replaced. */
  readonly onGivenUp: (attempt: HostAttempt, end: AttemptEnd) => void;
}

/**
 * Stops attempts step by step: AbortSignal, SIGTERM, SIGKILL. With isolation `process` the last steps hit the runner's group and all that it
 * started, and the runner's exit ends the attempt. A task of the shared runner cannot be killed alone: one that does not stop is
 * given up and the runner is replaced, or killed if its event loop is blocked.
 */
export class StopLadder {
  readonly #options: StopLadderOptions;

  constructor(options: StopLadderOptions) {
    this.#options = options;
  }

  /** The first order for an attempt counts. */
  stop(attempt: HostAttempt, order: StopOrder): void {
    if (attempt.stop !== undefined || attempt.hasSettled) return;
    attempt.stop = order;
    const { runner } = attempt;
    if (runner === undefined) {
      this.#options.onGivenUp(attempt, { outcome: order.outcome });
      return;
    }
    const orderedAt = performance.now();
    runner.send(["abort", attempt.id, order.signalName, order.message]);
    if (runner.isolation === "shared") {
      this.#options.shared.ping(runner);
      this.after(attempt, order.graceMs, () => void this.#abandon(attempt, runner, order, orderedAt));
    } else {
      this.after(attempt, order.graceMs, () => this.#terminate(attempt, runner));
    }
  }

  /** Acts later, unless the attempt ends before. */
  after(attempt: HostAttempt, ms: number, act: () => void): void {
    const { clock } = this.#options;
    const timer = clock.setTimer(clock.now() + ms, () => {
      attempt.timers.delete(timer);
      act();
    });
    attempt.timers.add(timer);
  }

  #terminate(attempt: HostAttempt, runner: RunnerProcess): void {
    runner.isRetiring = true;
    runner.signalGroup("SIGTERM");
    for (const pid of attempt.children) sendSignal(-pid, "SIGTERM");
    for (const pid of findMarked([{ name: "SLUICE_RUNNER", value: runner.runnerId }])) sendSignal(pid, "SIGTERM");
    this.after(attempt, this.#options.termMs, () => runner.kill("did not stop when it was asked to"));
  }

  async #abandon(attempt: HostAttempt, runner: RunnerProcess, order: StopOrder, orderedAt: number): Promise<void> {
    const { shared, bootId, onGivenUp } = this.#options;
    for (const pid of attempt.children) sendSignal(-pid, "SIGTERM");
    shared.retire(runner);
    if (!shared.hasAnsweredSince(runner, orderedAt)) {
      // Its exit ends this attempt and the others in it.
      runner.kill(
        `was blocked by task "${attempt.work.taskId}", which did not stop when it was asked to. Give that task isolation "process"`,
      );
      return;
    }
    if (attempt.hadChildren) await endMarked([{ name: "SLUICE_ATTEMPT", value: `${bootId}.${attempt.id}` }]);
    onGivenUp(attempt, { outcome: order.outcome });
  }
}
