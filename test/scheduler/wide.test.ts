import { expect } from "chai";
import { describe, it } from "mocha";
import { dagOf, type TaskShape } from "./definitions.ts";
import { harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";

function fan(count: number): { [taskId: string]: TaskShape } {
  const middle = Array.from({ length: count }, (_, index) => `t${index}`);
  return { begin: [], ...Object.fromEntries(middle.map((id) => [id, ["begin"]])), end: middle };
}

describe("a wide run", () => {
  const boot = harnesses();

  it("is written in portions and ends as a narrow one does", async () => {
    const h = await boot({ slots: 200 });
    await h.put(dagOf("wide", fan(1_500), { maxActiveTasks: 2_000 }));
    const run = await h.trigger("wide");
    expect(await h.store.tasks.countByState(run.runKey)).to.deep.equal({ success: 1_502 });
    expect(h.started[0]).to.equal("begin");
    expect(h.started.at(-1)).to.equal("end");
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("goes on where it was when everything dies between two portions", async () => {
    const h = await boot({ slots: 50 });
    await h.put(dagOf("wide", fan(1_500), { maxActiveTasks: 2_000 }));
    h.executor.script = ({ taskId }) => (taskId === "begin" ? "hold" : success);
    const run = await h.trigger("wide");
    h.executor.finish("begin");
    // Commits are made one per turn of the event loop: some portions are written, some are not.
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
    await h.crash();
    await h.boot();
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(await h.store.tasks.countByState(run.runKey)).to.deep.equal({ success: 1_502 });
  });

  it("stops as a whole when it fails fast in the turn in which it became ready", async () => {
    const h = await boot({ slots: 4 });
    await h.put(dagOf("wide", { ...fan(1_200), bad: [] }, { maxActiveTasks: 2_000, failFast: true }));
    h.executor.script = () => "hold";
    const run = await h.trigger("wide");
    h.executor.finish("begin");
    h.executor.finish("bad", failure);
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("failed");
    expect(await h.store.tasks.countByState(run.runKey)).to.deep.equal({ success: 1, failed: 1, skipped: 1_201 });
  });
});
