import type { PastFacts } from "../core/decide.ts";
import type { DagRunRow, RunKey } from "../store/rows.ts";
import type { OwnedRun } from "./owned-run.ts";
import type { StoreGate } from "./store-gate.ts";

/**
 * Which running runs look back at which earlier run (dependsOnPast, waitForDownstream). Where the earlier run is in memory its states
 * are read from there, so that its tasks wake those of the next run in the same commit; otherwise from the rows.
 */
export class Past {
  readonly #gate: StoreGate;
  readonly #openRun: (runKey: RunKey) => OwnedRun | undefined;
  readonly #previousOf = new Map<RunKey, RunKey>();
  readonly #followers = new Map<RunKey, Set<RunKey>>();
  /** Earlier runs that changed in this turn. */
  readonly #changed = new Set<RunKey>();

  constructor(gate: StoreGate, openRun: (runKey: RunKey) => OwnedRun | undefined) {
    this.#gate = gate;
    this.#openRun = openRun;
  }

  /** Finds the run before this one and remembers that this one looks back at it. */
  async factsFor(row: DagRunRow): Promise<PastFacts> {
    const { dagId, logicalDate, runKey } = row;
    if (logicalDate === null) return { kind: "none" };
    const previous = await this.#gate.read((store) => store.runs.previous(dagId, logicalDate));
    this.forget(runKey);
    if (previous === undefined) return { kind: "none" };
    this.#follow(runKey, previous.runKey);
    const open = this.#openRun(previous.runKey);
    if (open !== undefined) return open.pastFacts();
    const tasks = await this.#gate.read((store) => store.tasks.ofRun(previous.runKey));
    return { kind: "run", runId: previous.runId, states: tasks.map(({ taskId, state }) => ({ taskId, state })) };
  }

  /** Runs that look back at this one. */
  followersOf(runKey: RunKey): Iterable<RunKey> {
    return this.#followers.get(runKey) ?? [];
  }

  /** An instance of this run ended. */
  changed(run: OwnedRun): void {
    if (this.#followers.has(run.runKey)) this.#changed.add(run.runKey);
  }

  /** Takes out what changed: for each run that looks back, the new facts. */
  *takeNews(): Iterable<{ readonly follower: RunKey; readonly facts: PastFacts }> {
    // A follower that ends a task may itself be looked back at: the set grows while it is read, and the loop sees that.
    for (const runKey of this.#changed) {
      this.#changed.delete(runKey);
      const previous = this.#openRun(runKey);
      if (previous === undefined) continue;
      const facts = previous.pastFacts();
      for (const follower of this.followersOf(runKey)) yield { follower, facts };
    }
  }

  /** The run no longer looks back. */
  forget(runKey: RunKey): void {
    const previous = this.#previousOf.get(runKey);
    if (previous === undefined) return;
    this.#previousOf.delete(runKey);
    const followers = this.#followers.get(previous);
    followers?.delete(runKey);
    if (followers?.size === 0) this.#followers.delete(previous);
  }

  #follow(runKey: RunKey, previous: RunKey): void {
    this.#previousOf.set(runKey, previous);
    const followers = this.#followers.get(previous);
    if (followers === undefined) this.#followers.set(previous, new Set([runKey]));
    else followers.add(runKey);
  }
}
