import { expect } from "chai";
import { describe, it } from "mocha";
import { setPaused, setRunNote, setTaskNote } from "../../../store/commands/pause.ts";
import { type TriggerInput, triggerRun } from "../../../store/commands/trigger.ts";
import { cron, dagOf } from "../../scheduler/definitions.ts";
import { type Harness, harnesses } from "../../scheduler/harness.ts";
import { refusal } from "./refusal.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const PARAMS = {
  params: {
    type: "object",
    properties: { rows: { type: "integer", minimum: 1 }, colour: { type: "string" } },
    required: ["rows"],
    additionalProperties: false,
  },
  paramDefaults: { rows: 10 },
} as const;

describe("the command trigger", () => {
  const boot = harnesses();

  async function paused(more: Parameters<typeof dagOf>[2] = {}): Promise<Harness> {
    const h = await boot();
    await h.put(dagOf("etl", { a: [] }, more));
    await setPaused(h.command, "etl", true);
    return h;
  }
  const trigger = (h: Harness, input: Omit<TriggerInput, "dagId"> = {}) =>
    triggerRun(h.command, { dagId: "etl", ...input });

  it("names run and date by the instant, and never twice the same", async () => {
    const h = await paused();
    const runs = await Promise.all([trigger(h), trigger(h), trigger(h)]);
    runs.push(await trigger(h));
    expect(new Set(runs.map(({ runId }) => runId)).size).to.equal(4);
    expect(runs.map(({ logicalDate }) => logicalDate).sort()).to.deep.equal([NOW, NOW + 1, NOW + 2, NOW + 3]);
    expect(runs.map(({ runId }) => runId)).to.include("manual__2026-01-01T00:00:00+00:00");
    const [first, second] = [await trigger(h, { logicalDate: null }), await trigger(h, { logicalDate: null })];
    expect(first).to.include({ logicalDate: null, dataIntervalStart: null, dataIntervalEnd: null });
    expect(first.runId).not.to.equal(second.runId);
  });

  it("gives a run for a date the interval of that date", async () => {
    const h = await paused({ timetable: cron("0 0 * * *", "UTC", true) });
    const logicalDate = Date.parse("2025-06-10T12:00:00Z");
    expect(await trigger(h, { logicalDate })).to.include({
      logicalDate,
      dataIntervalStart: Date.parse("2025-06-09T00:00:00Z"),
      dataIntervalEnd: Date.parse("2025-06-10T00:00:00Z"),
      runId: "manual__2025-06-10T12:00:00+00:00",
    });
    expect(await trigger(h, { runId: "own", dataIntervalStart: 1, dataIntervalEnd: 2 })).to.include({
      dataIntervalStart: 1,
      dataIntervalEnd: 2,
    });
  });

  it("keeps conf as it came and params with their defaults", async () => {
    const h = await paused(PARAMS);
    const run = await trigger(h, { conf: { colour: "red" }, note: "by hand" });
    expect(run).to.deep.include({ conf: { colour: "red" }, params: { rows: 10, colour: "red" }, note: "by hand" });
    expect(run).to.include({
      state: "queued",
      runType: "manual",
      triggeredBy: "rest_api",
      triggeringUser: "user:test",
    });
    expect(await refusal(trigger(h, { conf: { rows: 0 } }))).to.match(/params of "etl".*rows/);
    expect(await refusal(trigger(h, { conf: { speed: 1 } }))).to.match(/speed/);
    expect(await refusal(trigger(h, { conf: JSON.parse('{"__proto__":{"x":1}}') }))).to.match(/__proto__/);
    expect(await refusal(trigger(h, { conf: { colour: "é".repeat(40_000) } }))).to.match(/larger than 65536 bytes/);
    expect(await h.runStates("etl")).to.have.all.keys(run.runId);
  });

  const badIds = [
    "",
    " ",
    "a b",
    "../x",
    "a..b",
    "a/b",
    "$(reboot)",
    "a;b",
    "x\n",
    "é",
    "a".repeat(251),
    "x".repeat(1e6),
  ];
  for (const runId of badIds)
    it(`refuses the run id ${JSON.stringify(runId.slice(0, 12))} (${runId.length} characters)`, async () => {
      const h = await paused();
      const message = await refusal(trigger(h, { runId }));
      expect(message).to.match(/A run id may hold/);
      expect(message.length).to.be.below(200);
    });

  it("refuses dates that are none, half an interval and an interval that runs backwards", async () => {
    const h = await paused();
    for (const date of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, 9e15, -9e15]) {
      expect(await refusal(trigger(h, { logicalDate: date }))).to.match(/logical_date is not a date/);
      expect(await refusal(trigger(h, { runAfter: date }))).to.match(/run_after is not a date/);
    }
    expect(await refusal(trigger(h, { dataIntervalStart: 1 }))).to.match(/both ends/);
    expect(await refusal(trigger(h, { dataIntervalStart: 2, dataIntervalEnd: 1 }))).to.match(/before it starts/);
  });

  it("refuses a run id or a date that is taken, a DAG that is not there or has no file any more", async () => {
    const h = await paused();
    await trigger(h, { runId: "one", logicalDate: NOW });
    expect(await refusal(trigger(h, { runId: "one" }))).to.match(/already has a run "one"/);
    expect(await refusal(trigger(h, { runId: "two", logicalDate: NOW }))).to.match(
      /already has a run for the logical date/,
    );
    expect(await refusal(triggerRun(h.command, { dagId: "nope" }))).to.match(/no DAG "nope"/);
    await h.commit({ kind: "dag.deactivate", dagId: "etl" });
    expect(await refusal(trigger(h))).to.match(/no longer defined/);
  });

  it("unpauses in the same atom, or not at all", async () => {
    const h = await paused();
    expect(await refusal(trigger(h, { runId: "../x", unpause: true }))).to.match(/run id/);
    expect((await h.store.dags.get("etl"))!.isPaused).to.equal(true);
    const run = await trigger(h, { unpause: true });
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("does not begin before its time", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [] }));
    const run = await trigger(h, { runAfter: NOW + 60_000 });
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("queued");
    await h.pass(60_000);
    expect((await h.run(run.runKey)).state).to.equal("success");
  });
});

