import { expect } from "chai";
import { describe, it } from "mocha";
import { openEngine } from "../../bench/engine.ts";
import { systemClock } from "../../core/clock.ts";
import { isRunTerminal } from "../../core/states.ts";
import { clearTasks } from "../../store/commands/clear.ts";
import { cancelRun } from "../../store/commands/mark.ts";
import { triggerRun } from "../../store/commands/trigger.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/verify.ts";

const DAG_FILE = `
import { Dag, getContext } from "sluice";

const sums = new Dag("sums", { schedule: null });
const rows = sums.task("rows", async () => [3, 5, 8]);
const total = sums.task("total", async ({ rows }: { rows: number[] }) => rows.reduce((a, b) => a + b, 0));
const silent = sums.task("silent", async () => {});
const report = sums.task("report", async ({ sum, none }: { sum: number; none: unknown }) => ({ sum, none: none ?? "nothing" }));
report({ sum: total({ rows: rows() }), none: silent() });

const rough = new Dag("rough", { schedule: null });
rough.task("dies", async () => {
  if (getContext().tryNumber === 1) process.kill(process.pid, "SIGKILL");
  return getContext().tryNumber;
}, { retries: 1, retryDelay: 0.01 })();

const slow = new Dag("slow", { schedule: null });
slow.task("sleeps", async () => {
  const { tryNumber, signal } = getContext();
  if (tryNumber > 1) return;
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
})();
`;

/** Resolves when the condition holds; looked at after each commit. */
async function until(store: Store, condition: () => Promise<boolean>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () =>
    void condition().then((holds) => {
      if (holds) resolve();
    }, reject);
  const unsubscribe = store.onCommit(look);
  look();
  await promise.finally(unsubscribe);
}

describe("the scheduler with real processes", function () {
  this.timeout(60_000);

  it("hands values over, survives the death of a runner, and reaches running tasks with clear and cancel", async () => {
    const engine = await openEngine(DAG_FILE, 2);
    const { store } = engine;
    const command = { store, clock: systemClock, actor: "user:test", triggeredBy: "test" as const };
    const isRunning = async (runKey: number) => (await store.tasks.get(runKey, 0))?.state === "running";
    const isOver = async (runKey: number) => isRunTerminal((await store.runs.get(runKey))?.state ?? "queued");
    try {
      const sums = await engine.run("sums");
      const { tiNo } = (await store.tasks.find("sums", sums.row.runId, "report"))!;
      expect(await store.tasks.xcomJson(sums.row.runKey, tiNo, "return_value")).to.equal('{"sum":16,"none":"nothing"}');

      const rough = await engine.run("rough");
      expect((await store.tasks.attempts(rough.row.runKey, 0)).map(({ state }) => state)).to.deep.equal([
        "failed",
        "success",
      ]);

      const cleared = await triggerRun(command, { dagId: "slow", runId: "cleared" });
      await until(store, () => isRunning(cleared.runKey));
      await clearTasks(command, { dagId: "slow", runId: "cleared" });
      await until(store, () => isOver(cleared.runKey));
      expect(await store.runs.get(cleared.runKey)).to.include({ state: "success" });

      const cancelled = await triggerRun(command, { dagId: "slow", runId: "cancelled" });
      await until(store, () => isRunning(cancelled.runKey));
      await cancelRun(command, "slow", "cancelled");
      await until(store, () => isOver(cancelled.runKey));
      expect(await store.runs.get(cancelled.runKey)).to.include({ state: "failed" });
      expect(await verify(store)).to.deep.equal([]);
    } finally {
      await engine.stop();
    }
  });
});
