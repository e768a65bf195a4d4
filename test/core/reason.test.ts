import { expect } from "chai";
import { describe, it } from "mocha";
import { explain, type RunWaitReason, sayRunWait, sayWait, type WaitReason } from "../../core/reason.ts";
import { RUN_STATES, TASK_STATES } from "../../core/states.ts";

const task = { kind: "task", now: 0, tryNumber: 1, maxTries: 3 } as const;

describe("explain", () => {
  it("says something about every state of tasks and runs, whatever else is known", () => {
    for (const state of TASK_STATES) {
      for (const runState of [undefined, ...RUN_STATES]) {
        for (const isDagPaused of [true, false]) {
          for (const reason of [undefined, null, "", "because"]) {
            const said = explain({ ...task, state, isDagPaused, reason, ...(runState ? { runState } : {}) });
            expect(said, state).to.match(/^\S.*[^.\s]$/);
            expect(said).to.not.match(/undefined|null|NaN|\[object/);
          }
        }
      }
    }
    for (const state of RUN_STATES) {
      for (const isDagPaused of [true, false]) {
        expect(explain({ kind: "run", state, now: 0, isDagPaused }), state).to.match(/^\S.*[^.\s]$/);
      }
    }
  });

  it("says when a task retries, pokes or wakes", () => {
    const at = (ms: number) => explain({ ...task, state: "up_for_retry", dueAt: ms });
    expect(at(40_000)).to.equal("retries in 40 s");
    expect(at(-5)).to.equal("retries now");
    expect(at(90_000)).to.equal("retries in 1 min 30 s");
    expect(at(300_000)).to.equal("retries in 5 min");
    expect(at(3_600_000)).to.equal("retries in 1 h");
    expect(at(5_400_000)).to.equal("retries in 1 h 30 min");
    expect(explain({ ...task, state: "up_for_retry", dueAt: 1000, reason: "Error: x" })).to.equal(
      "retries in 1 s: Error: x",
    );
    expect(explain({ ...task, state: "up_for_reschedule", dueAt: 59_500 })).to.equal("looks again in 1 min");
    expect(explain({ ...task, state: "deferred", dueAt: 86_400_000 * 7 })).to.equal("sleeps, wakes in 7 days");
  });

  it("says first why the run has not started", () => {
    const runWait = { code: "maxActiveRuns", active: 16, limit: 16, place: 2 } as const;
    expect(explain({ ...task, state: "none", runState: "queued", runWait })).to.equal(
      "waits for its run to start: waits: 16 of 16 runs of this DAG are running, 2nd in line",
    );
  });

  it("gives the stored cause of an end", () => {
    expect(explain({ ...task, state: "upstream_failed", reason: "extract failed" })).to.equal(
      "upstream failed: extract failed",
    );
    expect(explain({ ...task, state: "skipped", reason: "branch pick chose b" })).to.equal(
      "skipped: branch pick chose b",
    );
  });
});

describe("the sentence of a wait", () => {
  const sentences: [WaitReason, string][] = [
    [{ code: "upstream", rule: "all_success", waitingFor: ["extract"], count: 1 }, "waits for extract"],
    [{ code: "upstream", rule: "all_success", waitingFor: ["a", "b", "c"], count: 3 }, "waits for a, b and c"],
    [{ code: "upstream", rule: "all_success", waitingFor: ["a", "b", "c"], count: 9 }, "waits for a, b, c and 6 more"],
    [{ code: "setup", waitingFor: ["up"], count: 1 }, "waits for its setup up"],
    [{ code: "stuck", rule: "all_skipped" }, "can never start: all_skipped can no longer hold"],
    [{ code: "pastUnknown" }, "waits to learn how the previous run stands"],
    [
      { code: "past", runId: "r0", taskId: "load", state: "failed" },
      "waits for load of the previous run r0, which is failed",
    ],
    [{ code: "past", runId: "r0", taskId: "load", state: null }, "waits: previous run r0 has no load"],
    [
      { code: "pastDownstream", runId: "r0", taskId: "mail", state: "none" },
      "waits for mail, downstream in the previous run r0, which is not started",
    ],
    [{ code: "dagPaused" }, "DAG is paused"],
    [{ code: "poolMissing", pool: "x" }, "pool x does not exist"],
    [{ code: "poolTooSmall", pool: "db", needs: 8, slots: 4 }, "can never start: it needs 8 slots and pool db has 4"],
    [{ code: "poolFull", pool: "db", needs: 1, used: 4, slots: 4, place: 2 }, "pool db is full: 4/4, 2nd in line"],
    [
      { code: "poolFull", pool: "db", needs: 3, used: 2, slots: 4, place: 11 },
      "pool db has too few free slots: 2/4, it needs 3, 11th in line",
    ],
    [{ code: "runFull", active: 16, limit: 16 }, "waits: 16 of 16 tasks of this run are running"],
    [
      { code: "taskFull", scope: "dag", taskId: "t", active: 1, limit: 1 },
      "waits: 1 of 1 instances of t are running over all runs",
    ],
    [
      { code: "taskFull", scope: "run", taskId: "t", active: 2, limit: 2 },
      "waits: 2 of 2 instances of t are running in this run",
    ],
    [{ code: "noSlot", place: 21, queue: "default" }, "every worker slot is taken, 21st in line"],
    [{ code: "noSlot", place: 3, queue: "gpu" }, "every worker slot for queue gpu is taken, 3rd in line"],
    [{ code: "next" }, "is ready, starts with the next dispatch"],
  ];
  for (const [wait, sentence] of sentences) {
    it(sentence, () => {
      expect(sayWait(wait)).to.equal(sentence);
      const state = ["upstream", "setup", "stuck", "pastUnknown", "past", "pastDownstream"].includes(wait.code)
        ? "none"
        : "scheduled";
      expect(explain({ ...task, state, wait, runState: "running" })).to.equal(sentence);
    });
  }

  const runs: [RunWaitReason, string][] = [
    [{ code: "maxActiveRuns", active: 1, limit: 1 }, "waits: 1 of 1 runs of this DAG are running"],
    [
      { code: "backfillFull", backfillId: 7, active: 10, limit: 10, place: 4 },
      "waits: 10 of 10 runs of backfill 7 are running, 4th in line",
    ],
    [{ code: "backfillPaused", backfillId: 7 }, "backfill 7 is paused"],
    [{ code: "dagPaused" }, "DAG is paused"],
    [{ code: "notDue", at: 120_000 }, "starts in 2 min"],
    [{ code: "noScheduler" }, "no scheduler is running"],
    [{ code: "next" }, "starts with the next dispatch"],
  ];
  for (const [wait, sentence] of runs) {
    it(`of a run: ${sentence}`, () => {
      expect(sayRunWait(wait, 0)).to.equal(sentence);
      expect(explain({ kind: "run", state: "queued", now: 0, wait })).to.equal(sentence);
    });
  }
});
