import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { z } from "zod";
import {
  bash,
  cronInterval,
  crons,
  Dag,
  type DagSpec,
  events,
  every,
  type TaskRef,
  type TaskSpec,
} from "../../sdk/index.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { refused } from "./harness.ts";

const work = async (inputs: { [name: string]: unknown }) => inputs;

function stored(spec: DagSpec<unknown>) {
  return serializeDag(new Dag("d", spec));
}

function storedTask(spec: TaskSpec) {
  const dag = new Dag("d");
  dag.task("t", work, spec)({});
  return serializeDag(dag).tasks[0]!;
}

describe("a stored Dag", () => {
  it("holds every key of the spec", () => {
    const definition = stored({
      schedule: "0 6 * * 1-5",
      timezone: "Europe/Berlin",
      startDate: "2026-01-01",
      endDate: new Date("2026-12-31T00:00:00Z"),
      catchup: true,
      description: "d",
      dagDisplayName: "D",
      docMd: "# D",
      tags: ["b", "a", "b"],
      maxActiveRuns: 2,
      maxActiveTasks: 3,
      maxConsecutiveFailedDagRuns: 4,
      dagrunTimeout: "1h",
      failFast: true,
      renderTemplateAsNativeObj: true,
      disableBundleVersioning: true,
      isPausedUponCreation: true,
      queue: "q",
      defaultArgs: { owner: "ann" },
    });
    expect(definition).to.deep.equal({
      dagId: "d",
      displayName: "D",
      description: "d",
      docMd: "# D",
      tags: ["a", "b"],
      owners: [],
      timetable: { kind: "cron", expressions: ["0 6 * * 1-5"], timezone: "Europe/Berlin", intervals: false },
      timezone: "Europe/Berlin",
      startDate: "2025-12-31T23:00:00.000Z",
      endDate: "2026-12-31T00:00:00.000Z",
      catchup: true,
      maxActiveRuns: 2,
      maxActiveTasks: 3,
      maxConsecutiveFailedRuns: 4,
      dagrunTimeoutMs: 3_600_000,
      failFast: true,
      isPausedUponCreation: true,
      tasks: [],
      groups: [],
    });
  });

  it("holds the schedules that the helpers make", () => {
    const timetable = (schedule: DagSpec["schedule"]) => stored({ schedule, timezone: "Asia/Tokyo" }).timetable;
    expect(timetable(undefined)).to.deep.equal({ kind: "none" });
    expect(timetable(null)).to.deep.equal({ kind: "none" });
    expect(timetable("@once")).to.deep.equal({ kind: "once" });
    expect(stored({ schedule: "@continuous" })).to.deep.include({
      timetable: { kind: "continuous" },
      maxActiveRuns: 1,
    });
    expect(timetable(every("15m"))).to.deep.equal({ kind: "delta", everyMs: 900_000, intervals: false });
    expect(timetable(every(90, { intervals: true }))).to.deep.equal({
      kind: "delta",
      everyMs: 90_000,
      intervals: true,
    });
    expect(timetable(cronInterval("@daily"))).to.deep.equal({
      kind: "cron",
      expressions: ["@daily"],
      intervals: true,
      timezone: "Asia/Tokyo",
    });
    expect(timetable(crons("0 6 * * *", "0 18 * * *"))).to.deep.equal({
      kind: "cron",
      expressions: ["0 6 * * *", "0 18 * * *"],
      intervals: false,
      timezone: "Asia/Tokyo",
    });
    expect(timetable(events([new Date(0), "2026-01-01T00:00:00+01:00"])).kind).to.equal("events");
    expect(() => every("never")).to.throw(TypeError, /every\("never"\): the distance must be a duration/);
    refused(() => new Dag("d", { schedule: cronInterval("61 * * * *") }), /Dag "d": Invalid schedule/);
    refused(() => new Dag("d", { schedule: events(["tomorrow"]) }), /Invalid schedule/);
    refused(() => new Dag("d", { schedule: every(0) }), /Invalid schedule/);
    refused(() => new Dag("d", { schedule: { kind: "moon" } as never }), /Invalid schedule/);
  });

  it("reads dates without an offset in its time zone, through both changes of the clock", () => {
    const start = (startDate: string, timezone: string) => stored({ startDate, timezone }).startDate;
    expect(start("2026-07-01", "Europe/Berlin")).to.equal("2026-06-30T22:00:00.000Z");
    expect(start("2026-07-01 12:00", "America/New_York")).to.equal("2026-07-01T16:00:00.000Z");
    expect(start("2026-07-01T12:00:00Z", "America/New_York")).to.equal("2026-07-01T12:00:00.000Z");
    expect(start("2026-07-01T12:00:00+0530", "America/New_York")).to.equal("2026-07-01T06:30:00.000Z");
    expect(start("2026-03-29T02:30", "Europe/Berlin"), "skipped").to.equal("2026-03-29T01:30:00.000Z");
    expect(start("2026-10-25T02:30", "Europe/Berlin"), "twice").to.equal("2026-10-25T01:30:00.000Z");
    expect(start("2026-01-01", "UTC")).to.equal("2026-01-01T00:00:00.000Z");
    expect(start("2026-01-01T00:00", "Pacific/Kiritimati")).to.equal("2025-12-31T10:00:00.000Z");
  });

  it("holds params as JSON Schema with their defaults", () => {
    const params = z.object({
      day: z.iso.date().default("2026-01-01").describe("The day"),
      dryRun: z.boolean().default(false),
      mode: z.enum(["a", "b"]).optional(),
      deep: z.object({ n: z.int().min(1).default(3) }).prefault({}),
    });
    const definition = stored({ schedule: "@daily", params });
    expect(definition.paramDefaults).to.deep.equal({ day: "2026-01-01", dryRun: false, deep: {} });
    expect(definition.params).to.deep.include({ type: "object" });
    const properties = definition.params?.properties as { [name: string]: unknown };
    expect(properties.day).to.deep.include({
      type: "string",
      format: "date",
      default: "2026-01-01",
      description: "The day",
    });
    expect(properties.mode).to.deep.equal({ type: "string", enum: ["a", "b"] });
  });

  it("refuses params that a schedule could not fill in, and params that are no object", () => {
    const params = z.object({ day: z.iso.date(), n: z.number() });
    expect(stored({ params }).paramDefaults).to.deep.equal({});
    refused(
      () => stored({ schedule: "@daily", params }),
      /its params "day", "n" have no default, which a scheduled run would need/,
    );
    refused(() => stored({ params: z.string() as never }), /params must be an object schema/);
    refused(
      () =>
        stored({ params: { "~standard": { vendor: "other", version: 1, validate: () => ({ value: 1 }) } } as never }),
      /this other schema cannot say itself as JSON Schema; use zod 4\.2/,
    );
    refused(() => stored({ params: z.object({ when: z.date() }) as never }), /Dag "d": .*Date/);
  });
});