describe("the commands pause and note", () => {
  const boot = harnesses();

  it("pauses once, with who and why, and unpauses", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [] }));
    await setPaused(h.command, "etl", true, "broken source");
    const before = await h.store.events.lastId();
    await setPaused(h.command, "etl", true);
    expect(await h.store.events.lastId()).to.equal(before);
    expect(await h.store.dags.get("etl")).to.include({ isPaused: true, pausedBy: "user:test" });
    await setPaused(h.command, "etl", false);
    expect(await h.store.dags.get("etl")).to.include({ isPaused: false, pausedBy: null });
    expect(await refusal(setPaused(h.command, "nope", true))).to.match(/no DAG "nope"/);
  });

  it("sets, replaces and removes notes of runs and task instances", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [] }));
    const run = await h.trigger("etl", { runId: "r1" });
    for (const note of ["first", "<b>second</b>", null]) {
      await setRunNote(h.command, "etl", "r1", note);
      await setTaskNote(h.command, "etl", "r1", "a", -1, note);
      expect((await h.run(run.runKey)).note).to.equal(note);
      expect((await h.task(run.runKey, "a")).note).to.equal(note);
    }
    expect(await refusal(setRunNote(h.command, "etl", "nope", "x"))).to.match(/no run "nope"/);
    expect(await refusal(setTaskNote(h.command, "etl", "r1", "nope", -1, "x"))).to.match(/"nope"/);
    expect(await refusal(setTaskNote(h.command, "etl", "r1", "a", 3, "x"))).to.match(/"a"\[3\]/);
  });
});
