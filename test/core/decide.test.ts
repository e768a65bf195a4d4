import { expect } from "chai";
import { describe, it } from "mocha";
import { clearTransitions, selectForClear } from "../../core/clear.ts";
import { decide, openRun, waitReason } from "../../core/decide.ts";
import { compileGraph } from "../../core/graph.ts";
import { Bench, boom, dag, lost, newRows, ok, RUN, skip, task } from "./support.ts";

describe("decide: the life of a task", () => {
  it("goes none → scheduled → queued → running → success, with a try and an epoch", () => {
    const bench = new Bench(dag([task("a")]));
    expect(bench.begin()).to.deep.include({ newlyReady: [0], stop: [] });
    expect(bench.send({ kind: "queued", tiNo: 0 }).transitions).to.deep.equal([
      { tiNo: 0, from: "scheduled", to: "queued", epoch: 0, newEpoch: 1, tryNumber: 1, reason: "got a slot" },
    ]);
    bench.rows[0] = { ...bench.rows[0]!, state: "running" };
    expect(bench.send({ kind: "started", tiNo: 0, epoch: 1 }).transitions).to.deep.equal([]);
    expect(bench.state("a")).to.equal("running");
    const end = bench.send({ kind: "finished", tiNo: 0, outcome: ok, epoch: 1 });
    expect(end.transitions[0]).to.include({ from: "running", to: "success", epoch: 1 });
    expect(end.runState).to.deep.equal({ to: "success" });
  });

  it("ignores what comes twice, too early, too late, or from a stale epoch", () => {
    const bench = new Bench(dag([task("a"), task("b")]));
    bench.begin();
    const nothing = { transitions: [], newlyReady: [], stop: [] };
    expect(bench.send({ kind: "finished", tiNo: 0, outcome: ok }), "not active").to.deep.equal(nothing);
    bench.start("a");
    expect(bench.send({ kind: "queued", tiNo: 0 }), "queued twice").to.deep.equal(nothing);
    expect(bench.send({ kind: "finished", tiNo: 0, outcome: ok, epoch: 0 }), "stale").to.deep.equal(nothing);
    expect(bench.send({ kind: "due", tiNo: 0 }), "not due").to.deep.equal(nothing);
    expect(bench.send({ kind: "finished", tiNo: 99, outcome: ok }), "unknown").to.deep.equal(nothing);
    bench.finish("a");
    expect(bench.send({ kind: "finished", tiNo: 0, outcome: boom }), "twice").to.deep.equal(nothing);
    bench.finish("b");
    for (const kind of ["begin", "timeout", "cancel"] as const) {
      expect(bench.send({ kind }), `${kind} after the end`).to.deep.equal(nothing);
    }
  });

  it("takes back a queued instance that nobody started, without counting the try", () => {
    const bench = new Bench(dag([task("a")]));
    bench.begin();
    bench.send({ kind: "queued", tiNo: 0 });
    const decision = bench.send({ kind: "requeue", tiNo: 0, reason: "the worker is gone" });
    expect(decision.transitions[0]).to.include({
      to: "scheduled",
      tryNumber: 0,
      newEpoch: 2,
      reason: "the worker is gone",
    });
    expect(decision.newlyReady).to.deep.equal([0]);
    bench.start("a");
    expect(bench.rows[0]).to.include({ tryNumber: 1, epoch: 3 });
  });

  it("marks tasks without code as success without a worker, as part of the cascade", () => {
    const noop = { isNoop: true };
    const bench = new Bench(dag([task("a", [], noop), task("b", ["a"], noop), task("c", ["b"], noop)]));
    expect(bench.begin().runState).to.deep.equal({ to: "success" });
    expect(bench.rows.map((row) => row.tryNumber)).to.deep.equal([0, 0, 0]);
  });

  it("ends a run without tasks", () => {
    expect(new Bench(dag([])).begin().runState).to.deep.equal({ to: "success" });
  });

  it("carries 10,000 tasks through one decision without recursion", () => {
    const tasks = Array.from({ length: 10_000 }, (_, index) => task(`t${index}`, index === 0 ? [] : [`t${index - 1}`]));
    const bench = new Bench(dag(tasks));
    bench.begin();
    const decision = bench.finish("t0", boom);
    expect(decision.transitions).to.have.length(10_000);
    expect(decision.runState).to.deep.equal({ to: "failed", reason: "t0 failed" });
    expect(bench.reason("t9999")).to.equal("t0 failed");
  });
});

