import { expect } from "chai";
import { describe, it } from "mocha";
import {
  cancelRun,
  type MarkTaskInput,
  markRun,
  markTask,
  previewMarkRun,
  previewMarkTask,
} from "../../../store/commands/mark.ts";
import { setPaused } from "../../../store/commands/pause.ts";
import { dagOf } from "../../scheduler/definitions.ts";
import { type Harness, harnesses, wrapStore } from "../../scheduler/harness.ts";
import { failure, success } from "../../scheduler/scripted-executor.ts";
import { refusal } from "./refusal.ts";

const DAY = 86_400_000;
const FIRST = Date.parse("2025-12-01T00:00:00Z");
const ETL = { a: [], b: ["a"], c: ["b"], d: [] };

describe("the commands mark and cancel", () => {
  const boot = harnesses();

  /** Three runs r0, r1, r2 in which b failed. */
  async function threeRuns(): Promise<Harness> {
    const h = await boot();
    await h.put(dagOf("etl", ETL));
    h.executor.script = ({ taskId }) => (taskId === "b" ? failure : success);
    for (let day = 0; day < 3; day++) await h.trigger("etl", { runId: `r${day}`, logicalDate: FIRST + day * DAY });
    h.executor.script = () => success;
    return h;
  }

  /** What is previewed, which must be what is then done. */
  async function mark(h: Harness, input: Omit<MarkTaskInput, "dagId">): Promise<readonly string[]> {
    const names = (affected: Awaited<ReturnType<typeof markTask>>) =>
      affected.map(({ run, task }) => `${run.runId} ${task.taskId}`);
    const previewed = names(await previewMarkTask(h.command, { dagId: "etl", ...input }));
    const marked = names(await markTask(h.command, { dagId: "etl", ...input }));
    expect(marked).to.deep.equal(previewed);
    await h.idle();
    return marked;
  }
  const tasksOf = async (h: Harness, runId: string) => h.tasks((await h.store.runs.find("etl", runId))!.runKey);

  it("lets a failed run go on from a task that is marked success, and marks it once", async () => {
    const h = await threeRuns();
    const before = h.started.length;
    expect(await mark(h, { runId: "r1", taskId: "b", newState: "success" })).to.deep.equal(["r1 b"]);
    expect(h.started.slice(before)).to.deep.equal(["c"]);
    expect(await h.runStates("etl")).to.deep.equal({ r0: "failed", r1: "success", r2: "failed" });
    expect(await mark(h, { runId: "r1", taskId: "b", newState: "success" })).to.deep.equal([]);
  });

  it("runs what failed below again, with its retries anew", async () => {
    const h = await boot();
    const tasks = {
      a: [],
      report: { after: ["a"], triggerRule: "all_done", retries: 1, retryDelayMs: 1_000 },
    } as const;
    await h.put(dagOf("etl", tasks));
    h.executor.script = () => failure;
    const run = await h.trigger("etl", { runId: "r1" });
    await h.pass(60_000);
    expect(await h.task(run.runKey, "report")).to.include({ state: "failed", tryNumber: 2 });
    h.executor.script = () => success;
    await mark(h, { runId: "r1", taskId: "a", newState: "success" });
    expect(await h.task(run.runKey, "report")).to.include({ state: "success", tryNumber: 3, maxTries: 4 });
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  const reaches: readonly [string, Partial<MarkTaskInput>, readonly string[]][] = [
    ["what follows", { downstream: true }, ["r1 b", "r1 c"]],
    ["what comes before, but for what is so already", { upstream: true }, ["r1 b"]],
    ["earlier runs", { past: true }, ["r0 b", "r1 b"]],
    ["later runs", { future: true }, ["r1 b", "r2 b"]],
  ];
  for (const [name, input, expected] of reaches)
    it(`marks ${name} too, exactly as previewed`, async () => {
      const h = await threeRuns();
      const marked = await mark(h, { runId: "r1", taskId: "b", newState: "success", ...input });
      expect(marked).to.deep.equal(expected);
      for (const name of marked) expect((await tasksOf(h, name.slice(0, 2)))[name.slice(3)]).to.equal("success");
    });

  it("marks a success as failed: the run fails, what it gave is not undone", async () => {
    const h = await boot();
    await h.put(dagOf("etl", ETL));
    const run = await h.trigger("etl", { runId: "r1" });
    await mark(h, { runId: "r1", taskId: "c", newState: "failed" });
    expect((await h.run(run.runKey)).state).to.equal("failed");
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: "success", c: "failed", d: "success" });
  });

  it("marks tasks that have not begun: nothing runs there, the rest goes its way", async () => {
    const h = await boot();
    await h.put(dagOf("etl", ETL));
    h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
    const run = await h.trigger("etl", { runId: "r1" });
    await mark(h, { runId: "r1", taskId: "b", newState: "skipped" });
    expect(await h.tasks(run.runKey)).to.deep.equal({ a: "running", b: "skipped", c: "skipped", d: "success" });
    h.executor.finish("a");
    await h.idle();
    expect((await h.run(run.runKey)).state).to.equal("success");
    expect(h.started).to.have.members(["a", "d"]);
  });

  it("stops what runs, closes its attempt, and hears no more of it", async () => {
    const h = await boot();
    await h.put(dagOf("etl", ETL));
    h.executor.obeysCancel = false;
    h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
    const run = await h.trigger("etl", { runId: "r1" });
    await mark(h, { runId: "r1", taskId: "a", newState: "failed" });
    expect(h.executor.cancelled).to.have.lengthOf(1);
    h.executor.finish("a", success);
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({
      a: "failed",
      b: "upstream_failed",
      c: "upstream_failed",
      d: "success",
    });
    const [attempt] = await h.store.tasks.attempts(run.runKey, 0);
    expect(attempt).to.deep.include({
      state: "cancelled",
      error: { name: "Cancelled", message: "marked failed by user:test" },
    });
  });

  it("marks waiting retries, sensors between two pokes and restarting tasks", async () => {
    const h = await boot();
    const sensor = { mode: "reschedule", pokeIntervalMs: 60_000, timeoutMs: 3_600_000, softFail: false } as never;
    await h.put(dagOf("etl", { retry: { retries: 1 }, waits: { sensor }, restarts: [] }));
    h.executor.obeysCancel = false;
    h.executor.script = ({ taskId }) => {
      if (taskId === "retry") return failure;
      return taskId === "waits" ? { kind: "reschedule", at: h.clock.now() + 60_000 } : "hold";
    };
    const run = await h.trigger("etl", { runId: "r1" });
    const { clearTasks } = await import("../../../store/commands/clear.ts");
    await clearTasks(h.command, { dagId: "etl", runId: "r1", taskIds: ["restarts"] });
    await h.idle();
    expect(await h.tasks(run.runKey)).to.deep.equal({
      retry: "up_for_retry",
      waits: "up_for_reschedule",
      restarts: "restarting",
    });
    for (const taskId of ["retry", "waits", "restarts"]) await mark(h, { runId: "r1", taskId, newState: "success" });
    expect((await h.run(run.runKey)).state).to.equal("success");
    h.executor.finishAll();
    await h.pass(600_000);
    expect(h.started).to.have.lengthOf(3);
  });

  it("refuses tasks that the run does not have", async () => {
    const h = await threeRuns();
    const input = { runId: "r1", newState: "success" } as const;
    expect(await refusal(mark(h, { ...input, taskId: "nope" }))).to.match(/no task instance "nope"/);
    expect(await refusal(mark(h, { ...input, taskId: "b", mapIndex: 2 }))).to.match(/"b"\[2\]/);
  });

  describe("whole runs", () => {
    it("marks a running run success or failed, exactly as previewed", async () => {
      for (const newState of ["success", "failed"] as const) {
        const h = await boot();
        await h.put(dagOf("etl", ETL));
        h.executor.script = ({ taskId }) => (taskId === "b" ? "hold" : success);
        const run = await h.trigger("etl", { runId: "r1" });
        const input = { dagId: "etl", runId: "r1", newState };
        const previewed = (await previewMarkRun(h.command, input)).map(({ task }) => task.taskId);
        expect(previewed).to.deep.equal(["b", "c"]);
        expect((await markRun(h.command, input)).map(({ task }) => task.taskId)).to.deep.equal(previewed);
        await h.idle();
        expect((await h.run(run.runKey)).state).to.equal(newState);
        const c = newState === "success" ? "success" : "skipped";
        expect(await h.tasks(run.runKey)).to.deep.equal({ a: "success", b: newState, c, d: "success" });
        expect(h.executor.running).to.deep.equal([]);
        const before = await h.store.events.lastId();
        await markRun(h.command, input);
        expect(await h.store.events.lastId()).to.equal(before);
      }
    });

    it("marks finished runs both ways", async () => {
      const h = await threeRuns();
      await markRun(h.command, { dagId: "etl", runId: "r1", newState: "success" });
      await h.idle();
      expect(await tasksOf(h, "r1")).to.deep.equal({ a: "success", b: "success", c: "success", d: "success" });
      await markRun(h.command, { dagId: "etl", runId: "r1", newState: "failed" });
      await h.idle();
      expect((await h.runStates("etl")).r1).to.equal("failed");
    });

    it("puts a running run back into the queue without stopping its tasks", async () => {
      const h = await boot();
      await h.put(dagOf("etl", ETL));
      h.executor.script = ({ taskId }) => (taskId === "a" ? "hold" : success);
      const run = await h.trigger("etl", { runId: "r1" });
      await markRun(h.command, { dagId: "etl", runId: "r1", newState: "queued" });
      await h.idle();
      h.executor.finish("a");
      await h.idle();
      expect((await h.run(run.runKey)).state).to.equal("success");
      expect(h.started.filter((taskId) => taskId === "a")).to.have.lengthOf(1);
    });

    it("leaves a run alone that ended while the cancel was on its way", async () => {
      const h = await boot();
      await h.put(dagOf("one", { a: [] }));
      h.executor.script = () => "hold";
      await h.trigger("one", { runId: "r1" });
      let isFirst = true;
      const store = wrapStore(h.store, {
        commit: async (changes, actor) => {
          if (isFirst) {
            isFirst = false;
            h.executor.finish("a");
            await h.idle();
          }
          return h.store.commit(changes, actor);
        },
      });
      expect(await cancelRun({ ...h.command, store }, "one", "r1")).to.deep.equal([]);
      expect(await h.runStates("one")).to.deep.equal({ r1: "success" });
      expect(await cancelRun(h.command, "one", "r1")).to.deep.equal([]);
    });

    it("cancels a run of a paused DAG, queued or not", async () => {
      const h = await boot();
      await h.put(dagOf("one", { a: [], b: ["a"] }));
      await setPaused(h.command, "one", true);
      const run = await h.trigger("one", { runId: "r1" });
      expect(await cancelRun(h.command, "one", "r1")).to.have.lengthOf(2);
      await h.idle();
      expect(await h.tasks(run.runKey)).to.deep.equal({ a: "skipped", b: "skipped" });
      expect(await h.runStates("one")).to.deep.equal({ r1: "failed" });
    });
  });
});
