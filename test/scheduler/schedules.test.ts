import { expect } from "chai";
import { describe, it } from "mocha";
import { setPaused } from "../../store/commands/pause.ts";
import { cron, dagOf } from "./definitions.ts";
import { type Harness, harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";

const DAY_MS = 86_400_000;

async function runIds(h: Harness, dagId: string): Promise<string[]> {
  const ids: string[] = [];
  for (let offset = 0; ; offset += 1_000) {
    const { rows } = await h.store.runs.list({ dagId, limit: 1_000, offset, orderBy: "id", isDescending: false });
    ids.push(...rows.map(({ runId }) => runId));
    if (rows.length < 1_000) return ids;
  }
}

describe("schedules", () => {
  const boot = harnesses();

  it("creates a run at each due instant, with its dates, its params and Airflow's id", async () => {
    const h = await boot({ now: "2026-11-21T12:00:00Z" });
    const params = { paramDefaults: { day: "today" } };
    await h.put(dagOf("daily", { a: [] }, { timetable: cron("0 0 * * *"), ...params }));
    expect((await h.store.dags.get("daily"))?.nextRunAt).to.equal(Date.parse("2026-11-22T00:00:00Z"));
    await h.pass(DAY_MS / 2 - 1);
    expect(await runIds(h, "daily")).to.deep.equal([]);
    await h.pass(1);
    const run = await h.store.runs.find("daily", "scheduled__2026-11-22T00:00:00+00:00");
    expect(run).to.include({
      state: "success",
      runType: "scheduled",
      triggeredBy: "timetable",
      logicalDate: Date.parse("2026-11-22T00:00:00Z"),
      runAfter: Date.parse("2026-11-22T00:00:00Z"),
    });
    expect(run?.params).to.deep.equal({ day: "today" });
    expect((await h.store.dags.get("daily"))?.nextRunAt).to.equal(Date.parse("2026-11-23T00:00:00Z"));
  });

  it("runs a year of days through both changes of the clocks, each local day once", async function () {
    this.timeout(30_000);
    const h = await boot({ now: "2026-01-01T12:00:00Z" });
    await h.put(dagOf("berlin", { a: { isNoop: true } }, { timetable: cron("30 2 * * *", "Europe/Berlin") }));
    const start = h.clock.now();
    // The sweep of every five seconds has nothing to say here: a year has six million of them.
    for (;;) {
      const next = (await h.store.dags.get("berlin"))!.nextRunAt!;
      if (next > start + 365 * DAY_MS) break;
      h.clock.jumpTo(next);
      await h.scheduler.sweep();
      await h.idle();
    }
    const ids = await runIds(h, "berlin");
    const localDay = new Intl.DateTimeFormat("sv", { timeZone: "Europe/Berlin", dateStyle: "short" });
    const days = ids.map((id) => localDay.format(Date.parse(id.slice("scheduled__".length))));
    expect(new Set(days).size).to.equal(days.length);
    expect(days.length).to.equal(365);
    expect(ids).to.include("scheduled__2026-03-29T01:30:00+00:00");
    expect(ids).to.include("scheduled__2026-10-25T01:30:00+00:00");
  });

  it("creates what was missed only with catchup, otherwise the newest", async () => {
    const h = await boot({ now: "2026-01-10T12:00:00Z" });
    const schedule = { timetable: cron("0 0 * * *"), startDate: "2026-01-01T00:00:00Z" };
    await h.put(
      dagOf("all", { a: [] }, { ...schedule, catchup: true }),
      dagOf("newest", { a: [] }, { ...schedule, catchup: false }),
    );
    expect(await runIds(h, "newest")).to.deep.equal(["scheduled__2026-01-10T00:00:00+00:00"]);
    expect(await runIds(h, "all")).to.have.lengthOf(10);
    expect((await runIds(h, "all"))[0]).to.equal("scheduled__2026-01-01T00:00:00+00:00");
  });

  it("does not bury a DAG under a long catch-up: it creates as runs end", async () => {
    const h = await boot({ now: "2026-06-01T00:00:30Z" });
    const schedule = { timetable: cron("0 0 * * *"), startDate: "2026-01-01T00:00:00Z", catchup: true };
    await h.put(dagOf("slow", { a: [] }, { ...schedule, maxActiveRuns: 1 }), dagOf("empty", {}, schedule));
    expect(await runIds(h, "empty")).to.have.lengthOf(152);
    expect(await runIds(h, "slow")).to.have.lengthOf(152);
    const held = await boot({ now: "2026-06-01T00:00:30Z" });
    held.executor.script = () => "hold";
    await held.put(dagOf("slow", { a: [] }, { ...schedule, maxActiveRuns: 1 }));
    expect(await runIds(held, "slow")).to.have.lengthOf(17);
    held.executor.finish("a");
    await held.idle();
    expect(await runIds(held, "slow")).to.have.lengthOf(18);
    expect(held.executor.running[0]?.runId).to.equal("scheduled__2026-01-02T00:00:00+00:00");
  });

  it("creates nothing while the DAG is paused, and the newest missed one afterwards", async () => {
    const h = await boot({ now: "2026-01-01T12:00:00Z" });
    await h.put(dagOf("daily", { a: [] }, { timetable: cron("0 0 * * *") }));
    await h.pass(DAY_MS);
    await setPaused(h.command, "daily", true);
    await h.idle();
    expect((await h.store.dags.get("daily"))?.nextRunAt).to.equal(null);
    h.clock.jumpTo(h.clock.now() + 5 * DAY_MS);
    await h.scheduler.sweep();
    await h.idle();
    expect(await runIds(h, "daily")).to.have.lengthOf(1);
    await setPaused(h.command, "daily", false);
    await h.idle();
    expect(await runIds(h, "daily")).to.deep.equal([
      "scheduled__2026-01-02T00:00:00+00:00",
      "scheduled__2026-01-07T00:00:00+00:00",
    ]);
  });

  it("keeps a promised first date through a restart", async () => {
    const h = await boot({ now: "2026-01-01T23:59:00Z" });
    await h.put(dagOf("daily", { a: [] }, { timetable: cron("0 0 * * *") }));
    await h.crash();
    h.clock.jumpTo(Date.parse("2026-01-02T00:00:01Z"));
    await h.boot();
    expect(await runIds(h, "daily")).to.deep.equal(["scheduled__2026-01-02T00:00:00+00:00"]);
    await h.crash();
    await h.boot();
    expect(await runIds(h, "daily")).to.have.lengthOf(1);
  });

  it("creates each date once when the clock jumps to and fro", async () => {
    const h = await boot({ now: "2026-01-01T00:30:00Z" });
    await h.put(dagOf("hourly", { a: [] }, { timetable: cron("0 * * * *") }));
    const start = h.clock.now();
    for (const hours of [2, -1, 5, 0, 3, 9, -24, 10]) {
      h.clock.jumpTo(start + hours * 3_600_000);
      await h.scheduler.sweep();
      await h.idle();
    }
    const ids = await runIds(h, "hourly");
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids).to.deep.equal([...ids].sort());
    expect(ids.at(-1)).to.equal("scheduled__2026-01-01T10:00:00+00:00");
  });

  it("runs @once a single time and passes dates that a manual run has taken", async () => {
    const h = await boot({ now: "2026-01-01T12:00:00Z" });
    await h.put(
      dagOf("single", { a: [] }, { timetable: { kind: "once" } }),
      dagOf("daily", { a: [] }, { timetable: cron("0 0 * * *") }),
    );
    await h.trigger("daily", { runId: "mine", logicalDate: Date.parse("2026-01-02T00:00:00Z") });
    await h.pass(2 * DAY_MS);
    expect(await runIds(h, "single")).to.deep.equal(["scheduled__2026-01-01T12:00:00+00:00"]);
    expect(await runIds(h, "daily")).to.deep.equal(["mine", "scheduled__2026-01-03T00:00:00+00:00"]);
  });

  it("begins a @continuous run when the one before has ended, with a breath in between", async () => {
    const h = await boot({ now: "2026-01-01T00:00:00Z" });
    h.executor.script = (_work, nth) => (nth === 2 ? "hold" : nth % 2 === 0 ? failure : success);
    await h.put(dagOf("loop", { a: [] }, { timetable: { kind: "continuous" }, maxActiveRuns: 1 }));
    await h.pass(500);
    expect(await runIds(h, "loop")).to.have.lengthOf(1);
    await h.pass(5_000);
    expect(await h.runStates("loop")).to.deep.equal({
      "scheduled__2026-01-01T00:00:00+00:00": "success",
      "scheduled__2026-01-01T00:00:01+00:00": "running",
    });
    h.executor.finish("a");
    await h.idle();
    expect(await runIds(h, "loop")).to.have.lengthOf(3);
  });

  it("follows a new schedule, respects endDate, and stops when the DAG's file is gone", async () => {
    const h = await boot({ now: "2026-01-01T00:30:00Z" });
    await h.put(dagOf("etl", { a: [] }, { timetable: cron("0 0 * * *") }));
    await h.put(dagOf("etl", { a: [] }, { timetable: cron("0 * * * *"), endDate: "2026-01-01T03:00:00Z" }));
    await h.pass(DAY_MS / 2);
    expect(await runIds(h, "etl")).to.have.lengthOf(3);
    await h.put(dagOf("etl", { a: [] }, { timetable: cron("0 * * * *") }));
    await h.pass(3_600_000);
    const count = (await runIds(h, "etl")).length;
    expect(count).to.be.within(4, 5);
    await h.commit({ kind: "dag.deactivate", dagId: "etl" });
    await h.pass(3_600_000);
    expect(await runIds(h, "etl")).to.have.lengthOf(count);
  });
});
