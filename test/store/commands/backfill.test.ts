import { expect } from "chai";
import { describe, it } from "mocha";
import {
  type BackfillInput,
  cancelBackfill,
  createBackfill,
  previewBackfill,
  setBackfillPaused,
} from "../../../store/commands/backfill.ts";
import { cron, dagOf } from "../../scheduler/definitions.ts";
import { type Harness, harnesses } from "../../scheduler/harness.ts";
import { failure, success } from "../../scheduler/scripted-executor.ts";
import { refusal } from "./refusal.ts";

const day = (date: string) => Date.parse(`2025-06-${date}T00:00:00Z`);

describe("the command backfill", () => {
  const boot = harnesses();

  /** Runs of 2 June (success), 3 June (failed) and 4 June (running). */
  async function someRuns(): Promise<Harness> {
    const h = await boot();
    await h.put(dagOf("etl", { a: [] }, { timetable: cron("0 0 * * *") }));
    const fates = { "02": success, "03": failure, "04": "hold" } as const;
    for (const [date, fate] of Object.entries(fates)) {
      h.executor.script = () => fate;
      await h.trigger("etl", { runId: date, logicalDate: day(date) });
    }
    h.executor.script = () => success;
    return h;
  }
  const range = { dagId: "etl", fromDate: day("01"), toDate: day("05") } as const;
  const preview = async (h: Harness, more: Partial<BackfillInput> = {}) =>
    (await previewBackfill(h.command, { ...range, ...more })).map(
      ({ logicalDate, action, reason }) => `${new Date(logicalDate).getUTCDate()} ${action}: ${reason}`,
    );

  it("shows each date of the range, both ends included, with what would happen and why", async () => {
    const h = await someRuns();
    const expected = [
      "1 create: no run yet",
      "2 skip: already succeeded",
      "3 skip: failed (not asked for)",
      "4 skip: is running",
      "5 create: no run yet",
    ];
    expect(await preview(h)).to.deep.equal(expected);
    expect(await preview(h, { isReverse: true })).to.deep.equal(expected.toReversed());
    expect((await preview(h, { reprocess: "failed" })).slice(1, 4)).to.deep.equal([
      "2 skip: already succeeded",
      "3 rerun: failed",
      "4 skip: is running",
    ]);
    expect((await preview(h, { reprocess: "completed" })).slice(1, 4)).to.deep.equal([
      "2 rerun: succeeded",
      "3 rerun: failed",
      "4 skip: is running",
    ]);
  });

  for (const reprocess of ["none", "failed", "completed"] as const)
    it(`does what it showed (${reprocess}), and changes nothing by showing it`, async () => {
      const h = await someRuns();
      const before = await h.store.events.lastId();
      const dates = await previewBackfill(h.command, { ...range, reprocess });
      expect(await h.store.events.lastId()).to.equal(before);
      const startedBefore = h.started.length;
      const backfill = await createBackfill(h.command, { ...range, reprocess });
      await h.idle();
      expect(h.started.length - startedBefore).to.equal(dates.filter(({ action }) => action !== "skip").length);
      for (const { logicalDate, action, run } of dates) {
        const now = await h.store.runs.findByLogicalDate("etl", logicalDate);
        if (action === "create")
          expect(now).to.include({ state: "success", runType: "backfill", backfillId: backfill.id });
        else expect(now).to.include({ runKey: run?.runKey, clearNumber: action === "rerun" ? 1 : 0 });
      }
      expect((await h.store.admin.backfill(backfill.id))?.completedAt).to.be.a("number");
    });

  it("allows one active backfill per DAG, and says which to wait for", async () => {
    const h = await someRuns();
    h.executor.script = () => "hold";
    const first = await createBackfill(h.command, { ...range, maxActiveRuns: 1 });
    await h.idle();
    expect(await refusal(createBackfill(h.command, range))).to.match(/Wait for the active one or cancel it/);
    await cancelBackfill(h.command, first.id);
    await h.idle();
    expect(await refusal(cancelBackfill(h.command, first.id))).to.match(/has ended already/);
    expect(await refusal(setBackfillPaused(h.command, first.id, true))).to.match(/has ended already/);
    // What ran goes on; what had not begun never does.
    expect((await h.store.runs.findByLogicalDate("etl", day("01")))?.state).to.equal("running");
    expect(await h.store.runs.findByLogicalDate("etl", day("05"))).to.equal(undefined);
    await createBackfill(h.command, { ...range, maxActiveRuns: 1 });
  });

  it("pauses and resumes, each once", async () => {
    const h = await someRuns();
    h.executor.script = () => "hold";
    const { id } = await createBackfill(h.command, { ...range, maxActiveRuns: 1 });
    await h.idle();
    for (const isPaused of [true, false]) {
      expect((await setBackfillPaused(h.command, id, isPaused)).isPaused).to.equal(isPaused);
      const before = await h.store.events.lastId();
      await setBackfillPaused(h.command, id, isPaused);
      expect(await h.store.events.lastId()).to.equal(before);
    }
    expect(await refusal(setBackfillPaused(h.command, 99, true))).to.match(/no backfill 99/);
  });

  it("refuses what cannot be filled", async () => {
    const h = await someRuns();
    const refused = (more: Partial<BackfillInput>) => refusal(createBackfill(h.command, { ...range, ...more }));
    expect(await refused({ dagId: "nope" })).to.match(/no DAG "nope"/);
    expect(await refused({ fromDate: Number.NaN })).to.match(/both dates/);
    expect(await refused({ toDate: 9e15 })).to.match(/both dates/);
    expect(await refused({ toDate: day("01") - 1 })).to.match(/ends before it starts/);
    for (const maxActiveRuns of [0, -1, 1.5, 1_001])
      expect(await refused({ maxActiveRuns })).to.match(/max_active_runs/);
    expect(await refused({ fromDate: day("02"), toDate: day("03") })).to.match(/Nothing to do: each of the 2 dates/);
    expect(await refused({ fromDate: day("02") + 1, toDate: day("02") + 2 })).to.match(/no date in the range/);
    expect(await refused({ conf: { big: "x".repeat(70_000) } })).to.match(/larger than/);
    expect(await refused({ fromDate: Date.parse("1990-01-01"), toDate: Date.parse("2025-01-01") })).to.match(
      /more than 10000/,
    );
    await h.put(dagOf("manual", { a: [] }));
    expect(await refused({ dagId: "manual" })).to.match(/no dates to fill/);
    await h.commit({ kind: "dag.deactivate", dagId: "etl" });
    expect(await refused({})).to.match(/no longer defined/);
  });

  it("checks the conf against the params of the DAG", async () => {
    const h = await boot();
    const params = { type: "object", properties: { rows: { type: "integer" } }, required: ["rows"] } as const;
    await h.put(dagOf("etl", { a: [] }, { timetable: cron("0 0 * * *"), params }));
    expect(await refusal(createBackfill(h.command, range))).to.match(/does not fit the params/);
    const { id } = await createBackfill(h.command, { ...range, conf: { rows: 3 } });
    await h.idle();
    expect((await h.store.runs.findByLogicalDate("etl", day("01")))?.params).to.deep.equal({ rows: 3 });
    expect((await h.store.admin.backfill(id))?.conf).to.deep.equal({ rows: 3 });
  });

  it("leaves out a run whose conf does not fit the newest version, says why, and goes on with the others", async () => {
    const h = await boot();
    const paramsOf = (type: string) =>
      ({ type: "object", properties: { rows: { type } }, required: ["rows"] }) as const;
    const daily = { timetable: cron("0 0 * * *") };
    await h.put(dagOf("etl", { a: [] }, { ...daily, params: paramsOf("integer") }));
    h.executor.script = () => failure;
    await h.trigger("etl", { runId: "old", logicalDate: day("01"), conf: { rows: 1 } });
    h.executor.script = () => success;
    await h.put(dagOf("etl", { a: [] }, { ...daily, params: paramsOf("string") }));
    const { id } = await createBackfill(h.command, { ...range, reprocess: "failed", conf: { rows: "all" } });
    await h.idle();
    expect((await h.store.admin.backfill(id))?.completedAt).to.be.a("number");
    const [first, second] = await h.store.admin.backfillDates(id);
    expect(first).to.include({ state: "skipped" });
    expect(first?.reason).to.match(/does not fit/);
    expect(second).to.include({ state: "created" });
    expect((await h.store.runs.find("etl", "old"))?.state).to.equal("failed");
  });
});
