import { expect } from "chai";
import { describe, it } from "mocha";
import { dagOf } from "./definitions.ts";
import { harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";
import { verifyHarness } from "./verify.ts";

describe("recovery", () => {
  const boot = harnesses();

  it("runs again what ran when everything died, once", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"], c: ["b"] }));
    h.executor.script = ({ taskId }) => (taskId === "b" ? "hold" : success);
    const run = await h.trigger("etl");
    await h.crash();
    await h.boot();
    await h.idle();
    expect(h.started).to.deep.equal(["b", "c"]);
    expect((await h.run(run.runKey)).state).to.equal("success");
    const attempts = await h.store.tasks.attempts(run.runKey, 1);
    expect(attempts.map(({ state, tryNumber }) => ({ state, tryNumber }))).to.deep.equal([
      { state: "lost", tryNumber: 1 },
      { state: "success", tryNumber: 2 },
    ]);
    await verifyHarness(h);
  });

  it("goes on with queued runs, retries and sensors", async () => {
    const h = await boot();
    await h.put(
      dagOf("busy", { a: [] }, { maxActiveRuns: 1 }),
      dagOf("flaky", { a: { retries: 1, retryDelayMs: 60_000 } }),
      dagOf("wait", { s: { sensor: { everyMs: 30_000, timeoutMs: 3_600_000, softFail: false } } }),
    );
    h.executor.script = ({ dagId }) =>
      dagId === "busy" ? "hold" : dagId === "flaky" ? failure : { kind: "reschedule", at: h.clock.now() + 30_000 };
    const first = await h.trigger("busy", { runId: "first" });
    const second = await h.trigger("busy", { runId: "second" });
    const flaky = await h.trigger("flaky");
    const wait = await h.trigger("wait");
    await h.crash();
    await h.boot();
    await h.pass(300_000);
    for (const { runKey } of [first, second, flaky, wait]) expect((await h.run(runKey)).state).to.equal("success");
    await verifyHarness(h);
  });

  it("declares the workers of former starts lost", async () => {
    const h = await boot();
    const worker = {
      workerId: "former",
      kind: "up",
      hostname: "here",
      pid: 1,
      version: "0",
      startedAt: 0,
      slots: 1,
      queues: ["*"],
      state: "active",
    } as const;
    await h.commit({ kind: "worker.put", worker, leaseMs: 3_600_000 });
    await h.crash();
    await h.boot();
    expect((await h.store.admin.workers()).find(({ workerId }) => workerId === "former")?.state).to.equal("lost");
  });

  it("loses nothing when everything dies at any moment, again and again", async function () {
    this.timeout(60_000);
    const h = await boot({ slots: 4 });
    await h.put(
      dagOf("diamond", { a: [], b: ["a"], c: ["a"], d: ["b", "c"] }),
      dagOf("chain", { a: [], b: ["a"], c: ["b"], d: ["c"], e: ["d"] }, { maxActiveTasks: 1 }),
    );
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const runs = [];
    for (let round = 0; round < 25; round++) {
      runs.push(await h.triggerOnly(round % 2 === 0 ? "diamond" : "chain", { runId: `run${round}` }));
      for (let turns = random(12); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      await h.crash();
      await h.openOnly();
      await h.startWithoutWaiting();
    }
    await h.pass(600_000);
    for (const { runKey } of runs) expect((await h.run(runKey)).state).to.be.oneOf(["success", "failed"]);
    // Only the crash budget of one task may fail a run.
    for (const { runKey } of runs) {
      for (const task of await h.store.tasks.ofRun(runKey)) {
        if (task.state === "failed") expect(task.lostCount).to.be.greaterThan(3);
      }
    }
    await verifyHarness(h);
  });

  it("drains when it is stopped: what runs may finish, and what is cut off runs again at no cost", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"] }));
    h.executor.script = () => "hold";
    const run = await h.trigger("etl");
    await h.scheduler.stop(0);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "scheduled", b: "none" });
    await h.startOnly();
    expect(h.started).to.deep.equal(["a", "b"]);
    expect(await h.task(run.runKey, "a")).to.include({ lostCount: 0, tryNumber: 2, maxTries: 2 });
    expect((await h.run(run.runKey)).state).to.equal("success");
    await verifyHarness(h);
  });
});
