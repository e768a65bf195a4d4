import { mkdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { Dag, externalTask, fileSensor, getContext, sensor, timeSensor } from "../../sdk/index.ts";
import type { Operator } from "../../sdk/operator.ts";
import { nextPoke } from "../../sdk/sensors/options.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { tempFolders } from "../support/temp.ts";
import { attempt, failure, refused, type Trial } from "./harness.ts";

const at = (iso: string) => Date.parse(iso);

function poke(operator: Operator<never, unknown>, trial: Partial<Trial> = {}) {
  const dag = new Dag("d");
  dag.task("t", operator as Operator<object>)({});
  return attempt({ dag, taskId: "t", now: () => 1000, ...trial });
}

describe("sensor", () => {
  it("asks again later when the answer is nothing", async () => {
    for (const nothing of [false, null, undefined, 0, ""]) {
      const end = await poke(sensor(async () => nothing, { every: 5 }));
      expect(end.outcome).to.deep.equal({ kind: "reschedule", at: 6000 });
      expect(end.returnValueJson).to.equal(undefined);
    }
  });

  it("leaves what it was answered", async () => {
    expect(await poke(sensor(() => true))).to.deep.include({ outcome: { kind: "success" }, returnValueJson: "true" });
    expect(await poke(sensor(async () => ({ path: "x" })))).to.deep.include({ returnValueJson: '{"path":"x"}' });
  });

  it("fails like any task when it throws", async () => {
    expect(failure(await poke(sensor(() => Promise.reject(new Error("no access")))))).to.deep.include({
      message: "no access",
      retryable: true,
    });
  });

  it("has inputs and a context", async () => {
    const end = await poke(sensor(({ n }: { n: number }) => `${getContext().taskId}${n}`) as Operator<never>, {
      inputs: { n: 3 },
    });
    expect(end.returnValueJson).to.equal('"t3"');
  });

  it("is stored with its intervals", () => {
    const dag = new Dag("d");
    dag.task(
      "a",
      sensor(() => true),
    )();
    dag.task(
      "b",
      sensor(() => true, { every: "500ms", timeout: "2h", softFail: true, backoff: 1.5 }),
    )();
    expect(serializeDag(dag).tasks.map((task) => task.sensor)).to.deep.equal([
      { everyMs: 60_000, timeoutMs: 604_800_000, softFail: false },
      { everyMs: 500, timeoutMs: 7_200_000, softFail: true, backoff: 1.5 },
    ]);
  });

  it("waits longer and longer with backoff, at most a day", () => {
    const definition = { everyMs: 1000, timeoutMs: 1e9, softFail: false, backoff: 2 };
    const waits: number[] = [];
    let now = 0;
    for (let poke = 0; poke < 20; poke++) {
      const next = nextPoke(definition, poke === 0 ? undefined : 0, now);
      waits.push(next - now);
      // Each poke comes a little late, as in life.
      now = next + 3;
    }
    expect(waits.slice(0, 6)).to.deep.equal([1000, 2000, 4000, 8000, 16_000, 32_000]);
    expect(waits.at(-1)).to.equal(86_400_000);
  });

  it("is refused with options that are not valid", () => {
    refused(() => sensor(() => true, { evry: 5 } as never), /sensor: unknown key "evry".*Did you mean "every"/);
    refused(() => sensor(() => true, { every: 0 }), /every must be at least 0\.1 seconds/);
    refused(() => sensor(() => true, { timeout: "soon" }), /timeout must be a duration/);
    refused(() => sensor(() => true, { backoff: 0.5 }), /backoff must be a number ≥ 1/);
    refused(() => sensor(((a: unknown, b: unknown) => [a, b]) as never), /has 2 parameters/);
  });
});

describe("fileSensor", () => {
  const folder = tempFolders();

  it("waits for a file, and leaves its path", async () => {
    const { path, file } = folder();
    const options = { path: `${path}/orders-{{ ds }}.csv` };
    expect((await poke(fileSensor(options))).outcome.kind).to.equal("reschedule");
    writeFileSync(file("orders-2026-01-31.csv"), "");
    expect((await poke(fileSensor(options))).returnValueJson).to.equal(JSON.stringify(file("orders-2026-01-31.csv")));
    expect((await poke(fileSensor({ ...options, nonEmpty: true }))).outcome.kind).to.equal("reschedule");
    writeFileSync(file("orders-2026-01-31.csv"), "x");
    expect((await poke(fileSensor({ ...options, nonEmpty: true }))).outcome.kind).to.equal("success");
  });

  it("finds the first match of a pattern, folders too", async () => {
    const { path, file } = folder();
    expect((await poke(fileSensor({ path: `${path}/*/part-?.csv` }))).outcome.kind).to.equal("reschedule");
    mkdirSync(file("b"));
    mkdirSync(file("a"));
    for (const name of ["b/part-1.csv", "a/part-2.csv", "a/part-10.csv"]) writeFileSync(file(name), "x");
    expect((await poke(fileSensor({ path: `${path}/*/part-?.csv` }))).returnValueJson).to.equal(
      JSON.stringify(file("a/part-2.csv")),
    );
    expect((await poke(fileSensor({ path: `${path}/b`, nonEmpty: true }))).outcome.kind).to.equal("success");
    writeFileSync(file("odd[1].csv"), "x");
    expect((await poke(fileSensor({ path: file("odd[1].csv") }))).outcome.kind).to.equal("success");
  });

  it("waits below a path that is no folder, and fails when it may not look", async () => {
    const { file } = folder();
    writeFileSync(file("plain"), "x");
    expect((await poke(fileSensor({ path: file("plain", "below") }))).outcome.kind).to.equal("reschedule");
    expect(failure(await poke(fileSensor({ path: file("x".repeat(300)) }))).message).to.match(/ENAMETOOLONG/);
  });

  it("is refused without a path", () =>
    void refused(() => fileSensor({} as never), /fileSensor: the option path is missing/));
});

describe("timeSensor", () => {
  const moment = async (options: Parameters<typeof timeSensor>[0], context: Trial["context"], now: string) =>
    poke(timeSensor(options), { context, now: () => at(now) });

  it("waits until a time of day in the zone of the Dag, without poking in between", async () => {
    const berlin = { timezone: "Europe/Berlin", runAfter: "2026-01-30T23:30:00Z" };
    const end = await moment({ at: "18:30" }, berlin, "2026-01-31T12:00:00Z");
    expect(end.outcome).to.deep.equal({ kind: "reschedule", at: at("2026-01-31T17:30:00Z") });
    const over = await moment({ at: "18:30" }, berlin, "2026-01-31T17:30:00Z");
    expect(over).to.deep.include({ outcome: { kind: "success" }, returnValueJson: '"2026-01-31T17:30:00.000Z"' });
  });

  it("waits until an instant, fixed or from a template", async () => {
    const now = "2026-01-31T00:00:00Z";
    const outcome = async (options: Parameters<typeof timeSensor>[0], context: Trial["context"] = {}) =>
      (await moment(options, context, now)).outcome;
    expect(await outcome({ at: new Date("2026-02-01T00:00:00Z") })).to.deep.equal({
      kind: "reschedule",
      at: at("2026-02-01T00:00:00Z"),
    });
    expect(await outcome({ at: "{{ ds }}T12:00:00+02:00" })).to.deep.equal({
      kind: "reschedule",
      at: at("2026-01-31T10:00:00Z"),
    });
    expect(await outcome({ at: "{{ ds }}T12:00" }, { timezone: "America/New_York" })).to.deep.equal({
      kind: "reschedule",
      at: at("2026-01-31T17:00:00Z"),
    });
    expect(await outcome({ after: "2h" })).to.deep.equal({ kind: "reschedule", at: at("2026-01-31T08:00:00Z") });
    const noInterval = { dataIntervalStart: null, dataIntervalEnd: null, runAfter: "2026-01-31T03:00:00Z" };
    expect(await outcome({ after: "2h" }, noInterval)).to.deep.equal({
      kind: "reschedule",
      at: at("2026-01-31T05:00:00Z"),
    });
  });

  it("is refused when it is not clear what is meant", async () => {
    refused(() => timeSensor({}), /give either at or after/);
    refused(() => timeSensor({ at: "06:00", after: 5 }), /give either at or after/);
    refused(() => timeSensor({ at: 5 as never }), /at must be a text/);
    for (const text of ["25:00", "noon", "2026-13-01T00:00:00Z"]) {
      expect(failure(await moment({ at: text }, {}, "2026-01-31T00:00:00Z"))).to.deep.include({ retryable: false });
    }
  });
});

describe("externalTask", () => {
  const wait = (options: Parameters<typeof externalTask>[0], state: string | null, trial: Partial<Trial> = {}) =>
    poke(externalTask({ every: 5, ...options }), { answer: () => (state === null ? null : { state }), ...trial });
  const notYet = { kind: "reschedule", at: 6000 };

  it("asks for the run of its own logical date, an earlier one, or a computed one", async () => {
    const asked = async (options: Parameters<typeof externalTask>[0]) => (await wait(options, null)).calls[0];
    const method = "getTaskState";
    const logicalDate = "2026-01-31T06:00:00.000Z";
    expect(await asked({ dagId: "o" })).to.deep.equal({ method, args: { dagId: "o", taskId: null, logicalDate } });
    expect(await asked({ dagId: "{{ dag_id }}", taskId: "g.t" })).to.deep.equal({
      method,
      args: { dagId: "d", taskId: "g.t", logicalDate },
    });
    expect((await asked({ dagId: "o", delta: "6h" }))?.args.logicalDate).to.equal("2026-01-31T00:00:00.000Z");
    expect((await asked({ dagId: "o", logicalDate: () => "2025-01-01" }))?.args.logicalDate).to.equal(
      "2025-01-01T00:00:00.000Z",
    );
  });

  it("waits for an allowed state, and fails or skips when told to", async () => {
    for (const state of [null, "none", "running", "up_for_retry", "failed", "skipped"]) {
      expect((await wait({ dagId: "o" }, state)).outcome, String(state)).to.deep.equal(notYet);
    }
    expect(await wait({ dagId: "o" }, "success")).to.deep.include({
      outcome: { kind: "success" },
      returnValueJson: '"success"',
    });
    expect((await wait({ dagId: "o", allowedStates: ["skipped"] }, "skipped")).outcome.kind).to.equal("success");
    expect(failure(await wait({ dagId: "o", taskId: "t", failedStates: ["failed"] }, "failed")).message).to.match(
      /task "t" of Dag "o" at 2026-01-31T06:00:00\.000Z is failed/,
    );
    expect((await wait({ dagId: "o", skippedStates: ["skipped"] }, "skipped")).outcome.kind).to.equal("skipped");
  });

  it("fails for good without a date to look for", async () => {
    expect(failure(await wait({ dagId: "o" }, null, { context: { logicalDate: null } }))).to.deep.include({
      retryable: false,
    });
    expect(failure(await wait({ dagId: "o", logicalDate: () => "soon" }, null)).message).to.match(
      /logicalDate returned "soon", not a date/,
    );
  });

  it("is stored as a sensor, and refused with options that are not valid", () => {
    const dag = new Dag("d");
    dag.task("t", externalTask({ dagId: "o", taskId: "x", softFail: true }))();
    expect(serializeDag(dag).tasks[0]).to.deep.include({
      operator: "externalTask",
      operatorSummary: "o.x",
      sensor: { everyMs: 60_000, timeoutMs: 604_800_000, softFail: true },
    });
    refused(() => externalTask({} as never), /externalTask: the option dagId is missing/);
    refused(() => externalTask({ dagId: "o", delta: 5, logicalDate: () => "x" }), /both name the other run/);
    refused(
      () => externalTask({ dagId: "o", allowedStates: ["done" as never] }),
      /allowedStates must be one of "success"/,
    );
    refused(() => externalTask({ dagId: "o", failedStates: "failed" as never }), /failedStates must be a list/);
  });
});
