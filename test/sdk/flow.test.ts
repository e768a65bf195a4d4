import { expect } from "chai";
import { describe, it } from "mocha";
import {
  branch,
  Dag,
  type DagSpec,
  empty,
  getContext,
  latestOnly,
  shortCircuit,
  type TaskRef,
  triggerDagRun,
} from "../../sdk/index.ts";
import type { BranchChoice, TriggerDagRunOptions } from "../../sdk/operators/index.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { attempt, failure, refused, type Trial } from "./harness.ts";

const work = async () => 1;

describe("shortCircuit", () => {
  async function circuit(value: unknown, options?: { ignoreDownstreamTriggerRules?: boolean }) {
    const dag = new Dag("d");
    const go = dag.task(
      "go",
      shortCircuit(() => value, options),
    )();
    dag.task("b", work)().after(go);
    dag.task("a", work)().after(go);
    return attempt({ dag, taskId: "go" });
  }

  it("goes on when something truthy is returned, and leaves it", async () => {
    const end = await circuit("yes");
    expect(end.outcome).to.deep.equal({ kind: "success" });
    expect(end.returnValueJson).to.equal('"yes"');
  });

  it("skips everything below otherwise, or only what is directly below", async () => {
    for (const value of [false, 0, "", null, undefined]) {
      expect((await circuit(value)).outcome).to.deep.equal({
        kind: "success",
        branch: { skipped: ["a", "b"], transitive: true },
      });
    }
    const direct = await circuit(false, { ignoreDownstreamTriggerRules: false });
    expect(direct.outcome).to.deep.equal({ kind: "success", branch: { skipped: ["a", "b"], transitive: false } });
    expect(direct.returnValueJson).to.equal("false");
  });

  it("is stored with how far it reaches", () => {
    const dag = new Dag("d");
    dag.task("go", shortCircuit(work))();
    expect(serializeDag(dag).tasks[0]?.branch).to.deep.equal({
      kind: "shortCircuit",
      ignoreDownstreamTriggerRules: true,
    });
    refused(
      () => shortCircuit(work, { ignoreTriggerRules: true } as never),
      /shortCircuit: unknown key "ignoreTriggerRules"/,
    );
    refused(() => shortCircuit("x" as never), /must be a function/);
  });
});

describe("branch", () => {
  async function pick(choose: (refs: { a: TaskRef; b: TaskRef; first: TaskRef }) => unknown) {
    const dag = new Dag("d");
    const group = dag.taskGroup("g");
    const [a, b] = [dag.task("a", work)(), group.task("b", work)()];
    const first = group.task("first", work)().before(b);
    const far = dag.task("far", work)().after(a);
    const refs = { a, b, first, far };
    dag
      .task(
        "pick",
        branch(() => choose(refs) as BranchChoice),
      )()
      .before(a, group);
    return attempt({ dag, taskId: "pick" });
  }

  it("follows one, several, a group's first tasks, or none", async () => {
    const followed = async (choose: Parameters<typeof pick>[0]) => (await pick(choose)).outcome;
    expect(await followed(() => "a")).to.deep.equal({ kind: "success", branch: { followed: ["a"] } });
    expect(await followed(({ a }) => a)).to.deep.equal({ kind: "success", branch: { followed: ["a"] } });
    expect(await followed(({ a, first }) => [a, first, "a"])).to.deep.equal({
      kind: "success",
      branch: { followed: ["a", "g.first"] },
    });
    expect(await followed(() => "g")).to.deep.equal({ kind: "success", branch: { followed: ["g.first"] } });
    for (const none of [null, undefined, []])
      expect(await followed(() => none)).to.deep.equal({ kind: "success", branch: { followed: [] } });
  });

  it("leaves the ids that it follows", async () => {
    expect((await pick(({ first }) => first)).returnValueJson).to.equal('["g.first"]');
  });

  it("fails for good when it names what is not directly below", async () => {
    for (const [choice, shown] of [
      ["far", '"far"'],
      ["nope", '"nope"'],
      [5, "5"],
      [true, "true"],
      [["a", "g.b"], '"g.b"'],
    ] as const) {
      const end = failure(await pick(() => choice));
      expect(end.message)
        .to.match(/which is not directly below it. Return one or several of: "a", "g\.first", or null/)
        .and.contain(shown);
      expect(end.retryable).to.equal(false);
    }
  });
});