describe("decide: retries", () => {
  it("waits the delay, then tries again until the tries are used up", () => {
    const bench = new Bench(dag([task("a", [], { retries: 1, retryDelayMs: 5000 })]));
    bench.begin();
    const first = bench.finish("a", boom);
    expect(first.transitions[0]).to.include({
      to: "up_for_retry",
      dueAt: bench.now + 5000,
      reason: "Error: boom (try 1 of 2)",
    });
    expect(bench.send({ kind: "due", tiNo: 0 }).transitions, "too early").to.deep.equal([]);
    bench.now += 5000;
    expect(bench.send({ kind: "due", tiNo: 0 })).to.have.nested.property("transitions[0].to", "scheduled");
    expect(bench.last.newlyReady).to.deep.equal([0]);
    const second = bench.finish("a", boom);
    expect(second.transitions[0]).to.include({ to: "failed", reason: "Error: boom (try 2 of 2)" });
    expect(second.runState?.to).to.equal("failed");
    expect(bench.rows[0]?.tryNumber).to.equal(2);
  });

  it("fails at once when the error is not to be retried", () => {
    const bench = new Bench(dag([task("a", [], { retries: 5 })]));
    bench.begin();
    bench.finish("a", { ...boom, retryable: false } as typeof boom);
    expect(bench.state("a")).to.equal("failed");
    expect(bench.reason("a")).to.equal("Error: boom (not to be retried)");
  });

  it("waits as long as the author said", () => {
    const bench = new Bench(dag([task("a", [], { retries: 1, retryFactor: 3 })]));
    bench.begin();
    bench.finish("a", { ...boom, retryAfterMs: 1234 } as typeof boom);
    expect(bench.rows[0]?.dueAt).to.equal(bench.now + 1234);
  });

  it("keeps reasons short and on one line", () => {
    const bench = new Bench(dag([task("a")]));
    bench.begin();
    const message = `first line\n${"x".repeat(1_000_000)}`;
    bench.finish("a", { kind: "failed", error: { name: "Error", message }, retryable: true });
    expect(bench.reason("a")).to.equal("Error: first line (try 1 of 1)");
  });

  it("forgives three lost workers in a row without using up retries, then fails", () => {
    const bench = new Bench(dag([task("a", [], { retries: 1 })]));
    bench.begin();
    for (let loss = 1; loss <= 3; loss++) {
      const epoch = bench.rows[0]!.epoch + 1;
      const decision = bench.finish("a", lost);
      expect(decision.transitions[0]).to.include({ to: "scheduled", lostCount: loss, maxTries: 2 + loss });
      expect(decision.newlyReady).to.deep.equal([0]);
      expect(bench.rows[0]?.epoch, "the lost attempt is fenced off").to.equal(epoch + 1);
    }
    expect(bench.finish("a", lost).transitions[0]).to.include({ to: "failed", lostCount: 4 });
  });

  it("counts only losses in a row", () => {
    const bench = new Bench(dag([task("a", [], { retries: 1, retryDelayMs: 0 })]));
    bench.begin();
    for (let loss = 0; loss < 3; loss++) bench.finish("a", lost);
    bench.finish("a", boom);
    expect(bench.rows[0]).to.include({ state: "up_for_retry", lostCount: 0, tryNumber: 4, maxTries: 5 });
    bench.send({ kind: "due", tiNo: 0 });
    bench.finish("a", lost);
    expect(bench.state("a")).to.equal("scheduled");
  });

  it("runs an attempt again that was stopped without a command, such as at a shutdown", () => {
    const bench = new Bench(dag([task("a")]));
    bench.begin();
    bench.finish("a", { kind: "cancelled", message: "shutting down" });
    expect(bench.rows[0]).to.include({ state: "scheduled", maxTries: 2, lostCount: 0 });
    expect(bench.reason("a")).to.equal("stopped: shutting down");
  });
});

