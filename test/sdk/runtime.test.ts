import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { Dag, getClient, getContext } from "../../sdk/index.ts";
import { attempt, failure, printed, run, tick } from "./harness.ts";

describe("a try", () => {
  it("gets its inputs and leaves what the handler returns", async () => {
    const end = await run(({ a, b }: { a: number[]; b?: string }) => ({ sum: a.length, b: b ?? "none" }), {
      inputs: { a: [1, 2] },
    });
    expect(end.outcome).to.deep.equal({ kind: "success" });
    expect(end.returnValueJson).to.equal('{"sum":2,"b":"none"}');
  });

  it("leaves nothing for undefined, and null for null", async () => {
    expect((await run(() => undefined)).returnValueJson).to.equal(undefined);
    expect((await run(() => null)).returnValueJson).to.equal("null");
  });

  it("leaves nothing when the task is told not to push", async () => {
    expect((await run(() => 5, {}, { doXcomPush: false })).returnValueJson).to.equal(undefined);
  });

  it("knows its context", async () => {
    const seen: unknown[] = [];
    const signal = new AbortController().signal;
    await run(() => void seen.push(getContext()), {
      signal,
      tryNumber: 2,
      runId: "r1",
      context: { conf: { x: 1 }, params: { y: 2 }, runType: "scheduled", timezone: "Europe/Berlin" },
    });
    expect(seen[0]).to.deep.include({
      dagId: "d",
      taskId: "t",
      runId: "r1",
      runType: "scheduled",
      tryNumber: 2,
      maxTries: 3,
      mapIndex: -1,
      logicalDate: new Date("2026-01-31T06:00:00Z"),
      dataInterval: { start: new Date("2026-01-30T06:00:00Z"), end: new Date("2026-01-31T06:00:00Z") },
      runAfter: new Date("2026-01-31T06:00:00Z"),
      timezone: "Europe/Berlin",
      params: { y: 2 },
      conf: { x: 1 },
      signal,
    });
  });

  it("has null for dates that its run does not have", async () => {
    const seen: unknown[] = [];
    await run(() => void seen.push(getContext()), {
      context: { logicalDate: null, dataIntervalStart: null, dataIntervalEnd: null },
    });
    expect(seen[0]).to.deep.include({ logicalDate: null, dataInterval: null });
  });

  it("has a context only inside of a task", () => {
    expect(() => getContext()).to.throw(/works only inside a running task/);
    expect(() => getClient()).to.throw(/works only inside a running task/);
  });

  it("sees the params as the schema makes them", async () => {
    const dag = new Dag("d", {
      params: z.object({ day: z.iso.date().transform((day) => new Date(day)), n: z.number() }),
    });
    const seen: unknown[] = [];
    dag.task("t", () => void seen.push(getContext(dag).params))();
    await attempt({ dag, taskId: "t", context: { params: { day: "2026-01-31", n: 3 } } });
    expect(seen[0]).to.deep.equal({ day: new Date("2026-01-31"), n: 3 });
    const bad = failure(await attempt({ dag, taskId: "t", context: { params: { day: "31.1.", n: 3 } } }));
    expect(bad.message).to.match(/do not fit the DAG's schema: day: /);
    expect(bad.retryable).to.equal(false);
  });

  it("refuses the params of another Dag", async () => {
    const other = new Dag("other");
    expect(failure(await run(() => getContext(other))).message).to.match(
      /was given Dag "other", but the running task belongs to Dag "d"/,
    );
  });

  it("keeps many at once apart", async () => {
    const dag = new Dag("d");
    dag.task("t", async ({ n }: { n: number }) => {
      for (let i = 0; i < 5; i++) {
        console.log(`${n}:${i}`);
        await tick();
      }
      return getContext().runId;
    })({ n: 0 });
    const ends = await Promise.all(
      Array.from({ length: 20 }, (_, n) => attempt({ dag, taskId: "t", runId: `run${n}`, inputs: { n } })),
    );
    for (const [n, end] of ends.entries()) {
      expect(end.returnValueJson).to.equal(`"run${n}"`);
      expect(printed(end, "stdout")).to.deep.equal([0, 1, 2, 3, 4].map((i) => `${n}:${i}`));
    }
  });

  it("of a task that this version of the code does not have fails for good", async () => {
    const end = failure(await attempt({ dag: new Dag("d"), taskId: "gone" }));
    expect(end).to.deep.include({ name: "FailFast", retryable: false });
    expect(end.message).to.match(/has no task "gone" in this version/);
  });
});

describe("an abort", () => {
  it("reaches the handler, and makes its failure a cancellation", async () => {
    const controller = new AbortController();
    const pending = run(
      async () => {
        const { signal } = getContext();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
      { signal: controller.signal },
    );
    await tick();
    controller.abort(new Error("cancelled by ann"));
    expect((await pending).outcome).to.deep.equal({ kind: "cancelled", message: "cancelled by ann" });
  });

  it("by timeout is a failure that may be retried", async () => {
    const controller = new AbortController();
    const pending = run(
      () => new Promise((_, reject) => getContext().signal.addEventListener("abort", () => reject(new Error("late")))),
      { signal: controller.signal },
    );
    await tick();
    controller.abort(new DOMException("took longer than 10 s", "TimeoutError"));
    expect(failure(await pending)).to.deep.include({
      name: "TimeoutError",
      message: "took longer than 10 s",
      retryable: true,
    });
  });

  it("does not undo a success", async () => {
    const controller = new AbortController();
    controller.abort();
    expect((await run(() => 5, { signal: controller.signal })).outcome).to.deep.equal({ kind: "success" });
  });
});

describe("what a task leaves running", () => {
  it("is harmless: it prints nothing, may not call, and has no say in the outcome", async () => {
    const late: Promise<unknown>[] = [];
    let proceed: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    const end = await run(() => {
      const client = getClient();
      const { log } = getContext();
      late.push(
        ended.then(() => {
          console.log("too late");
          log.info("too late");
          return client.getVariable("x");
        }),
      );
      return 1;
    });
    proceed();
    const refusal = await late[0]?.catch((error: Error) => error.message);
    expect(refusal).to.match(/getVariable was called after the task had ended. Await everything/);
    expect(end.lines).to.deep.equal([]);
    expect(end.calls).to.deep.equal([]);
  });
});
