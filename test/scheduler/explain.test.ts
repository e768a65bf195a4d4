import { expect } from "chai";
import { describe, it } from "mocha";
import { setPaused } from "../../store/commands/pause.ts";
import { explainRunFromRows, explainTaskFromRows } from "../../store/explain.ts";
import { dagOf } from "./definitions.ts";
import { type Harness, harnesses } from "./harness.ts";

/** The sentence of the scheduler, and that of a process that has only the rows. */
async function both(h: Harness, runKey: number, taskId: string): Promise<{ live: string; rows: string }> {
  const { tiNo } = await h.task(runKey, taskId);
  return {
    live: await h.scheduler.explain(runKey, tiNo),
    rows: await explainTaskFromRows(h.store, runKey, tiNo, h.clock.now()),
  };
}

const worker = {
  workerId: "worker-1",
  kind: "up",
  hostname: "here",
  pid: 1,
  version: "0",
  startedAt: 0,
  slots: 1,
  queues: ["*"],
  state: "active",
} as const;

describe("reasons", () => {
  const boot = harnesses();

  it("are the same from the scheduler and from the rows where no line is involved", async () => {
    const h = await boot();
    await h.commit({ kind: "worker.put", worker, leaseMs: 3_600_000 });
    await h.put(
      dagOf("etl", { extract: { retries: 1, retryDelayMs: 60_000 }, clean: [], load: ["clean", "extract"] }),
      dagOf("narrow", { a: {}, b: {} }, { maxActiveTasks: 1, maxActiveRuns: 1 }),
      dagOf("lost", { a: { pool: "nowhere" } }),
    );
    h.executor.script = ({ taskId }) =>
      taskId === "extract" ? { kind: "failed", error: { name: "E", message: "no" }, retryable: true } : "hold";
    const etl = await h.trigger("etl");
    const narrow = await h.trigger("narrow", { runId: "first" });
    const second = await h.trigger("narrow", { runId: "second" });
    const lost = await h.trigger("lost");
    const cases: [number, string, string | RegExp][] = [
      [etl.runKey, "clean", "runs"],
      [etl.runKey, "extract", /^retries in .*: E: no \(try 1 of 2\)$/],
      [etl.runKey, "load", "waits for extract and clean"],
      [narrow.runKey, "b", "waits: 1 of 1 tasks of this run are running"],
      [lost.runKey, "a", "pool nowhere does not exist"],
    ];
    for (const [runKey, taskId, sentence] of cases) {
      const { live, rows } = await both(h, runKey, taskId);
      if (typeof sentence === "string") expect(live).to.equal(sentence);
      else expect(live).to.match(sentence);
      expect(rows).to.equal(live);
    }
    expect((await both(h, second.runKey, "a")).rows).to.contain("1 of 1 runs of this DAG are running");
    expect(await explainRunFromRows(h.store, second.runKey, h.clock.now())).to.equal(
      "waits: 1 of 1 runs of this DAG are running",
    );
    await setPaused(h.command, "narrow", true);
    await h.idle();
    expect((await both(h, narrow.runKey, "b")).rows).to.equal("DAG is paused");
    expect(await explainRunFromRows(h.store, second.runKey, h.clock.now())).to.equal("DAG is paused");
  });

  it("say so when no scheduler is alive, and for what is gone", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [] }, { maxActiveRuns: 0 }));
    const run = await h.trigger("etl");
    expect(await explainRunFromRows(h.store, run.runKey, h.clock.now())).to.equal("no scheduler is running");
    expect(await h.scheduler.explain(4711, 0)).to.equal("is not in the database (any more)");
    expect(await h.scheduler.explain(run.runKey, 99)).to.equal("is not in the database (any more)");
    expect(await h.scheduler.explainRun(4711)).to.equal("is not in the database (any more)");
  });

  it("name the end of a finished run", async () => {
    const h = await boot();
    await h.put(dagOf("etl", { a: [], b: ["a"] }));
    h.executor.script = () => ({ kind: "failed", error: { name: "E", message: "no" }, retryable: false });
    const run = await h.trigger("etl");
    expect(await h.explain(run.runKey, "a")).to.equal("failed: E: no (try 1 of 1)");
    expect(await h.explain(run.runKey, "b")).to.equal("upstream failed: a failed");
    expect(await h.scheduler.explainRun(run.runKey)).to.equal("failed: a failed");
  });
});