describe("if and switch", () => {
  async function condition(value: unknown, hasElse = true) {
    const dag = new Dag("d");
    const [yes, no, join, other] = ["yes", "no", "join", "other"].map((id) =>
      dag.task(id, work, { triggerRule: "none_failed" })(),
    );
    const check = dag.if(async () => value as boolean, {}, { taskId: "check" }).then(yes as TaskRef);
    if (hasElse) check.else(no as TaskRef);
    check.before(join as TaskRef, other as TaskRef);
    join?.after(yes as TaskRef, no as TaskRef);
    return attempt({ dag, taskId: "check" });
  }

  it("skip the side that is not taken, and nothing else that lies below", async () => {
    expect(await condition(true)).to.deep.include({
      outcome: { kind: "success", branch: { skipped: ["no"] } },
      returnValueJson: "true",
    });
    expect(await condition(false)).to.deep.include({
      outcome: { kind: "success", branch: { skipped: ["yes"] } },
      returnValueJson: "false",
    });
    expect((await condition(true, false)).outcome).to.deep.equal({ kind: "success", branch: { skipped: [] } });
    expect((await condition(false, false)).outcome).to.deep.equal({ kind: "success", branch: { skipped: ["yes"] } });
  });

  it("keep a side that the other leads to", async () => {
    const dag = new Dag("d");
    const [first, second] = [dag.task("first", work)(), dag.task("second", work)()];
    first.before(second);
    dag
      .if(async () => true, {}, { taskId: "check" })
      .then(first)
      .else(second);
    expect((await attempt({ dag, taskId: "check" })).outcome).to.deep.equal({
      kind: "success",
      branch: { skipped: [] },
    });
  });

  it("fail for good when an if is no boolean", async () => {
    for (const value of ["yes", 1, null, undefined]) {
      const end = failure(await condition(value));
      expect(end.message).to.match(/The condition "check" must return true or false, but returned/);
      expect(end.retryable).to.equal(false);
    }
  });

  it("take a case by reference or by id, and leave its id", async () => {
    for (const byRef of [true, false]) {
      const dag = new Dag("d");
      const [a, b, c] = ["a", "b", "c"].map((id) => dag.taskGroup(`g${id}`).task(id, work)()) as [
        TaskRef,
        TaskRef,
        TaskRef,
      ];
      dag
        .switch(async () => (byRef ? b : "gb.b"), {}, { taskId: "pick" })
        .case(a)
        .case(b)
        .case(c);
      expect(await attempt({ dag, taskId: "pick" })).to.deep.include({
        outcome: { kind: "success", branch: { skipped: ["ga.a", "gc.c"] } },
        returnValueJson: '"gb.b"',
      });
    }
  });

  it("fail for good when a switch names no case", async () => {
    const dag = new Dag("d");
    const a = dag.task("a", work)();
    const values: unknown[] = ["b", 5, null, undefined, dag.task("b", work)(), ["a"]];
    const ids = values.map((value, index) => {
      const taskId = `pick${index}`;
      dag.switch(async () => value as string, {}, { taskId }).case(a);
      return taskId;
    });
    for (const taskId of ids) {
      expect(failure(await attempt({ dag, taskId })).message).to.match(
        /must return one of its cases \("a"\), but returned/,
      );
    }
  });

  it("decide by a task that has a value of its own", async () => {
    const dag = new Dag("d");
    const a = dag.task("a", work)();
    const big = dag.task("big", async ({ n }: { n: number }) => n > 5)({ n: 3 });
    dag.if(big).then(a);
    expect((await attempt({ dag, taskId: "big", inputs: { n: 3 } })).outcome).to.deep.equal({
      kind: "success",
      branch: { skipped: ["a"] },
    });
    expect((await attempt({ dag, taskId: "big", inputs: { n: 7 } })).outcome).to.deep.equal({
      kind: "success",
      branch: { skipped: [] },
    });
    const chosen = dag.task("chosen", async () => a)();
    dag.switch(chosen).case(a);
    expect((await attempt({ dag, taskId: "chosen" })).returnValueJson).to.equal('"a"');
  });
});