describe("decide: sensors", () => {
  const sensor = { everyMs: 60_000, timeoutMs: 150_000, softFail: false };

  it("pokes within one try, keeping the first poke's time, also over a reopen", () => {
    const bench = new Bench(dag([task("s", [], { sensor })]));
    bench.begin();
    const first = bench.now;
    bench.finish("s", { kind: "reschedule", at: first + 60_000 });
    expect(bench.rows[0]).to.include({ state: "up_for_reschedule", dueAt: first + 60_000, firstPokeAt: first });
    bench.reopen();
    bench.now += 60_000;
    bench.send({ kind: "due", tiNo: 0 });
    bench.reopen();
    expect(bench.state("s")).to.equal("scheduled");
    bench.start("s");
    expect(bench.rows[0], "the same try with a new epoch").to.include({ tryNumber: 1, epoch: 2, firstPokeAt: first });
    bench.finish("s", ok);
    expect(bench.rows[0]).to.include({ state: "success", tryNumber: 1 }).and.not.have.property("dueAt");
  });

  it("pokes last at the deadline; a no there is final", () => {
    const bench = new Bench(dag([task("s", [], { sensor, retries: 3 })]));
    bench.begin();
    const first = bench.now;
    for (const at of [60_000, 120_000, 180_000]) {
      bench.finish("s", { kind: "reschedule", at: first + at });
      bench.now = bench.rows[0]!.dueAt!;
      bench.send({ kind: "due", tiNo: 0 });
    }
    expect(bench.now - first).to.equal(150_000);
    bench.finish("s", { kind: "reschedule", at: bench.now + 60_000 });
    expect(bench.state("s")).to.equal("failed");
    expect(bench.reason("s")).to.equal("nothing came within 150 s");
  });

  it("is skipped instead when it fails softly, and skips what follows", () => {
    const bench = new Bench(dag([task("s", [], { sensor: { ...sensor, softFail: true } }), task("t", ["s"])]));
    bench.begin();
    bench.start("s");
    bench.now += 150_000;
    bench.finish("s", { kind: "reschedule", at: bench.now });
    expect(bench.states()).to.deep.equal({ s: "skipped", t: "skipped" });
  });

  it("keeps its clock over retries and losses, and starts a new try for them", () => {
    const bench = new Bench(dag([task("s", [], { sensor, retries: 1, retryDelayMs: 10_000 })]));
    bench.begin();
    const first = bench.now;
    bench.finish("s", boom);
    expect(bench.rows[0]?.firstPokeAt).to.equal(first);
    bench.now += 10_000;
    bench.send({ kind: "due", tiNo: 0 });
    bench.start("s");
    expect(bench.rows[0]?.tryNumber).to.equal(2);
    bench.finish("s", lost);
    expect(bench.rows[0]).to.include({ state: "scheduled", firstPokeAt: first });
    bench.start("s");
    expect(bench.rows[0]?.tryNumber).to.equal(3);
    bench.now = first + 150_000;
    bench.finish("s", { kind: "reschedule", at: bench.now });
    expect(bench.state("s")).to.equal("failed");
  });

  it("gives a requeued poke its try back", () => {
    const bench = new Bench(dag([task("s", [], { sensor })]));
    bench.begin();
    bench.finish("s", { kind: "reschedule", at: bench.now });
    bench.send({ kind: "due", tiNo: 0 });
    bench.send({ kind: "queued", tiNo: 0 });
    bench.send({ kind: "requeue", tiNo: 0 });
    bench.start("s");
    expect(bench.rows[0]?.tryNumber).to.equal(1);
  });
});

