import { expect } from "chai";
import { describe, it } from "mocha";
import { clearTasks, previewClear } from "../../../store/commands/clear.ts";
import { dagOf } from "../../scheduler/definitions.ts";
import { type Harness, harnesses } from "../../scheduler/harness.ts";
import { failure, success } from "../../scheduler/scripted-executor.ts";
import { refusal } from "./refusal.ts";

const params = {
  type: "object",
  properties: { day: { type: "integer" } },
  required: ["day"],
} as const;

describe("a run that moves to the newest version of its DAG", () => {
  const boot = harnesses();

  /** A run of version 1 (a → b → c) in which b failed. */
  async function failedRun(): Promise<Harness> {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"], c: ["b"] }));
    h.executor.script = ({ taskId }) => (taskId === "b" ? failure : success);
    await h.trigger("etl", { runId: "r1", conf: { day: 1 } });
    h.executor.script = () => success;
    return h;
  }
  const newest = { dagId: "etl", runId: "r1", runOnLatestVersion: true };
  const rowOf = async (h: Harness) => (await h.store.runs.find("etl", "r1"))!;
  const stateOf = async (h: Harness) => {
    const row = await rowOf(h);
    return { run: row.state, ...(await h.tasks(row.runKey)) };
  };

  it("keeps its version unless it is asked to move", async () => {
    const h = await failedRun();
    const { versionId } = await rowOf(h);
    await h.put(dagOf("etl", { a: [], z: ["a"] }));
    await clearTasks(h.command, { dagId: "etl", runId: "r1" });
    await h.idle();
    expect(await rowOf(h)).to.include({ versionId, state: "success" });
    expect(await stateOf(h)).to.deep.equal({ run: "success", a: "success", b: "success", c: "success" });
  });

  it("follows tasks by their ids when they are reordered, added and dropped", async () => {
    const h = await failedRun();
    // c comes first now, a last; b is dropped, x and y are new, and c waits for y.
    await h.put(dagOf("etl", { c: ["y"], x: ["a"], y: ["x"], a: [] }));
    const before = h.started.length;
    const affected = await previewClear(h.command, { ...newest, onlyFailed: true });
    expect(affected.map(({ task, isDropped = false }) => [task.taskId, isDropped])).to.deep.equal([
      ["b", true],
      ["c", false],
    ]);
    await clearTasks(h.command, { ...newest, onlyFailed: true });
    await h.idle();
    expect(h.started.slice(before)).to.deep.equal(["x", "y", "c"]);
    expect(await stateOf(h)).to.deep.equal({
      run: "success",
      a: "success",
      b: "removed",
      c: "success",
      x: "success",
      y: "success",
    });
    const row = await rowOf(h);
    expect((await h.store.tasks.ofRun(row.runKey)).map(({ taskId }) => taskId)).to.deep.equal([
      "a",
      "b",
      "c",
      "x",
      "y",
    ]);
    expect((await h.store.dags.version(row.versionId))!.versionNumber).to.equal(2);
    expect(row.clearNumber).to.equal(1);
  });

  it("moves although all that was chosen is dropped, and brings a task back that returns", async () => {
    const h = await failedRun();
    await h.put(dagOf("etl", { a: [], c: ["a"] }));
    await clearTasks(h.command, { ...newest, taskIds: ["b"], downstream: true });
    await h.idle();
    expect(await stateOf(h)).to.deep.equal({ run: "success", a: "success", b: "removed", c: "success" });
    await h.put(dagOf("etl", { a: [], b: ["a"], c: ["b"], d: [] }));
    await clearTasks(h.command, { ...newest, taskIds: ["b"] });
    await h.idle();
    expect(await stateOf(h)).to.deep.equal({ run: "success", a: "success", b: "success", c: "success", d: "success" });
    expect(await h.task((await rowOf(h)).runKey, "b")).to.include({ tryNumber: 2, maxTries: 2 });
  });

  it("runs what is new when it is named, and refuses names that no version has", async () => {
    const h = await failedRun();
    await h.put(dagOf("etl", { a: [], b: ["a"], c: ["b"], fresh: ["a"] }));
    const before = h.started.length;
    expect(await refusal(clearTasks(h.command, { ...newest, taskIds: ["nope"] }))).to.match(/"nope"/);
    await clearTasks(h.command, { ...newest, taskIds: ["fresh"] });
    await h.idle();
    expect(h.started.slice(before)).to.deep.equal(["fresh"]);
  });

  it("stops what runs and is dropped, and lets run on what stays", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: [], c: ["a", "b"], failed: [] }));
    h.executor.script = ({ taskId }) => (taskId === "failed" ? failure : taskId === "c" ? success : "hold");
    await h.trigger("etl", { runId: "r1" });
    await h.put(dagOf("etl", { failed: [], c: ["a"], a: [] }));
    h.executor.script = () => success;
    await clearTasks(h.command, { ...newest, onlyFailed: true });
    await h.idle();
    expect(h.executor.cancelled.map(({ tiNo }) => tiNo)).to.deep.equal([1]);
    expect(h.executor.runningTaskIds).to.deep.equal(["a"]);
    expect(await stateOf(h)).to.deep.equal({
      run: "running",
      a: "running",
      b: "removed",
      c: "none",
      failed: "success",
    });
    const [attempt] = await h.store.tasks.attempts((await rowOf(h)).runKey, 1);
    expect(attempt).to.include({ state: "cancelled" });
    h.executor.finish("a");
    await h.idle();
    expect((await stateOf(h)).run).to.equal("success");
  });

  it("waits in the lines of the new version", async () => {
    const h = await failedRun();
    await h.commit({
      kind: "pool.put",
      mode: "create",
      pool: { name: "db", slots: 1, description: null, includeDeferred: false },
    });
    await h.put(dagOf("etl", { a: { pool: "db" }, b: { after: ["a"], pool: "db", retries: 3 }, c: { pool: "db" } }));
    h.executor.script = () => "hold";
    await clearTasks(h.command, newest);
    await h.idle();
    const { runKey } = await rowOf(h);
    expect(await h.task(runKey, "b")).to.include({ pool: "db", maxTries: 5 });
    expect(h.executor.running).to.have.lengthOf(1);
    expect((await h.store.admin.poolUse()).get("db")).to.deep.include({ running: 1, scheduled: 1 });
    expect((await h.store.admin.poolUse()).has("default_pool")).to.equal(false);
    h.executor.finishAll();
    await h.idle();
    h.executor.finishAll();
    await h.idle();
    h.executor.finishAll();
    await h.idle();
    expect((await rowOf(h)).state).to.equal("success");
  });

  it("takes the defaults of the new version, and stays where it is when its conf does not fit", async () => {
    const h = await failedRun();
    const tasks = { a: [], b: ["a"], c: ["b"] };
    await h.put(dagOf("etl", tasks, { paramDefaults: { day: 7, colour: "red" } }));
    await clearTasks(h.command, newest);
    await h.idle();
    expect((await rowOf(h)).params).to.deep.equal({ day: 1, colour: "red" });
    expect(h.executor.started.at(-1)?.context.params).to.deep.equal({ day: 1, colour: "red" });
    const versionId = (await rowOf(h)).versionId;
    await h.put(dagOf("etl", tasks, { params: { ...params, properties: { day: { type: "string" } } } }));
    expect(await refusal(clearTasks(h.command, newest))).to.match(/does not fit/);
    expect(await rowOf(h)).to.include({ versionId, state: "success" });
  });

  it("survives a restart in the middle", async () => {
    const h = await failedRun();
    await h.put(dagOf("etl", { z: [], c: ["z"], a: [] }));
    h.executor.script = ({ taskId }) => (taskId === "z" ? "hold" : success);
    await clearTasks(h.command, newest);
    await h.idle();
    await h.crash();
    await h.boot();
    h.executor.script = () => success;
    await h.idle();
    expect(await stateOf(h)).to.deep.equal({ run: "success", a: "success", b: "removed", c: "success", z: "success" });
  });
});
