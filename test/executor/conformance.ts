import { expect } from "chai";
import { describe, it } from "mocha";
import type { Isolation } from "../../core/definition.ts";
import type { JsonObject } from "../../core/json.ts";
import type { AttemptWork, Executor, LogLine, OutcomeReport } from "../../executor/executor.ts";

/** What a test asks an executor to run; everything else of the attempt is filled in. */
export type TaskRequest = Pick<AttemptWork, "taskId"> & Partial<AttemptWork>;

/** One attempt on its way. */
export interface Started {
  readonly work: AttemptWork;
  /** Its one outcome. */
  readonly outcome: Promise<OutcomeReport>;
  /** Lines of its log, whether it has ended or not. */
  log(): Promise<readonly LogLine[]>;
  /** Resolves when its log holds a message that contains the text. */
  printed(text: string): Promise<void>;
}

/** An executor on a state folder of its own, whose DAG "d" is the given module. */
export interface ExecutorHarness extends AsyncDisposable {
  readonly executor: Executor;
  /** Hands the attempt out as the scheduler would: into a reserved slot, or submitted. */
  run(task: TaskRequest): Started;
  /** Every outcome reported so far, in order. */
  readonly outcomes: readonly OutcomeReport[];
  /** Free slots at each report, asked from inside the listener. */
  readonly freeAtReport: readonly number[];
  /** Calls of author code so far. */
  readonly calls: readonly { readonly method: string; readonly args: JsonObject }[];
}

export interface HarnessSettings {
  readonly slots?: number;
  readonly graceMs?: number;
  /** Answers client calls; default null to everything. */
  readonly answer?: (method: string, args: JsonObject) => unknown;
}

/** Opens the executor under test with this ES module (a DAG file after bundling) as the code of every attempt. */
export type OpenHarness = (code: string, settings?: HarnessSettings) => Promise<ExecutorHarness>;

/** A module that defines DAG "d"; `body` places tasks on `dag`. */
export function dagModule(body: string): string {
  return `import { Dag, FailFast, RetryAfter, Skip, getClient, getContext } from "sluice";
const dag = new Dag("d");
const place = (id, handler, spec) => dag.task(id, handler, spec)();
${body}
`;
}

/** The behaviour that every executor owes the scheduler. Call it inside `describe`. */
export function executorConformance(open: OpenHarness, isolations: readonly Isolation[] = ["process", "shared"]): void {
  for (const isolation of isolations) {
    describe(`isolation ${isolation}`, () => conformanceOf(open, isolation));
  }

  it("never runs more tasks at once than it has slots", async () => {
    await using harness = await open(dagModule(`place("work", async () => "x");`), { slots: 2 });
    const { executor } = harness;
    const first = executor.reserve({ isolation: "process", queue: "default" });
    const second = executor.reserve({ isolation: "process", queue: "default" });
    if (first === undefined || second === undefined) return; // Its slots are remote; its workers keep the limit.
    expect(executor.reserve({ isolation: "process", queue: "default" })).to.equal(undefined);
    expect(executor.freeSlots).to.equal(0);
    executor.release(first);
    executor.release(second);
    executor.release(second);
    expect(executor.freeSlots).to.equal(2);
  });

  it("gives a task's result back on stop, then takes nothing more", async () => {
    const code = dagModule(`place("slow", async () => {
      console.log("begun");
      await new Promise((resolve) => setTimeout(resolve, 150));
      return "finished";
    });`);
    await using harness = await open(code);
    const slow = harness.run({ taskId: "slow" });
    await slow.printed("begun");
    await harness.executor.stop(10_000);
    expect(await slow.outcome).to.deep.include({ outcome: { kind: "success" }, returnValueJson: '"finished"' });
    expect(harness.executor.reserve({ isolation: "process", queue: "default" })).to.equal(undefined);
  });

  it("reports what it has to break off on stop as lost, so that it runs again", async () => {
    const code = dagModule(
      `place("stubborn", () => { console.log("begun"); return new Promise(() => setInterval(() => {}, 1000)); });`,
    );
    await using harness = await open(code, { graceMs: 50 });
    const stubborn = harness.run({ taskId: "stubborn" });
    await stubborn.printed("begun");
    await harness.executor.stop(0);
    expect((await stubborn.outcome).outcome.kind).to.equal("lost");
  });
}

