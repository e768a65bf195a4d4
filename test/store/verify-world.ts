import { DatabaseSync } from "node:sqlite";
import type { TaskDefinition } from "../../core/definition.ts";
import { materializeTasks } from "../../core/graph.ts";
import type { Change } from "../../store/changes.ts";
import type { RunKey } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { type Violation, verify } from "../../store/verify.ts";
import type { FakeClock } from "../support/clock.ts";
import { attemptOf, commit, dagPut, definition, launch, newRun, to } from "./fixtures.ts";

function task(taskId: string, upstream: string[], changes: Partial<TaskDefinition> = {}): TaskDefinition {
  return {
    taskId,
    operator: "ts",
    upstream,
    inputs: {},
    triggerRule: "all_success",
    retries: 1,
    retryDelayMs: 1000,
    retryFactor: 0,
    pool: "db",
    poolSlots: 1,
    priorityWeight: 1,
    weightRule: "absolute",
    queue: "default",
    isolation: "process",
    dependsOnPast: false,
    ignoreFirstDependsOnPast: true,
    waitForDownstream: false,
    waitForPastDependsBeforeSkipping: false,
    doXcomPush: true,
    ...changes,
  };
}

/** The DAG of the history: a before b and c before z; two tasks, two runs at once. */
export const dag = definition("d", {
  maxActiveRuns: 2,
  maxActiveTasks: 2,
  tasks: [task("a", []), task("b", ["a"]), task("c", ["a"], { maxActiveTisPerDag: 1 }), task("z", ["b", "c"])],
});

/** A store whose history tests write, and corrupt. */
export class World {
  readonly store: Store;
  readonly path: string;
  readonly clock: FakeClock;
  versionId = 0;
  #runs = 0;

  constructor(store: Store, path: string, clock: FakeClock) {
    this.store = store;
    this.path = path;
    this.clock = clock;
  }

  /** Commits as the scheduler, a millisecond after the last commit. */
  async step(changes: readonly Change[], actor = "scheduler"): Promise<RunKey> {
    this.clock.advance(1);
    const [result] = await commit(this.store, changes, actor);
    return result?.runKey ?? 0;
  }

  async begin(changes: Parameters<typeof newRun>[3] = {}): Promise<RunKey> {
    const run = newRun("d", `run_${this.#runs++}`, this.versionId, changes);
    const runKey = await this.step([{ kind: "run.create", run, tasks: materializeTasks(dag) }], "user:eva");
    await this.step([{ kind: "run.state", runKey, from: ["queued"], to: "running" }]);
    return runKey;
  }

  async succeed(runKey: RunKey, tiNo: number): Promise<void> {
    await this.step(launch(runKey, tiNo));
    await this.step([
      { kind: "attempt.finish", attempt: attemptOf(runKey, tiNo), state: "success" },
      { kind: "task.transitions", runKey, transitions: [to("success", tiNo, "running", 1, { reason: "succeeded" })] },
      { kind: "xcom.set", runKey, tiNo, key: "return_value", json: '"é"', attempt: attemptOf(runKey, tiNo) },
    ]);
  }

  async finish(runKey: RunKey): Promise<void> {
    for (const tiNo of [0, 1, 2, 3]) await this.succeed(runKey, tiNo);
    await this.step([{ kind: "run.state", runKey, from: ["running"], to: "success" }]);
  }

  /** Changes rows behind the store's back. */
  sql(...statements: string[]): void {
    const database = new DatabaseSync(this.path);
    for (const statement of statements) database.exec(statement);
    database.close();
  }

  async violations(): Promise<readonly Violation[]> {
    return verify(this.store);
  }
}

/** A history of everything: a finished run that was cleared, retried and marked; a running one; a deleted one. */
export async function healthy(world: World): Promise<{ done: RunKey; open: RunKey }> {
  const { store } = world;
  await world.step([
    { kind: "pool.put", mode: "create", pool: { name: "db", slots: 2, description: null, includeDeferred: false } },
  ]);
  const [result] = await commit(store, [{ ...(dagPut("d") as object), definition: dag } as Change], "loader");
  world.versionId = result!.versionId!;
  const deleted = await world.begin();
  await world.succeed(deleted, 0);
  await world.step([{ kind: "run.delete", runKey: deleted }], "cli");

  const done = await world.begin({ logicalDate: 5_000, note: "n" });
  await world.finish(done);
  await world.step(
    [
      {
        kind: "task.transitions",
        runKey: done,
        transitions: [
          to("none", 3, "success", 1, { newEpoch: 2, maxTries: 3, branch: null, reason: "cleared by eva" }),
        ],
        bumpRevision: true,
      },
      { kind: "xcom.delete", runKey: done, tiNo: 3 },
      { kind: "run.state", runKey: done, from: ["success"], to: "queued", countClear: true, bumpRevision: true },
    ],
    "user:eva",
  );
  await world.step([{ kind: "run.state", runKey: done, from: ["queued"], to: "running" }]);
  await world.step([
    {
      kind: "task.transitions",
      runKey: done,
      transitions: [to("scheduled", 3, "none", 2), to("queued", 3, "scheduled", 2, { newEpoch: 3, tryNumber: 2 })],
    },
    { kind: "attempt.start", attempt: attemptOf(done, 3, 2, 3), workerId: "w" },
  ]);
  await world.step([
    { kind: "attempt.finish", attempt: attemptOf(done, 3, 2, 3), state: "failed", error: { name: "E", message: "m" } },
    {
      kind: "task.transitions",
      runKey: done,
      transitions: [to("up_for_retry", 3, "running", 3, { dueAt: 99, lostCount: 0 })],
    },
  ]);
  await world.step(
    [
      {
        kind: "task.transitions",
        runKey: done,
        transitions: [to("success", 3, "up_for_retry", 3, { newEpoch: 4, dueAt: null })],
      },
      { kind: "run.note", runKey: done, note: "marked" },
    ],
    "user:eva",
  );
  await world.step([{ kind: "run.state", runKey: done, from: ["running"], to: "success" }]);

  const open = await world.begin({ logicalDate: 6_000 });
  await world.succeed(open, 0);
  await world.step([...launch(open, 1), ...launch(open, 2)]);
  return { done, open };
}
