import { expect } from "chai";
import { describe, it } from "mocha";
import { clearTasks } from "../../store/commands/clear.ts";
import { markRun, markTask } from "../../store/commands/mark.ts";
import { dagOf } from "./definitions.ts";
import { type Harness, harnesses, wrapStore } from "./harness.ts";
import { success } from "./scripted-executor.ts";

describe("a run that is read again", () => {
  const boot = harnesses();

  it("keeps what it occupies while it is being read", async () => {
    const h = await boot();
    const pool = { name: "one", slots: 1, description: null, includeDeferred: false };
    await h.commit({ kind: "pool.put", mode: "create", pool });
    await h.put(
      dagOf("first", { work: { pool: "one" }, later: { after: ["work"] } }),
      dagOf("second", { work: { pool: "one" } }),
    );
    h.executor.script = () => "hold";
    const { runId } = await h.trigger("first");
    await h.trigger("second");
    expect(h.executor.running).to.have.lengthOf(1);
    await markTask(h.command, { dagId: "first", runId, taskId: "later", newState: "skipped" });
    await h.idle();
    expect(h.executor.running.map(({ dagId }) => dagId)).to.deep.equal(["first"]);
    h.executor.script = () => success;
    h.executor.finishAll();
    await h.idle();
    expect(await h.runStates("second")).to.deep.equal({ [Object.keys(await h.runStates("second"))[0]!]: "success" });
  });

  for (const [what, command] of [
    [
      "cleared",
      (h: Harness, runId: string, store: Harness["store"]) =>
        clearTasks({ ...h.command, store }, { dagId: "d", runId, taskIds: ["quick"] }),
    ],
    [
      "marked",
      (h: Harness, runId: string, store: Harness["store"]) =>
        markTask({ ...h.command, store }, { dagId: "d", runId, taskId: "bad", newState: "success" }),
    ],
  ] as const) {
    it(`goes on when it ended while somebody ${what} a task of it`, async () => {
      const h = await boot();
      const tasks = { quick: {}, bad: {}, below: { after: ["bad"] }, long: { triggerRule: "all_done" as const } };
      await h.put(dagOf("d", tasks));
      h.executor.script = ({ taskId }) => {
        if (taskId === "long") return "hold";
        return taskId === "bad" ? { kind: "failed", error: { name: "E", message: "" }, retryable: false } : success;
      };
      const { runKey, runId } = await h.trigger("d");
      expect(await h.tasks(runKey)).to.include({ quick: "success", below: "upstream_failed", long: "running" });
      let hasEnded = false;
      // Between the command's decision and its commit, the run ends.
      const slow = wrapStore(h.store, {
        commit: async (changes, actor) => {
          if (!hasEnded) {
            hasEnded = true;
            h.executor.script = () => success;
            h.executor.finishAll();
            await h.idle();
            expect((await h.run(runKey)).state).to.equal("failed");
          }
          return h.store.commit(changes, actor);
        },
      });
      await command(h, runId, slow);
      await h.idle();
      expect(await h.tasks(runKey)).to.include({
        quick: "success",
        below: what === "marked" ? "success" : "upstream_failed",
      });
      expect(Object.values(await h.tasks(runKey))).to.not.include("none");
      expect(hasEnded).to.equal(true);
    });
  }
});

describe("two commands at once", () => {
  const boot = harnesses();

  it("do not overlook each other: what one clears is not left open by the other, which ends the run", async () => {
    const h = await boot();
    await h.put(dagOf("d", { skipped: {}, long: {} }));
    h.executor.script = ({ taskId }) => (taskId === "long" ? "hold" : { kind: "skipped" });
    const { runKey, runId } = await h.trigger("d");
    expect(await h.tasks(runKey)).to.deep.equal({ skipped: "skipped", long: "running" });
    let hasCleared = false;
    // The run is marked as a success; between what that reads and its commit the skipped task is cleared.
    const slow = wrapStore(h.store, {
      commit: async (changes, actor) => {
        if (!hasCleared) {
          hasCleared = true;
          await clearTasks(h.command, { dagId: "d", runId, taskIds: ["skipped"] });
        }
        return h.store.commit(changes, actor);
      },
    });
    await markRun({ ...h.command, store: slow }, { dagId: "d", runId, newState: "success" });
    await h.idle();
    expect(hasCleared).to.equal(true);
    expect((await h.run(runKey)).state).to.equal("success");
    expect(await h.tasks(runKey)).to.deep.equal({ skipped: "success", long: "success" });
  });
});

describe("a start", () => {
  const boot = harnesses();

  it("counts running runs before it has read their tasks", async () => {
    let isSlow = false;
    const wrap = (store: Harness["store"]) => {
      const tasks = new Proxy(store.tasks, {
        get(target, key) {
          if (key !== "ofRun" || !isSlow) return Reflect.get(target, key).bind(target);
          return async (runKey: number) => {
            for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
            return target.ofRun(runKey);
          };
        },
      });
      return wrapStore(store, { tasks });
    };
    const h = await boot({ wrap });
    await h.put(dagOf("d", { t: {} }, { maxActiveRuns: 1 }));
    h.executor.script = () => "hold";
    await h.trigger("d", { runId: "one" });
    await h.trigger("d", { runId: "two" });
    expect(await h.runStates("d")).to.deep.equal({ one: "running", two: "queued" });
    await h.crash();
    await h.openOnly();
    isSlow = true;
    const starting = h.startWithoutWaiting();
    h.executor.script = () => "hold";
    await h.clock.advanceAsync(1_000);
    await starting;
    await h.idle();
    // What `verify` looks at after each test says the same for every moment in between.
    expect(await h.runStates("d")).to.deep.equal({ one: "running", two: "queued" });
  });

  it("lets nothing begin before it knows what the runs of former starts occupy", async () => {
    let meanwhile: (() => Promise<unknown>) | undefined;
    const wrap = (store: Harness["store"]) => {
      const runs = new Proxy(store.runs, {
        get(target, key) {
          if (key !== "unfinished") return Reflect.get(target, key).bind(target);
          return async () => {
            if (meanwhile === undefined) return target.unfinished();
            await meanwhile();
            for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
            h.clock.advance(5);
            return target.unfinished();
          };
        },
      });
      return wrapStore(store, { runs });
    };
    const h = await boot({ wrap });
    const pool = { name: "one", slots: 1, description: null, includeDeferred: false };
    await h.commit({ kind: "pool.put", mode: "create", pool });
    await h.put(dagOf("done", { t: { pool: "one" } }), dagOf("open", { t: { pool: "one" } }));
    const { runId } = await h.trigger("done");
    h.executor.script = () => "hold";
    await h.trigger("open");
    expect(h.executor.running).to.have.lengthOf(1);
    await h.crash();
    await h.openOnly();
    meanwhile = () => clearTasks(h.command, { dagId: "done", runId });
    const starting = h.startWithoutWaiting();
    h.executor.script = () => "hold";
    await h.clock.advanceAsync(1_000);
    await starting;
    await h.idle();
    // Whichever of the two begins first: `verify` looks at each moment after the test.
    expect(h.executor.running).to.have.lengthOf(1);
  });
});