describe("latestOnly", () => {
  async function latest(spec: DagSpec, context: Trial["context"], now: string) {
    const dag = new Dag("d", spec);
    const gate = dag.task("gate", latestOnly())();
    dag.task("below", work)().after(gate);
    return (await attempt({ dag, taskId: "gate", context, now: () => Date.parse(now) })).outcome;
  }
  const skipped = { kind: "success", branch: { skipped: ["below"] } };
  const scheduled = (logicalDate: string) => ({ runType: "scheduled", logicalDate });

  it("skips what is below in a run that a newer one has followed", async () => {
    const daily = { schedule: "@daily" };
    expect(await latest(daily, scheduled("2026-01-30T00:00:00Z"), "2026-01-31T00:00:01Z")).to.deep.equal(skipped);
    expect(await latest(daily, scheduled("2026-01-31T00:00:00Z"), "2026-01-31T00:00:01Z")).to.deep.equal({
      kind: "success",
    });
    expect(
      await latest(daily, { runType: "backfill", logicalDate: "2026-01-01T00:00:00Z" }, "2026-01-31T00:00:01Z"),
    ).to.deep.equal(skipped);
  });

  it("lets manual runs, and the last of a schedule that ends, go on", async () => {
    const daily = { schedule: "@daily", endDate: "2026-01-30" };
    expect(
      await latest(daily, { runType: "manual", logicalDate: "2020-01-01T00:00:00Z" }, "2026-01-31T00:00:01Z"),
    ).to.deep.equal({ kind: "success" });
    expect(await latest(daily, scheduled("2026-01-30T00:00:00Z"), "2026-03-31T00:00:01Z")).to.deep.equal({
      kind: "success",
    });
  });
});