describe("decide: branches and skips", () => {
  const pick = { branch: { kind: "branch" as const } };

  it("skips direct downstreams that were not chosen, but not the join after an empty branch", () => {
    const bench = new Bench(
      dag([
        task("pick", [], pick),
        task("b", ["pick"]),
        task("c", ["pick"]),
        task("join", ["pick", "b", "c"], { triggerRule: "none_failed_min_one_success" }),
      ]),
    );
    bench.begin();
    bench.finish("pick", { kind: "success", branch: { followed: ["b"] } });
    expect(bench.states()).to.deep.equal({ pick: "success", b: "scheduled", c: "skipped", join: "none" });
    expect(bench.reason("c")).to.equal("branch pick chose b");
    expect(bench.finish("b").newlyReady).to.deep.equal([3]);
  });

  it("skips a task again that was cleared while the branch was not", () => {
    const bench = new Bench(dag([task("pick", [], pick), task("b", ["pick"]), task("c", ["pick"])]));
    bench.begin();
    bench.finish("pick", { kind: "success", branch: { followed: ["b"] } });
    bench.finish("b");
    clear(bench, "c");
    expect(bench.state("c")).to.equal("skipped");
    expect(bench.run.runState).to.equal("success");
    clear(bench, "pick", "c");
    bench.finish("pick", { kind: "success", branch: { followed: ["c"] } });
    expect(bench.state("c"), "a new decision").to.equal("scheduled");
  });

  it("skips everything below a short circuit whatever its rule, teardowns excepted", () => {
    const bench = new Bench(
      dag([
        task("gate", [], { branch: { kind: "shortCircuit" } }),
        task("a", ["gate"]),
        task("b", ["a"], { triggerRule: "all_done" }),
        task("c", ["b"], { triggerRule: "one_failed" }),
        task("drop", ["a"], { triggerRule: "all_done_setup_success", isTeardown: true }),
      ]),
    );
    bench.begin();
    bench.finish("gate", { kind: "success", branch: { skipped: ["a"], transitive: true } });
    expect(bench.states()).to.include({ a: "skipped", b: "skipped", c: "skipped", drop: "scheduled" });
    expect(bench.reason("b")).to.equal("gate chose to skip it");
    bench.finish("drop");
    clear(bench, "b");
    expect(bench.state("b"), "remembered below the direct downstream").to.equal("skipped");
  });

  it("takes a ready task back that a branch decides to skip", () => {
    const bench = new Bench(dag([task("pick", [], pick), task("b", ["pick"], { triggerRule: "always" })]));
    expect(bench.begin().newlyReady).to.deep.equal([0, 1]);
    bench.finish("pick", { kind: "success", branch: { followed: [] } });
    expect(bench.state("b")).to.equal("skipped");
    expect(bench.reason("b")).to.equal("branch pick chose nothing");
    expect(bench.send({ kind: "queued", tiNo: 1 }).transitions).to.deep.equal([]);
  });

  it("says why all upstream were skipped", () => {
    const bench = new Bench(
      dag([task("a"), task("b", ["a"], { triggerRule: "none_failed_min_one_success" }), task("c", ["b"])]),
    );
    bench.begin();
    bench.finish("a", skip);
    expect(bench.reason("a")).to.equal("it skipped itself");
    expect(bench.reason("b")).to.equal("all upstream skipped");
    expect(bench.reason("c")).to.equal("b was skipped");
  });

  it("skips tasks whose dates do not hold for the run, except in backfills", () => {
    const definition = dag([task("old", [], { endDate: "2025-12-31T00:00:00Z" }), task("new")]);
    const bench = new Bench(definition);
    bench.begin();
    expect(bench.states()).to.deep.equal({ old: "skipped", new: "scheduled" });
    const backfill = new Bench(definition, { facts: { runType: "backfill" } });
    backfill.begin();
    expect(backfill.state("old")).to.equal("scheduled");
  });
});

