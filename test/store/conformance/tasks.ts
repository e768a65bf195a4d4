import { expect } from "chai";
import { describe, it } from "mocha";
import type { Change } from "../../../store/changes.ts";
import type { OpenedStore } from "../conformance.ts";
import {
  attemptOf,
  commit,
  dispatch,
  handOver,
  launch,
  newRun,
  newTasks,
  putDag,
  refused,
  startRun,
  to,
} from "../fixtures.ts";

/** Task instances, attempts, XComs: every write fenced by state and epoch. */
export function taskConformance(opened: OpenedStore): void {
  describe("task instances", () => {
    it("keeps every value of a transition", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      const branch = { skipped: ["t1"], transitive: true };
      await commit(store, [
        {
          kind: "task.transitions",
          runKey,
          transitions: [
            to("up_for_retry", 0, "running", 1, {
              newEpoch: 2,
              maxTries: 5,
              dueAt: 123,
              firstPokeAt: 45,
              lostCount: 2,
              branch,
              reason: "retries in 40 s",
            }),
          ],
        },
      ]);
      const expected = {
        state: "up_for_retry",
        epoch: 2,
        tryNumber: 1,
        maxTries: 5,
        dueAt: 123,
        firstPokeAt: 45,
        lostCount: 2,
      };
      const row = await store.tasks.get(runKey, 0);
      expect(row).to.include({ ...expected, reason: "retries in 40 s" });
      expect(row?.branch).to.deep.equal(branch);
      const [event] = (await store.events.ofRun(runKey)).slice(-1);
      expect(event).to.include({
        kind: "task.state",
        fromState: "running",
        toState: "up_for_retry",
        epoch: 2,
        taskId: "t0",
      });
      expect(event?.detail).to.deep.equal({
        reason: "retries in 40 s",
        maxTries: 5,
        dueAt: 123,
        firstPokeAt: 45,
        lostCount: 2,
        branch,
      });
      await commit(store, [
        {
          kind: "task.transitions",
          runKey,
          transitions: [to("scheduled", 0, "up_for_retry", 2, { dueAt: null, firstPokeAt: null, branch: null })],
        },
      ]);
      expect(await store.tasks.get(runKey, 0)).to.include({
        dueAt: null,
        firstPokeAt: null,
        branch: null,
        reason: null,
        maxTries: 5,
      });
    });

    it("dates each state, and keeps the start over the pokes of one try", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      const first = await store.tasks.get(runKey, 0);
      expect(first).to.include({ state: "running", endDate: null });
      expect(first?.scheduledAt).to.be.a("number");
      expect(first?.queuedAt).to.be.a("number");
      expect(first?.startDate).to.be.a("number");
      await commit(store, [
        { kind: "attempt.finish", attempt: attemptOf(runKey, 0), state: "rescheduled" },
        { kind: "task.transitions", runKey, transitions: [to("up_for_reschedule", 0, "running", 1)] },
        {
          kind: "task.transitions",
          runKey,
          transitions: [to("scheduled", 0, "up_for_reschedule", 1), to("queued", 0, "scheduled", 1, { newEpoch: 2 })],
        },
        { kind: "attempt.start", attempt: attemptOf(runKey, 0, 1, 2), workerId: "w2", pid: 4242 },
      ]);
      const poked = await store.tasks.get(runKey, 0);
      expect(poked?.startDate).to.equal(first?.startDate);
      expect(await store.tasks.attempts(runKey, 0)).to.have.length(1);
      expect(await store.tasks.attempt(runKey, 0, 1)).to.include({
        epoch: 2,
        state: "running",
        pokes: 2,
        workerId: "w2",
        pid: 4242,
        endDate: null,
      });
      await commit(store, [
        {
          kind: "task.transitions",
          runKey,
          transitions: [to("success", 0, "running", 2), to("none", 0, "success", 2, { newEpoch: 3 })],
        },
      ]);
      expect(await store.tasks.get(runKey, 0)).to.include({
        scheduledAt: null,
        queuedAt: null,
        startDate: null,
        endDate: null,
      });
      await commit(store, [{ kind: "task.transitions", runKey, transitions: [to("skipped", 1, "none")] }]);
      const skipped = await store.tasks.get(runKey, 1);
      expect(skipped?.endDate).to.be.a("number").and.to.equal(skipped?.startDate);
    });

    it("lets an attempt start once, and only at the present epoch", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const start: Change = { kind: "attempt.start", attempt: attemptOf(runKey, 0), workerId: "w" };
      expect((await refused(store, [start])).reason).to.equal("stale");
      await commit(store, [
        { kind: "task.transitions", runKey, transitions: [to("scheduled", 0, "none"), dispatch(0)] },
      ]);
      expect((await refused(store, [{ ...start, attempt: attemptOf(runKey, 0, 1, 2) }])).message).to.contain(
        "queued at epoch 1",
      );
      const results = await Promise.all([1, 2, 3].map(() => store.commit([start], "w")));
      expect(results.map((result) => result.ok)).to.deep.equal([true, false, false]);
      const started = (await store.events.ofRun(runKey)).filter((event) => event.kind === "attempt.started");
      expect(started).to.have.length(1);
      expect(started[0]).to.include({ fromState: "queued", toState: "running", tryNumber: 1, epoch: 1 });
      expect(started[0]?.detail).to.deep.equal({ workerId: "w" });
    });

    it("refuses every write of a stale attempt", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      const old = attemptOf(runKey, 0);
      expect(await store.tasks.isCurrent(old)).to.equal(true);
      await commit(store, [
        {
          kind: "attempt.finish",
          attempt: old,
          state: "lost",
          error: { name: "Lost", message: "gone", stack: "at x" },
        },
        { kind: "task.transitions", runKey, transitions: [to("up_for_retry", 0, "running", 1, { newEpoch: 2 })] },
      ]);
      expect((await store.tasks.attempt(runKey, 0, 1))?.error).to.deep.equal({
        name: "Lost",
        message: "gone",
        stack: "at x",
      });
      const before = await store.events.lastId();
      const writes: Change[] = [
        { kind: "attempt.finish", attempt: old, state: "success" },
        { kind: "attempt.process", attempt: old, pid: 1 },
        { kind: "xcom.set", runKey, tiNo: 0, key: "k", json: "1", attempt: old },
        { kind: "attempt.start", attempt: old, workerId: "w" },
        { kind: "task.transitions", runKey, transitions: [to("success", 0, "running", 1)] },
      ];
      for (const write of writes) expect((await refused(store, [write])).reason, write.kind).to.equal("stale");
      expect(await store.events.lastId()).to.equal(before);
      expect(await store.tasks.isCurrent(old)).to.equal(false);
    });

    it("hands over in one list: end, XCom, next start", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      await commit(store, handOver(runKey, 0, '{"rows":[1,2]}'));
      expect(await store.tasks.countByState(runKey)).to.deep.equal({ none: 1, success: 1, running: 1 });
      expect(await store.tasks.xcomJson(runKey, 0, "return_value")).to.equal('{"rows":[1,2]}');
      const [xcom] = await store.tasks.xcoms(runKey);
      expect(xcom).to.include({ taskId: "t0", mapIndex: -1, key: "return_value", size: 14 });
      expect(xcom?.value).to.deep.equal({ rows: [1, 2] });
      expect((await store.tasks.runningAttempts("w1")).map((attempt) => attempt.tiNo)).to.deep.equal([1]);
      expect(await store.tasks.runningAttempts("w9")).to.deep.equal([]);
      const late: Change = { kind: "xcom.set", runKey, tiNo: 0, key: "late", json: "1", attempt: attemptOf(runKey, 0) };
      expect((await refused(store, [late])).reason).to.equal("stale");
    });

    it("shows a new execution no XCom of an older one", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      await commit(store, [
        { kind: "xcom.set", runKey, tiNo: 0, key: "a", json: '"é"', attempt: attemptOf(runKey, 0) },
        { kind: "xcom.set", runKey, tiNo: 0, key: "a", json: '"éé"', attempt: attemptOf(runKey, 0) },
        { kind: "attempt.finish", attempt: attemptOf(runKey, 0), state: "failed", error: { name: "E", message: "no" } },
        {
          kind: "task.transitions",
          runKey,
          transitions: [
            to("up_for_retry", 0, "running", 1),
            to("scheduled", 0, "up_for_retry", 1),
            to("queued", 0, "scheduled", 1, { newEpoch: 2, tryNumber: 2 }),
          ],
        },
      ]);
      expect(await store.tasks.xcoms(runKey, 0)).to.have.length(1);
      expect((await store.tasks.xcoms(runKey, 0))[0]?.size).to.equal(6);
      await commit(store, [{ kind: "attempt.start", attempt: attemptOf(runKey, 0, 2, 2), workerId: "w" }]);
      expect(await store.tasks.xcoms(runKey, 0)).to.deep.equal([]);
      expect(
        (await store.tasks.attempts(runKey, 0)).map((attempt) => [attempt.tryNumber, attempt.state]),
      ).to.deep.equal([
        [1, "failed"],
        [2, "running"],
      ]);
      await commit(store, [
        { kind: "xcom.set", runKey, tiNo: 0, key: "op", json: "null", attempt: null },
        { kind: "xcom.delete", runKey, tiNo: 0, key: "op" },
        { kind: "xcom.delete", runKey, tiNo: 0 },
      ]);
      expect(
        (await refused(store, [{ kind: "xcom.set", runKey, tiNo: 50, key: "x", json: "1", attempt: null }])).reason,
      ).to.equal("missing");
      expect((await refused(store, [{ kind: "xcom.delete", runKey, tiNo: 0, key: "op" }])).reason).to.equal("missing");
    });

    it("records the process of an attempt without an event", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      const before = await store.events.lastId();
      await commit(store, [{ kind: "attempt.process", attempt: attemptOf(runKey, 0), pid: 4711 }]);
      expect((await store.tasks.attempt(runKey, 0, 1))?.pid).to.equal(4711);
      expect(await store.events.lastId()).to.equal(before);
    });

    it("appends task instances behind the present ones", async () => {
      const store = opened();
      const runKey = await startRun(store, "d", 2);
      const more = newTasks(4)
        .slice(2)
        .map((task) => ({ ...task, taskId: "mapped", mapIndex: task.tiNo - 2 }));
      await commit(store, [{ kind: "task.append", runKey, tasks: more }]);
      expect((await store.tasks.ofRun(runKey)).map((task) => [task.taskId, task.mapIndex])).to.deep.equal([
        ["t0", -1],
        ["t1", -1],
        ["mapped", 0],
        ["mapped", 1],
      ]);
      expect(await store.tasks.countByState(runKey)).to.deep.equal({ none: 4 });
      expect((await refused(store, [{ kind: "task.append", runKey, tasks: more }])).reason).to.equal("stale");
      expect(await store.tasks.find("d", "run", "mapped", 1)).to.include({ tiNo: 3, dagId: "d", runId: "run" });
      expect(await store.tasks.find("d", "run", "mapped")).to.equal(undefined);
    });

    it("fits task instances to another version, and tells which wait in another line now", async () => {
      const store = opened();
      const runKey = await startRun(store, "d", 3);
      const [first, second] = newTasks(2, { operator: "bash", priorityWeight: 7 });
      const before = await store.events.lastId();
      const moved = { ...second!, pool: "db", poolSlots: 2, queue: "big", executor: "local" };
      await commit(store, [{ kind: "task.refit", runKey, tasks: [first!, moved] }]);
      const [t0, t1, t2] = await store.tasks.ofRun(runKey);
      expect(t0).to.include({ operator: "bash", priorityWeight: 7, pool: "default_pool", epoch: 0 });
      expect(t1).to.include({ pool: "db", poolSlots: 2, queue: "big", executor: "local", state: "none" });
      expect(t2).to.include({ operator: "ts", priorityWeight: 1 });
      const events = await store.events.after(before, 10);
      expect(events.map(({ kind, tiNo }) => [kind, tiNo])).to.deep.equal([["task.refitted", 1]]);
      const missing = await refused(store, [{ kind: "task.refit", runKey, tasks: [{ ...first!, tiNo: 9 }] }]);
      expect(missing).to.include({ reason: "missing" });
    });

    it("keeps notes", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, [{ kind: "task.note", runKey, tiNo: 1, note: "look here" }]);
      expect((await store.tasks.get(runKey, 1))?.note).to.equal("look here");
      expect((await refused(store, [{ kind: "task.note", runKey, tiNo: 77, note: "x" }])).reason).to.equal("missing");
    });

    it("lists by every filter, counted and in pages, and reads grids at once", async () => {
      const store = opened();
      const versionId = await putDag(store, "d");
      const keys: number[] = [];
      for (const runId of ["a", "b", "c"]) {
        const [{ runKey } = {}] = await commit(store, [
          {
            kind: "run.create",
            run: newRun("d", runId, versionId),
            tasks: newTasks(4, runId === "b" ? { pool: "db", queue: "q" } : {}),
          },
        ]);
        keys.push(runKey!);
        await commit(store, [
          ...launch(runKey!, 0),
          { kind: "task.transitions", runKey: runKey!, transitions: [to("failed", 1, "none")] },
        ]);
      }
      const list = async (filter: Parameters<typeof store.tasks.list>[0]) => {
        const { rows, total } = await store.tasks.list({ limit: 100, ...filter });
        expect(total).to.equal(rows.length);
        return rows.map((row) => `${row.runId}${row.tiNo}`);
      };
      expect(await list({ runId: "b" })).to.deep.equal(["b0", "b1", "b2", "b3"]);
      expect(await list({ states: ["failed"], orderBy: "id" })).to.deep.equal(["a1", "b1", "c1"]);
      expect(await list({ states: ["running", "failed"], runKey: keys[2] as number })).to.deep.equal(["c0", "c1"]);
      expect(await list({ states: ["running"], isDescending: true })).to.deep.equal(["c0", "b0", "a0"]);
      expect(await list({ pool: "db", queue: "q", taskId: "t3" })).to.deep.equal(["b3"]);
      expect(await list({ dagId: "d", states: [] })).to.deep.equal([]);
      expect((await store.tasks.list({ limit: 2, offset: 3 })).total).to.equal(12);
      const grid = await store.tasks.grid([keys[0]!, keys[2]!, 999]);
      expect(grid.get(keys[0]!)?.map((task) => task.state)).to.deep.equal(["running", "failed", "none", "none"]);
      expect(grid.get(999)).to.deep.equal([]);
      expect(await store.admin.poolUse()).to.deep.equal(
        new Map([
          ["db", { running: 1, queued: 0, scheduled: 0, deferred: 0 }],
          ["default_pool", { running: 2, queued: 0, scheduled: 0, deferred: 0 }],
        ]),
      );
    });
  });
}
