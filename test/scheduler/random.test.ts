import { expect } from "chai";
import { describe, it } from "mocha";
import type { TriggerRule } from "../../core/definition.ts";
import type { TaskOutcome } from "../../core/run.ts";
import { cancelBackfill, createBackfill } from "../../store/commands/backfill.ts";
import { clearTasks } from "../../store/commands/clear.ts";
import { cancelRun, markRun, markTask } from "../../store/commands/mark.ts";
import { setPaused } from "../../store/commands/pause.ts";
import { verify } from "../../store/verify.ts";
import { cron, dagOf, type TaskShape } from "./definitions.ts";
import { Faults } from "./faults.ts";
import { type Harness, harnesses } from "./harness.ts";
import { failure, success } from "./scripted-executor.ts";

/** Numbers that follow from a seed: [0, below). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    state ^= state >>> 13;
    return (state >>> 0) % below;
  };
}

const RULES: readonly TriggerRule[] = ["all_success", "all_done", "one_success", "none_failed", "one_failed"];

function randomTasks(random: (below: number) => number): { [taskId: string]: TaskShape } {
  const tasks: { [taskId: string]: TaskShape } = {};
  for (let index = 0, count = 2 + random(6); index < count; index++) {
    const after = Object.keys(tasks).filter(() => random(3) === 0);
    tasks[`t${index}`] = {
      after,
      triggerRule: RULES[random(RULES.length)]!,
      retries: random(3),
      retryDelayMs: 1_000 * random(20),
      pool: random(3) === 0 ? "tight" : "default_pool",
      isNoop: random(8) === 0,
      dependsOnPast: random(10) === 0,
      ...(random(8) === 0 ? { sensor: { everyMs: 5_000, timeoutMs: 60_000, softFail: random(2) === 0 } } : {}),
    };
  }
  return tasks;
}

function randomOutcome(random: (below: number) => number, now: number): TaskOutcome {
  const outcomes: TaskOutcome[] = [
    success,
    success,
    success,
    failure,
    { kind: "skipped" },
    { kind: "reschedule", at: now + 5_000 },
    { kind: "lost", error: { name: "Killed", message: "" } },
  ];
  return outcomes[random(outcomes.length)]!;
}

async function turns(count: number): Promise<void> {
  for (; count > 0; count--) await new Promise((resolve) => setImmediate(resolve));
}

/** Somebody gives a command; that it comes too late, or finds nothing to do, is part of the game. */
async function command(h: Harness, random: (below: number) => number, dagIds: readonly string[]): Promise<void> {
  const dagId = dagIds[random(dagIds.length)]!;
  const { rows } = await h.store.runs.list({ dagId, limit: 10 });
  const run = rows[random(Math.max(1, rows.length))];
  const task = run === undefined ? undefined : (await h.store.tasks.ofRun(run.runKey))[random(3)];
  const choice = random(9);
  if (choice <= 2) await h.triggerOnly(dagId);
  else if (choice === 3) await setPaused(h.command, dagId, random(2) === 0);
  else if (choice === 4) {
    const fromDate = Date.UTC(2025, 0, 1 + random(20));
    await createBackfill(h.command, { dagId, fromDate, toDate: fromDate + 3 * 86_400_000, maxActiveRuns: 2 });
  } else if (choice === 5) {
    const [backfill] = (await h.store.admin.backfills({ isActive: true })).rows;
    if (backfill !== undefined) await cancelBackfill(h.command, backfill.id);
  } else if (run !== undefined && task !== undefined) {
    const { runId } = run;
    if (choice === 6)
      await clearTasks(h.command, { dagId, runId, taskIds: [task.taskId], downstream: random(2) === 0 });
    else if (choice === 7) await markTask(h.command, { dagId, runId, taskId: task.taskId, newState: "success" });
    else if (random(2) === 0) await cancelRun(h.command, dagId, runId);
    else await markRun(h.command, { dagId, runId, newState: "success" });
  }
}

describe("a scheduler in a bad world", () => {
  const boot = harnesses();

  for (const seed of [1, 2, 28, 42]) {
    it(`keeps its promises through commands, crashes and outages (seed ${seed})`, async function () {
      this.timeout(60_000);
      const random = randomOf(seed);
      const faults = new Faults();
      const h = await boot({ slots: 4, now: "2026-01-01T12:00:00Z", wrap: faults.wrap });
      const tight = { name: "tight", slots: 2, description: null, includeDeferred: false };
      await h.commit({ kind: "pool.put", mode: "create", pool: tight });
      const dagIds = ["d0", "d1", "d2", "d3"];
      for (const dagId of dagIds) {
        const timetable = cron(random(2) === 0 ? "* * * * *" : "0 0 * * *");
        const more = { timetable, maxActiveRuns: 1 + random(3), maxActiveTasks: 1 + random(4) };
        await h.put(dagOf(dagId, randomTasks(random), { ...more, failFast: random(6) === 0 }));
      }
      faults.ask = () => {
        const choice = random(100);
        return choice < 3 ? "away" : choice < 5 ? "lie" : choice < 6 ? "stale" : "pass";
      };
      for (let step = 0; step < 150; step++) {
        const choice = random(20);
        if (choice < 10) {
          for (const work of h.executor.running) {
            if (random(2) === 0) h.executor.end(work, randomOutcome(random, h.clock.now()));
          }
        } else if (choice < 15) {
          const given = command(h, random, dagIds).catch((error: unknown) => {
            if (!(error instanceof Error && "code" in error)) throw error;
          });
          if (random(2) === 0) await given;
          else h.executor.finishAll(randomOutcome(random, h.clock.now()));
          await given;
        } else if (choice < 19) h.clock.advance(random(15_000));
        else {
          await h.crash();
          await h.openOnly();
          const starting = h.startWithoutWaiting();
          await h.clock.advanceAsync(60_000);
          await starting;
        }
        h.executor.script = () => "hold";
        await turns(random(6));
        expect(h.executor.peak).to.be.at.most(4);
        expect(h.executor.doubled).to.deep.equal([]);
      }
      expect(await verify(h.store)).to.deep.equal([]);
      faults.ask = () => "pass";
      // Left in peace, every run ends.
      for (const dagId of dagIds) await setPaused(h.command, dagId, false);
      for (const dagId of dagIds) await h.commit({ kind: "dag.deactivate", dagId });
      h.executor.script = () => success;
      h.executor.finishAll();
      await h.clock.advanceAsync(30_000);
      await h.pass(600_000);
      const waiting = await h.store.runs.unfinished();
      // Only what looks back at a failed run may wait for somebody to repair that.
      for (const { runKey, state } of waiting) {
        const rows = await h.store.tasks.ofRun(runKey);
        const reasons = await Promise.all(
          rows.filter((row) => row.state === "none").map(({ tiNo }) => h.scheduler.explain(runKey, tiNo)),
        );
        const isExplained = reasons.some((reason) => /previous run|runs of (this DAG|backfill)/.test(reason));
        expect(isExplained, `${runKey} ${state}: ${reasons.join("; ")}`).to.equal(true);
      }
    });
  }
});
