import type { Clock } from "../core/clock.ts";
import type { PastFacts } from "../core/decide.ts";
import type { Logger } from "../core/logger.ts";
import { isRunTerminal, type RunState } from "../core/states.ts";
import type { ExecutorListener, OutcomeReport } from "../executor/executor.ts";
import type { CommitResult } from "../store/changes.ts";
import type { DagRunRow, RunKey } from "../store/rows.ts";
import type { Admission } from "./admission.ts";
import type { Catalog } from "./catalog.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Draft } from "./draft.ts";
import { Launcher } from "./launcher.ts";
import { OwnedRun } from "./owned-run.ts";
import type { LoadedRun, Loading } from "./run-loader.ts";
import { RunSteps } from "./run-steps.ts";
import { type Entry, type RunEndListener, Runs } from "./runs.ts";
import type { StoreGate } from "./store-gate.ts";
import type { Timers } from "./timers.ts";

/** What is taken into one commit at most, so that a turn stays short and timers and pages get their share. */
const MAX_PER_TURN = 250;

export interface RunOwnerOptions {
  readonly gate: StoreGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly catalog: Catalog;
  readonly admission: Admission;
  readonly dispatcher: Dispatcher;
  readonly workerId: string;
  /** Name of the executor of tasks that name none. */
  readonly defaultExecutor: string;
}

/** Something that happened to a run and waits for the next turn. */
export type Happening =
  | { readonly kind: "outcome"; readonly report: OutcomeReport }
  | { readonly kind: "due"; readonly runKey: RunKey; readonly tiNo: number | undefined }
  | { readonly kind: "past"; readonly runKey: RunKey; readonly facts: PastFacts }
  | { readonly kind: "reload"; readonly runKey: RunKey }
  | { readonly kind: "loaded"; readonly entry: Entry; readonly loading: Loading };

/**
 * Owns the unfinished runs. All that has happened when a turn begins becomes one draft, one commit, one fsync; the next turn begins
 * when it stands. So a hop from a task to the next costs one commit, and a thousand tasks that end together share one. When a
 * commit is refused, somebody else was faster: the memory of its runs is dropped, they are read again, and their outcomes
 * are fed again.
 */
export class RunOwner implements ExecutorListener {
  readonly #o: RunOwnerOptions;
  readonly #runs: Runs;
  readonly #steps: RunSteps;
  readonly #launcher: Launcher;
  /** Failed runs in a row by DAG, as far as decided; the row follows. */
  readonly #failures = new Map<string, number>();
  #inbox: Happening[] = [];
  #isTurning = false;
  #isWoken = false;
  #isDraining = false;
  #isStopped = false;
  /** Before, nobody knows what the runs of former starts occupy, and nothing may begin beside them. */
  #hasRecovered = false;
  readonly #idleWatchers = new Set<() => void>();

