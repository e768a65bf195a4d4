import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { describe, it } from "mocha";
import type { TaskDefinition } from "../../core/definition.ts";
import { materializeTasks } from "../../core/graph.ts";
import type { Change } from "../../store/changes.ts";
import { openStore } from "../../store/open.ts";
import type { RunKey } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { type Violation, verify } from "../../store/verify.ts";
import { FakeClock } from "../support/clock.ts";
import { tempFolders } from "../support/temp.ts";
import { attemptOf, commit, dagPut, definition, launch, newRun, secretKey, to } from "./fixtures.ts";

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

const dag = definition("d", {
  maxActiveRuns: 2,
  maxActiveTasks: 2,
  tasks: [task("a", []), task("b", ["a"]), task("c", ["a"], { maxActiveTisPerDag: 1 }), task("z", ["b", "c"])],
});

/** A store with a history of everything: retries, sensors, clears, marks, notes, a deleted run, a moved version. */
class World {
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

async function healthy(world: World): Promise<{ done: RunKey; open: RunKey }> {
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

type Plant = (world: World, runs: { done: RunKey; open: RunKey }) => Promise<unknown> | undefined;

/** One corruption each, and the invariant that must be reported for it. */
const plants: readonly (readonly [string, string, Plant])[] = [
  [
    "a second start of one attempt",
    "I3",
    (world, { open }) => {
      world.sql(
        `insert into event (at, kind, dag_id, run_key, ti_no, try_number, epoch, from_state, to_state, actor) select at, kind, dag_id, run_key, ti_no, try_number, epoch, from_state, to_state, actor from event where kind = 'attempt.started' and run_key = ${open} and ti_no = 1`,
      );
      return undefined;
    },
  ],
  [
    "a second end of one attempt",
    "I4",
    (world, { done }) => {
      world.sql(
        `insert into event (at, kind, dag_id, run_key, ti_no, try_number, epoch, from_state, to_state, actor) select (select max(at) from event), kind, dag_id, run_key, ti_no, try_number, epoch, from_state, to_state, actor from event where kind = 'attempt.finished' and run_key = ${done} and ti_no = 0`,
      );
      return undefined;
    },
  ],
  [
    "a new try while the old one runs",
    "I5",
    async (world, { open }) => {
      await world.step([
        {
          kind: "task.transitions",
          runKey: open,
          transitions: [
            to("up_for_retry", 1, "running", 1),
            to("scheduled", 1, "up_for_retry", 1),
            to("queued", 1, "scheduled", 1, { newEpoch: 2, tryNumber: 2 }),
          ],
        },
        { kind: "attempt.start", attempt: attemptOf(open, 1, 2, 2), workerId: "w" },
      ]);
    },
  ],
  [
    "an epoch that goes back",
    "I8",
    (world, { open }) =>
      world.step([
        { kind: "task.transitions", runKey: open, transitions: [to("up_for_retry", 1, "running", 1, { newEpoch: 0 })] },
      ]),
  ],
  [
    "a final state left without a clear",
    "I11",
    (world, { open }) =>
      world.step([{ kind: "task.transitions", runKey: open, transitions: [to("scheduled", 0, "success", 1)] }]),
  ],
  [
    "one logical date twice",
    "I12",
    async (world) => {
      const twin = await world.begin({ logicalDate: 7_000 });
      world.sql(
        `update event set detail = json_set(detail, '$.logicalDate', 6000) where run_key = ${twin} and kind = 'run.created'`,
      );
    },
  ],
  ["a run that began before it was due", "I15", (world) => world.begin({ runAfter: world.clock.now() + 60_000 })],
  [
    "a run moved to another version unseen",
    "I16",
    async (world, { open }) => {
      const [result] = await commit(world.store, [dagPut("d", { tasks: dag.tasks }, "v2")]);
      world.sql(`update dag_run set version_id = ${result!.versionId} where id = ${open}`);
    },
  ],
  [
    "a finished run with an unfinished task",
    "I17",
    (world, { open }) => world.step([{ kind: "run.state", runKey: open, from: ["running"], to: "success" }]),
  ],
  [
    "a success whose leaf failed",
    "I17",
    async (world, { open }) => {
      await world.step([
        {
          kind: "task.transitions",
          runKey: open,
          transitions: [to("failed", 1, "running", 1), to("failed", 2, "running", 1), to("upstream_failed", 3, "none")],
        },
        { kind: "run.state", runKey: open, from: ["running"], to: "success" },
      ]);
    },
  ],
  [
    "a pool that is used beyond its slots",
    "I18",
    async (world, { open }) => {
      await world.step([
        { kind: "pool.put", mode: "update", pool: { name: "db", slots: 1, description: null, includeDeferred: false } },
      ]);
      const other = await world.begin();
      await world.step(launch(other, 0));
      void open;
    },
  ],
  [
    "more running runs than maxActiveRuns",
    "I19",
    async (world) => {
      await world.begin();
      await world.begin();
    },
  ],
  [
    "more active tasks of a run than maxActiveTasks",
    "I19",
    async (world, { open }) => {
      await world.step([
        { kind: "pool.put", mode: "update", pool: { name: "db", slots: 9, description: null, includeDeferred: false } },
      ]);
      await world.step(launch(open, 3), "user:eva");
    },
  ],
  [
    "a counter that miscounts",
    "I28",
    (world, { done }) => {
      world.sql(`update run_count set n_success = n_success - 1, n_failed = n_failed + 1 where run_key = ${done}`);
      return undefined;
    },
  ],
  [
    "an attempt that nobody started",
    "I28",
    (world, { done }) => {
      world.sql(
        `insert into attempt (run_key, ti_no, try_number, epoch, state, pokes) values (${done}, 0, 7, 7, 'success', 1)`,
      );
      return undefined;
    },
  ],
  [
    "events whose run is gone",
    "I28",
    (world, { done }) => {
      world.sql(`delete from dag_run where id = ${done}`);
      return undefined;
    },
  ],
  [
    "a task begun before its upstreams",
    "I30",
    async (world) => {
      const early = await world.begin();
      await world.step([{ kind: "task.transitions", runKey: early, transitions: [to("scheduled", 1, "none")] }]);
    },
  ],
  [
    "a task given up although its upstreams did not fail",
    "I30",
    (world, { open }) =>
      world.step([{ kind: "task.transitions", runKey: open, transitions: [to("upstream_failed", 3, "none")] }]),
  ],
  [
    "more tries than allowed",
    "I32",
    (world, { done }) => {
      world.sql(`update task_instance set max_tries = 1 where run_key = ${done} and ti_no = 3`);
      return undefined;
    },
  ],
  [
    "a state changed without an event",
    "I36",
    (world, { open }) => {
      world.sql(
        `update task_instance set state = 'failed' where run_key = ${open} and ti_no = 1`,
        `update run_count set n_failed = 1, n_running = 1 where run_key = ${open}`,
      );
      return undefined;
    },
  ],
  [
    "an event that was deleted",
    "I36",
    (world, { done }) => {
      world.sql(
        `delete from event where id = (select min(id) from event where run_key = ${done} and kind = 'task.state')`,
      );
      return undefined;
    },
  ],
  [
    "a run changed without an event",
    "I36",
    (world, { done }) => {
      world.sql(`update dag_run set state = 'failed' where id = ${done}`);
      return undefined;
    },
  ],
  [
    "an XCom that no attempt set",
    "I39",
    (world, { open }) => {
      world.sql(`update xcom set value = '1', size = 1 where run_key = ${open}`);
      return undefined;
    },
  ],
  [
    "an XCom that was lost",
    "I39",
    (world, { open }) => {
      world.sql(`delete from xcom where run_key = ${open}`);
      return undefined;
    },
  ],
  [
    "time that goes back within a run",
    "I40",
    (world, { done }) => {
      world.sql(`update event set at = at - 5000 where id = (select max(id) from event where run_key = ${done})`);
      return undefined;
    },
  ],
];

describe("verify", () => {
  const folder = tempFolders();

  async function build(): Promise<{ world: World; runs: { done: RunKey; open: RunKey } }> {
    const path = folder("verify").file("s.db");
    const clock = new FakeClock("2026-01-01T00:00:00Z");
    const world = new World(await openStore({ url: `sqlite:${path}`, secretKey, clock }), path, clock);
    return { world, runs: await healthy(world) };
  }

  it("finds nothing in a healthy history of retries, clears, marks and deletions", async () => {
    const { world } = await build();
    const phases = new Set<string>();
    const violations = await verify(world.store, {
      onProgress: ({ phase, done, total }) => phases.add(`${phase} ${done === total}`),
    });
    expect(violations).to.deep.equal([]);
    expect([...phases])
      .to.include("events true")
      .and.to.include("runs true");
    await world.store.close();
  });

  for (const [name, invariant, plant] of plants) {
    it(`reports ${name} as ${invariant}`, async () => {
      const { world, runs } = await build();
      await plant(world, runs);
      const violations = await world.violations();
      expect(
        violations.map((violation) => violation.invariant),
        JSON.stringify(violations),
      ).to.include(invariant);
      await world.store.close();
    });
  }

  it("stops at its limit", async () => {
    const { world, runs } = await build();
    world.sql(`update event set from_state = 'removed' where run_key = ${runs.done} and kind = 'task.state'`);
    expect(await verify(world.store, { limit: 2 })).to.have.length(2);
    await world.store.close();
  });

  it("finds nothing while the store is in use", async () => {
    const { world, runs } = await build();
    const busy = (async () => {
      for (let turn = 0; turn < 200; turn++) {
        await world.step([
          {
            kind: "task.transitions",
            runKey: runs.open,
            transitions: [to("up_for_retry", 1, "running", 1), to("running", 1, "up_for_retry", 1)],
          },
        ]);
      }
    })();
    for (let round = 0; round < 10; round++) expect(await world.violations()).to.deep.equal([]);
    await busy;
    await world.store.close();
  });
});
