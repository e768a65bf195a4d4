import { expect } from "chai";
import { describe, it } from "mocha";
import { cancelBackfill, createBackfill, setBackfillPaused } from "../../store/commands/backfill.ts";
import { setPaused } from "../../store/commands/pause.ts";
import { cron, dagOf } from "./definitions.ts";
import { type Harness, harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";
import { verifyHarness } from "./verify.ts";

const now = "2026-01-01T12:00:00Z";
const day = (nth: number) => Date.UTC(2025, 0, nth);

async function runDays(h: Harness, dagId: string): Promise<number[]> {
  const { rows } = await h.store.runs.list({ dagId, limit: 1_000, orderBy: "id", isDescending: false });
  return rows.map(({ logicalDate }) => new Date(logicalDate!).getUTCDate());
}

describe("backfills", () => {
  const boot = harnesses();
  const daily = { timetable: cron("0 0 * * *"), maxActiveRuns: 1 };

  it("runs the dates of a range in order, as many at once as asked for, and ends with the last", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: [] }, daily));
    h.executor.script = () => "hold";
    const { id } = await createBackfill(h.command, {
      dagId: "etl",
      fromDate: day(1),
      toDate: day(6),
      maxActiveRuns: 2,
    });
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1, 2]);
    expect(h.executor.running).to.have.lengthOf(2);
    h.executor.finish("a", success, undefined, "backfill__2025-01-01T00:00:00+00:00");
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1, 2, 3]);
    h.executor.script = () => success;
    h.executor.finishAll(failure);
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1, 2, 3, 4, 5, 6]);
    const backfill = await h.store.admin.backfill(id);
    expect(backfill?.completedAt).to.equal(h.clock.now());
    expect(
      (await h.store.admin.backfillDates(id)).every(({ state, runKey }) => state === "created" && runKey),
    ).to.equal(true);
    await verifyHarness(h);
  });

  it("gives each run the instant at which it would have been due", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: [] }, daily));
    h.executor.script = () => success;
    await createBackfill(h.command, { dagId: "etl", fromDate: day(1), toDate: day(2) });
    await h.idle();
    const { rows } = await h.store.runs.list({ dagId: "etl", limit: 10, orderBy: "id", isDescending: false });
    expect(rows.map(({ runAfter }) => runAfter)).to.deep.equal([day(1), day(2)]);
    await verifyHarness(h);
  });

  it("does the newest first when asked to, and gives way to live runs", async () => {
    const h = await boot({ now, slots: 1 });
    await h.put(dagOf("etl", { a: [] }, daily), dagOf("live", { x: [] }));
    h.executor.script = () => "hold";
    await createBackfill(h.command, { dagId: "etl", fromDate: day(1), toDate: day(3), isReverse: true });
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([3, 2, 1]);
    await h.trigger("live");
    h.executor.script = () => success;
    h.executor.finish("a");
    await h.idle();
    expect(h.started.slice(0, 2)).to.deep.equal(["a", "x"]);
  });

  it("clears and uses again the runs that failed, and leaves the others alone", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: [] }, daily));
    h.executor.script = ({ context }) => (context.logicalDate?.startsWith("2025-01-02") ? failure : success);
    await createBackfill(h.command, { dagId: "etl", fromDate: day(1), toDate: day(3) });
    await h.idle();
    h.executor.script = () => success;
    const { id } = await createBackfill(h.command, {
      dagId: "etl",
      fromDate: day(1),
      toDate: day(3),
      reprocess: "failed",
    });
    await h.idle();
    expect(await h.runStates("etl")).to.deep.equal({
      "backfill__2025-01-01T00:00:00+00:00": "success",
      "backfill__2025-01-02T00:00:00+00:00": "success",
      "backfill__2025-01-03T00:00:00+00:00": "success",
    });
    expect(h.started).to.have.lengthOf(4);
    expect((await h.store.admin.backfill(id))?.completedAt).to.not.equal(null);
    await verifyHarness(h);
  });

  it("stops making runs while it or its DAG is paused, and for good when it is cancelled", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: [] }, daily));
    h.executor.script = () => "hold";
    const { id } = await createBackfill(h.command, {
      dagId: "etl",
      fromDate: day(1),
      toDate: day(9),
      maxActiveRuns: 1,
    });
    await h.idle();
    await setBackfillPaused(h.command, id, true);
    h.executor.finishAll();
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1]);
    await setPaused(h.command, "etl", true);
    await setBackfillPaused(h.command, id, false);
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1]);
    await setPaused(h.command, "etl", false);
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1, 2]);
    await cancelBackfill(h.command, id);
    h.executor.finishAll();
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1, 2]);
    expect((await h.store.admin.backfill(id))?.cancelledAt).to.not.equal(null);
  });

  it("goes on after everything has died", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: [] }, daily));
    h.executor.script = () => "hold";
    const { id } = await createBackfill(h.command, {
      dagId: "etl",
      fromDate: day(1),
      toDate: day(5),
      maxActiveRuns: 2,
    });
    await h.idle();
    await h.crash();
    await h.boot();
    await h.idle();
    expect(await runDays(h, "etl")).to.deep.equal([1, 2, 3, 4, 5]);
    expect((await h.store.admin.backfill(id))?.completedAt).to.not.equal(null);
    await verifyHarness(h);
  });
});
