import { expect } from "chai";
import { describe, it } from "mocha";
import { dagOf } from "./definitions.ts";
import { harnesses } from "./harness.ts";
import { failure } from "./scripted-executor.ts";

describe("a run", () => {
  const boot = harnesses();

  it("goes through its tasks in the order of their edges and ends with its leaves", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { extract: [], clean: ["extract"], check: ["extract"], load: ["check", "clean"] }));
    const run = await h.trigger("etl");
    expect(await h.tasks(run.runKey)).to.deep.equal({
      extract: "success",
      clean: "success",
      check: "success",
      load: "success",
    });
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(h.started[0]).to.equal("extract");
    expect(h.started[3]).to.equal("load");
    expect([...h.started].sort()).to.deep.equal(["check", "clean", "extract", "load"]);
  });

  it("fails when a leaf fails, and what lies below a failure never starts", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { extract: [], clean: ["extract"], load: ["clean"] }));
    h.executor.script = ({ taskId }) => (taskId === "clean" ? failure : { kind: "success" });
    const run = await h.trigger("etl");
    expect(await h.tasks(run.runKey)).to.deep.equal({ extract: "success", clean: "failed", load: "upstream_failed" });
    expect((await h.run(run.runKey)).state).to.equal("failed");
    const [attempt] = await h.store.tasks.attempts(run.runKey, 1);
    expect(attempt).to.include({ state: "failed", tryNumber: 1 });
    expect(attempt?.error?.message).to.equal("as scripted");
  });

  it("hands returned values over to those that take them, and stores them", async () => {
    const h = await boot();
    const xcom = (taskId: string) => ({ kind: "xcom", taskId, key: "return_value" }) as const;
    await h.put(
      dagOf("sum", {
        rows: [],
        silent: [],
        total: {
          after: ["rows", "silent"],
          inputs: { rows: xcom("rows"), none: xcom("silent"), unit: { kind: "literal", value: "kg" } },
        },
      }),
    );
    h.executor.script = ({ taskId }) =>
      taskId === "rows" ? { outcome: { kind: "success" }, returnValueJson: "[3,5,8]" } : { kind: "success" };
    const run = await h.trigger("sum");
    expect(h.executor.started.at(-1)?.inputs).to.deep.equal({ rows: "[3,5,8]", unit: '"kg"' });
    expect(await h.store.tasks.xcomJson(run.runKey, 0, "return_value")).to.equal("[3,5,8]");
  });

  it("takes outcomes of one turn into one commit", async () => {
    const h = await boot();
    await h.put(dagOf("fan", { a: [], b: [], c: [], join: ["a", "b", "c"] }));
    h.executor.script = ({ taskId }) => (taskId === "join" ? { kind: "success" } : "hold");
    const run = await h.trigger("fan");
    let commits = 0;
    const stop = h.store.onCommit(() => void commits++);
    h.executor.finishAll();
    await h.idle();
    stop();
    // One for the three ends and the start of the join, one for the end of the join and of the run.
    expect(commits).to.equal(2);
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("ignores late, doubled and foreign outcomes", async () => {
    const h = await boot();
    await h.put(dagOf("one", { a: [] }));
    h.executor.script = () => "hold";
    const run = await h.trigger("one");
    const [work] = h.executor.running;
    h.executor.report({ attempt: { ...work!.attempt, epoch: 99 }, outcome: failure });
    h.executor.report({ attempt: { ...work!.attempt, runKey: 4711 }, outcome: failure });
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "running" });
    h.executor.finish("a");
    h.executor.report({ attempt: work!.attempt, outcome: failure });
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success" });
  });

  it("runs no code for tasks that have none", async () => {
    const h = await boot();
    await h.put(dagOf("gate", { begin: { isNoop: true }, work: ["begin"], end: { isNoop: true, after: ["work"] } }));
    const run = await h.trigger("gate");
    expect(h.started).to.deep.equal(["work"]);
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("ends at once without tasks that wait for anything", async () => {
    const h = await boot();
    await h.put(dagOf("noop", { only: { isNoop: true } }));
    const run = await h.trigger("noop");
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("fails when it is older than dagrunTimeout: what runs is stopped, the rest skipped", async () => {
    const h = await boot();
    await h.put(dagOf("slow", { a: [], b: ["a"] }, { dagrunTimeoutMs: 60_000 }));
    h.executor.script = () => "hold";
    const run = await h.trigger("slow");
    await h.pass(59_000);
    expect((await h.run(run.runKey)).state).to.equal("running");
    await h.pass(1_000);
    expect((await h.run(run.runKey)).state).to.equal("failed");
    expect(h.executor.cancelled).to.have.lengthOf(1);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "skipped", b: "skipped" });
    const [attempt] = await h.store.tasks.attempts(run.runKey, 0);
    expect(attempt?.state).to.equal("cancelled");
  });

  it("stops at the first failure with failFast", async () => {
    const h = await boot();
    await h.put(dagOf("fast", { a: [], b: [], c: ["b"] }, { failFast: true }));
    h.executor.script = ({ taskId }) => (taskId === "a" ? failure : "hold");
    const run = await h.trigger("fast");
    expect((await h.run(run.runKey)).state).to.equal("failed");
    expect(h.executor.cancelled.map(({ tiNo }) => tiNo)).to.deep.equal([1]);
    expect(h.executor.running).to.deep.equal([]);
  });
});
