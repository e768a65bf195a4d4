import { expect } from "chai";
import { describe, it } from "mocha";
import type { Change } from "../../../store/changes.ts";
import type { OpenedStore } from "../conformance.ts";
import { commit, dagPut, newRun, newTasks, putDag, refused, startRun } from "../fixtures.ts";

const bundle: Change = {
  kind: "bundle.put",
  hash: "h1",
  file: "d.ts",
  code: "export {}",
  sourceMap: "{}",
  sources: [{ path: "d.ts", text: "// é" }],
};

/** DAGs: versions by content, schedules moved once, lists that show what is needed. */
export function dagConformance(opened: OpenedStore): void {
  describe("DAGs", () => {
    it("makes a version per content and none for the same content again", async () => {
      const store = opened();
      const [first] = await commit(store, [dagPut("d", { description: "one", tags: ["etl", "b"] })]);
      expect(first?.isNew).to.equal(true);
      const before = await store.events.lastId();
      expect(await commit(store, [dagPut("d", { description: "one" })])).to.deep.equal([
        { versionId: first?.versionId, isNew: false },
      ]);
      expect(await store.events.lastId()).to.equal(before);
      const [second] = await commit(store, [dagPut("d", { description: "two", maxActiveRuns: 3 }, "v2")]);
      const [third] = await commit(store, [dagPut("d", { description: "one" }, "v1")]);
      expect(new Set([first?.versionId, second?.versionId, third?.versionId]).size).to.equal(3);
      expect((await store.dags.versions("d")).map((version) => version.versionNumber)).to.deep.equal([3, 2, 1]);
      expect((await store.dags.versionOf("d"))?.id).to.equal(third?.versionId);
      expect((await store.dags.versionOf("d", 2))?.definition).to.include({ description: "two", maxActiveRuns: 3 });
      expect(await store.dags.version(999)).to.equal(undefined);
      expect(await store.dags.get("d")).to.include({
        currentVersionId: third?.versionId,
        file: "d.ts",
        isActive: true,
        isPaused: false,
      });
    });

    it("pauses a new DAG as it or the installation says", async () => {
      const store = opened();
      await commit(store, [
        { ...(dagPut("a") as Extract<Change, { kind: "dag.put" }>), isPausedByDefault: true },
        dagPut("b", { isPausedUponCreation: true }),
        {
          ...(dagPut("c", { isPausedUponCreation: false }) as Extract<Change, { kind: "dag.put" }>),
          isPausedByDefault: true,
        },
      ]);
      expect((await store.dags.all()).map((dag) => dag.isPaused)).to.deep.equal([true, true, false]);
      await commit(store, [{ kind: "dag.pause", dagId: "a", isPaused: false }], "user:eva");
      await commit(store, [{ kind: "dag.pause", dagId: "c", isPaused: true, reason: "holiday" }], "user:eva");
      const before = await store.events.lastId();
      await commit(store, [{ kind: "dag.pause", dagId: "c", isPaused: true }], "user:ada");
      expect(await store.events.lastId()).to.equal(before);
      expect(await store.dags.get("c")).to.include({ isPaused: true, pausedBy: "user:eva" });
      expect((await store.events.get(before))?.detail).to.deep.equal({ reason: "holiday" });
      expect((await refused(store, [{ kind: "dag.pause", dagId: "nope", isPaused: true }])).reason).to.equal("missing");
    });

    it("stores a bundle once and gives it back byte for byte", async () => {
      const store = opened();
      expect(await commit(store, [bundle, bundle])).to.deep.equal([{ isNew: true }, { isNew: false }]);
      expect(await store.dags.hasBundle("h1")).to.equal(true);
      expect(await store.dags.hasBundle("h2")).to.equal(false);
      expect(await store.dags.bundle("h1")).to.deep.include({
        code: "export {}",
        sources: [{ path: "d.ts", text: "// é" }],
      });
    });

    it("moves a schedule on once per logical date", async () => {
      const store = opened();
      await putDag(store, "d");
      const move = (expected: number | null, last: number): Change => ({
        kind: "dag.schedule",
        dagId: "d",
        expectedLastLogicalDate: expected,
        lastLogicalDate: last,
        nextRunAt: last + 10,
        nextLogicalDate: last + 5,
      });
      const results = await Promise.all([1, 2, 3].map(() => store.commit([move(null, 100)], "s")));
      expect(results.map((result) => result.ok)).to.deep.equal([true, false, false]);
      await commit(store, [move(100, 200)]);
      expect((await refused(store, [move(100, 300)])).reason).to.equal("stale");
      expect(await store.dags.get("d")).to.include({ lastLogicalDate: 200, nextRunAt: 210, nextLogicalDate: 205 });
      await commit(store, [{ kind: "dag.failures", dagId: "d", consecutiveFailures: 2 }]);
      expect((await store.dags.get("d"))?.consecutiveFailures).to.equal(2);
    });

    it("keeps the history of a DAG whose file is gone, and takes it into service again", async () => {
      const store = opened();
      await startRun(store, "d");
      await commit(store, [{ kind: "dag.deactivate", dagId: "d" }]);
      expect(await store.dags.all()).to.deep.equal([]);
      expect(await store.dags.files()).to.deep.equal([]);
      expect((await store.dags.list({})).total).to.equal(0);
      expect((await store.dags.list({ isActive: false })).total).to.equal(1);
      expect((await store.runs.list({ dagId: "d" })).total).to.equal(1);
      expect(await commit(store, [dagPut("d")])).to.deep.equal([{ versionId: 1, isNew: false }]);
      expect(await store.dags.files()).to.deep.equal([
        { file: "d.ts", dagId: "d", definitionHash: "d-v1", bundleHash: "bundle-v1" },
      ]);
    });

    it("deletes a DAG only when nothing of it runs", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      await putDag(store, "e");
      expect((await refused(store, [{ kind: "dag.delete", dagId: "d" }])).message).to.contain('"run"');
      await commit(store, [{ kind: "run.state", runKey, from: ["queued"], to: "failed" }]);
      await commit(store, [{ kind: "dag.delete", dagId: "d" }]);
      expect(await store.dags.get("d")).to.equal(undefined);
      expect(await store.dags.versions("d")).to.deep.equal([]);
      expect(await store.runs.get(runKey)).to.equal(undefined);
      expect((await store.events.list({ dagId: "d" })).rows.map((event) => event.kind)).to.deep.equal(["dag.deleted"]);
      expect((await store.dags.list({})).total).to.equal(1);
    });

    it("keeps one import error per file", async () => {
      const store = opened();
      const put = (message: string): Change => ({
        kind: "importError.put",
        file: "x.ts",
        message,
        stack: null,
        line: 3,
        column: 7,
      });
      await commit(store, [put("one"), put("two")]);
      const before = await store.events.lastId();
      await commit(store, [put("two")]);
      expect(await store.events.lastId()).to.equal(before);
      const errors = await store.dags.importErrors();
      expect(errors).to.have.length(1);
      expect(errors[0]).to.include({ file: "x.ts", message: "two", line: 3, column: 7 });
      await commit(store, [
        { kind: "importError.clear", file: "x.ts" },
        { kind: "importError.clear", file: "x.ts" },
      ]);
      expect(await store.dags.importErrors()).to.deep.equal([]);
    });

    it("shows the list page: filters, order, newest runs, import errors", async () => {
      const store = opened();
      const versions: Record<string, number> = {};
      for (const [dagId, tags] of [
        ["alpha", ["etl"]],
        ["beta_1", ["etl", "ETL2"]],
        ["gamma", []],
      ] as const)
        versions[dagId] = await putDag(store, dagId, {
          tags,
          displayName: dagId === "gamma" ? "100% Gamma" : undefined,
        });
      const runs: Change[] = Array.from({ length: 20 }, (_, n) => ({
        kind: "run.create",
        run: newRun("alpha", `r${n}`, versions.alpha!, { runAfter: 1000 + n, state: n === 19 ? "failed" : "success" }),
        tasks: newTasks(0),
      }));
      await commit(store, [
        ...runs,
        { kind: "run.create", run: newRun("gamma", "g", versions.gamma!), tasks: [] },
        { kind: "importError.put", file: "gamma.ts", message: "x", stack: null, line: null, column: null },
        { kind: "dag.pause", dagId: "gamma", isPaused: true },
      ]);
      const before = store.statementCount;
      const { rows, total } = await store.dags.summaries({}, 3);
      expect(store.statementCount - before).to.be.at.most(4);
      expect(total).to.equal(3);
      expect(rows.map((dag) => [dag.dagId, dag.recentRuns.map((run) => run.runId), dag.hasImportError])).to.deep.equal([
        ["alpha", ["r19", "r18", "r17"], false],
        ["beta_1", [], false],
        ["gamma", ["g"], true],
      ]);
      const ids = async (filter: Parameters<typeof store.dags.list>[0]) =>
        (await store.dags.list(filter)).rows.map((dag) => dag.dagId);
      expect(await ids({ tags: ["etl"] })).to.deep.equal(["alpha", "beta_1"]);
      expect(await ids({ tags: ["ETL2", "nope"] })).to.deep.equal(["beta_1"]);
      expect(await ids({ search: "_1" })).to.deep.equal(["beta_1"]);
      expect(await ids({ search: "GAM" })).to.deep.equal(["gamma"]);
      expect(await ids({ isPaused: true })).to.deep.equal(["gamma"]);
      expect(await ids({ lastRunState: "failed" })).to.deep.equal(["alpha"]);
      expect(await ids({ hasImportErrors: true })).to.deep.equal(["gamma"]);
      expect(await ids({ isDescending: true, limit: 1 })).to.deep.equal(["gamma"]);
      expect(await store.dags.tags()).to.deep.equal(["ETL2", "etl"]);
      expect((await store.dags.get("alpha"))?.tags).to.deep.equal(["etl"]);
    });
  });
}
