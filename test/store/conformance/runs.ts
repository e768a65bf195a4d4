import { expect } from "chai";
import { describe, it } from "mocha";
import type { Change } from "../../../store/changes.ts";
import type { OpenedStore } from "../conformance.ts";
import { commit, handOver, launch, newRun, newTasks, putDag, refused, startRun, to } from "../fixtures.ts";

const DAY = 86_400_000;
const START = 1_700_000_000_000;

/** Runs: created once, moved under guards, found by all that lists ask for. */
export function runConformance(opened: OpenedStore): void {
  describe("runs", () => {
    it("creates a run with its task instances, and finds it again as it was", async () => {
      const store = opened();
      const versionId = await putDag(store, "d");
      const run = newRun("d", "manual__1; rm -rf ../ `x` ' \" 💥", versionId, {
        logicalDate: START,
        dataIntervalStart: START - DAY,
        dataIntervalEnd: START,
        conf: { __proto__x: 1, nested: { list: [1, "two", null] } },
        params: { n: 5 },
        triggeringUser: "admin",
        note: "why",
      });
      const tasks = newTasks(2, {
        pool: "db",
        poolSlots: 2,
        queue: "q",
        executor: "local",
        priorityWeight: 7,
        maxTries: 3,
      });
      const [{ runKey } = {}] = await commit(store, [{ kind: "run.create", run, tasks }]);
      const found = await store.runs.find("d", run.runId);
      expect(found).to.include({
        ...run,
        conf: found?.conf,
        params: found?.params,
        runKey,
        startDate: null,
        endDate: null,
      });
      expect(found?.conf).to.deep.equal(run.conf);
      expect(found?.params).to.deep.equal({ n: 5 });
      expect(found?.queuedAt).to.be.greaterThan(0);
      expect(await store.runs.findByLogicalDate("d", START)).to.deep.equal(found);
      expect(await store.runs.get(runKey!)).to.deep.equal(found);
      const rows = await store.tasks.ofRun(runKey!);
      expect(rows).to.have.length(2);
      expect(rows[1]).to.include({
        ...tasks[1],
        runKey,
        state: "none",
        tryNumber: 0,
        epoch: 0,
        lostCount: 0,
        branch: null,
      });
    });

    it("creates each run id and each logical date once per DAG", async () => {
      const store = opened();
      const versionId = await putDag(store, "d");
      const other = await putDag(store, "other");
      const create = (dagId: string, runId: string, logicalDate: number | null): Change => ({
        kind: "run.create",
        run: newRun(dagId, runId, dagId === "d" ? versionId : other, { logicalDate }),
        tasks: [],
      });
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          store.commit([create("d", index < 25 ? "same" : `r${index}`, START)], "x"),
        ),
      );
      expect(results.filter((result) => result.ok)).to.have.length(1);
      expect(results[1]).to.include({ ok: false, reason: "duplicate" });
      expect((await refused(store, [create("d", "new", START)])).message)
        .to.contain("2023-11-14")
        .and.to.contain('"same"');
      await commit(store, [create("other", "same", START), create("d", "a", null), create("d", "b", null)]);
      expect((await store.runs.list({ dagId: "d" })).total).to.equal(3);
    });

    it("refuses a run of an unknown version", async () => {
      const store = opened();
      await putDag(store, "d");
      const refusal = await refused(store, [{ kind: "run.create", run: newRun("d", "r", 99), tasks: [] }]);
      expect(refusal.reason).to.equal("missing");
    });

    it("dates the states of a run and refuses the wrong present state", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, [{ kind: "run.state", runKey, from: ["queued"], to: "running" }]);
      const running = await store.runs.get(runKey);
      expect(running?.startDate).to.be.a("number");
      expect(running?.endDate).to.equal(null);
      const refusal = await refused(store, [{ kind: "run.state", runKey, from: ["queued", "failed"], to: "running" }]);
      expect(refusal).to.include({ reason: "stale" });
      expect(refusal.message).to.contain("is running, not queued or failed");
      await commit(store, [{ kind: "run.state", runKey, from: ["running"], to: "failed", reason: "t0 failed" }]);
      expect((await store.runs.get(runKey))?.endDate).to.be.a("number");
      const version2 = await putDag(store, "d", { description: "newer" }, "v2");
      await commit(store, [
        {
          kind: "run.state",
          runKey,
          from: ["failed"],
          to: "queued",
          bumpRevision: true,
          countClear: true,
          versionId: version2,
        },
      ]);
      expect(await store.runs.get(runKey)).to.include({
        state: "queued",
        startDate: null,
        endDate: null,
        clearNumber: 1,
        revision: 1,
        versionId: version2,
      });
      const states = (await store.events.ofRun(runKey)).filter((event) => event.kind.startsWith("run."));
      expect(states.map((event) => [event.fromState, event.toState])).to.deep.equal([
        [null, "queued"],
        ["queued", "running"],
        ["running", "failed"],
        ["failed", "queued"],
      ]);
      expect(states[2]?.detail).to.deep.equal({ reason: "t0 failed" });
      expect(
        (await refused(store, [{ kind: "run.state", runKey: 999, from: ["queued"], to: "running" }])).reason,
      ).to.equal("missing");
    });

    it("lends a run to one owner at a time", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const claim = (ownerId: string, leaseMs = 60_000): Change => ({ kind: "run.claim", runKey, ownerId, leaseMs });
      const [first] = await commit(store, [claim("a")]);
      expect(first).to.deep.equal({ ownerEpoch: 1 });
      expect((await refused(store, [claim("b")])).message).to.contain("belongs to a");
      expect(await commit(store, [claim("a", -1)])).to.deep.equal([{ ownerEpoch: 1 }]);
      const [second] = await commit(store, [claim("b")]);
      expect(second).to.deep.equal({ ownerEpoch: 2 });
      const move = (ownerId: string, ownerEpoch: number): Change => ({
        kind: "task.transitions",
        runKey,
        transitions: [to("scheduled", 0, "none")],
        fence: { ownerId, ownerEpoch },
      });
      expect((await refused(store, [move("a", 1)])).reason).to.equal("stale");
      await commit(store, [move("b", 2)]);
      expect(await store.runs.get(runKey)).to.include({ ownerId: "b", ownerEpoch: 2 });
    });

    it("lists by every filter, ordered, counted, in pages", async () => {
      const store = opened();
      const versionId = await putDag(store, "d");
      const version2 = await putDag(store, "d", { description: "x" }, "v2");
      const other = await putDag(store, "e");
      const runs = Array.from({ length: 30 }, (_, n) =>
        newRun(n < 20 ? "d" : "e", `run_${n}`, n >= 20 ? other : n < 10 ? versionId : version2, {
          runAfter: START + n * 1000,
          logicalDate: START + n * DAY,
          runType: n % 2 === 0 ? "scheduled" : "manual",
          state: n % 5 === 0 ? "failed" : "queued",
          backfillId: n === 3 ? 77 : null,
        }),
      );
      await commit(
        store,
        runs.map((run): Change => ({ kind: "run.create", run, tasks: newTasks(1) })),
      );
      const ids = async (filter: Parameters<typeof store.runs.list>[0]) => {
        const { rows, total } = await store.runs.list({ limit: 100, ...filter });
        expect(total).to.equal(rows.length);
        return rows.map((row) => Number(row.runId.slice(4)));
      };
      expect(await ids({ dagId: "e" })).to.deep.equal([29, 28, 27, 26, 25, 24, 23, 22, 21, 20]);
      expect(await ids({ states: ["failed"], orderBy: "id" })).to.deep.equal([0, 5, 10, 15, 20, 25]);
      expect(await ids({ runTypes: ["manual"], dagId: "e", orderBy: "logical_date" })).to.deep.equal([
        21, 23, 25, 27, 29,
      ]);
      expect(await ids({ runIdPattern: "N_1", dagId: "d", versionNumber: 1, orderBy: "id" })).to.deep.equal([1]);
      expect(
        await ids({ versionNumber: 2, orderBy: "id", logicalDate: { gte: START + 12 * DAY, lt: START + 14 * DAY } }),
      ).to.deep.equal([12, 13]);
      expect(
        await ids({ runAfter: { gt: START + 27_000, lte: START + 29_000 }, orderBy: "run_id", isDescending: true }),
      ).to.deep.equal([29, 28]);
      expect(await ids({ backfillId: 77 })).to.deep.equal([3]);
      expect(await ids({ dagId: "' or 1=1 --" })).to.deep.equal([]);
      const page = await store.runs.list({ limit: 4, offset: 2, orderBy: "id" });
      expect(page.total).to.equal(30);
      expect(page.rows.map((row) => row.runId)).to.deep.equal(["run_2", "run_3", "run_4", "run_5"]);
      expect(page.rows[0]).to.deep.include({ versionNumber: 1, counts: { none: 1 } });
      expect(await store.runs.countByState("d")).to.deep.equal({ failed: 4, queued: 16 });
      expect(await store.runs.countByState()).to.deep.equal({ failed: 6, queued: 24 });
      expect((await store.runs.previous("d", START + 5 * DAY))?.runId).to.equal("run_4");
      expect(await store.runs.previous("d", START)).to.equal(undefined);
      expect((await store.runs.inRange("d", START + DAY, START + 3 * DAY)).map((run) => run.runId)).to.deep.equal([
        "run_1",
        "run_2",
        "run_3",
      ]);
      expect((await store.runs.unfinished()).map((run) => run.runId).slice(0, 2)).to.deep.equal(["run_1", "run_2"]);
    });

    it("refuses pages that are none", async () => {
      for (const page of [{ limit: -1 }, { limit: Number.NaN }, { offset: -5 }, { limit: 1.5 }]) {
        const error = await opened()
          .runs.list(page)
          .then(
            () => undefined,
            (reason: unknown) => reason,
          );
        expect(error).to.have.property("code", "invalid_input");
      }
      expect((await opened().runs.list({ limit: 1e9 })).rows).to.deep.equal([]);
    });

    it("tells which runs have been commanded since", async () => {
      const store = opened();
      const a = await startRun(store, "a");
      const b = await startRun(store, "b");
      const known = [
        { runKey: a, revision: 0 },
        { runKey: b, revision: 0 },
      ];
      expect(await store.runs.changedSince(known)).to.deep.equal([]);
      expect(await store.runs.changedSince([])).to.deep.equal([]);
      await commit(store, [{ kind: "run.state", runKey: b, from: ["queued"], to: "running", bumpRevision: true }]);
      expect((await store.runs.changedSince(known)).map((run) => run.runKey)).to.deep.equal([b]);
    });

    it("deletes a run with all its rows and never gives its key again", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0));
      await commit(store, handOver(runKey, 0));
      await commit(store, [{ kind: "run.delete", runKey }], "cli");
      expect(await store.runs.get(runKey)).to.equal(undefined);
      expect(await store.tasks.ofRun(runKey)).to.deep.equal([]);
      expect(await store.tasks.attemptsOfRun(runKey)).to.deep.equal([]);
      expect(await store.tasks.xcomJson(runKey, 0, "return_value")).to.equal(undefined);
      expect(await store.events.ofRun(runKey)).to.deep.equal([]);
      const last = await store.events.get(await store.events.lastId());
      expect(last).to.include({ kind: "run.deleted", dagId: "d", actor: "cli" });
      expect(last?.detail).to.deep.equal({ runKey, runId: "run" });
      expect(await startRun(store, "d")).to.be.greaterThan(runKey);
      expect((await refused(store, [{ kind: "run.delete", runKey }])).reason).to.equal("missing");
    });

    it("leaves nothing behind when a run is deleted in the turn of its last changes", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const [moved, deleted] = await Promise.all([
        store.commit(launch(runKey, 0), "scheduler"),
        store.commit([{ kind: "run.delete", runKey }], "cli"),
      ]);
      expect([moved.ok, deleted.ok]).to.deep.equal([true, true]);
      expect(await store.events.ofRun(runKey)).to.deep.equal([]);
      expect(await store.tasks.countByState(runKey)).to.deep.equal({});
      expect(deleted).to.have.property("lastEventId", await store.events.lastId());
    });

    it("creates a run of 10,000 task instances and keeps note and counters", async () => {
      const store = opened();
      const runKey = await startRun(store, "big", 10_000);
      await commit(store, [{ kind: "run.note", runKey, note: "<b>big</b>" }]);
      expect(await store.tasks.ofRun(runKey)).to.have.length(10_000);
      expect(await store.runs.summary("big", "run")).to.deep.include({ note: "<b>big</b>", counts: { none: 10_000 } });
    });
  });
}
