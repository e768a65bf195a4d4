import { expect } from "chai";
import { describe, it } from "mocha";
import type { TaskShape } from "./definitions.ts";
import { dagOf } from "./definitions.ts";
import { type Harness, harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";

/** `count` tasks that wait for nothing. */
function wide(count: number, shape: TaskShape = {}): { [taskId: string]: TaskShape } {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, shape]));
}

/** Ends what runs, one turn after the other, until nothing runs any more. */
async function finishEverything(h: Harness): Promise<void> {
  for (let turn = 0; h.executor.running.length > 0; turn++) {
    if (turn > 1_000) throw new Error("does not end");
    h.executor.finishAll();
    await h.idle();
  }
}

describe("limits", () => {
  const boot = harnesses();

  it("never fills a pool beyond its slots, and says who is where in line", async () => {
    const h = await boot();
    await h.commit({
      kind: "pool.put",
      mode: "create",
      pool: { name: "db", slots: 4, description: null, includeDeferred: false },
    });
    await h.put(dagOf("load", wide(6, { pool: "db" })), dagOf("big", { b: { pool: "db", poolSlots: 3 } }));
    h.executor.script = () => "hold";
    const run = await h.trigger("load");
    expect(h.executor.running).to.have.lengthOf(4);
    expect(await h.explain(run.runKey, "t4")).to.equal("pool db is full: 4/4, 1st in line");
    expect(await h.explain(run.runKey, "t5")).to.equal("pool db is full: 4/4, 2nd in line");
    const big = await h.trigger("big");
    h.executor.finish("t0");
    await h.idle();
    // The big one comes next, and nobody overtakes it in its pool.
    expect(h.executor.running).to.have.lengthOf(3);
    expect(await h.explain(big.runKey, "b")).to.match(/^pool db has too few free slots: 3\/4, it needs 3, /);
    await finishEverything(h);
    expect((await h.run(big.runKey)).state).to.equal("success");
    expect(await poolPeak(h, "db")).to.equal(4);
  });

  it("follows a pool whose size is changed", async () => {
    const h = await boot();
    const pool = (slots: number) => ({ name: "db", slots, description: null, includeDeferred: false });
    await h.put(dagOf("load", wide(8, { pool: "db" })));
    h.executor.script = () => "hold";
    const run = await h.trigger("load");
    expect(await h.explain(run.runKey, "t0")).to.equal("pool db does not exist");
    await h.commit({ kind: "pool.put", mode: "create", pool: pool(2) });
    await h.idle();
    expect(h.executor.running).to.have.lengthOf(2);
    await h.commit({ kind: "pool.put", mode: "update", pool: pool(5) });
    await h.idle();
    expect(h.executor.running).to.have.lengthOf(5);
    await h.commit({ kind: "pool.put", mode: "update", pool: pool(1) });
    h.executor.finish("t0");
    await h.idle();
    expect(h.executor.running).to.have.lengthOf(4);
  });

  it("runs as many tasks of a run as maxActiveTasks says, and of a task as maxActiveTisPerDag says", async () => {
    const h = await boot();
    await h.put(dagOf("narrow", wide(5), { maxActiveTasks: 2 }), dagOf("single", { only: { maxActiveTisPerDag: 1 } }));
    h.executor.script = () => "hold";
    const run = await h.trigger("narrow");
    expect(h.executor.running).to.have.lengthOf(2);
    expect(await h.explain(run.runKey, "t4")).to.equal("waits: 2 of 2 tasks of this run are running");
    await h.trigger("single", { runId: "one" });
    const second = await h.trigger("single", { runId: "two" });
    expect(h.executor.running.filter(({ taskId }) => taskId === "only")).to.have.lengthOf(1);
    expect(await h.explain(second.runKey, "only")).to.equal(
      "waits: 1 of 1 instances of only are running over all runs",
    );
    await finishEverything(h);
    expect((await h.run(second.runKey)).state).to.equal("success");
  });

  it("starts as many runs as maxActiveRuns says, the oldest date first", async () => {
    const h = await boot();
    h.executor.script = () => "hold";
    await h.put(dagOf("busy", { a: [] }, { maxActiveRuns: 0 }));
    const runs = await Promise.all(
      [4, 3, 2, 1].map((day) => h.triggerOnly("busy", { runId: `day${day}`, logicalDate: Date.UTC(2025, 0, day) })),
    );
    await h.idle();
    await h.put(dagOf("busy", { a: [] }, { maxActiveRuns: 2 }));
    expect(await h.runStates("busy")).to.deep.equal({
      day4: "queued",
      day3: "queued",
      day2: "running",
      day1: "running",
    });
    expect(await h.scheduler.explainRun(runs[0]!.runKey)).to.equal(
      "waits: 2 of 2 runs of this DAG are running, 2nd in line",
    );
    expect(await h.explain(runs[1]!.runKey, "a")).to.equal(
      "waits for its run to start: waits: 2 of 2 runs of this DAG are running, 1st in line",
    );
    h.executor.finish("a", success, undefined, "day1");
    await h.idle();
    expect((await h.run(runs[1]!.runKey)).state).to.equal("running");
    expect((await h.run(runs[0]!.runKey)).state).to.equal("queued");
  });

  it("starts a run not before its runAfter", async () => {
    const h = await boot();
    await h.put(dagOf("later", { a: [] }));
    const run = await h.trigger("later", { runAfter: h.clock.now() + 60_000 });
    expect(await h.scheduler.explainRun(run.runKey)).to.equal("starts in 1 min");
    await h.pass(59_999);
    expect((await h.run(run.runKey)).state).to.equal("queued");
    await h.pass(1);
    expect((await h.run(run.runKey)).state).to.equal("success");
  });

  it("takes the heavier task first when slots are scarce", async () => {
    const h = await boot({ slots: 1 });
    await h.put(
      dagOf("blocker", { block: [] }),
      dagOf("order", {
        light: { priorityWeight: 1 },
        heavy: { priorityWeight: 9 },
        middle: { priorityWeight: 5 },
      }),
    );
    h.executor.script = ({ taskId }) => (taskId === "block" ? "hold" : success);
    await h.trigger("blocker");
    const run = await h.trigger("order");
    expect(await h.explain(run.runKey, "light")).to.equal("every worker slot is taken, 3rd in line");
    h.executor.finish("block");
    await h.idle();
    expect(h.started).to.deep.equal(["block", "heavy", "middle", "light"]);
  });

  it("lets 100 small DAGs pass beside one that would take everything", async () => {
    const h = await boot({ slots: 8 });
    await h.put(dagOf("hog", wide(400, { priorityWeight: 1 }), { maxActiveTasks: 400 }));
    const names = Array.from({ length: 100 }, (_, index) => `small${index}`);
    await h.put(...names.map((name) => dagOf(name, { a: [], b: ["a"] })));
    h.executor.script = () => "hold";
    const hog = await h.trigger("hog");
    for (const name of names) await h.triggerOnly(name);
    await h.idle();
    let rounds = 0;
    let unfinished = names.length;
    while (unfinished > 0) {
      if (++rounds > 1_000) throw new Error("the small DAGs starve");
      h.executor.finishAll();
      await h.idle();
      const { rows } = await h.store.runs.list({ states: ["success"], limit: 1_000 });
      unfinished = names.length - rows.length;
    }
    // 200 small tasks and 8 places: the hog may take as many again, not all.
    expect(rounds).to.be.below(80);
    expect((await h.run(hog.runKey)).state).to.equal("running");
    expect(h.executor.peak).to.equal(8);
  });

  it("gives slots that come back to those that wait", async () => {
    const h = await boot({ slots: 1 });
    await h.put(dagOf("two", wide(3)));
    h.executor.script = () => "hold";
    await h.trigger("two");
    expect(h.executor.running).to.have.lengthOf(1);
    h.executor.raiseSlots(3);
    await h.idle();
    expect(h.executor.running).to.have.lengthOf(3);
  });

  it("pauses a DAG whose runs fail in a row, with the reason", async () => {
    const h = await boot();
    await h.put(dagOf("unlucky", { a: [] }, { maxConsecutiveFailedRuns: 3 }));
    h.executor.script = (_work, nth) => (nth === 2 ? success : failure);
    const states = [];
    for (let nth = 1; nth <= 5; nth++) {
      const run = await h.trigger("unlucky", { runId: `run${nth}` });
      states.push((await h.run(run.runKey)).state);
      expect((await h.store.dags.get("unlucky"))?.isPaused).to.equal(nth === 5);
    }
    expect(states).to.deep.equal(["failed", "success", "failed", "failed", "failed"]);
    const [event] = (await h.store.events.list({ kinds: ["dag.paused"] })).rows;
    expect(JSON.stringify(event?.detail)).to.contain("3 runs in a row failed");
  });
});

/** Most pool slots in use at any event. */
async function poolPeak(h: Harness, pool: string): Promise<number> {
  const { rows } = await h.store.events.list({ kinds: ["task.state", "attempt.started"], limit: 1_000 });
  const slots = new Map<string, number>();
  let used = 0;
  let peak = 0;
  for (const event of [...rows].sort((a, b) => a.id - b.id)) {
    const task = await h.store.tasks.get(event.runKey!, event.tiNo!);
    if (task?.pool !== pool) continue;
    const key = `${event.runKey}/${event.tiNo}`;
    const isActive = event.toState === "queued" || event.toState === "running";
    used += (isActive ? task.poolSlots : 0) - (slots.get(key) ?? 0);
    slots.set(key, isActive ? task.poolSlots : 0);
    peak = Math.max(peak, used);
  }
  return peak;
}