  constructor(options: RunOwnerOptions) {
    this.#o = options;
    const { clock, timers, dispatcher, gate } = options;
    this.#runs = new Runs(
      options,
      (happening) => this.#post(happening),
      () => this.wake(),
    );
    this.#steps = new RunSteps({
      clock,
      timers,
      dispatcher,
      values: this.#runs.values,
      onDue: (runKey, tiNo) => this.#post({ kind: "due", runKey, tiNo }),
      onTaskEnded: (run) => this.#runs.past.changed(run),
      onWaitingForPast: (run) => this.#runs.reconsider(run.row.dagId),
      onRunEnding: (draft, run, to) => this.#ending(draft, run, to),
    });
    this.#launcher = new Launcher(gate, this.#runs.values, (report) => this.onOutcome(report));
  }

  /** A run in memory. */
  openRun(runKey: RunKey): OwnedRun | undefined {
    return this.#runs.open(runKey);
  }

  /** The row of an unfinished run, as this scheduler knows it. */
  row(runKey: RunKey): DagRunRow | undefined {
    return this.#runs.get(runKey)?.row;
  }

  /** Unfinished runs of a DAG. */
  rowsOf(dagId: string): Iterable<DagRunRow> {
    return this.#runs.rowsOf(dagId);
  }

  /** Unfinished runs and the revision they were read at: what the sweep compares. */
  revisions(): ReadonlyMap<RunKey, number> {
    return new Map([...this.#runs.all()].map(({ runKey, row }) => [runKey, row?.revision ?? -1]));
  }

  /** Unfinished runs that their schedule created. */
  scheduledCount(dagId: string): number {
    let count = 0;
    for (const { runType } of this.rowsOf(dagId)) if (runType === "scheduled") count++;
    return count;
  }

  /** Calls back for each run that has ended or is gone. */
  onRunEnd(listener: RunEndListener): void {
    this.#runs.onEnd(listener);
  }

  /** Takes over unfinished runs whose rows were just read; the first time these are all of them, and the turns begin. */
  recover(rows: readonly DagRunRow[]): void {
    for (const row of rows) this.#runs.recover(row);
    this.#hasRecovered = true;
    this.wake();
  }

  /** Takes over a run that was just created; it counts when this resolves. */
  async adopt(runKey: RunKey): Promise<void> {
    const row = await this.#o.gate.read((store) => store.runs.get(runKey));
    if (row !== undefined && !isRunTerminal(row.state)) this.recover([row]);
  }

  /** Rows of this run were changed by somebody else: reads them again. */
  reload(runKey: RunKey): void {
    this.#post({ kind: "reload", runKey });
  }

  /** Queued runs of this DAG may have got a place: it was unpaused, its limits were raised, a backfill changed. */
  reconsider(dagId: string): void {
    this.#runs.reconsider(dagId);
  }

  onOutcome(report: OutcomeReport): void {
    this.#post({ kind: "outcome", report: this.#isDraining ? interrupted(report) : report });
  }

  onSlotsFree(): void {
    this.wake();
  }

  /** Asks for a turn: something may start. */
  wake(): void {
    if (this.#isWoken || this.#isStopped || !this.#hasRecovered) return;
    this.#isWoken = true;
    // The turn in progress asks again when it is over.
    if (!this.#isTurning) setImmediate(() => void this.#turn());
  }

  /** Nothing is left to take in, to read or to write. */
  get isIdle(): boolean {
    const isQuiet = !this.#isWoken && !this.#isTurning && this.#inbox.length === 0;
    return (isQuiet && this.#runs.isIdle && this.#launcher.pending === 0) || this.#isStopped;
  }

  /** Resolves when `isIdle`. */
  async idle(): Promise<void> {
    while (!this.isIdle) await new Promise<void>((resolve) => this.#idleWatchers.add(resolve));
  }

  /** Starts nothing more; attempts that end because we stop them are to run again, at no cost to their tries. */
  drain(): void {
    this.#isDraining = true;
    this.#o.dispatcher.drain();
  }

  /** Takes no further turn. What is not committed is left to the next start. */
  stop(): void {
    this.#isStopped = true;
    this.#runs.stop();
    this.#tellIdle();
  }

  #post(happening: Happening): void {
    this.#inbox.push(happening);
    this.wake();
  }

  // A turn: take in, decide, write, start.

  async #turn(): Promise<void> {
    if (this.#isStopped) return;
    this.#isWoken = false;
    this.#isTurning = true;
    const draft = new Draft();
    try {
      for (const happening of this.#takeInbox()) this.#apply(draft, happening);
      for (const { follower, facts } of this.#runs.past.takeNews()) {
        this.#apply(draft, { kind: "past", runKey: follower, facts });
      }
      for (const run of this.#runs.admit()) this.#giveWay(draft, run);
      if (this.#runs.areOccupantsKnown && this.#o.dispatcher.fill(draft, (runKey) => this.#runs.open(runKey)))
        this.wake();
      await this.#write(draft);
    } catch (error) {
      this.#o.logger.error({ err: error }, "a turn of the scheduler failed; reading its runs again");
      this.#refused(draft, undefined);
    } finally {
      this.#isTurning = false;
      const isWanted = this.#isWoken || this.#inbox.length > 0;
      this.#isWoken = false;
      if (isWanted) this.wake();
      this.#tellIdle();
    }
  }

  #takeInbox(): readonly Happening[] {
    const taken = this.#inbox;
    this.#inbox = taken.length > MAX_PER_TURN ? taken.splice(MAX_PER_TURN) : [];
    return taken;
  }

  /** What goes wrong with one run is kept to that run: its part of the draft is taken out, and its rows are read again. */
  #apply(draft: Draft, happening: Happening): void {
    try {
      this.#take(draft, happening);
    } catch (error) {
      const runKey = runKeyOf(happening);
      this.#o.logger.error({ err: error, runKey, happening: happening.kind }, "a run could not be moved on");
      const entry = this.#runs.get(runKey);
      if (entry === undefined) return;
      const outcomes = new Set(entry.run === undefined ? [] : draft.discard(entry.run));
      if (happening.kind === "outcome") outcomes.add(happening.report);
      entry.pending.push(...outcomes);
      this.#runs.strike(entry);
    }
  }

  #take(draft: Draft, happening: Happening): void {
    switch (happening.kind) {
      case "outcome":
        this.#outcome(draft, happening.report);
        break;
      case "due": {
        const run = this.openRun(happening.runKey);
        if (run === undefined) break;
        if (happening.tiNo === undefined) this.#steps.timeout(draft, run);
        else this.#steps.due(draft, run, happening.tiNo);
        break;
      }
      case "past": {
        const run = this.openRun(happening.runKey);
        if (run !== undefined) this.#steps.past(draft, run, happening.facts);
        break;
      }
      case "reload":
        this.#runs.reload(happening.runKey);
        break;
      case "loaded": {
        const loaded = this.#runs.received(happening.entry, happening.loading);
        if (loaded !== undefined) this.#open(draft, happening.entry, loaded);
      }
    }
  }

  #outcome(draft: Draft, report: OutcomeReport): void {
    const { attempt } = report;
    const { dispatcher, logger } = this.#o;
    const live = dispatcher.attempts.get(attempt.runKey, attempt.tiNo);
    if (live === undefined || live.attempt.epoch !== attempt.epoch) {
      logger.debug({ attempt }, "an attempt ended that is not known here (any more)");
      return;
    }
    dispatcher.attempts.remove(live);
    const entry = this.#runs.get(attempt.runKey);
    const run = this.openRun(attempt.runKey);
    // The rows of an abandoned attempt were decided without it.
    if (!live.isAbandoned && run !== undefined) {
      if (!this.#steps.outcome(draft, run, report)) logger.debug({ attempt }, "an outcome came too late");
    } else if (!live.isAbandoned) {
      entry?.pending.push(report);
    }
    dispatcher.ended(run, attempt.runKey, attempt.tiNo);
  }

  #open(draft: Draft, entry: Entry, loaded: LoadedRun): void {
    const { row } = loaded;
    const { workerId, defaultExecutor } = this.#o;
    const isOurs = row.ownerId === workerId && row.ownerEpoch > 0;
    const ownerEpoch = isOurs ? row.ownerEpoch : row.ownerEpoch + 1;
    // With the revision: what a command changes behind our back must not be overlooked by what we decide.
    const fence = { ownerId: workerId, ownerEpoch, revision: row.revision };
    const run = new OwnedRun({ ...loaded, fence, defaultExecutor });
    if (row.state === "queued" && !entry.isAdmitted) {
      // It was put back while attempts of it run here: those that its rows still know may end.
      this.#steps.meetAttempts(draft, run);
      this.#runs.putBack(entry);
      return;
    }
    this.#runs.opened(entry, run);
    if (!isOurs) draft.claim(run);
    draft.afterCommit(run, () => {
      if (entry.row === row) entry.row = { ...row, state: "running", ownerId: workerId, ownerEpoch };
    });
    this.#steps.opened(draft, run, entry.pending.splice(0));
  }

  /** Back into the queue: its place is for the earlier run that it waits for. */
  #giveWay(draft: Draft, run: OwnedRun): void {
    draft.runState(run, "running", "queued", "gives its place to an earlier run that it waits for");
    draft.afterCommit(run, () => {
      const entry = this.#runs.get(run.runKey);
      if (entry?.run === run) this.#runs.putBack(entry);
    });
  }

  #ending(draft: Draft, run: OwnedRun, to: RunState): void {
    this.#o.dispatcher.forget(run.runKey);
    this.#countFailure(draft, run, to);
    draft.afterCommit(run, () => {
      const entry = this.#runs.get(run.runKey);
      if (entry?.run === run) this.#runs.forget(entry, to);
    });
  }

  /** maxConsecutiveFailedRuns: the DAG's count, and its pause when the count is full, in the commit that ends the run. */
  #countFailure(draft: Draft, run: OwnedRun, to: RunState): void {
    const { dagId, maxConsecutiveFailedRuns } = run.version.row.definition;
    const dag = this.#o.catalog.dag(dagId);
    if (dag === undefined) return;
    const before = this.#failures.get(dagId) ?? dag.consecutiveFailures;
    const failures = to === "failed" ? before + 1 : 0;
    if (failures === before) return;
    this.#failures.set(dagId, failures);
    draft.afterCommit(run, () => void this.#o.catalog.changed([dagId]).then(() => this.#failures.delete(dagId)));
    draft.end(run, { kind: "dag.failures", dagId, consecutiveFailures: failures });
    if (maxConsecutiveFailedRuns === 0 || failures < maxConsecutiveFailedRuns || dag.isPaused) return;
    const reason = `${failures} runs in a row failed (maxConsecutiveFailedRuns is ${maxConsecutiveFailedRuns})`;
    draft.end(run, { kind: "dag.pause", dagId, isPaused: true, reason });
  }

  async #write(draft: Draft): Promise<void> {
    for (const { changes, owners } of draft.isEmpty ? [] : draft.lists()) {
      let result: CommitResult;
      try {
        result = await this.#o.gate.commit(changes);
      } catch (error) {
        if (this.#isStopped) return;
        this.#o.logger.error({ err: error, runs: [...draft.runs].map(({ runKey }) => runKey) }, "a commit failed");
        this.#refused(draft, undefined);
        return;
      }
      if (!result.ok) {
        this.#o.logger.debug({ reason: result.reason, message: result.message }, "somebody else was faster");
        this.#refused(draft, owners[result.index]);
        return;
      }
    }
    for (const run of draft.runs) {
      const entry = this.#runs.get(run.runKey);
      if (entry !== undefined) entry.strikes = 0;
    }
    for (const start of draft.starts) this.#launcher.launch(start, () => this.#tellIdle());
    for (const { live, reason } of draft.stops) {
      live.stopReason = reason;
      if (live.isRunning) live.executor.cancel(live.attempt, reason);
    }
    for (const { follow } of draft.afterwards) follow();
  }

  /** Nothing of the draft was written. Its runs are read again and hear its outcomes again. */
  #refused(draft: Draft, culprit: OwnedRun | undefined): void {
    for (const { live, executor, reservation } of draft.starts) {
      executor.release(reservation);
      this.#o.dispatcher.attempts.remove(live);
    }
    for (const { live } of draft.stops) live.isAbandoned = false;
    for (const run of draft.runs) {
      const entry = this.#runs.get(run.runKey);
      if (entry?.run !== run) continue;
      for (const report of draft.outcomes) if (report.attempt.runKey === run.runKey) entry.pending.push(report);
      this.#failures.delete(run.row.dagId);
      if (culprit === undefined || culprit === run) this.#runs.strike(entry);
      else this.#runs.load(entry);
    }
  }

  #tellIdle(): void {
    if (!this.isIdle) return;
    const watchers = [...this.#idleWatchers];
    this.#idleWatchers.clear();
    for (const resolve of watchers) resolve();
  }
}

function runKeyOf(happening: Happening): RunKey {
  if (happening.kind === "outcome") return happening.report.attempt.runKey;
  return happening.kind === "loaded" ? happening.entry.runKey : happening.runKey;
}

function interrupted(report: OutcomeReport): OutcomeReport {
  if (report.outcome.kind !== "lost") return report;
  return { ...report, outcome: { kind: "cancelled", message: report.outcome.error.message } };
}
