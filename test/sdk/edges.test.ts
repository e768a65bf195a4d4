import { expect } from "chai";
import { describe, it } from "mocha";
import { Dag, type TaskRef } from "../../sdk/index.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { refused } from "./harness.ts";

const work = async () => 1;
const anything = (value: unknown) => value as never;

/** Ids of direct upstream tasks by task id. */
function edges(dag: Dag<unknown>): { [taskId: string]: readonly string[] } {
  return Object.fromEntries(serializeDag(dag).tasks.map(({ taskId, upstream }) => [taskId, upstream]));
}

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