describe("triggerDagRun", () => {
  function start(options: TriggerDagRunOptions, trial: Partial<Trial> = {}) {
    const dag = new Dag("d");
    dag.task("t", triggerDagRun(options))();
    return attempt({
      dag,
      taskId: "t",
      answer: (method) => (method === "triggerDagRun" ? { created: true } : { state: "running" }),
      ...trial,
    });
  }

  it("starts a run with conf from templates, and leaves its id", async () => {
    const end = await start(
      {
        dagId: "{{ params.target }}",
        conf: { day: "{{ ds }}", n: 1, deep: ["{{ run_id }}"] },
        note: "by {{ task_id }}",
      },
      { context: { params: { target: "other" } } },
    );
    const [call] = end.calls;
    expect(call?.method).to.equal("triggerDagRun");
    expect(call?.args).to.deep.include({
      dagId: "other",
      conf: { day: "2026-01-31", n: 1, deep: ["manual__x"] },
      note: "by t",
      ifExists: "reuse",
      failWhenPaused: false,
    });
    expect(call?.args.runId).to.match(/^manual__2026-01-31T06:00:00\.000\+00:00_[0-9a-f]{10}$/);
    expect(end).to.deep.include({ outcome: { kind: "success" }, returnValueJson: JSON.stringify(call?.args.runId) });
  });

  it("names its run after the try: the same when asked again, another for every try", async () => {
    const id = async (trial: Partial<Trial>) => (await start({ dagId: "o" }, trial)).calls[0]?.args.runId;
    expect(await id({})).to.equal(await id({}));
    expect(await id({ tryNumber: 2 })).not.to.equal(await id({}));
    expect(await id({ runId: "other" })).not.to.equal(await id({}));
  });

  it("takes Airflow's names, and every way to meet an existing run", async () => {
    const args = async (options: TriggerDagRunOptions) => (await start(options)).calls[0]?.args;
    expect(await args({ triggerDagId: "o", triggerRunId: "r-{{ ds }}" })).to.deep.include({
      dagId: "o",
      runId: "r-2026-01-31",
      ifExists: "fail",
    });
    expect(await args({ dagId: "o", runId: "r", resetDagRun: true })).to.deep.include({ ifExists: "reset" });
    expect(
      await args({ dagId: "o", runId: "r", skipWhenAlreadyExists: true, failWhenDagIsPaused: true }),
    ).to.deep.include({ ifExists: "skip", failWhenPaused: true });
    expect(await args({ dagId: "o", deferrable: true, conf: () => ({ a: new Date(0) }) })).to.deep.include({
      conf: { a: "1970-01-01T00:00:00.000Z" },
    });
  });

  it("is skipped when the run exists and it is told to", async () => {
    const end = await start(
      { dagId: "o", runId: "r", skipWhenAlreadyExists: true },
      { answer: () => ({ created: false }) },
    );
    expect(end.outcome).to.deep.equal({ kind: "skipped", message: 'run r of Dag "o" exists already' });
  });

  it("waits without a slot until the run is over", async () => {
    const now = () => 1_000_000;
    const options: TriggerDagRunOptions = { dagId: "o", waitForCompletion: true, pokeInterval: "5s" };
    const first = await start(options, { now });
    expect(first.outcome).to.deep.equal({ kind: "reschedule", at: 1_005_000 });
    const poke = (state: string | null, more: Partial<TriggerDagRunOptions> = {}) =>
      start(
        { ...options, ...more },
        { now, context: { firstPokeAt: 990_000 }, answer: () => (state === null ? null : { state }) },
      );
    const waiting = await poke("running");
    expect(waiting.outcome).to.deep.equal({ kind: "reschedule", at: 1_005_000 });
    expect(waiting.calls).to.deep.equal([
      { method: "getDagRunState", args: { dagId: "o", runId: first.calls[0]?.args.runId } },
    ]);
    expect(await poke("success")).to.deep.include({
      outcome: { kind: "success" },
      returnValueJson: JSON.stringify(first.calls[0]?.args.runId),
    });
    expect(failure(await poke("failed"))).to.deep.include({ retryable: true });
    expect((await poke("failed", { allowedStates: ["success", "failed"], failedStates: [] })).outcome.kind).to.equal(
      "success",
    );
    expect(failure(await poke(null))).to.deep.include({ retryable: false });
  });

  it("is stored as a sensor only when it waits", () => {
    const dag = new Dag("d");
    dag.task("a", triggerDagRun({ dagId: "o" }))();
    dag.task("b", triggerDagRun({ dagId: "o", waitForCompletion: true, timeout: "1d" }))();
    const [a, b] = serializeDag(dag).tasks;
    expect(a).to.deep.include({ operator: "triggerDagRun", operatorSummary: "→ o" }).and.not.to.have.property("sensor");
    expect(b?.sensor).to.deep.equal({ everyMs: 60_000, timeoutMs: 86_400_000, softFail: false });
  });

  it("refuses options that are not valid", async () => {
    refused(() => triggerDagRun({}), /the option dagId is missing/);
    refused(() => triggerDagRun({ dagId: "a", triggerDagId: "b" }), /dagId and triggerDagId mean the same/);
    refused(() => triggerDagRun({ dagId: "a", conf: "x" as never }), /conf must be an object/);
    refused(() => triggerDagRun({ dagId: "a", conf: { x: ["{{ nope }}"] } }), /conf has the unknown name "nope"/);
    refused(() => triggerDagRun({ dagId: "a", allowedStates: ["done" as never] }), /allowedStates must be/);
    refused(() => triggerDagRun({ dagId: "a", logicalDate: "x" } as never), /unknown key "logicalDate"/);
    expect(failure(await start({ dagId: "o", conf: () => 5 as never })).message).to.match(
      /conf must be an object, but it is 5/,
    );
    expect(failure(await start({ dagId: "o", conf: () => ({ a: 1n }) })).message).to.match(/\$\.a is a BigInt/);
  });
});

describe("empty", () => {
  it("needs no worker", () => {
    const dag = new Dag("d");
    dag.task("gate", empty())();
    expect(serializeDag(dag).tasks[0]).to.deep.include({ operator: "empty", isNoop: true });
  });
});

describe("a handler", () => {
  it("of a sensor, branch or circuit has a context like any other", async () => {
    const dag = new Dag("d");
    dag.task(
      "t",
      shortCircuit(() => getContext().taskId),
    )();
    expect((await attempt({ dag, taskId: "t" })).returnValueJson).to.equal('"t"');
  });
});