describe("a stored task", () => {
  it("has defaults for all that was not said", () => {
    expect(storedTask({})).to.deep.equal({
      taskId: "t",
      operator: "ts",
      upstream: [],
      inputs: {},
      triggerRule: "all_success",
      retries: 0,
      retryDelayMs: 300_000,
      retryFactor: 0,
      pool: "default_pool",
      poolSlots: 1,
      priorityWeight: 1,
      weightRule: "downstream",
      queue: "default",
      isolation: "process",
      dependsOnPast: false,
      ignoreFirstDependsOnPast: true,
      waitForDownstream: false,
      waitForPastDependsBeforeSkipping: false,
      doXcomPush: true,
    });
  });

  it("holds every key of the spec", () => {
    const task = storedTask({
      owner: "ann",
      startDate: "2026-01-01",
      endDate: "2026-02-01",
      triggerRule: "none_failed",
      dependsOnPast: true,
      ignoreFirstDependsOnPast: false,
      waitForPastDependsBeforeSkipping: true,
      waitForDownstream: true,
      retries: 3,
      retryDelay: "30s",
      retryExponentialBackoff: 2.5,
      maxRetryDelay: "10m",
      executionTimeout: "1h30m",
      queue: "q",
      pool: "p",
      poolSlots: 2,
      priorityWeight: -5,
      weightRule: "absolute",
      executor: "bullmq",
      isolation: "shared",
      memoryLimit: "1.5gb",
      doXcomPush: false,
      returnsDagResult: true,
      emailOnFailure: true,
      emailOnRetry: false,
      docMd: "# T",
      mapIndexTemplate: "{{ x }}",
      maxActiveTisPerDag: 4,
      maxActiveTisPerDagrun: 5,
    });
    expect(task).to.deep.equal({
      taskId: "t",
      operator: "ts",
      upstream: [],
      inputs: {},
      triggerRule: "none_failed",
      retries: 3,
      retryDelayMs: 30_000,
      retryFactor: 2.5,
      maxRetryDelayMs: 600_000,
      executionTimeoutMs: 5_400_000,
      pool: "p",
      poolSlots: 2,
      priorityWeight: -5,
      weightRule: "absolute",
      queue: "q",
      executor: "bullmq",
      isolation: "shared",
      memoryLimitMb: 1536,
      dependsOnPast: true,
      ignoreFirstDependsOnPast: false,
      waitForDownstream: true,
      waitForPastDependsBeforeSkipping: true,
      doXcomPush: false,
      maxActiveTisPerDag: 4,
      maxActiveTisPerDagrun: 5,
      returnsDagResult: true,
      owner: "ann",
      docMd: "# T",
      startDate: "2026-01-01T00:00:00.000Z",
      endDate: "2026-02-01T00:00:00.000Z",
    });
  });

  it("reads a retry policy in one piece, and old spellings", () => {
    expect(storedTask({ retry: { attempts: 5, delay: "10s", factor: 2, max: "10m", on: () => true } })).to.deep.include(
      {
        retries: 4,
        retryDelayMs: 10_000,
        retryFactor: 2,
        maxRetryDelayMs: 600_000,
      },
    );
    expect(storedTask({ retry: {} })).to.deep.include({ retries: 2, retryDelayMs: 300_000, retryFactor: 0 });
    expect(storedTask({ retryExponentialBackoff: true })).to.deep.include({ retryFactor: 2 });
    expect(storedTask({ retryExponentialBackoff: false })).to.deep.include({ retryFactor: 0 });
    expect(storedTask({ waitForDownstream: true })).to.deep.include({ dependsOnPast: true });
    const dag = new Dag("d", {
      defaultArgs: { retries: 9, retryDelay: 1, maxRetryDelay: 2, retryExponentialBackoff: 3 },
    });
    dag.task("t", work, { retry: { attempts: 2 } })({});
    const [task] = serializeDag(dag).tasks;
    expect(task)
      .to.deep.include({ retries: 1, retryDelayMs: 300_000, retryFactor: 0 })
      .and.not.to.have.property("maxRetryDelayMs");
  });

  it("shows its command without secrets", () => {
    const dag = new Dag("d");
    dag.task(
      "a",
      bash({
        command: "curl https://ann:pw@x.example -H 'token: abc' --password=hunter2 API_KEY=k --secret={{ params.s }}",
      }),
    )();
    dag.task("b", bash({ command: ["ls", "-l", () => "x"] }))();
    dag.task("c", bash({ command: `echo ${"x".repeat(500)}` }))();
    const [a, b, c] = serializeDag(dag).tasks.map(({ operatorSummary }) => operatorSummary);
    expect(a).to.equal("curl https://***@x.example -H 'token: ***' --password=*** API_KEY=*** --secret={{ params.s }}");
    expect(b).to.equal("ls -l …");
    expect(c).to.have.length(201);
  });
});

