import { expect } from "chai";
import { describe, it } from "mocha";
import { bash, Dag, type DagSpec, empty, type TaskRef, triggerDagRun } from "../../sdk/index.ts";
import { beginCollection, collectDags, endCollection } from "../../sdk/registry.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { refused } from "./harness.ts";

const work = async () => 1;
const take = async (inputs: { a?: unknown; b?: unknown }) => inputs;
const anything = (value: unknown) => value as never;

/** Ids of direct upstream tasks by task id. */
function edges(dag: Dag<unknown>): { [taskId: string]: readonly string[] } {
  return Object.fromEntries(serializeDag(dag).tasks.map(({ taskId, upstream }) => [taskId, upstream]));
}

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

describe("a task", () => {
  it("takes its id from the first argument, the spec, or the function's name", () => {
    const dag = new Dag("a");
    async function named() {}
    const arrow = async () => {};
    dag.task("given", work)();
    dag.task(async () => 1, { taskId: "spec" })();
    dag.task(named)();
    dag.task(arrow)();
    dag.task(empty(), { taskId: "operator" })();
    expect(dag.taskIds).to.deep.equal(["given", "spec", "named", "arrow", "operator"]);
  });

  it("refuses no id, two ids, bad ids, and ids that are taken", () => {
    const dag = new Dag("a");
    refused(() => dag.task(async () => 1), /has no id/);
    refused(() => dag.task(empty()), /has no id/);
    refused(() => dag.task("x", work, { taskId: "y" }), /has two ids, "x" and \(in its spec\) "y"/);
    for (const id of ["a b", "a/b", "", "ä@"]) refused(() => dag.task(id, work), /cannot have the id|has no id/);
    refused(() => dag.task("a.b", work), /the dot stands between a group and its tasks/);
    refused(() => dag.task("x".repeat(251), work), /longer than 250/);
    dag.task("twice", work)();
    refused(() => dag.task("twice", work), /two tasks with the id "twice"/);
    refused(() => dag.taskGroup("twice"), /a task and a group, with the id "twice"/);
  });

  it("refuses what is no code", () => {
    const dag = new Dag("a");
    refused(() => dag.task("x", anything(undefined)), /Task "x" has no code: expected a function or an operator/);
    refused(() => dag.task("x", anything({ kind: "bash" })), /no code/);
    refused(
      () =>
        dag.task(
          "x",
          anything((a: unknown, b: unknown) => [a, b]),
        ),
      /has 2 parameters, but gets one object/,
    );
  });

  it("names the nearest known key of its spec", () => {
    const dag = new Dag("a");
    refused(
      () => dag.task("x", work, anything({ retires: 2 })),
      /Task "x": unknown key "retires" in its spec. Did you mean "retries"\?/,
    );
    refused(
      () => dag.task("x", work, anything({ triggerRule: "all_sucess" })),
      /Task "x": triggerRule must be one of "all_success"/,
    );
    refused(
      () => dag.task("x", work, { retries: 2, retry: { attempts: 3 } }),
      /retry and retries say the same thing twice/,
    );
    refused(
      () => dag.task("x", work, anything({ retry: { atempts: 3 } })),
      /retry: unknown key "atempts".*Did you mean "attempts"/,
    );
    refused(() => dag.task("x", work, { memoryLimit: "lots" }), /memoryLimit must be megabytes/);
    refused(() => dag.task("x", work, { poolSlots: 0 }), /poolSlots must be a whole number ≥ 1/);
    refused(
      () => dag.task("x", work, anything({ isolation: "thread" })),
      /isolation must be one of "process", "shared"/,
    );
  });

  it("is placed exactly once", () => {
    const dag = new Dag("a");
    const factory = dag.task("x", work);
    const forgotten = refused(() => serializeDag(dag), /Task "x" was declared but its factory was never called/);
    expect(forgotten.location?.line, "the line of dag.task").to.be.greaterThan(0);
    expect(forgotten.stack).to.match(/declare\.test\.ts/);
    factory();
    refused(() => factory(), /called twice/);
  });

  it("gives a frozen reference", () => {
    const ref = new Dag("a").task("x", work)();
    expect(ref.taskId).to.equal("x");
    expect(ref).to.be.frozen;
  });

  it("binds references and literals", () => {
    const dag = new Dag("a");
    const source = dag.task("source", work)();
    dag.task("sink", take)({ b: source, a: { deep: [1, "x", null] } });
    const sink = serializeDag(dag).tasks[1];
    expect(sink?.inputs).to.deep.equal({
      a: { kind: "literal", value: { deep: [1, "x", null] } },
      b: { kind: "xcom", taskId: "source", key: "return_value" },
    });
    expect(sink?.upstream).to.deep.equal(["source"]);
  });

  it("keeps an input whose name or value is __proto__ as data", () => {
    const dag = new Dag("a");
    const value = JSON.parse('{"__proto__": {"polluted": true}}') as object;
    dag.task("x", take)(anything({ a: value, ["__proto__"]: 5 }));
    const { inputs } = serializeDag(dag).tasks[0]!;
    expect(JSON.stringify(inputs)).to.contain('"__proto__":{"polluted":true}');
    expect(Object.keys(inputs)).to.deep.equal(["__proto__", "a"]);
    expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
  });

  it("refuses inputs that cannot be", () => {
    const dag = new Dag("a");
    const source = dag.task("source", work)();
    const other = new Dag("b").task("foreign", work)();
    const group = dag.taskGroup("g");
    let number = 0;
    const place = (inputs: unknown) => dag.task(`t${number++}`, take)(anything(inputs));
    refused(() => place({ a: other }), /Input "a" of task "t\d+" is task "foreign" of another Dag, "b"/);
    refused(() => place({ a: { ...source } }), /is a function|second copy/);
    refused(() => place({ a: [source] }), /at \$\[0\], is a task inside a literal/);
    refused(() => place({ a: { b: { c: source } } }), /at \$\.b\.c, is a task inside a literal/);
    refused(() => place({ a: dag.task("uncalled", work) }), /must be placed before it is used: call its factory/);
    refused(() => place({ a: group }), /A group has no value/);
    refused(() => place(source), /was given a task as its inputs. Name the argument/);
    refused(() => place([source]), /Pass one object/);
    refused(() => place({ a: 1n }), /is a BigInt/);
    refused(() => place({ a: new Map() }), /is an instance of Map.*Object\.fromEntries/);
    refused(() => place({ a: Number.NaN }), /is NaN/);
    refused(() => place({ a: [undefined] }), /at \$\[0\], is undefined/);
    refused(() => place({ a: Symbol("x") }), /is a symbol/);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    refused(() => place({ a: circular }), /circular/);
    const alien = { taskId: "source" };
    Object.defineProperty(alien, Symbol.for("sluice.node"), { value: true });
    refused(() => place({ a: alien }), /second copy of this package/);
    refused(() => dag.task("e", empty())(anything({ a: source })), /takes no inputs, but was given "a"/);
    refused(() => dag.task("tr", triggerDagRun({ dagId: "b" }))(anything({ a: 1 })), /takes no inputs/);
  });

  it("leaves out inputs that are undefined", () => {
    const dag = new Dag("a");
    dag.task("x", take)({ a: undefined });
    expect(serializeDag(dag).tasks[0]?.inputs).to.deep.equal({});
  });
});

