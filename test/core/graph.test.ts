import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { TaskDefinition, WeightRule } from "../../core/definition.ts";
import { compileGraph, GraphError, materializeTasks } from "../../core/graph.ts";
import { dag, task } from "./support.ts";

describe("compileGraph", () => {
  it("numbers tasks by position and links them both ways", () => {
    const graph = compileGraph(dag([task("c", ["a", "b"]), task("a"), task("b", ["a"])]));
    expect(graph.upstream).to.deep.equal([[1, 2], [], [1]]);
    expect(graph.downstream).to.deep.equal([[], [0, 2], [0]]);
    expect([...graph.order]).to.deep.equal([1, 2, 0]);
    expect([...graph.position]).to.deep.equal([2, 0, 1]);
    expect(graph).to.deep.include({ roots: [1], leaves: [0], decidingLeaves: [0], size: 3, needsPast: false });
    expect(graph.taskIndex.get("b")).to.equal(2);
  });

  it("refuses cycles, naming their tasks in order", () => {
    const tasks = [task("in"), task("a", ["in", "c"]), task("b", ["a"]), task("c", ["b"]), task("out", ["c"])];
    expect(() => compileGraph(dag(tasks))).to.throw(GraphError, /cycle: (a → b → c → a|b → c → a → b|c → a → b → c);/);
    expect(() => compileGraph(dag([task("a", ["a"])]))).to.throw(GraphError, /cycle: a → a;/);
  });

  it("refuses two tasks of one id and upstreams that are not there", () => {
    expect(() => compileGraph(dag([task("a"), task("a")]))).to.throw(GraphError, /two tasks with the id "a"/);
    expect(() => compileGraph(dag([task("a", ["x"])]))).to.throw(GraphError, /comes after "x"/);
  });

  it("lets teardowns decide the run only when there is nothing else", () => {
    const down = { isTeardown: true, triggerRule: "all_done_setup_success" as const };
    const graph = compileGraph(dag([task("a"), task("b", ["a"]), task("down", ["b"], down)]));
    expect(graph.decidingLeaves).to.deep.equal([1]);
    expect(compileGraph(dag([task("down", [], down)])).decidingLeaves).to.deep.equal([0]);
  });

  it("finds the setups that a task depends on without an edge", () => {
    const down = { isTeardown: true, triggerRule: "all_done_setup_success" as const };
    const graph = compileGraph(
      dag([
        task("up", [], { isSetup: true }),
        task("free", [], { isSetup: true }),
        task("work", ["free", "up"]),
        task("more", ["work"]),
        task("down", ["more", "up"], down),
        task("after", ["down"]),
      ]),
    );
    // work has edges to both; after is past the scope of up, but free has no teardown and reaches everywhere.
    expect([...graph.indirectSetups]).to.deep.equal([
      [3, [0, 1]],
      [5, [1]],
    ]);
    expect([...graph.setupDependents]).to.deep.equal([
      [0, [3]],
      [1, [3, 5]],
    ]);
  });
});

describe("materializeTasks", () => {
  it("makes one instance per task, with the effective weight and one try more than retries", () => {
    const tasks = [
      task("a", [], { retries: 2, pool: "db", poolSlots: 3, queue: "q", executor: "x" }),
      task("b", ["a"]),
    ];
    expect(materializeTasks(dag(tasks))[0]).to.deep.equal({
      tiNo: 0,
      taskId: "a",
      mapIndex: -1,
      operator: "ts",
      pool: "db",
      poolSlots: 3,
      queue: "q",
      executor: "x",
      priorityWeight: 2,
      maxTries: 3,
    });
  });
});

describe("effective weights", () => {
  const weightsOf = (tasks: TaskDefinition[]) =>
    Object.fromEntries(materializeTasks(dag(tasks)).map((one) => [one.taskId, one.priorityWeight]));

  it("add up what is below, above, or nothing, each task once", () => {
    const diamond = (weightRule: WeightRule) => [
      task("a", [], { weightRule, priorityWeight: 1 }),
      task("b", ["a"], { weightRule, priorityWeight: 2 }),
      task("c", ["a"], { weightRule, priorityWeight: 3 }),
      task("d", ["b", "c"], { weightRule, priorityWeight: 4 }),
    ];
    expect(weightsOf(diamond("downstream"))).to.deep.equal({ a: 10, b: 6, c: 7, d: 4 });
    expect(weightsOf(diamond("upstream"))).to.deep.equal({ a: 1, b: 3, c: 4, d: 10 });
    expect(weightsOf(diamond("absolute"))).to.deep.equal({ a: 1, b: 2, c: 3, d: 4 });
  });

  it("agree with a walk from every task, on random graphs of up to 80 tasks", () => {
    const rules: readonly WeightRule[] = ["downstream", "upstream", "absolute"];
    fc.assert(
      fc.property(
        fc.array(fc.record({ ups: fc.array(fc.nat(), { maxLength: 4 }), weight: fc.nat(9), rule: fc.nat(2) }), {
          maxLength: 80,
        }),
        fc.boolean(),
        (specs, isReversed) => {
          const tasks = specs.map(({ ups, weight, rule }, index) =>
            task(`t${index}`, index === 0 ? [] : [...new Set(ups.map((up) => `t${up % index}`))], {
              priorityWeight: weight,
              weightRule: rules[rule]!,
            }),
          );
          if (isReversed) tasks.reverse();
          const weights = weightsOf(tasks);
          for (const one of tasks) {
            const next = (id: string) =>
              one.weightRule === "upstream"
                ? tasks.find((other) => other.taskId === id)!.upstream
                : tasks.filter((other) => other.upstream.includes(id)).map((other) => other.taskId);
            const seen = new Set([one.taskId]);
            if (one.weightRule !== "absolute") for (const id of seen) for (const found of next(id)) seen.add(found);
            const expected = tasks
              .filter((other) => seen.has(other.taskId))
              .reduce((sum, other) => sum + other.priorityWeight, 0);
            expect(weights[one.taskId]).to.equal(expected);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