describe("decide: setups and teardowns", () => {
  const definition = dag([
    task("up", [], { isSetup: true }),
    task("work", ["up"]),
    task("more", ["work"], { triggerRule: "all_done" }),
    task("down", ["up", "more"], { isTeardown: true, triggerRule: "all_done_setup_success" }),
  ]);

  it("tears down although work failed, and does not count the teardown for the run", () => {
    const bench = new Bench(definition);
    bench.begin();
    bench.finish("up");
    bench.finish("work", boom);
    bench.finish("more");
    expect(bench.finish("down", boom).runState, "more decides").to.deep.equal({ to: "success" });
  });

  it("fails what is in a failed setup's scope at once, whatever its rule", () => {
    const bench = new Bench(definition);
    bench.begin();
    bench.finish("up", boom);
    expect(bench.states()).to.deep.equal({
      up: "failed",
      work: "upstream_failed",
      more: "upstream_failed",
      down: "upstream_failed",
    });
    expect(bench.reason("more")).to.equal("up failed");
    expect(bench.reason("down")).to.equal("no setup succeeded");
  });

  it("makes a task wait for a setup that it has no edge to", () => {
    const bench = new Bench(
      dag([
        task("up", [], { isSetup: true }),
        task("a", ["up"], { triggerRule: "always" }),
        task("b", ["a"], { triggerRule: "all_done" }),
      ]),
    );
    bench.begin();
    bench.finish("a");
    expect(bench.state("b")).to.equal("none");
    expect(waitReason(bench.run, 2)).to.deep.equal({ code: "setup", waitingFor: ["up"], count: 1 });
    bench.finish("up");
    expect(bench.state("b")).to.equal("scheduled");
  });
});