describe("edges", () => {
  it("are drawn by before and after, any number at once, and twice as well as once", () => {
    const dag = new Dag("a");
    const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => dag.task(id, work)()) as [TaskRef, TaskRef, TaskRef, TaskRef];
    expect(a.before(b, c)).to.equal(a);
    expect(d.after(b, c)).to.equal(d);
    a.before(b);
    expect(edges(dag)).to.deep.equal({ a: [], b: ["a"], c: ["a"], d: ["b", "c"] });
  });

  it("refuse themselves, other Dags, and what is no node", () => {
    const dag = new Dag("a");
    const a = dag.task("a", work)();
    const foreign = new Dag("b").task("b", work)();
    refused(() => a.before(a), /task "a" to itself/);
    refused(() => a.before(foreign), /Edges stay inside one Dag; to start another Dag use triggerDagRun/);
    refused(() => a.after(anything("b")), /What task "a" is put after is "b", not a task/);
    refused(() => a.after(anything({ taskId: "x" })), /not a task/);
    refused(() => a.before(anything(dag.task("x", work))), /call its factory/);
  });

  it("in a circle are refused, and the circle is named", () => {
    const dag = new Dag("a");
    const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => dag.task(id, work)()) as [TaskRef, TaskRef, TaskRef, TaskRef];
    d.before(a);
    a.before(b);
    b.before(c);
    c.before(a);
    refused(() => serializeDag(dag), /runs in a circle: (a → b → c → a|b → c → a → b|c → a → b → c)\. Remove one/);
  });

  it("of a chain of 10,000 tasks are read without overflowing the stack", () => {
    const dag = new Dag("long");
    const refs = Array.from({ length: 10_000 }, (_, i) => dag.task(`t${i}`, work)());
    refs.reduce((previous, next) => previous.before(next) && next);
    expect(serializeDag(dag).tasks).to.have.length(10_000);
    (refs.at(-1) as TaskRef).before(refs[0] as TaskRef);
    refused(() => serializeDag(dag), /circle/);
  });
});

