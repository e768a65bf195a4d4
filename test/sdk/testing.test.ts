import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import {
  bash,
  branch,
  Dag,
  FailFast,
  getClient,
  getContext,
  latestOnly,
  Skip,
  sensor,
  shortCircuit,
  type TaskRef,
  triggerDagRun,
} from "../../sdk/index.ts";
import { simulate, testDag, testTask } from "../../sdk/testing/index.ts";

const work = async () => 1;

/** The state of every task. */
function states(run: Awaited<ReturnType<typeof testDag>>): { [taskId: string]: string } {
  return Object.fromEntries(Object.entries(run.tasks).map(([id, { state }]) => [id, state]));
}

describe("testDag", () => {
  it("runs a whole Dag, values passing from task to task", async () => {
    const dag = new Dag("sales");
    const extract = dag.task("extract", async (): Promise<number[]> => [3, 5, 8]);
    const total = dag.task("total", async ({ rows }: { rows: number[] }) => rows.reduce((a, b) => a + b, 0));
    const report = dag.task("report", async ({ sum }: { sum: number }) => console.log(`sold ${sum}`));
    report({ sum: total({ rows: extract() }) });
    const run = await testDag(dag);
    expect(run.state).to.equal("success");
    expect(run.tasks.total).to.deep.include({ state: "success", value: 16, tries: 1 });
    expect(run.tasks.report?.log).to.deep.equal([{ level: "info", source: "stdout", message: "sold 16" }]);
    expect(run.tasks.report?.value).to.equal(undefined);
  });

  it("puts stand-ins in the place of code", async () => {
    const dag = new Dag("d", { params: z.object({ factor: z.number().default(2) }) });
    const dump = dag.task("dump", bash({ command: "exit 1" }))();
    const size = dag.task("size", async ({ file }: { file: string }) => file.length)({ file: dump });
    dag.task("scaled", async ({ n }: { n: number }) => n * getContext(dag).params.factor)({ n: size });
    const run = await testDag(dag, {
      tasks: { dump: "/x.sql", size: ({ file }: { file: string }) => file.length + 1 },
      params: { factor: 10 },
    });
    expect(run.tasks.scaled?.value).to.equal(70);
  });

  it("follows decisions, made by the code or by stand-ins", async () => {
    const dag = new Dag("d");
    const [a, b] = ["a", "b"].map((id) => dag.task(id, work)()) as [TaskRef, TaskRef];
    dag
      .task(
        "pick",
        branch(() => "a"),
      )()
      .before(a, b);
    const below = dag.task("below", work)();
    dag
      .task(
        "go",
        shortCircuit(() => true),
      )()
      .before(below);
    const [yes, no] = ["yes", "no"].map((id) => dag.task(id, work)()) as [TaskRef, TaskRef];
    dag
      .if(async () => true, {}, { taskId: "check" })
      .then(yes)
      .else(no);
    dag.task("newest", latestOnly())();
    expect(states(await testDag(dag))).to.deep.include({
      a: "success",
      b: "skipped",
      below: "success",
      yes: "success",
      no: "skipped",
    });
    const stubbed = await testDag(dag, { tasks: { pick: () => ["b"], go: false, check: false } });
    expect(states(stubbed)).to.deep.include({
      a: "skipped",
      b: "success",
      below: "skipped",
      yes: "skipped",
      no: "success",
    });
  });

  it("retries by the task's policy without waiting", async () => {
    const dag = new Dag("d");
    const times: number[] = [];
    dag.task(
      "flaky",
      async () => {
        times.push(getContext().tryNumber);
        if (times.length < 3) throw new Error("not yet");
        return "done";
      },
      { retries: 5, retryDelay: "1h" },
    )();
    const bad = dag.task("bad", () => Promise.reject(new FailFast("never")), { retries: 5 })();
    dag.task("after_bad", work)().after(bad);
    const skip = dag.task("skip", () => Promise.reject(new Skip()))();
    dag.task("after_skip", work)().after(skip);
    dag.task("cleanup", work, { triggerRule: "all_done" })().after(bad, skip);
    const run = await testDag(dag);
    expect(times).to.deep.equal([1, 2, 3]);
    expect(run.state).to.equal("failed");
    expect(states(run)).to.deep.equal({
      flaky: "success",
      bad: "failed",
      after_bad: "upstream_failed",
      skip: "skipped",
      after_skip: "skipped",
      cleanup: "success",
    });
    expect(run.tasks.bad).to.deep.include({ tries: 1 });
    expect(run.tasks.bad?.error).to.deep.include({ name: "FailFast", message: "never" });
  });

  it("pokes sensors by a clock of its own, up to their timeout", async () => {
    const dag = new Dag("d");
    let pokes = 0;
    dag.task(
      "wait",
      sensor(() => (++pokes === 30 ? "there" : false), { every: "1h", timeout: "2d" }),
    )();
    dag.task(
      "give_up",
      sensor(() => false, { every: "1h", timeout: "2d", softFail: true }),
    )();
    dag.task(
      "fail",
      sensor(() => false, { every: "1h", timeout: "2d" }),
    )();
    const run = await testDag(dag);
    expect(run.tasks.wait).to.deep.include({ state: "success", value: "there", tries: 1 });
    expect(states(run)).to.deep.include({ give_up: "skipped", fail: "failed" });
    const stubbed = await testDag(dag, { tasks: { wait: true, give_up: true, fail: { ready: 1 } } });
    expect(stubbed.state).to.equal("success");
  });

  it("answers from the variables, connections and runs that it was given", async () => {
    const dag = new Dag("d");
    dag.task("t", async () => {
      const client = getClient();
      await client.setVariable("b", "2");
      await client.deleteVariable("c");
      await client.setXCom({ key: "k", value: [1] });
      const { type, host, port } = await client.getConnectionOrThrow("db");
      return [
        await client.getVariable("a"),
        await client.getVariable("x"),
        await client.getXCom({ key: "k" }),
        type,
        host,
        port,
      ];
    })();
    dag.task("start", triggerDagRun({ dagId: "good", conf: { a: "{{ var.value.a }}" }, waitForCompletion: true }))();
    dag.task("start_bad", triggerDagRun({ dagId: "bad", waitForCompletion: true }))();
    const run = await testDag(dag, {
      variables: { a: "1", c: "3" },
      connections: { db: { type: "postgres", host: "h" } },
      dagRuns: { bad: "failed" },
    });
    expect(run.tasks.t?.value).to.deep.equal(["1", null, [1], "postgres", "h", null]);
    expect(run.variables).to.deep.equal({ a: "1", b: "2" });
    expect(states(run)).to.deep.include({ start: "success", start_bad: "failed" });
    expect(run.triggered.map(({ dagId, conf }) => [dagId, conf])).to.deep.equal([
      ["good", { a: "1" }],
      ["bad", {}],
    ]);
  });

  it("runs on the date that it is given", async () => {
    const dag = new Dag("d", { timezone: "Europe/Berlin" });
    dag.task("t", () => {
      const { logicalDate, dataInterval, runId, runType } = getContext();
      return [logicalDate, dataInterval, runId, runType];
    })();
    const given = await testDag(dag, {
      logicalDate: "2026-05-01T00:00:00Z",
      dataInterval: { start: "2026-04-30T00:00:00Z", end: "2026-05-01T00:00:00Z" },
      runId: "r",
      runType: "scheduled",
    });
    expect(given.tasks.t?.value).to.deep.equal([
      "2026-05-01T00:00:00.000Z",
      { start: "2026-04-30T00:00:00.000Z", end: "2026-05-01T00:00:00.000Z" },
      "r",
      "scheduled",
    ]);
    expect((await testDag(dag, { logicalDate: null })).tasks.t?.value).to.deep.equal([null, null, "test", "manual"]);
  });

  it("refuses unknown tasks, and params that do not fit", async () => {
    const dag = new Dag("d", { params: z.object({ n: z.number() }) });
    dag.task("extract", work)();
    const problem = (promise: Promise<unknown>) =>
      promise.then(
        () => "nothing",
        (error: Error) => error.message,
      );
    expect(await problem(testDag(dag, { tasks: { extrct: 1 }, params: { n: 1 } }))).to.match(
      /no task "extrct". Did you mean "extract"/,
    );
    expect(await problem(testDag(dag, { params: { n: "x" } }))).to.match(/The params do not fit Dag "d": n /);
    expect(await problem(testDag(dag))).to.match(/n is required/);
  });
});

