import { expect } from "chai";
import { describe, it } from "mocha";
import { dagOf } from "./definitions.ts";
import { harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";

describe("retries and sensors", () => {
  const boot = harnesses();

  it("tries again when the delay is over, and fails after the last try", async () => {
    const h = await boot();
    await h.put(dagOf("flaky", { a: { retries: 2, retryDelayMs: 60_000 } }));
    h.executor.script = () => failure;
    const run = await h.trigger("flaky");
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "up_for_retry" });
    const { dueAt } = await h.task(run.runKey, "a");
    expect(dueAt).to.be.within(h.clock.now() + 60_000, h.clock.now() + 120_000);
    expect(await h.explain(run.runKey, "a")).to.match(/^retries in /);
    await h.pass(dueAt! - h.clock.now() - 1);
    expect(h.started).to.have.lengthOf(1);
    await h.pass(1);
    expect(h.started).to.have.lengthOf(2);
    await h.pass(10 * 60_000);
    expect(h.started).to.have.lengthOf(3);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "failed" });
    expect((await h.store.tasks.attempts(run.runKey, 0)).map(({ state }) => state)).to.deep.equal([
      "failed",
      "failed",
      "failed",
    ]);
  });

  it("waits as long as the task asks for, and not at all when it says fail now", async () => {
    const h = await boot();
    await h.put(dagOf("asks", { a: { retries: 5 }, b: { retries: 5 } }));
    h.executor.script = ({ taskId }, nth) =>
      taskId === "b"
        ? { ...failure, kind: "failed", error: { name: "FailFast", message: "no" }, retryable: false }
        : nth === 1
          ? { kind: "failed", error: { name: "Error", message: "later" }, retryable: true, retryAfterMs: 5_000 }
          : success;
    const run = await h.trigger("asks");
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "up_for_retry", b: "failed" });
    await h.pass(5_000);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: "failed" });
  });

  it("holds no slot between the pokes of a sensor, which share one try", async () => {
    const h = await boot({ slots: 1 });
    const sensor = { everyMs: 30_000, timeoutMs: 3_600_000, softFail: false };
    await h.put(dagOf("wait", { ready: { sensor } }), dagOf("other", { x: [] }));
    h.executor.script = ({ taskId }, nth) =>
      taskId === "ready" && nth < 3 ? { kind: "reschedule", at: h.clock.now() + 30_000 } : success;
    const run = await h.trigger("wait");
    expect(await h.tasks(run.runKey)).to.deep.equal({ ready: "up_for_reschedule" });
    const other = await h.trigger("other");
    expect((await h.run(other.runKey)).state).to.equal("success");
    await h.pass(60_000);
    expect((await h.run(run.runKey)).state).to.equal("success");
    const attempts = await h.store.tasks.attempts(run.runKey, 0);
    expect(attempts).to.have.lengthOf(1);
    expect(attempts[0]).to.include({ tryNumber: 1, state: "success", pokes: 3 });
    expect(h.executor.started.at(-1)?.context.firstPokeAt).to.equal(Date.parse("2026-01-01T00:00:00Z"));
  });

  it("gives a sensor up when its time is over", async () => {
    const h = await boot();
    const sensor = { everyMs: 30_000, timeoutMs: 60_000, softFail: true };
    await h.put(dagOf("wait", { ready: { sensor, retries: 3 } }));
    h.executor.script = () => ({ kind: "reschedule", at: h.clock.now() + 30_000 });
    const run = await h.trigger("wait");
    await h.pass(120_000);
    expect(await h.tasks(run.runKey)).to.deep.equal({ ready: "skipped" });
  });

  it("forgives a dying worker a few times, then fails", async () => {
    const h = await boot();
    await h.put(dagOf("deadly", { a: [] }));
    h.executor.script = () => ({ kind: "lost", error: { name: "Killed", message: "out of memory" } });
    const run = await h.trigger("deadly");
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "failed" });
    expect(h.started).to.have.lengthOf(4);
  });

  it("fires what is due when the clock jumps, once, and waits again when it is set back", async () => {
    const h = await boot();
    await h.put(dagOf("flaky", { a: { retries: 1, retryDelayMs: 3_600_000 } }));
    h.executor.script = (_work, nth) => (nth === 1 ? failure : success);
    const run = await h.trigger("flaky");
    h.clock.jumpTo(h.clock.now() - 86_400_000);
    await h.scheduler.sweep();
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "up_for_retry" });
    h.clock.jumpTo(h.clock.now() + 10 * 86_400_000);
    await h.scheduler.sweep();
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success" });
    expect(h.started).to.have.lengthOf(2);
  });
});