describe("a task group", () => {
  it("puts its id before those of its tasks, unless told not to", () => {
    const dag = new Dag("a");
    const outer = dag.taskGroup("outer");
    const inner = outer.taskGroup("inner", { label: "The inner one", tooltip: "deep" });
    const flat = inner.taskGroup("flat", { prefixGroupId: false });
    outer.task("x", work)();
    inner.task("x", work)();
    flat.task("y", work)();
    const definition = serializeDag(dag);
    expect(definition.tasks.map(({ taskId, groupId }) => [taskId, groupId])).to.deep.equal([
      ["outer.x", "outer"],
      ["outer.inner.x", "outer.inner"],
      ["outer.inner.y", "outer.inner.flat"],
    ]);
    expect(definition.groups).to.deep.equal([
      { groupId: "outer", label: "outer" },
      { groupId: "outer.inner", parentId: "outer", label: "The inner one", tooltip: "deep" },
      { groupId: "outer.inner.flat", parentId: "outer.inner", label: "flat" },
    ]);
  });

  it("joined by an edge stands for its first and its last tasks, also for those added later", () => {
    const dag = new Dag("a");
    const group = dag.taskGroup("g");
    const start = dag.task("start", work)().before(group);
    dag.task("end", work)().after(group);
    const first = group.task("first", work)();
    const [left, right] = [group.task("left", work)(), group.task("right", work)()];
    first.before(left, right);
    group.task("alone", work)();
    expect(start.taskId).to.equal("start");
    expect(edges(dag)).to.deep.equal({
      start: [],
      end: ["g.alone", "g.left", "g.right"],
      "g.first": ["start"],
      "g.left": ["g.first"],
      "g.right": ["g.first"],
      "g.alone": ["start"],
    });
  });

  it("joined to another group inside of a third is no longer its end", () => {
    const dag = new Dag("a");
    const all = dag.taskGroup("all");
    const [one, two] = [all.taskGroup("one"), all.taskGroup("two")];
    one.task("x", work)();
    two.task("y", work)();
    one.before(two);
    dag.task("after", work)().after(all);
    dag.task("before", work)().before(all);
    expect(edges(dag)).to.deep.equal({
      "all.one.x": ["before"],
      "all.two.y": ["all.one.x"],
      after: ["all.two.y"],
      before: [],
    });
  });

  it("that is empty constrains nothing", () => {
    const dag = new Dag("a");
    const nothing = dag.taskGroup("nothing");
    dag.task("a", work)().before(nothing);
    dag.task("b", work)().after(nothing);
    expect(edges(dag)).to.deep.equal({ a: [], b: [] });
  });

  it("refuses bad ids, unknown keys, and edges to what lies inside of it", () => {
    const dag = new Dag("a");
    for (const id of ["", "a.b", "a b", "x".repeat(201)])
      refused(() => dag.taskGroup(id), /A task group cannot have the id/);
    refused(() => dag.taskGroup("g", anything({ prefix: false })), /Group "g": unknown key "prefix"/);
    const group = dag.taskGroup("g");
    const inner = group.taskGroup("h").task("x", work)();
    refused(() => inner.before(group), /one contains the other/);
    refused(() => group.before(inner), /one contains the other/);
    refused(() => group.before(group), /to itself/);
  });

  it("hands its defaults to its tasks: own settings, then inner group, then outer, then Dag", () => {
    const dag = new Dag("a", { queue: "q", defaultArgs: { retries: 1, pool: "dag", owner: "ann" } });
    const outer = dag.taskGroup("outer", { defaultArgs: { retries: 2, pool: "outer" } });
    const inner = outer.taskGroup("inner", { defaultArgs: { retries: 3, queue: "slow" } });
    dag.task("a", work)();
    outer.task("b", work)();
    inner.task("c", work)();
    inner.task("d", work, { retries: 4, pool: undefined })();
    const settings = serializeDag(dag).tasks.map(({ retries, pool, queue, owner }) => [retries, pool, queue, owner]);
    expect(settings).to.deep.equal([
      [1, "dag", "q", "ann"],
      [2, "outer", "q", "ann"],
      [3, "outer", "slow", "ann"],
      [4, "outer", "slow", "ann"],
    ]);
    expect(serializeDag(dag).owners).to.deep.equal(["ann"]);
  });
});

