import type { Clock } from "../core/clock.ts";
import { waitReason } from "../core/decide.ts";
import { explain, type WaitReason } from "../core/reason.ts";
import { explainRunFromRows, explainTaskFromRows } from "../store/explain.ts";
import type { RunKey } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { Admission } from "./admission.ts";
import type { Catalog } from "./catalog.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { OwnedRun } from "./owned-run.ts";
import type { RunOwner } from "./run-owner.ts";

export interface ExplainerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly owner: RunOwner;
  readonly dispatcher: Dispatcher;
  readonly admission: Admission;
}

/** Says why something does not run, from what the scheduler itself decides by: with the places in line. */
export class Explainer {
  readonly #o: ExplainerOptions;

  constructor(options: ExplainerOptions) {
    this.#o = options;
  }

  /** One sentence about a task instance. */
  async explainTask(runKey: RunKey, tiNo: number): Promise<string> {
    const { store, clock, owner, catalog } = this.#o;
    const run = owner.openRun(runKey);
    const now = clock.now();
    if (run === undefined || tiNo < 0 || tiNo >= run.memory.size) {
      const row = owner.row(runKey);
      return row?.state === "queued"
        ? this.#explainInQueue(runKey, tiNo)
        : explainTaskFromRows(store, runKey, tiNo, now);
    }
    if (this.#o.dispatcher.isHeld(runKey, tiNo)) return "waits until its last attempt has stopped";
    const task = await store.tasks.get(runKey, tiNo);
    const { state, tryNumber, maxTries, dueAt } = run.instance(tiNo);
    const wait = this.#waitOf(run, tiNo);
    return explain({
      kind: "task",
      state,
      now,
      tryNumber,
      maxTries,
      dueAt: dueAt ?? null,
      reason: task?.state === state ? task.reason : null,
      runState: run.memory.runState,
      isDagPaused: catalog.dag(run.row.dagId)?.isPaused ?? false,
      ...(wait === undefined ? {} : { wait }),
    });
  }

  /** One sentence about a run. */
  async explainRun(runKey: RunKey): Promise<string> {
    const { store, clock, owner, admission, catalog } = this.#o;
    const row = owner.row(runKey);
    const now = clock.now();
    if (row === undefined) return explainRunFromRows(store, runKey, now);
    const wait = row.state === "queued" ? admission.reason(row, now) : undefined;
    const isDagPaused = catalog.dag(row.dagId)?.isPaused ?? false;
    return explain({ kind: "run", state: row.state, now, isDagPaused, ...(wait === undefined ? {} : { wait }) });
  }

  async #explainInQueue(runKey: RunKey, tiNo: number): Promise<string> {
    const { store, clock, owner, admission, catalog } = this.#o;
    const now = clock.now();
    const row = owner.row(runKey);
    const task = await store.tasks.get(runKey, tiNo);
    if (row === undefined || task === undefined) return explainTaskFromRows(store, runKey, tiNo, now);
    const runWait = admission.reason(row, now);
    const { state, tryNumber, maxTries, dueAt, reason } = task;
    const isDagPaused = catalog.dag(row.dagId)?.isPaused ?? false;
    const facts = { state, tryNumber, maxTries, dueAt, reason, now, isDagPaused, runState: row.state };
    return explain({ kind: "task", ...facts, ...(runWait === undefined ? {} : { runWait }) });
  }

  #waitOf(run: OwnedRun, tiNo: number): WaitReason | undefined {
    const state = run.memory.stateOf(tiNo);
    if (state === "none") return waitReason(run.memory, tiNo);
    return state === "scheduled" ? this.#o.dispatcher.refusal(run.runKey, tiNo) : undefined;
  }
}
