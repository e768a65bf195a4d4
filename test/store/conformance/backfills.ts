import { expect } from "chai";
import { describe, it } from "mocha";
import type { Change } from "../../../store/changes.ts";
import type { OpenedStore } from "../conformance.ts";
import { commit, newRun, putDag, refused } from "../fixtures.ts";

const create = (dagId: string, dates = 3): Change => ({
  kind: "backfill.create",
  dagId,
  fromDate: 1000,
  toDate: 1000 * dates,
  conf: { a: 1 },
  reprocess: "failed",
  maxActiveRuns: 2,
  isReverse: true,
  runOnLatestVersion: false,
  dates: Array.from({ length: dates }, (_, index) => ({
    sortOrder: index,
    logicalDate: 1000 * (index + 1),
    runKey: null,
    state: index === 2 ? "skipped" : "pending",
    reason: index === 2 ? "has a run" : null,
  })),
});

/** Backfills: one at a time per DAG, each date settled once. */
export function backfillConformance(opened: OpenedStore): void {
  describe("backfills", () => {
    it("keeps one active backfill per DAG", async () => {
      const store = opened();
      await putDag(store, "d");
      await putDag(store, "e");
      const [{ backfillId } = {}] = await commit(store, [create("d")], "user:eva");
      expect((await refused(store, [create("d")])).reason).to.equal("duplicate");
      expect((await refused(store, [create("nope")])).reason).to.equal("missing");
      await commit(store, [create("e")]);
      const row = await store.admin.backfill(backfillId!);
      expect(row).to.deep.include({
        dagId: "d",
        conf: { a: 1 },
        reprocess: "failed",
        isReverse: true,
        isPaused: false,
        createdBy: "user:eva",
        completedAt: null,
      });
      await commit(store, [{ kind: "backfill.cancel", backfillId: backfillId! }]);
      expect((await refused(store, [{ kind: "backfill.complete", backfillId: backfillId! }])).message).to.contain(
        "already cancelled",
      );
      expect((await store.admin.backfillDates(backfillId!)).map((date) => date.state)).to.deep.equal([
        "skipped",
        "skipped",
        "skipped",
      ]);
      await commit(store, [create("d")]);
      expect((await store.admin.backfills({ dagId: "d" })).total).to.equal(2);
      expect((await store.admin.backfills({ isActive: true })).rows.map((backfill) => backfill.dagId)).to.deep.equal([
        "d",
        "e",
      ]);
      expect((await store.admin.backfills({ isActive: false })).rows.map((backfill) => backfill.id)).to.deep.equal([
        backfillId,
      ]);
    });

    it("settles each date once, with the run created beside it", async () => {
      const store = opened();
      const versionId = await putDag(store, "d");
      const [{ backfillId } = {}] = await commit(store, [create("d")]);
      const date = (sortOrder: number, more: object = {}): Change => ({
        kind: "backfill.date",
        backfillId: backfillId!,
        sortOrder,
        state: "created",
        ...more,
      });
      const [{ runKey } = {}] = await commit(store, [
        { kind: "run.create", run: newRun("d", "b1", versionId, { backfillId: backfillId! }), tasks: [] },
        date(0),
      ]);
      await commit(store, [date(1, { state: "skipped", reason: "has a run" })]);
      expect((await refused(store, [date(1)])).reason).to.equal("stale");
      expect((await refused(store, [date(9)])).reason).to.equal("missing");
      expect(
        (await store.admin.backfillDates(backfillId!)).map((row) => [row.state, row.runKey, row.reason]),
      ).to.deep.equal([
        ["created", runKey, null],
        ["skipped", null, "has a run"],
        ["skipped", null, "has a run"],
      ]);
      await commit(store, [
        { kind: "backfill.pause", backfillId: backfillId!, isPaused: true },
        { kind: "backfill.pause", backfillId: backfillId!, isPaused: false },
        { kind: "backfill.complete", backfillId: backfillId! },
      ]);
      const row = await store.admin.backfill(backfillId!);
      expect(row?.isPaused).to.equal(false);
      expect(row?.completedAt).to.be.a("number");
      await commit(store, [{ kind: "run.delete", runKey: runKey! }]);
      expect((await store.admin.backfillDates(backfillId!))[0]).to.include({ state: "created", runKey: null });
    });
  });
}