describe("conditions", () => {
  const yes = async () => true;

  it("decide by a handler with inputs, or by a task", () => {
    const dag = new Dag("a");
    const [small, big, end] = ["small", "big", "end"].map((id) => dag.task(id, work)()) as [TaskRef, TaskRef, TaskRef];
    const count = dag.task("count", work)();
    dag
      .if(
        async function isBig({ n }: { n: number }) {
          return n > 5;
        },
        { n: count },
        { retries: 2 },
      )
      .then(big)
      .else(small)
      .before(end);
    const decision = dag.task("decision", yes)();
    dag.if(decision).then(end);
    const tasks = Object.fromEntries(serializeDag(dag).tasks.map((task) => [task.taskId, task]));
    expect(tasks.isBig).to.deep.include({
      operator: "if",
      upstream: ["count"],
      retries: 2,
      branch: { kind: "if", choices: ["big", "small"] },
    });
    expect(tasks.big).to.deep.include({ upstream: ["isBig"], edgeLabels: { isBig: "then" } });
    expect(tasks.small).to.deep.include({ upstream: ["isBig"], edgeLabels: { isBig: "else" } });
    expect(tasks.decision).to.deep.include({ operator: "if", branch: { kind: "if", choices: ["end"] } });
    expect(tasks.end?.upstream).to.deep.equal(["decision", "isBig"]);
  });

  it("of a switch name their cases", () => {
    const dag = new Dag("a");
    const group = dag.taskGroup("g");
    const [a, b] = [group.task("a", work)(), group.task("b", work)()];
    group
      .switch(async () => a, {}, { taskId: "pick" })
      .case(a)
      .case(b);
    expect(serializeDag(dag).tasks.at(-1)).to.deep.include({
      taskId: "g.pick",
      operator: "switch",
      branch: { kind: "switch", choices: ["g.a", "g.b"] },
    });
  });

  it("refuse what makes no sense", async () => {
    const dag = new Dag("a");
    const [a, b] = [dag.task("a", work)(), dag.task("b", work)()];
    const group = dag.taskGroup("g");
    const foreign = new Dag("b").task("x", work)();
    let number = 0;
    const condition = () => dag.if(yes, {}, { taskId: `if${number++}` });
    refused(() => condition().then(a).else(a), /Both sides of task "if\d" are task "a"/);
    refused(() => condition().then(a).then(b), /names then twice/);
    refused(() => condition().then(anything(group)), /A group cannot be a branch/);
    refused(() => condition().then(foreign), /of another Dag, "b"/);
    refused(() => condition().then(anything(dag.task("f", work))), /call its factory/);
    refused(() => condition().then(anything(undefined)), /is undefined, not a task/);
    refused(() => dag.if(anything(group)), /A group decides nothing/);
    refused(() => dag.if(anything(5)), /What dag\.if decides by is 5/);
    refused(() => dag.if(anything(foreign)), /of another Dag/);
    refused(
      () => (dag.if as (...args: unknown[]) => unknown)(a, {}, {}),
      /Its inputs and settings were named where it was declared/,
    );
    refused(() => dag.if(async () => true), /has no id/);
    refused(
      () =>
        dag
          .switch(async () => a, {}, { taskId: "sw" })
          .case(a)
          .case(a),
      /in two cases/,
    );
    const decision = dag.task("decision", yes)();
    dag.if(decision).then(a);
    refused(() => dag.if(decision), /already decides a dag\.if/);
    refused(() => dag.switch(anything(dag.task("e", empty())())), /cannot decide a dag\.switch/);
    const self = dag.task("self", yes)();
    refused(() => dag.if(self).then(self), /the deciding task itself/);
    const awaited = await (async () => await (condition() as never))().catch((error: Error) => error.message);
    expect(awaited).to.match(/was awaited. Conditions are declared, not awaited/);
  });

  it("without sides are refused when the Dag is read", () => {
    const noThen = new Dag("a");
    noThen.if(yes, {}, { taskId: "check" });
    refused(() => serializeDag(noThen), /The condition "check" has no side for true/);
    const onlyElse = new Dag("a");
    onlyElse.if(yes, {}, { taskId: "check" }).else(onlyElse.task("a", work)());
    refused(() => serializeDag(onlyElse), /no side for true/);
    const noCase = new Dag("a");
    noCase.switch(async () => "x", {}, { taskId: "pick" });
    refused(() => serializeDag(noCase), /The switch "pick" has no cases/);
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
