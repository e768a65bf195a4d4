import { expect } from "chai";
import { describe, it } from "mocha";
import { type ClearInput, clearTasks, previewClear } from "../../../store/commands/clear.ts";
import { StaleCommandError } from "../../../store/commands/context.ts";
import type { Store } from "../../../store/store.ts";
import { dagOf } from "../../scheduler/definitions.ts";
import { type Harness, harnesses, wrapStore } from "../../scheduler/harness.ts";
import { failure, success } from "../../scheduler/scripted-executor.ts";
import { refusal } from "./refusal.ts";

const DAY = 86_400_000;
const FIRST = Date.parse("2026-01-01T00:00:00Z");
/** a → b → c, d beside them. */
const ETL = { a: [], b: ["a"], c: ["b"], d: [] };

describe("the command clear", () => {
  const boot = harnesses();

  /** Three daily runs r0, r1, r2 of `etl`, in which b failed the first time. */
  async function threeRuns(): Promise<Harness> {
    const h = await boot();
    await h.put(dagOf("etl", ETL));
    h.executor.script = ({ taskId, attempt }) => (taskId === "b" && attempt.tryNumber === 1 ? failure : success);
    for (let day = 0; day < 3; day++)
      await h.trigger("etl", { runId: `r${day}`, logicalDate: FIRST - 10 * DAY + day * DAY });
    h.executor.script = () => success;
    return h;
  }

  /** What is previewed, which must be what is then done. */
  async function clear(h: Harness, input: Omit<ClearInput, "dagId">): Promise<readonly string[]> {
    const names = (affected: Awaited<ReturnType<typeof clearTasks>>) =>
      affected.map(({ run, task }) => `${run.runId} ${task.taskId}`);
    const previewed = names(await previewClear(h.command, { dagId: "etl", ...input }));
    const cleared = names(await clearTasks(h.command, { dagId: "etl", ...input }));
    expect(cleared).to.deep.equal(previewed);
    await h.idle();
    return cleared;
  }

  const cases: readonly [string, Omit<ClearInput, "dagId" | "runId">, readonly string[]][] = [
    ["the whole run", {}, ["r1 a", "r1 b", "r1 c", "r1 d"]],
    ["one task", { taskIds: ["b"] }, ["r1 b"]],
    ["what follows", { taskIds: ["b"], downstream: true }, ["r1 b", "r1 c"]],
    ["what comes before", { taskIds: ["b"], upstream: true }, ["r1 a", "r1 b"]],
    ["both ways", { taskIds: ["b"], upstream: true, downstream: true }, ["r1 a", "r1 b", "r1 c"]],
    ["only what failed", { onlyFailed: true }, ["r1 b", "r1 c"]],
    ["only what failed of what is named", { taskIds: ["a", "b"], onlyFailed: true }, ["r1 b"]],
    ["only what runs, when nothing does", { onlyRunning: true }, []],
    ["earlier runs too", { taskIds: ["b"], past: true }, ["r0 b", "r1 b"]],
    ["later runs too", { taskIds: ["b"], future: true }, ["r1 b", "r2 b"]],
    ["all runs", { taskIds: ["d"], past: true, future: true }, ["r0 d", "r1 d", "r2 d"]],
    ["an instance that is not mapped", { taskIds: ["d"], mapIndex: -1 }, ["r1 d"]],
  ];
  for (const [name, input, expected] of cases)
    it(`clears ${name}, and exactly what was previewed`, async () => {
      const h = await threeRuns();
      const before = h.started.length;
      expect(await clear(h, { runId: "r1", ...input })).to.deep.equal(expected);
      const { r1 } = await h.runStates("etl");
      // Without c, which could not begin, the run ends as before (as in Airflow).
      expect(r1).to.equal(expected.includes("r1 c") ? "success" : "failed");
      expect(h.started.length - before).to.equal(expected.length);
    });

  it("changes nothing by looking", async () => {
    const h = await threeRuns();
    const before = await h.store.events.lastId();
    await previewClear(h.command, { dagId: "etl", runId: "r1", past: true, future: true });
    expect(await h.store.events.lastId()).to.equal(before);
  });

  it("counts tries on, allows the retries anew, and forgets timers and XComs", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: { retries: 2, retryDelayMs: 1_000 }, b: ["a"] }));
    h.executor.script = ({ taskId }) => (taskId === "a" ? failure : success);
    const run = await h.trigger("etl", { runId: "r1" });
    await h.pass(60_000);
    expect(await h.task(run.runKey, "a")).to.include({ state: "failed", tryNumber: 3, maxTries: 3 });
    await clear(h, { runId: "r1", taskIds: ["a"] });
    await h.pass(60_000);
    expect(await h.task(run.runKey, "a")).to.include({ state: "failed", tryNumber: 6, maxTries: 6, dueAt: null });
    h.executor.script = () => ({ outcome: success, returnValueJson: '"x"' });
    await clear(h, { runId: "r1" });
    expect(await h.task(run.runKey, "a")).to.include({ state: "success", tryNumber: 7, maxTries: 9 });
    expect(await h.store.tasks.xcoms(run.runKey)).to.have.lengthOf(2);
    h.executor.script = () => "hold";
    await clear(h, { runId: "r1" });
    expect(await h.store.tasks.xcoms(run.runKey)).to.deep.equal([]);
    expect((await h.run(run.runKey)).clearNumber).to.equal(3);
  });

  it("is idempotent while nothing begins: what is none is not cleared again", async () => {
    const h = await threeRuns();
    await h.commit({ kind: "dag.pause", dagId: "etl", isPaused: true });
    expect(await clear(h, { runId: "r1", taskIds: ["b", "c"] })).to.deep.equal(["r1 b", "r1 c"]);
    expect(await clear(h, { runId: "r1", taskIds: ["b", "c"] })).to.deep.equal([]);
    const row = (await h.store.runs.find("etl", "r1"))!;
    expect(row).to.include({ state: "queued", clearNumber: 1 });
  });

  it("turns what runs into restarting and leaves the run running", async () => {
    const h = await boot();
    await h.put(dagOf("etl", ETL));
    h.executor.obeysCancel = false;
    h.executor.script = () => "hold";
    const run = await h.trigger("etl", { runId: "r1" });
    expect(await clear(h, { runId: "r1", onlyRunning: true })).to.deep.equal(["r1 a", "r1 d"]);
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "restarting", b: "none", c: "none", d: "restarting" });
    expect((await h.run(run.runKey)).state).to.equal("running");
    expect(await clear(h, { runId: "r1", onlyRunning: true })).to.deep.equal([]);
    h.executor.finishAll();
    await h.idle();
    expect(await h.task(run.runKey, "a")).to.include({ state: "running", tryNumber: 2, maxTries: 2 });
  });

  it("passes over tasks that an earlier run does not have, but not in the run that was named", async () => {
    const h = await threeRuns();
    await h.put(dagOf("etl", { ...ETL, e: ["d"] }));
    await h.trigger("etl", { runId: "r3", logicalDate: FIRST - 7 * DAY });
    expect(await clear(h, { runId: "r3", taskIds: ["e", "d"], past: true })).to.deep.equal([
      "r0 d",
      "r1 d",
      "r2 d",
      "r3 d",
      "r3 e",
    ]);
    expect(await refusal(clear(h, { runId: "r1", taskIds: ["e"], future: true }))).to.match(/"r1".*"e"/);
    expect(await refusal(clear(h, { runId: "r1", taskIds: ["d"], mapIndex: 4 }))).to.match(/"d"\[4\]/);
    expect(await refusal(clear(h, { runId: "r1", taskIds: [] }))).to.match(/at least one/);
    expect(await refusal(clear(h, { runId: "nope" }))).to.match(/no run "nope"/);
  });

  it("refuses to leave cleared tasks in a run that has ended", async () => {
    const h = await threeRuns();
    expect(await refusal(clear(h, { runId: "r1", resetDagRuns: false }))).to.match(/has ended/);
    expect((await h.runStates("etl")).r1).to.equal("failed");
  });

  it("repeats one run alone when the scheduler was faster there", async () => {
    const h = await threeRuns();
    const refusedAt: string[] = [];
    const store: Store = wrapStore(h.store, {
      commit: async (changes, actor) => {
        const runKey = changes.find(({ kind }) => kind === "task.transitions");
        const run = await h.store.runs.get((runKey as { runKey: number }).runKey);
        // In r1 somebody else is faster, once: b is marked while the clear is on its way.
        if (run?.runId === "r1" && refusedAt.length === 0) {
          const b = await h.task(run.runKey, "b");
          const move = { tiNo: b.tiNo, from: b.state, to: "success", epoch: b.epoch, newEpoch: b.epoch + 1 } as const;
          await h.commit({ kind: "task.transitions", runKey: run.runKey, transitions: [move] });
          refusedAt.push(run.runId);
        }
        return h.store.commit(changes, actor);
      },
    });
    const before = h.started.length;
    await clearTasks({ ...h.command, store }, { dagId: "etl", runId: "r2", taskIds: ["b"], past: true });
    await h.idle();
    expect(refusedAt).to.deep.equal(["r1"]);
    // Each b once, also in r0, which was done when r1 was refused.
    expect(h.started.slice(before)).to.deep.equal(["b", "b", "b"]);
  });

  it("gives up after a few times, and says that nothing was changed", async () => {
    const h = await threeRuns();
    let times = 0;
    const stale = { ok: false, index: 0, reason: "stale", message: "somebody was faster" } as const;
    const store = wrapStore(h.store, {
      commit: async () => {
        times++;
        return stale;
      },
    });
    const clearing = clearTasks({ ...h.command, store }, { dagId: "etl", runId: "r2" });
    const error = await clearing.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(error).to.be.instanceOf(StaleCommandError);
    expect(times).to.equal(5);
  });
});