describe("serializing", () => {
  const plan = fc.record({
    tasks: fc.array(
      fc.record({
        inputs: fc.array(fc.nat(), { maxLength: 3 }),
        after: fc.array(fc.nat(), { maxLength: 3 }),
        inGroup: fc.boolean(),
        retries: fc.nat({ max: 5 }),
        literal: fc.jsonValue(),
      }),
      { maxLength: 12 },
    ),
    shuffle: fc.boolean(),
  });

  type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

  /** `reversed` draws the edges, and names the inputs, in another order; that must not show. */
  function build({ tasks }: Plan, reversed: boolean): Dag {
    const order = <T>(list: T[]) => (reversed ? [...list].reverse() : list);
    const dag = new Dag("d", { tags: order(["b", "a", "c"]), defaultArgs: { retries: 1 } });
    const group = dag.taskGroup("g");
    const placed: TaskRef[] = [];
    const edges: (() => void)[] = [];
    for (const [index, task] of tasks.entries()) {
      const above = (n: number) => placed[n % Math.max(1, index)];
      const inputs = task.inputs.flatMap((n, i): [string, unknown][] =>
        above(n) === undefined ? [] : [[`i${i}`, above(n)]],
      );
      const named = Object.fromEntries(order([...inputs, ["literal", task.literal]]));
      const spec = Object.fromEntries(
        order([
          ["retries", task.retries],
          ["pool", "p"],
        ]),
      );
      const ref = (task.inGroup ? group : dag).task(`t${index}`, work, spec)(named as never);
      for (const other of task.after.map(above)) edges.push(() => other?.before(ref));
      placed.push(ref);
    }
    for (const draw of order(edges)) draw();
    return dag;
  }

  it("gives the same text for the same Dag, in whatever order its edges were drawn", () => {
    fc.assert(
      fc.property(plan, (drawn) => {
        const text = JSON.stringify(serializeDag(build(drawn, false)));
        expect(JSON.stringify(serializeDag(build(drawn, false)))).to.equal(text);
        expect(JSON.stringify(serializeDag(build(drawn, true)))).to.equal(text);
        expect(JSON.parse(text)).to.deep.equal(serializeDag(build(drawn, true)));
      }),
    );
  });

  it("gives the same text however often it is asked, and another one after a change", () => {
    const dag = new Dag("d");
    const a = dag.task("a", work)({});
    const first = JSON.stringify(serializeDag(dag));
    expect(JSON.stringify(serializeDag(dag))).to.equal(first);
    dag.task("b", work)({}).after(a);
    expect(JSON.stringify(serializeDag(dag))).not.to.equal(first);
  });

  it("of 10,000 tasks takes little time", () => {
    const startedAt = performance.now();
    const dag = new Dag("wide");
    const root = dag.task("root", work)({});
    for (let i = 0; i < 10_000; i++) dag.task(`t${i}`, work, { retries: 2 })({ root });
    serializeDag(dag);
    expect(performance.now() - startedAt).to.be.below(3000);
  });
});
