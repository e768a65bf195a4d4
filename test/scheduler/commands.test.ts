import { expect } from "chai";
import { describe, it } from "mocha";
import { clearTasks } from "../../store/commands/clear.ts";
import { cancelRun, markRun, markTask } from "../../store/commands/mark.ts";
import { setPaused } from "../../store/commands/pause.ts";
import { dagOf } from "./definitions.ts";
import { harnesses, wrapStore } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";

describe("commands from outside", () => {
  const boot = harnesses();

  it("lets the tasks of a paused DAG wait and goes on at once when it is unpaused", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"] }));
    h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
    const run = await h.trigger("etl");
    await setPaused(h.command, "etl", true);
    h.executor.finish("a");
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: "scheduled" });
    expect(await h.explain(run.runKey, "b")).to.equal("DAG is paused");
    const second = await h.trigger("etl", { runId: "second" });
    expect(await h.scheduler.explainRun(second.runKey)).to.equal("DAG is paused");
    await setPaused(h.command, "etl", false);
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect((await h.run(second.runKey)).state).to.equal("running");
  });

  it("stops a running task that is cleared and runs it again once it has stopped", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"] }));
    h.executor.obeysCancel = false;
    h.executor.script = ({ taskId }, nth) => (taskId === "a" && nth === 1 ? "hold" : success);
    const run = await h.trigger("etl");
    await clearTasks(h.command, { dagId: "etl", runId: run.runId, taskIds: ["a"] });
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "restarting", b: "none" });
    expect(h.executor.cancelled).to.have.lengthOf(1);
    expect(h.started).to.deep.equal(["a"]);
    h.executor.finish("a", { kind: "cancelled" });
    await h.idle();
    expect(h.started).to.deep.equal(["a", "a", "b"]);
    expect((await h.run(run.runKey)).state).to.equal("success");
    const attempts = await h.store.tasks.attempts(run.runKey, 0);
    expect(attempts.map(({ state }) => state)).to.deep.equal(["cancelled", "success"]);
  });

  it("opens a finished run again when its tasks are cleared", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"], c: ["b"] }));
    h.executor.script = ({ taskId }, nth) => (taskId === "b" && nth === 1 ? failure : success);
    const run = await h.trigger("etl");
    expect((await h.run(run.runKey)).state).to.equal("failed");
    await clearTasks(h.command, { dagId: "etl", runId: run.runId, onlyFailed: true });
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(h.started).to.deep.equal(["a", "b", "b", "c"]);
  });

  it("never runs two attempts of an instance at once, whatever its rows say", async () => {
    const h = await boot();
    await h.put(dagOf("one", { a: [] }));
    h.executor.obeysCancel = false;
    h.executor.script = () => "hold";
    const run = await h.trigger("one");
    await markTask(h.command, { dagId: "one", runId: run.runId, taskId: "a", newState: "failed" });
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("failed");
    await clearTasks(h.command, { dagId: "one", runId: run.runId });
    await h.idle();
    expect(await h.explain(run.runKey, "a")).to.equal("waits until its last attempt has stopped");
    expect(h.started).to.have.lengthOf(1);
    h.executor.finish("a", { kind: "cancelled" });
    await h.idle();
    expect(h.started).to.have.lengthOf(2);
    h.executor.finish("a");
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("goes on below a task that is marked", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"] }));
    h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
    const run = await h.trigger("etl");
    await markTask(h.command, { dagId: "etl", runId: run.runId, taskId: "a", newState: "success" });
    await h.idle();
    expect(h.executor.cancelled).to.have.lengthOf(1);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: "success" });
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("cancels a run: what runs is stopped, nothing more starts", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: [], c: ["a", "b"] }));
    h.executor.script = () => "hold";
    const run = await h.trigger("etl");
    await cancelRun(h.command, "etl", run.runId);
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("failed");
    expect(h.executor.cancelled).to.have.lengthOf(2);
    expect(h.executor.running).to.deep.equal([]);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "failed", b: "failed", c: "skipped" });
    await h.pass(60_000);
    expect(h.started).to.have.lengthOf(2);
  });

  it("takes a queued run that is cancelled out of the line", async () => {
    const h = await boot();
    await h.put(dagOf("busy", { a: [] }, { maxActiveRuns: 1 }));
    h.executor.script = () => "hold";
    await h.trigger("busy", { runId: "first" });
    const second = await h.trigger("busy", { runId: "second" });
    await h.trigger("busy", { runId: "third" });
    await cancelRun(h.command, "busy", second.runId);
    await h.idle();
    h.executor.finish("a");
    await h.idle();
    expect(await h.runStates("busy")).to.deep.equal({ first: "success", second: "failed", third: "running" });
  });

  it("puts a finished run back into the queue when it is marked so", async () => {
    const h = await boot();
    await h.put(dagOf("one", { a: [] }));
    const run = await h.trigger("one");
    await markRun(h.command, { dagId: "one", runId: run.runId, newState: "queued" });
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(h.started).to.have.lengthOf(1);
  });

  it("wins over an outcome of the same turn, or loses, but never both", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"], other: [] }));
    h.executor.script = ({ taskId }, nth) => (nth === 1 && taskId !== "b" ? "hold" : success);
    const run = await h.trigger("etl");
    // The command is in the queue of the store when the outcomes arrive: their commit is refused as a whole.
    const clearing = clearTasks(h.command, { dagId: "etl", runId: run.runId, taskIds: ["a"] });
    await h.store.runs.get(run.runKey);
    h.executor.finishAll();
    await clearing;
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: "success", other: "success" });
    expect(h.started.filter((taskId) => taskId === "other")).to.have.lengthOf(1);
    expect(h.started.filter((taskId) => taskId === "a")).to.have.lengthOf(2);
  });

  it("forgets a run that is deleted and stops what it runs", async () => {
    const h = await boot();
    await h.put(dagOf("one", { a: [] }));
    h.executor.script = () => "hold";
    const run = await h.trigger("one");
    await h.commit({ kind: "run.delete", runKey: run.runKey });
    await h.idle();
    expect(h.executor.cancelled).to.have.lengthOf(1);
    expect(h.executor.running).to.deep.equal([]);
  });

  it("finishes a run on its version when its DAG has changed or is gone", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"] }));
    h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
    const run = await h.trigger("etl");
    await h.put(dagOf("etl", { a: [], z: ["a"] }));
    await h.commit({ kind: "dag.deactivate", dagId: "etl" });
    h.executor.finish("a");
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: "success" });
  });

  it("finds what a lost hint should have told", async () => {
    let isDeaf = false;
    const h = await boot({
      wrap: (store) =>
        wrapStore(store, {
          onCommit: (listener) => store.onCommit((notice) => isDeaf || listener(notice)),
        }),
    });
    await h.put(dagOf("one", { a: [] }));
    isDeaf = true;
    const run = await h.trigger("one");
    expect((await h.run(run.runKey)).state).to.equal("queued");
    await h.pass(5_000);
    expect((await h.run(run.runKey)).state).to.equal("success");
  });
});
