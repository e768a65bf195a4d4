import { expect } from "chai";
import { describe, it } from "mocha";
import type { OpenedStore } from "../conformance.ts";
import { commit, handOver, launch, putDag, startRun } from "../fixtures.ts";

/** The history: one row per change, in order, with names resolved. */
export function eventConformance(opened: OpenedStore): void {
  describe("events", () => {
    it("writes one row per change of state, in order, with actor and names", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await commit(store, launch(runKey, 0), "scheduler");
      await commit(store, handOver(runKey, 0), "scheduler");
      const events = await store.events.ofRun(runKey);
      expect(
        events.map((event) => `${event.kind} ${event.taskId ?? ""} ${event.fromState}>${event.toState}`),
      ).to.deep.equal([
        "run.created  null>queued",
        "task.state t0 none>scheduled",
        "task.state t0 scheduled>queued",
        "attempt.started t0 queued>running",
        "attempt.finished t0 running>success",
        "task.state t0 running>success",
        "xcom.set t0 null>null",
        "task.state t1 none>scheduled",
        "task.state t1 scheduled>queued",
        "attempt.started t1 queued>running",
      ]);
      expect(events[0]?.detail).to.include({ runId: "run", runType: "manual", tasks: 3, versionId: 1 });
      expect(events[6]?.detail).to.deep.equal({ key: "return_value", size: 1 });
      expect(events[3]).to.include({
        actor: "scheduler",
        dagId: "d",
        runId: "run",
        runKey,
        tiNo: 0,
        mapIndex: -1,
        tryNumber: 1,
        epoch: 1,
      });
      const times = events.map((event) => event.at);
      expect(times).to.deep.equal([...times].sort((a, b) => a - b));
    });

    it("goes on after the last one seen", async () => {
      const store = opened();
      await putDag(store, "a");
      const seen = await store.events.lastId();
      await putDag(store, "b");
      await putDag(store, "c");
      expect((await store.events.after(seen, 10)).map((event) => event.dagId)).to.deep.equal(["b", "c"]);
      expect((await store.events.after(seen, 1)).map((event) => event.dagId)).to.deep.equal(["b"]);
      expect(await store.events.after(await store.events.lastId(), 10)).to.deep.equal([]);
    });

    it("lists by every filter", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await startRun(store, "e");
      await commit(store, launch(runKey, 1), "user:eva");
      await commit(store, [{ kind: "event", name: "login", detail: { ip: "::1" } }], "user:eva");
      const kinds = async (filter: Parameters<typeof store.events.list>[0]) =>
        (await store.events.list(filter)).rows.map((event) => event.kind);
      expect(await kinds({ dagId: "e" })).to.deep.equal(["dag.created", "run.created"]);
      expect(await kinds({ actorPattern: "EVA", limit: 1, isDescending: true })).to.deep.equal(["login"]);
      expect(await kinds({ runKey, taskId: "t1", kinds: ["attempt.started"] })).to.deep.equal(["attempt.started"]);
      expect(await kinds({ dagId: "d", runId: "run", taskId: "t0" })).to.deep.equal([]);
      expect(await kinds({ runId: "run", dagId: "e" })).to.deep.equal(["run.created"]);
      expect(await kinds({ at: { lt: 0 } })).to.deep.equal([]);
      expect((await store.events.list({ limit: 0 })).total).to.equal(8);
      const login = await store.events.get(await store.events.lastId());
      expect(login).to.include({ kind: "login", dagId: null, runKey: null, actor: "user:eva" });
      expect(login?.detail).to.deep.equal({ ip: "::1" });
    });
  });
}
