import { expect } from "chai";
import { describe, it } from "mocha";
import { bash, Dag, type DagSpec } from "../../sdk/index.ts";
import { beginCollection, collectDags, endCollection } from "../../sdk/registry.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { refused } from "./harness.ts";

const work = async () => 1;
const take = async (inputs: { a?: unknown; b?: unknown }) => inputs;
const anything = (value: unknown) => value as never;

describe("a Dag", () => {
  it("is collected when it is constructed, in order, and only while a module is evaluated", async () => {
    new Dag("before");
    const dags = await collectDags(async () => {
      new Dag("one");
      await Promise.resolve();
      new Dag("two");
    });
    new Dag("after");
    expect(dags.map(({ dagId }) => dagId)).to.deep.equal(["one", "two"]);
  });

  it("is collected separately by evaluations that are started at the same time", async () => {
    const slow = collectDags(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      new Dag("slow");
    });
    const broken = collectDags(() => {
      throw new Error("broken");
    });
    const fast = collectDags(() => new Dag("fast"));
    expect((await slow).map(({ dagId }) => dagId)).to.deep.equal(["slow"]);
    expect(await broken.catch((error) => error.message)).to.equal("broken");
    expect((await fast).map(({ dagId }) => dagId)).to.deep.equal(["fast"]);
  });

  it("refuses a second collection inside of a first", () => {
    beginCollection();
    try {
      expect(() => beginCollection()).to.throw(/already being evaluated/);
    } finally {
      endCollection();
    }
  });

  for (const id of ["", "a b", "a/b", "a@b", "x".repeat(251), ".", "..", anything(undefined), anything(5)]) {
    it(`refuses the id ${JSON.stringify(id)?.slice(0, 20)}`, () =>
      void refused(() => new Dag(id), /A Dag cannot have the id/));
  }

  for (const id of ["a", "größe-1.2_x", "日報", "x".repeat(250)]) {
    it(`accepts the id ${id.slice(0, 20)}`, () => expect(new Dag(id).dagId).to.equal(id));
  }

  it("names the nearest known key for an unknown one", () => {
    refused(
      () => new Dag("a", anything({ shedule: "@daily" })),
      /Dag "a": unknown key "shedule".*Did you mean "schedule"\?|Did you mean "schedule"/,
    );
    refused(() => new Dag("a", anything({ max_active_runs: 3 })), /Did you mean "maxActiveRuns"/);
    refused(() => new Dag("a", anything({ zzzzzzzz: 3 })), /Known: schedule, timezone/);
    refused(() => new Dag("a", anything({ __proto__: null, constructor: 1 })), /unknown key "constructor"/);
    refused(
      () => new Dag("a", anything({ defaultArgs: { retris: 3 } })),
      /Dag "a": defaultArgs: unknown key "retris".*Did you mean "retries"/,
    );
  });

  const wrong: { [problem: string]: [DagSpec | unknown, RegExp] } = {
    "a spec that is no object": [[], /plain object/],
    "a bad cron expression": [{ schedule: "61 * * * *" }, /Invalid schedule/],
    "a schedule of another type": [{ schedule: 5 }, /schedule must be/],
    "a bad time zone": [{ timezone: "Mars/Olympus" }, /timezone must be an IANA time zone/],
    "a bad date": [{ startDate: "yesterday" }, /startDate must be a Date or an ISO 8601/],
    "an invalid Date": [{ endDate: new Date(Number.NaN) }, /endDate must be/],
    "a text for a flag": [{ catchup: "yes" }, /catchup must be true or false/],
    "zero runs": [{ maxActiveRuns: 0 }, /maxActiveRuns must be a whole number ≥ 1/],
    "half a task": [{ maxActiveTasks: 1.5 }, /maxActiveTasks must be/],
    "a bad duration": [{ dagrunTimeout: "soon" }, /dagrunTimeout must be a duration/],
    "tags that are no list": [{ tags: "etl" }, /tags must be a list/],
    "an empty tag": [{ tags: [""] }, /tags must be a list/],
    "params that are no schema": [{ params: { day: "string" } }, /params must be a zod object/],
    "an instance of a class": [{ schedule: new Map() }, /schedule must be/],
    "a default that is wrong": [{ defaultArgs: { retries: -1 } }, /defaultArgs: retries must be/],
  };
  for (const [problem, [spec, message]] of Object.entries(wrong)) {
    it(`refuses ${problem}`, () => void refused(() => new Dag("a", anything(spec)), message));
  }

  it("shows the author's line also for what lies deep inside of a spec", () => {
    class Own {}
    const deep = (depth: number): unknown => (depth === 0 ? new Own() : [deep(depth - 1)]);
    refused(
      () => new Dag("a", anything({ schedule: { kind: "events", dates: [], x: deep(40) } })),
      /contains an instance of Own/,
    );
  });

  it("keeps a frozen copy of its spec", () => {
    const tags = ["a"];
    const startDate = new Date("2026-01-01T00:00:00Z");
    const dag = new Dag("a", { tags, startDate });
    tags.push("b");
    startDate.setFullYear(1999);
    expect(dag.spec.tags).to.deep.equal(["a"]);
    expect(dag.spec.startDate).to.deep.equal(new Date("2026-01-01T00:00:00Z"));
    expect(() => (dag.spec.tags as string[]).push("c")).to.throw(TypeError);
  });

  it("lists the placed tasks in the order of their calls", () => {
    const dag = new Dag("a");
    const first = dag.task("first", work);
    const second = dag.task("second", take);
    second({ a: first() });
    expect(dag.taskIds).to.deep.equal(["first", "second"]);
  });
});

describe("settings that contradict each other", () => {
  it("are refused when the Dag is read", () => {
    const rules = new Dag("a", { failFast: true });
    rules.task("x", work, { triggerRule: "all_done" })();
    refused(
      () => serializeDag(rules),
      /failFast asks for the trigger rule "all_success" everywhere, but task "x" has "all_done"/,
    );
    refused(() => serializeDag(new Dag("a", { schedule: "@continuous", maxActiveRuns: 2 })), /maxActiveRuns must be 1/);
    refused(
      () => serializeDag(new Dag("a", { startDate: "2026-02-01", endDate: "2026-01-01" })),
      /lies after its endDate/,
    );
    const results = new Dag("a");
    results.task("x", work, { returnsDagResult: true })();
    results.task("y", work, { returnsDagResult: true })();
    refused(() => serializeDag(results), /tasks "x" and "y" all have returnsDagResult/);
  });

  it("of bash are refused where they are written", () => {
    refused(() => bash(anything({})), /bash: the option command is missing/);
    refused(() => bash({ command: "" }), /bash: command must be a script/);
    refused(() => bash({ command: [] }), /bash: command must be a script/);
    refused(
      () => bash(anything({ command: "true", skipOnExit: 9 })),
      /bash: unknown key "skipOnExit" in its options. Did you mean "skipOnExitCode"/,
    );
    refused(
      () => bash({ command: ["echo", "{{ dss }}"] }),
      /bash: command\[1\] has the unknown name "dss".*Did you mean "ds"/,
    );
    refused(() => bash({ command: "true", env: { A: "{{ params" } }), /bash: env\.A has a "\{\{" without "\}\}"/);
  });
});
