import { expect } from "chai";
import { describe, it } from "mocha";
import { clearTasks } from "../../store/commands/clear.ts";
import { markTask } from "../../store/commands/mark.ts";
import { cron, dagOf } from "./definitions.ts";
import { type Harness, harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";
import { verifyHarness } from "./verify.ts";

const first = "scheduled__2026-01-02T00:00:00+00:00";
const second = "scheduled__2026-01-03T00:00:00+00:00";

async function twoDays(h: Harness): Promise<void> {
  await h.jump("2026-01-02T00:00:00Z");
  await h.jump("2026-01-03T00:00:00Z");
}

describe("runs that look back", () => {
  const boot = harnesses();
  const daily = { timetable: cron("0 0 * * *") };
  const now = "2026-01-01T12:00:00Z";

  it("waits for the same task of the run before, and starts in the turn in which it ends", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: { dependsOnPast: true }, b: { after: ["a"], dependsOnPast: true } }, daily));
    h.executor.script = ({ runId }) => (runId === first ? "hold" : success);
    await twoDays(h);
    const later = (await h.store.runs.find("etl", second))!;
    expect(later.state).to.equal("running");
    expect(await h.explain(later.runKey, "a")).to.equal(`waits for a of the previous run ${first}, which is running`);
    h.executor.finish("a");
    await h.idle();
    expect(await h.tasks(later.runKey)).to.deep.equal({ a: "success", b: "none" });
    h.executor.finish("b");
    await h.idle();
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "success", [second]: "success" });
    await verifyHarness(h);
  });

  it("waits on when the task before failed, until it is repaired", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: { dependsOnPast: true } }, daily));
    h.executor.script = (_work, nth) => (nth === 1 ? failure : success);
    await twoDays(h);
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "failed", [second]: "running" });
    await markTask(h.command, { dagId: "etl", runId: first, taskId: "a", newState: "success" });
    await h.idle();
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "success", [second]: "success" });
  });

  it("knows after a restart how the run before stands", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: { dependsOnPast: true } }, daily));
    h.executor.script = () => failure;
    await twoDays(h);
    await h.crash();
    await h.boot();
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "failed", [second]: "running" });
    await clearTasks(h.command, { dagId: "etl", runId: first });
    await h.idle();
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "success", [second]: "success" });
  });

  it("waits for the downstreams of the run before with waitForDownstream", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: { dependsOnPast: true, waitForDownstream: true }, b: { after: ["a"] } }, daily));
    h.executor.script = ({ runId, taskId }) => (runId === first && taskId === "b" ? "hold" : success);
    await twoDays(h);
    const later = (await h.store.runs.find("etl", second))!;
    expect(await h.tasks(later.runKey)).to.deep.equal({ a: "none", b: "none" });
    h.executor.finish("b");
    await h.idle();
    expect(await h.tasks(later.runKey)).to.deep.equal({ a: "success", b: "success" });
  });

  it("does not lock up when an older run is cleared while a newer one that waits for it has the only place", async () => {
    const h = await boot({ now });
    await h.put(dagOf("etl", { a: { dependsOnPast: true } }, { ...daily, maxActiveRuns: 1 }));
    h.executor.script = (_work, nth) => (nth === 1 ? failure : success);
    await twoDays(h);
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "failed", [second]: "running" });
    await clearTasks(h.command, { dagId: "etl", runId: first });
    await h.idle();
    expect(await h.runStates("etl")).to.deep.equal({ [first]: "success", [second]: "success" });
    await verifyHarness(h);
  });
});
