import { expect } from "chai";
import { describe, it } from "mocha";
import { openStore } from "../../store/open.ts";
import type { RunKey } from "../../store/rows.ts";
import { verify } from "../../store/verify.ts";
import { FakeClock } from "../support/clock.ts";
import { tempFolders } from "../support/temp.ts";
import { attemptOf, commit, dagPut, launch, secretKey, to } from "./fixtures.ts";
import { dag, healthy, World } from "./verify-world.ts";

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