describe("testTask", () => {
  it("runs one try of one task", async () => {
    const dag = new Dag("d");
    dag.task("convert", async ({ amount, factor }: { amount: number; factor: number }) => {
      console.log("converting");
      return amount * factor * Number(await getClient().getVariableOrThrow("rate")) * getContext().tryNumber;
    })({ amount: dag.task("source", work)(), factor: 2 });
    const end = await testTask(dag, "convert", {
      inputs: { amount: 3, factor: 4 },
      variables: { rate: "2" },
      tryNumber: 2,
    });
    expect(end).to.deep.include({ outcome: { kind: "success" }, value: 48 });
    expect(end.log.map(({ message }) => message)).to.deep.equal(["converting"]);
    const failed = await testTask(dag, "convert", { inputs: { amount: 1, factor: 1 } });
    expect(failed.outcome).to.deep.include({ kind: "failed" });
    const plain = new Dag("d");
    plain.task("echo", async (inputs: { n: number }) => inputs)({ n: 7 });
    expect((await testTask(plain, "echo")).value, "literals are taken from the Dag").to.deep.equal({ n: 7 });
  });
});

describe("simulate", () => {
  it("gives the runs of a year, through both changes of the clock", () => {
    const dag = new Dag("d", { schedule: "30 2 * * *", timezone: "Europe/Berlin" });
    const runs = simulate(dag, { from: "2026-01-01", to: "2026-12-31T23:59:59Z" });
    expect(runs).to.have.length(365);
    expect(new Set(runs.map(({ logicalDate }) => logicalDate.getTime())).size).to.equal(365);
  });

  it("keeps to the start and end date of the Dag, and to the limit", () => {
    const dag = new Dag("d", { schedule: "@daily", startDate: "2026-01-10", endDate: "2026-01-12" });
    const range = { from: "2026-01-01", to: "2026-02-01" };
    expect(simulate(dag, range).map(({ logicalDate }) => logicalDate.toISOString().slice(0, 10))).to.deep.equal([
      "2026-01-10",
      "2026-01-11",
      "2026-01-12",
    ]);
    expect(simulate(dag, { ...range, limit: 2 })).to.have.length(2);
    expect(simulate(new Dag("none"), range)).to.deep.equal([]);
  });
});