describe("decide: how a run ends", () => {
  it("is decided by the leaves alone: an all_done leaf hides a failure", () => {
    const bench = new Bench(dag([task("a"), task("b", ["a"]), task("end", ["b"], { triggerRule: "all_done" })]));
    bench.begin();
    bench.finish("a", boom);
    expect(bench.state("b")).to.equal("upstream_failed");
    expect(bench.finish("end").runState).to.deep.equal({ to: "success" });
  });

  it("names what failed first when a leaf is upstream_failed", () => {
    const bench = new Bench(dag([task("extract"), task("load", ["extract"]), task("report", ["load"])]));
    bench.begin();
    const decision = bench.finish("extract", boom);
    expect(bench.reason("load")).to.equal("extract failed");
    expect(bench.reason("report")).to.equal("extract failed");
    expect(decision.runState).to.deep.equal({ to: "failed", reason: "extract failed" });
  });

  it("waits for the last task, wherever it is", () => {
    const bench = new Bench(
      dag([task("slow"), task("t", ["slow", "fast"], { triggerRule: "one_success" }), task("fast")]),
    );
    bench.begin();
    bench.finish("fast");
    expect(bench.finish("t").runState).to.equal(undefined);
    expect(bench.finish("slow").runState).to.deep.equal({ to: "success" });
  });

  it("fails as deadlocked when what is left can never start, and leaves nothing open", () => {
    const definition = dag([task("gone"), task("a", ["gone"]), task("b", ["a"])]);
    const rows = newRows(definition).map((row, index) => (index === 0 ? { ...row, state: "removed" as const } : row));
    const bench = new Bench(definition, { rows });
    expect(bench.begin().runState).to.deep.equal({ to: "failed", reason: "deadlock: a, b can never start" });
    expect(bench.states()).to.deep.equal({ gone: "removed", a: "upstream_failed", b: "upstream_failed" });
  });

  it("fails fast: what runs fails and is stopped, what waits is skipped, teardowns go on", () => {
    const bench = new Bench(
      dag(
        [
          task("up", [], { isSetup: true }),
          task("a", ["up"]),
          task("b", ["up"], { retries: 1 }),
          task("c", ["up"]),
          task("d", ["a"]),
          task("down", ["up", "b", "c", "d"], { isTeardown: true, triggerRule: "all_done_setup_success" }),
        ],
        { failFast: true },
      ),
    );
    bench.begin();
    bench.finish("up");
    bench.start("c");
    const epoch = bench.rows[3]!.epoch;
    bench.finish("b", boom);
    expect(bench.state("b"), "a retry is no failure yet").to.equal("up_for_retry");
    const decision = bench.finish("a", boom);
    expect(bench.states()).to.deep.equal({
      up: "success",
      a: "failed",
      b: "skipped",
      c: "failed",
      d: "skipped",
      down: "scheduled",
    });
    expect(decision.stop).to.deep.equal([3]);
    expect(bench.rows[3]?.epoch).to.equal(epoch + 1);
    expect(bench.reason("d")).to.equal("a failed and the DAG fails fast");
    expect(bench.finish("down").runState?.to).to.equal("failed");
  });

  it("fails fast although every leaf is skipped, but not because of a teardown", () => {
    const bench = new Bench(
      dag([task("a"), task("b", ["a"]), task("c", ["a"], { triggerRule: "all_done" })], { failFast: true }),
    );
    bench.begin();
    const decision = bench.finish("a", boom);
    expect(bench.states()).to.deep.equal({ a: "failed", b: "skipped", c: "skipped" });
    expect(decision.runState).to.deep.equal({ to: "failed", reason: "a failed" });
    const torn = new Bench(
      dag([task("up", [], { isSetup: true }), task("w", ["up"]), task("down", ["up", "w"], { isTeardown: true })], {
        failFast: true,
      }),
    );
    torn.begin();
    torn.finish("up");
    torn.finish("w");
    expect(torn.finish("down", boom).runState?.to).to.equal("success");
  });

  it("times out: everything unfinished is skipped, running attempts are fenced and stopped", () => {
    const bench = new Bench(dag([task("a"), task("b"), task("c", ["a"])], { dagrunTimeoutMs: 60_000 }));
    bench.begin();
    bench.start("a");
    const decision = bench.send({ kind: "timeout" });
    expect(bench.states()).to.deep.equal({ a: "skipped", b: "skipped", c: "skipped" });
    expect(decision).to.deep.include({
      runState: { to: "failed", reason: "the run timed out after 60 s" },
      stop: [0],
      newlyReady: [],
    });
    expect(bench.rows[0]?.epoch).to.equal(2);
    expect(bench.send({ kind: "finished", tiNo: 0, outcome: ok }).transitions).to.deep.equal([]);
  });

  it("is cancelled: what has begun fails, what has not is skipped", () => {
    const bench = new Bench(dag([task("a"), task("b", [], { retries: 1 }), task("c"), task("d", ["a"]), task("e")]));
    bench.begin();
    bench.start("a");
    bench.finish("b", boom);
    bench.send({ kind: "queued", tiNo: 2 });
    const decision = bench.send({ kind: "cancel", by: "user:admin" });
    expect(bench.states()).to.deep.equal({ a: "failed", b: "failed", c: "skipped", d: "skipped", e: "skipped" });
    expect(decision.runState).to.deep.equal({ to: "failed", reason: "cancelled by user:admin" });
    expect(decision.stop).to.deep.equal([0, 2]);
    expect(bench.reason("d")).to.equal("cancelled by user:admin");
  });
});

