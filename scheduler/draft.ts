import { RETURN_VALUE_KEY } from "../core/definition.ts";
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

/** A list for `Store.commit`, and to which run each of its changes belongs. */
export interface DraftList {
  readonly changes: readonly Change[];
  readonly owners: readonly OwnedRun[];
}

/** Transitions in one transaction; more are written in portions. */
const MAX_TRANSITIONS = 500;

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
    finishes.push({ kind: "xcom.set", runKey, tiNo, key: RETURN_VALUE_KEY, json: returnValueJson, attempt });
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

  /**
   * The lists to commit one after the other: one, unless a huge run begins or ends at once. Then what merely becomes ready or is
   * skipped is written in portions, so that no transaction holds up the event loop; whatever is missing after a crash in between,
   * `begin` finds again.
   */
  lists(): readonly DraftList[] {
    const first = new ListBuilder();
    const later: ListBuilder[] = [];
    const last = new ListBuilder();
    for (const { run, claims } of this.#parts.values()) first.add(run, claims);
    for (const { run, finishes } of this.#parts.values()) first.add(run, finishes);
    let count = 0;
    for (const part of this.#parts.values()) count += part.transitions.length;
    for (const { run, transitions } of this.#parts.values()) {
      if (count <= MAX_TRANSITIONS) first.check(run, transitions);
      else splitMoves(run, transitions, first, later, last);
    }
    for (const { run, starts } of this.#parts.values()) last.add(run, starts);
    for (const { run, ends } of this.#parts.values()) {
      if (later.length > 0 && ends.length > 0) last.check(run);
      last.add(run, ends);
    }
    return later.length === 0
      ? [first.with(last)]
      : [first, ...later, last].filter(({ changes }) => changes.length > 0);
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

/** The end of an attempt and what becomes of its instance stay together; what happens to an instance keeps its order. */
function splitMoves(
  run: OwnedRun,
  transitions: readonly TaskTransition[],
  first: ListBuilder,
  later: ListBuilder[],
  last: ListBuilder,
): void {
  const fresh: TaskTransition[] = [];
  const freshTiNos = new Set<number>();
  const before: TaskTransition[] = [];
  const after: TaskTransition[] = [];
  for (const transition of transitions) {
    if (transition.from === "none") {
      fresh.push(transition);
      freshTiNos.add(transition.tiNo);
    } else if (transition.to === "queued" || freshTiNos.has(transition.tiNo)) after.push(transition);
    else before.push(transition);
  }
  first.move(run, before);
  for (let index = 0; index < fresh.length; index += MAX_TRANSITIONS) {
    const portion = new ListBuilder();
    portion.move(run, fresh.slice(index, index + MAX_TRANSITIONS));
    later.push(portion);
  }
  last.move(run, after);
}

class ListBuilder implements DraftList {
  readonly changes: Change[] = [];
  readonly owners: OwnedRun[] = [];

  add(run: OwnedRun, changes: readonly Change[]): void {
    for (const change of changes) {
      this.changes.push(change);
      this.owners.push(run);
    }
  }

  move(run: OwnedRun, transitions: readonly TaskTransition[]): void {
    if (transitions.length > 0) this.check(run, transitions);
  }

  /** Also without transitions: refused when the run is no longer as we know it. */
  check(run: OwnedRun, transitions: readonly TaskTransition[] = []): void {
    this.add(run, [{ kind: "task.transitions", runKey: run.runKey, transitions, fence: run.fence }]);
  }

  with(other: ListBuilder): ListBuilder {
    for (const [index, change] of other.changes.entries()) this.add(other.owners[index] as OwnedRun, [change]);
    return this;
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
