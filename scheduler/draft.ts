import type { TaskOutcome, TaskTransition } from "../core/run.ts";
import type { RunState } from "../core/states.ts";
import type { Executor, OutcomeReport, Reservation } from "../executor/executor.ts";
import type { Change } from "../store/changes.ts";
import type { AttemptId, AttemptState } from "../store/rows.ts";
import type { LiveAttempt } from "./attempts.ts";
import type { OwnedRun } from "./owned-run.ts";

/** An attempt that starts with the commit. */
export interface Start {
  readonly run: OwnedRun;
  readonly live: LiveAttempt;
  readonly executor: Executor;
  readonly reservation: Reservation;
}

/** What one run adds to the commit of a turn. */
interface Part {
  readonly run: OwnedRun;
  readonly claims: Change[];
  readonly finishes: Change[];
  readonly transitions: TaskTransition[];
  readonly starts: Change[];
  readonly ends: Change[];
}

/**
 * All that one turn of the run owner writes: one list, one atom, one fsync. Every place that is given away in it was given back in
 * it or before, so limits hold at each event; ends of attempts come first, starts last.
 */
export class Draft {
  /** Outcomes that the list records; fed again when it cannot be committed. */
  outcomes: OutcomeReport[] = [];
  readonly starts: Start[] = [];
  /** Attempts to stop once the commit stands. */
  stops: { readonly live: LiveAttempt; readonly reason: string }[] = [];
  /** Called once the commit stands. */
  afterwards: { readonly run: OwnedRun; readonly follow: () => void }[] = [];
  readonly #parts = new Map<OwnedRun, Part>();

  /** `follow` is called once the commit stands. */
  afterCommit(run: OwnedRun, follow: () => void): void {
    this.afterwards.push({ run, follow });
  }

  /** Nothing to write; there may be attempts to stop all the same. */
  get isEmpty(): boolean {
    return this.#parts.size === 0;
  }

  /** Runs that the list touches. */
  get runs(): Iterable<OwnedRun> {
    return this.#parts.keys();
  }

  /** The fence of a run that is written to for the first time. */
  claim(run: OwnedRun): void {
    const { ownerId } = run.fence;
    this.#part(run).claims.push({ kind: "run.claim", runKey: run.runKey, ownerId, leaseMs: 0 });
  }

  /** Takes out what a run adds; answers the outcomes that were in it. The run has no starts yet. */
  discard(run: OwnedRun): readonly OutcomeReport[] {
    this.#parts.delete(run);
    const own = this.outcomes.filter(({ attempt }) => attempt.runKey === run.runKey);
    this.outcomes = this.outcomes.filter(({ attempt }) => attempt.runKey !== run.runKey);
    for (const { live } of this.stops) if (live.attempt.runKey === run.runKey) live.isAbandoned = false;
    this.stops = this.stops.filter(({ live }) => live.attempt.runKey !== run.runKey);
    this.afterwards = this.afterwards.filter((follow) => follow.run !== run);
    return own;
  }

  finishAttempt(run: OwnedRun, attempt: AttemptId, outcome: TaskOutcome, returnValueJson?: string): void {
    const { finishes } = this.#part(run);
    finishes.push({ kind: "attempt.finish", attempt, state: ATTEMPT_STATES[outcome.kind], ...errorOf(outcome) });
    if (returnValueJson === undefined) return;
    const { runKey, tiNo } = attempt;
    finishes.push({ kind: "xcom.set", runKey, tiNo, key: "return_value", json: returnValueJson, attempt });
  }

  move(run: OwnedRun, transitions: readonly TaskTransition[]): void {
    if (transitions.length === 0) return;
    const part = this.#part(run);
    for (const transition of transitions) part.transitions.push(transition);
  }

  start(start: Start): void {
    const { live, reservation, run } = start;
    this.#part(run).starts.push({ kind: "attempt.start", attempt: live.attempt, workerId: reservation.workerId });
    this.starts.push(start);
  }

  runState(run: OwnedRun, from: RunState, to: RunState, reason?: string): void {
    const change: Change = { kind: "run.state", runKey: run.runKey, from: [from], to, ...(reason ? { reason } : {}) };
    const part = this.#part(run);
    // A run that begins does so before its tasks, one that ends after them.
    if (to === "running") part.finishes.unshift(change);
    else part.ends.push(change);
  }

  /** A change of something else that belongs to the end of a run: the DAG's failures, its pause. */
  end(run: OwnedRun, change: Change): void {
    this.#part(run).ends.push(change);
  }

  /** The list, and to which run each of its changes belongs. */
  list(): { readonly changes: readonly Change[]; readonly owners: readonly (OwnedRun | undefined)[] } {
    const changes: Change[] = [];
    const owners: (OwnedRun | undefined)[] = [];
    const add = (run: OwnedRun | undefined, list: readonly Change[]) => {
      for (const change of list) {
        changes.push(change);
        owners.push(run);
      }
    };
    for (const { run, claims } of this.#parts.values()) add(run, claims);
    for (const { run, finishes } of this.#parts.values()) add(run, finishes);
    for (const { run, transitions } of this.#parts.values()) {
      if (transitions.length === 0) continue;
      add(run, [{ kind: "task.transitions", runKey: run.runKey, transitions, fence: run.fence }]);
    }
    for (const { run, starts } of this.#parts.values()) add(run, starts);
    for (const { run, ends } of this.#parts.values()) add(run, ends);
    return { changes, owners };
  }

  #part(run: OwnedRun): Part {
    let part = this.#parts.get(run);
    if (part === undefined) {
      part = { run, claims: [], finishes: [], transitions: [], starts: [], ends: [] };
      this.#parts.set(run, part);
    }
    return part;
  }
}

const ATTEMPT_STATES: { readonly [kind in TaskOutcome["kind"]]: AttemptState } = {
  success: "success",
  failed: "failed",
  skipped: "skipped",
  reschedule: "rescheduled",
  lost: "lost",
  cancelled: "cancelled",
};

function errorOf(outcome: TaskOutcome): { error?: { name: string; message: string; stack?: string } } {
  if (outcome.kind === "failed" || outcome.kind === "lost") return { error: outcome.error };
  if (outcome.kind === "cancelled" && outcome.message !== undefined) {
    return { error: { name: "Cancelled", message: outcome.message } };
  }
  return {};
}
