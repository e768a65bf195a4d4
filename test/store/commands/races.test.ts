import { expect } from "chai";
import { describe, it } from "mocha";
import { SluiceError } from "../../../core/errors.ts";
import { clearTasks } from "../../../store/commands/clear.ts";
import { cancelRun, markRun, markTask } from "../../../store/commands/mark.ts";
import { setPaused } from "../../../store/commands/pause.ts";
import { dagOf, type TaskShape } from "../../scheduler/definitions.ts";
import { type Harness, harnesses } from "../../scheduler/harness.ts";
import { failure, success } from "../../scheduler/scripted-executor.ts";

/** Versions that add, drop, reorder and re-wire tasks; the last is the first again. */
const VERSIONS: readonly { readonly [taskId: string]: TaskShape }[] = [
  { a: [], b: ["a"], c: ["a"], d: ["b", "c"] },
  { d: ["c", "e"], e: [], c: ["a"], a: { retries: 1, retryDelayMs: 10 } },
  { f: [], b: ["f"], a: ["b"], d: { after: ["a"], triggerRule: "all_done" } },
  { a: [], b: ["a"], c: ["a"], d: ["b", "c"] },
];
const TASKS = ["a", "b", "c", "d", "e", "f"];
const RUNS = ["r0", "r1", "r2"];

/** Numbers from 0 to below `n`, the same for the same seed. */
function dice(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

describe("commands that meet a busy scheduler", function () {
  this.timeout(60_000);
  const boot = harnesses();

  /** One command at random, on a run at random. */
  async function command(h: Harness, roll: (n: number) => number): Promise<unknown> {
    const flag = () => roll(2) === 1;
    const dagId = "etl";
    const runId = RUNS[roll(RUNS.length)] as string;
    const taskId = TASKS[roll(TASKS.length)] as string;
    const around = { upstream: flag(), downstream: flag(), past: roll(4) === 0, future: roll(4) === 0 };
    switch (roll(9)) {
      case 0:
        return cancelRun(h.command, dagId, runId);
      case 1:
        return markRun(h.command, { dagId, runId, newState: (["success", "failed", "queued"] as const)[roll(3)]! });
      case 2:
      case 3:
        return markTask(h.command, {
          dagId,
          runId,
          taskId,
          newState: (["success", "failed", "skipped"] as const)[roll(3)]!,
          ...around,
        });
      case 4:
        return h.put(dagOf("etl", VERSIONS[roll(VERSIONS.length)]!));
      case 5:
        return setPaused(h.command, dagId, flag());
      default:
        return clearTasks(h.command, {
          dagId,
          runId,
          ...(flag() ? { taskIds: [taskId] } : {}),
          ...around,
          onlyFailed: roll(3) === 0,
          onlyRunning: roll(5) === 0,
          runOnLatestVersion: flag(),
        });
    }
  }

  for (const seed of [1, 2, 3, 4])
    it(`are done or refused as a whole, and every run ends (seed ${seed})`, async () => {
      const roll = dice(seed);
      const h = await boot();
      await h.put(dagOf("etl", VERSIONS[0]!));
      h.executor.script = () => (["hold", success, success, failure] as const)[roll(4)]!;
      for (const [day, runId] of RUNS.entries()) await h.triggerOnly("etl", { runId, logicalDate: day * 86_400_000 });
      const refusals: string[] = [];
      for (let round = 0; round < 25; round++) {
        const results = await Promise.allSettled(Array.from({ length: 1 + roll(4) }, () => command(h, roll)));
        for (const result of results) {
          if (result.status === "fulfilled") continue;
          if (!(result.reason instanceof SluiceError)) throw result.reason;
          refusals.push(result.reason.message);
        }
        if (roll(3) === 0) h.executor.finishAll(roll(2) === 0 ? success : failure);
        if (roll(8) === 0) {
          await h.crash();
          await h.boot();
          h.executor.script = () => (["hold", success, success, failure] as const)[roll(4)]!;
        }
      }
      await setPaused(h.command, "etl", false);
      h.executor.script = () => success;
      for (let turn = 0; turn < 20; turn++) {
        await h.pass(1_000);
        h.executor.finishAll();
      }
      await h.idle();
      for (const state of Object.values(await h.runStates("etl"))) expect(state).to.be.oneOf(["success", "failed"]);
      expect(h.executor.doubled).to.deep.equal([]);
      // Refused is only what names a task that the run does not have.
      for (const message of refusals) expect(message).to.match(/has no task instance/);
    });
});