describe("decide: opening a run from rows", () => {
  it("clears, runs again, and ends as if it had been the first time", () => {
    const bench = new Bench(dag([task("a", [], { retries: 2 }), task("b", ["a"])]));
    bench.begin();
    bench.finish("a", { ...boom, retryable: false } as typeof boom);
    expect(bench.run.runState).to.equal("failed");
    clear(bench, "a", "b");
    expect(bench.rows[0], "tries so far + retries + 1").to.include({ state: "scheduled", tryNumber: 1, maxTries: 4 });
    bench.finish("a");
    expect(bench.finish("b").runState).to.deep.equal({ to: "success" });
  });

  it("starts a task again that was cleared while it ran, once its attempt is over", () => {
    const bench = new Bench(dag([task("a", [], { retries: 1 }), task("b", ["a"])]));
    bench.begin();
    bench.start("a");
    clear(bench, "a");
    expect(bench.rows[0]).to.include({ state: "restarting", epoch: 1, maxTries: 3 });
    const decision = bench.send({ kind: "finished", tiNo: 0, outcome: { kind: "cancelled" }, epoch: 1 });
    expect(decision.transitions).to.have.length(1);
    expect(decision.transitions[0]).to.include({
      from: "restarting",
      to: "scheduled",
      newEpoch: 2,
      reason: "cleared while running",
    });
    expect(decision.newlyReady).to.deep.equal([0]);
    bench.start("a");
    expect(bench.rows[0]).to.include({ tryNumber: 2, epoch: 3 });
  });

  it("makes a cleared running task wait when its upstream was cleared with it", () => {
    const bench = new Bench(dag([task("a"), task("b", ["a"])]));
    bench.begin();
    bench.finish("a");
    bench.start("b");
    clear(bench, "a", "b");
    expect(bench.states()).to.deep.equal({ a: "scheduled", b: "restarting" });
    bench.send({ kind: "finished", tiNo: 1, outcome: ok });
    expect(bench.states(), "a success of the stopped attempt does not count").to.deep.equal({
      a: "scheduled",
      b: "none",
    });
  });

  it("holds back what was ready or waited for a retry when its upstream is cleared", () => {
    const bench = new Bench(dag([task("a"), task("b", ["a"]), task("c", ["a"], { retries: 1 })]));
    bench.begin();
    bench.finish("a");
    bench.finish("c", boom);
    clear(bench, "a");
    expect(bench.states()).to.deep.equal({ a: "scheduled", b: "none", c: "up_for_retry" });
    bench.now = bench.rows[2]!.dueAt!;
    bench.send({ kind: "due", tiNo: 2 });
    expect(bench.state("c")).to.equal("none");
    bench.finish("a");
    bench.start("c");
    expect(bench.rows[2], "still its second try").to.include({ tryNumber: 2, maxTries: 2 });
  });

  it("makes due what became due while nobody looked", () => {
    const bench = new Bench(dag([task("a", [], { retries: 1, retryDelayMs: 1000 })]));
    bench.begin();
    bench.finish("a", boom);
    bench.now += 5000;
    expect(bench.reopen().newlyReady).to.deep.equal([0]);
  });

  it("removes instances of tasks that the DAG no longer has, and runs new ones, whatever their numbers", () => {
    const definition = dag([task("kept"), task("added", ["kept"])]);
    const row = { mapIndex: -1, tryNumber: 0, maxTries: 1, epoch: 0, lostCount: 0 };
    const rows = [
      { ...row, tiNo: 0, taskId: "gone", state: "none" as const },
      { ...row, tiNo: 1, taskId: "kept", state: "success" as const },
      { ...row, tiNo: 2, taskId: "added", state: "none" as const },
    ];
    const bench = new Bench(definition, { rows });
    bench.begin();
    expect(bench.states()).to.deep.equal({ gone: "removed", kept: "success", added: "scheduled" });
    expect(bench.reason("gone")).to.equal("the DAG no longer has this task");
    expect(bench.finish("added").runState).to.deep.equal({ to: "success" });
  });

  it("counts the instances of a mapped task one by one", () => {
    const definition = dag([task("m"), task("t", ["m"], { triggerRule: "all_success" })]);
    const row = { tryNumber: 0, maxTries: 1, epoch: 0, lostCount: 0 };
    const rows = [
      { ...row, tiNo: 0, taskId: "m", mapIndex: 0, state: "none" as const },
      { ...row, tiNo: 1, taskId: "t", mapIndex: -1, state: "none" as const },
      { ...row, tiNo: 2, taskId: "m", mapIndex: 1, state: "none" as const },
    ];
    const run = openRun(compileGraph(definition), RUN, rows);
    const env = { now: 0 };
    expect(decide(run, { kind: "begin" }, env).newlyReady).to.deep.equal([0, 2]);
    for (const tiNo of [2, 0]) {
      expect(run.stateOf(1)).to.equal("none");
      decide(run, { kind: "queued", tiNo }, env);
      decide(run, { kind: "finished", tiNo, outcome: ok }, env);
    }
    expect(run.stateOf(1)).to.equal("scheduled");
  });
});

