import { expect } from "chai";
import { describe, it } from "mocha";
import type { Change } from "../../store/changes.ts";
import { cron, dagOf } from "./definitions.ts";
import { Faults } from "./faults.ts";
import { harnesses } from "./harness.ts";
import { success } from "./scripted-executor.ts";
import { verifyHarness } from "./verify.ts";

function hasKind(changes: readonly Change[], kind: Change["kind"]): boolean {
  return changes.some((change) => change.kind === kind);
}

describe("faults of the store", () => {
  const boot = harnesses();

  it("waits while the store is away, loses nothing and says so", async () => {
    const faults = new Faults();
    const h = await boot({ wrap: faults.wrap });
    await h.put(dagOf("etl", { a: [], b: ["a"] }, { timetable: cron("*/5 * * * *") }));
    await h.pass(60_000);
    h.executor.script = () => "hold";
    const run = await h.trigger("etl");
    faults.ask = () => "away";
    h.executor.finish("a");
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(h.scheduler.isHealthy).to.equal(false);
    expect(h.scheduler.storeHealth).to.deep.include({ isAvailable: false, message: "the disk is full" });
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "running", b: "none" });
    await h.clock.advanceAsync(60_000);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "running", b: "none" });
    faults.ask = () => "pass";
    h.executor.script = () => success;
    await h.clock.advanceAsync(5_000);
    await h.idle();
    expect(h.scheduler.isHealthy).to.equal(true);
    expect((await h.run(run.runKey)).state).to.equal("success");
    await verifyHarness(h);
  });

  it("makes due runs when the store is back, once each", async () => {
    const faults = new Faults();
    const h = await boot({ wrap: faults.wrap, now: "2026-01-01T00:30:00Z" });
    await h.put(dagOf("hourly", { a: [] }, { timetable: cron("0 * * * *"), catchup: true }));
    faults.ask = () => "away";
    await h.clock.advanceAsync(3 * 3_600_000);
    faults.ask = () => "pass";
    await h.clock.advanceAsync(10_000);
    await h.idle();
    expect(Object.values(await h.runStates("hourly"))).to.deep.equal(["success", "success", "success"]);
  });

  it("reads a run again when its commit is refused, and feeds it the outcome again", async () => {
    const faults = new Faults();
    const h = await boot({ wrap: faults.wrap });
    await h.put(dagOf("etl", { a: [], b: ["a"] }), dagOf("other", { x: [], y: ["x"] }));
    h.executor.script = ({ taskId }) => (taskId === "a" || taskId === "x" ? "hold" : success);
    const run = await h.trigger("etl");
    const other = await h.trigger("other");
    let refused = 0;
    faults.ask = (changes) => (hasKind(changes, "attempt.finish") && refused++ === 0 ? "stale" : "pass");
    h.executor.finishAll();
    await h.idle();
    expect(refused).to.be.greaterThan(1);
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect((await h.run(other.runKey)).state).to.equal("success");
    expect(h.started).to.deep.equal(["a", "x", "b", "y"]);
    expect(h.executor.freeSlots).to.equal(16);
    await verifyHarness(h);
  });

  it("believes the rows when a commit stands whose answer was lost", async () => {
    const faults = new Faults();
    const h = await boot({ wrap: faults.wrap });
    await h.put(dagOf("etl", { a: [], b: ["a"], c: ["b"] }));
    h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
    const run = await h.trigger("etl");
    let lies = 0;
    faults.ask = (changes) => (hasKind(changes, "attempt.finish") && lies++ === 0 ? "lie" : "pass");
    h.executor.finish("a");
    await h.clock.advanceAsync(1_000);
    await h.pass(60_000);
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(h.started.filter((taskId) => taskId === "a")).to.have.lengthOf(1);
    expect(h.started.filter((taskId) => taskId === "b")).to.have.lengthOf(1);
    await verifyHarness(h);
  });

  it("leaves a run alone whose commits never succeed, while the others go on", async () => {
    const faults = new Faults();
    const h = await boot({ wrap: faults.wrap });
    await h.put(dagOf("poison", { p: [] }), dagOf("healthy", { a: [], b: ["a"] }));
    h.executor.script = () => "hold";
    const poison = await h.trigger("poison");
    faults.ask = (changes) =>
      changes.some((change) => "runKey" in change && change.runKey === poison.runKey) ? new Error("a bug") : "pass";
    h.executor.finish("p");
    h.executor.script = () => success;
    const healthy = await h.trigger("healthy");
    await h.pass(10_000);
    expect((await h.run(healthy.runKey)).state).to.equal("success");
    faults.ask = () => "pass";
    await h.pass(120_000);
    expect((await h.run(poison.runKey)).state).to.equal("success");
    expect(h.started.filter((taskId) => taskId === "p")).to.have.lengthOf(1);
    await verifyHarness(h);
  });
});