function conformanceOf(open: OpenHarness, isolation: Isolation): void {
  it("returns a task's value as JSON text", async () => {
    await using harness = await open(dagModule(`place("value", async () => ({ rows: [1, 2], text: "ä" }));`));
    const report = await harness.run({ taskId: "value", isolation }).outcome;
    expect(report.outcome).to.deep.equal({ kind: "success" });
    expect(JSON.parse(report.returnValueJson ?? "")).to.deep.equal({ rows: [1, 2], text: "ä" });
    expect(report.pid).to.be.a("number").that.is.greaterThan(1);
  });

  it("gives a task its inputs and its context", async () => {
    const code = dagModule(`const a = dag.task("a", async () => 1);
      dag.task("b", async ({ n }) => ({ n, run: getContext().runId, params: getContext().params, tryNumber: getContext().tryNumber }))({ n: a() });`);
    await using harness = await open(code);
    const report = await harness.run({ taskId: "b", isolation, inputs: { n: "41" }, runId: "manual__1" }).outcome;
    expect(JSON.parse(report.returnValueJson ?? "")).to.deep.equal({
      n: 41,
      run: "manual__1",
      params: { p: 1 },
      tryNumber: 1,
    });
  });

  it("reports what a task throws, and what that means for its retries", async () => {
    const code = dagModule(`
      place("plain", async () => { throw new TypeError("broken pipe"); });
      place("final", async () => { throw new FailFast("no use"); });
      place("later", async () => { throw new RetryAfter(30); });
      place("skip", async () => { throw new Skip("nothing to do"); });
      place("odd", async () => { throw null; });`);
    await using harness = await open(code, { slots: 5 });
    const kinds = ["plain", "final", "later", "skip", "odd"].map(
      (taskId) => harness.run({ taskId, isolation }).outcome,
    );
    const [plain, final, later, skip, odd] = (await Promise.all(kinds)).map(({ outcome }) => outcome);
    expect(plain).to.deep.include({ kind: "failed", retryable: true });
    expect(plain).to.have.nested.property("error.message", "broken pipe");
    expect(plain).to.have.nested.property("error.name", "TypeError");
    expect(final).to.deep.include({ kind: "failed", retryable: false });
    expect(later).to.deep.include({ kind: "failed", retryable: true, retryAfterMs: 30_000 });
    expect(skip).to.deep.include({ kind: "skipped", message: "nothing to do" });
    expect(odd).to.deep.include({ kind: "failed", retryable: true });
  });

  it("has a task's whole log before its outcome, in order, with levels", async () => {
    const code = dagModule(`place("talk", async () => {
      console.log("one\\ntwo");
      console.warn("three");
      getContext().log.info("four", { n: 4 });
      process.stdout.write("fi");
      await null;
      process.stdout.write("ve");
    });`);
    await using harness = await open(code);
    const talk = harness.run({ taskId: "talk", isolation });
    await talk.outcome;
    const lines = (await talk.log()).map(({ level, source, message }) => `${level} ${source} ${message}`);
    expect(lines).to.deep.equal([
      "info stdout one",
      "info stdout two",
      "warning stderr three",
      "info task four",
      "info stdout five",
    ]);
  });

  it("shows log lines while the task still runs", async () => {
    const code = dagModule(`place("wait", ({}) => new Promise((resolve) => {
      console.log("waiting");
      getContext().signal.addEventListener("abort", resolve);
    }));`);
    await using harness = await open(code);
    const wait = harness.run({ taskId: "wait", isolation });
    await wait.printed("waiting");
    expect(harness.outcomes).to.have.length(0);
    harness.executor.cancel(wait.work.attempt, "enough");
    await wait.outcome;
  });

  it("reports every attempt exactly once, with its slot free", async () => {
    await using harness = await open(dagModule(`place("n", async () => getContext().runId);`), { slots: 3 });
    const started = Array.from(
      { length: 40 },
      (_, index) => () => harness.run({ taskId: "n", isolation, runId: `r${index}` }),
    );
    const results: string[] = [];
    const worker = async () => {
      for (let next = started.shift(); next !== undefined; next = started.shift())
        results.push(JSON.parse((await next().outcome).returnValueJson ?? "") as string);
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(new Set(results).size).to.equal(40);
    expect(harness.outcomes).to.have.length(40);
    expect(harness.freeAtReport.every((free) => free >= 1)).to.equal(true);
  });

  it("passes calls of author code on, and their answers back", async () => {
    const code = dagModule(`place("ask", async () => {
      const found = await getClient().getVariable("colour");
      await getClient().setVariable("bad", "x").catch((error) => console.log("refused: " + error.message));
      return found;
    });`);
    const answer = (method: string) => {
      if (method === "setVariable") throw new Error("not today");
      return "green";
    };
    await using harness = await open(code, { answer });
    const ask = harness.run({ taskId: "ask", isolation });
    expect((await ask.outcome).returnValueJson).to.equal('"green"');
    expect((await ask.log()).map((line) => line.message)).to.include("refused: not today");
    expect(harness.calls[0]).to.deep.equal({ method: "getVariable", args: { key: "colour" } });
  });

  it("lets a cancelled task clean up, and reports it as cancelled", async () => {
    const code = dagModule(`place("polite", () => new Promise((resolve, reject) => {
      console.log("begun");
      getContext().signal.addEventListener("abort", () => { console.log("tidied up"); reject(new Error("stopped")); });
    }));`);
    await using harness = await open(code);
    const polite = harness.run({ taskId: "polite", isolation });
    await polite.printed("begun");
    harness.executor.cancel(polite.work.attempt, "the user said so");
    harness.executor.cancel(polite.work.attempt, "twice");
    harness.executor.cancel({ ...polite.work.attempt, epoch: 99 }, "unknown");
    expect((await polite.outcome).outcome).to.deep.equal({ kind: "cancelled", message: "the user said so" });
    expect((await polite.log()).map((line) => line.message)).to.include("tidied up");
    expect(harness.outcomes).to.have.length(1);
  });

  it("ends a task that ignores its cancellation, after the grace", async () => {
    const code =
      dagModule(`place("deaf", () => { console.log("begun"); return new Promise(() => setInterval(() => {}, 1000)); });
      place("next", async () => "next");`);
    await using harness = await open(code, { graceMs: 50 });
    const deaf = harness.run({ taskId: "deaf", isolation });
    await deaf.printed("begun");
    harness.executor.cancel(deaf.work.attempt, "no answer");
    expect((await deaf.outcome).outcome.kind).to.equal("cancelled");
    expect((await harness.run({ taskId: "next", isolation }).outcome).returnValueJson).to.equal('"next"');
  });

  it("fails a task that runs longer than its execution timeout", async () => {
    const code = dagModule(`place("long", async () => new Promise((resolve) => {
      getContext().signal.addEventListener("abort", () => resolve("late"));
    }));`);
    await using harness = await open(code);
    const { outcome } = await harness.run({ taskId: "long", isolation, executionTimeoutMs: 300 }).outcome;
    expect(outcome).to.deep.include({ kind: "failed", retryable: true });
    expect(outcome).to.have.nested.property("error.name", "TaskTimeout");
    expect(outcome).to.have.nested.property("error.message").that.contains("0.3 s");
  });

  for (const code of [0, 1, 137]) {
    it(`fails a task that calls process.exit(${code})`, async () => {
      const module = dagModule(`place("exit", async () => { console.log("leaving"); process.exit(${code}); });
        place("next", async () => "next");`);
      await using harness = await open(module);
      const exit = harness.run({ taskId: "exit", isolation });
      const { outcome } = await exit.outcome;
      expect(outcome).to.deep.include({ kind: "failed", retryable: true });
      expect(outcome).to.have.nested.property("error.message").that.contains("exit-without-result");
      expect((await exit.log()).map((line) => line.message)).to.include("leaving");
      expect((await harness.run({ taskId: "next", isolation }).outcome).returnValueJson).to.equal('"next"');
    });
  }

  for (const [kind, statement] of [
    ["an unhandled rejection", `Promise.reject(new Error("nobody caught me"))`],
    ["an uncaught exception", `setTimeout(() => { throw new Error("nobody caught me"); })`],
  ]) {
    it(`fails the task that caused ${kind}`, async () => {
      const code =
        dagModule(`place("fault", () => { ${statement}; return new Promise(() => setInterval(() => {}, 1000)); });
        place("next", async () => "next");`);
      await using harness = await open(code);
      const { outcome } = await harness.run({ taskId: "fault", isolation }).outcome;
      expect(outcome).to.have.nested.property("error.message", "nobody caught me");
      expect((await harness.run({ taskId: "next", isolation }).outcome).returnValueJson).to.equal('"next"');
    });
  }

  it("keeps the result of a task that causes an exception after it has ended", async () => {
    const code =
      dagModule(`place("late", async () => { setTimeout(() => { throw new Error("late"); }, 5); return "kept"; });
      place("next", async () => "next");`);
    await using harness = await open(code);
    expect((await harness.run({ taskId: "late", isolation }).outcome).returnValueJson).to.equal('"kept"');
    expect((await harness.run({ taskId: "next", isolation }).outcome).outcome.kind).to.equal("success");
  });

  it("names the task's process when that dies of a signal", async () => {
    const code = dagModule(
      `place("kill", async () => { process.kill(process.pid, "SIGKILL"); await new Promise(() => setInterval(() => {}, 1000)); });`,
    );
    await using harness = await open(code);
    const { outcome } = await harness.run({ taskId: "kill", isolation }).outcome;
    expect(outcome).to.deep.include({ kind: "failed", retryable: true });
    expect(outcome).to.have.nested.property("error.name", "ProcessKilled");
    expect(outcome).to.have.nested.property("error.message").that.contains("SIGKILL");
  });

  it("fails an attempt whose code is not there, or does not define its DAG", async () => {
    await using harness = await open(dagModule(`place("x", async () => 1);`));
    const missing = await harness.run({ taskId: "x", isolation, bundleHash: "f".repeat(64) }).outcome;
    expect(missing.outcome).to.have.nested.property("error.message").that.contains("not in the database");
    const foreign = await harness.run({ taskId: "x", isolation, dagId: "other" }).outcome;
    expect(foreign.outcome).to.have.nested.property("error.message").that.contains(`does not define DAG "other"`);
  });
}