describe("decide: the previous run", () => {
  const definition = dag([task("a", [], { dependsOnPast: true, isNoop: true }), task("b", ["a"])]);
  const previously = (states: Record<string, "success" | "skipped" | "failed" | "running">) => ({
    kind: "past" as const,
    facts: {
      kind: "run" as const,
      runId: "r0",
      states: Object.entries(states).map(([taskId, state]) => ({ taskId, state })),
    },
  });

  it("holds a task until its former self is successful or skipped, and is no deadlock", () => {
    const bench = new Bench(definition);
    expect(bench.begin()).to.deep.equal({ transitions: [], newlyReady: [], stop: [] });
    expect(waitReason(bench.run, 0)).to.deep.equal({ code: "pastUnknown" });
    bench.send(previously({ a: "failed" }));
    expect(waitReason(bench.run, 0)).to.deep.equal({ code: "past", runId: "r0", taskId: "a", state: "failed" });
    expect(bench.send(previously({ a: "skipped" })).newlyReady).to.deep.equal([1]);
  });

  it("holds nothing when there is no previous run", () => {
    const bench = new Bench(definition, { facts: { past: { kind: "none" } } });
    expect(bench.begin().newlyReady).to.deep.equal([1]);
  });

  it("lets a new task begin only when told to ignore its first", () => {
    for (const ignores of [true, false]) {
      const tasks = [task("a", [], { dependsOnPast: true, ignoreFirstDependsOnPast: ignores })];
      const bench = new Bench(dag(tasks));
      bench.begin();
      bench.send(previously({ other: "success" }));
      expect(bench.state("a")).to.equal(ignores ? "scheduled" : "none");
      const seen = new Bench(dag(tasks));
      seen.begin();
      seen.send({
        kind: "past",
        facts: { kind: "run", runId: "r0", states: [], inEarlierRuns: ["a"] },
      });
      expect(seen.state("a"), "an earlier run had it").to.equal("none");
    }
  });

  it("waits for the downstreams of its former self too", () => {
    const bench = new Bench(dag([task("a", [], { waitForDownstream: true }), task("b", ["a"])]));
    bench.begin();
    bench.send(previously({ a: "success", b: "running" }));
    expect(waitReason(bench.run, 0)).to.deep.equal({
      code: "pastDownstream",
      runId: "r0",
      taskId: "b",
      state: "running",
    });
    bench.send(previously({ a: "success", b: "success" }));
    expect(bench.state("a")).to.equal("scheduled");
  });

  it("delays a skip only for tasks that ask for it, a failure for none", () => {
    for (const waits of [true, false]) {
      const extra = { dependsOnPast: true, waitForPastDependsBeforeSkipping: waits };
      const bench = new Bench(dag([task("a"), task("b", ["a"], extra), task("c"), task("d", ["c"], extra)]));
      bench.begin();
      bench.finish("a", skip);
      bench.finish("c", boom);
      expect(bench.state("b")).to.equal(waits ? "none" : "skipped");
      expect(bench.state("d")).to.equal("upstream_failed");
      bench.send(previously({ b: "success" }));
      expect(bench.state("b")).to.equal("skipped");
    }
  });
});

/** Clears these tasks as the command does, and opens the run again. */
function clear(bench: Bench, ...tasks: string[]): void {
  const tiNos = selectForClear(bench.graph, bench.rows, { tasks });
  for (const change of clearTransitions(bench.graph, bench.rows, tiNos)) {
    const { dueAt: _due, firstPokeAt: _first, branch: _branch, ...row } = bench.rows[change.tiNo]!;
    bench.rows[change.tiNo] = {
      ...row,
      state: change.to,
      epoch: change.newEpoch ?? row.epoch,
      maxTries: change.maxTries!,
      lostCount: 0,
    };
  }
  bench.facts = { ...bench.facts, state: "running" };
  bench.reopen();
}
