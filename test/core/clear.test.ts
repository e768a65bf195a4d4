import { expect } from "chai";
import { describe, it } from "mocha";
import { type ClearRequest, clearTransitions, selectForClear } from "../../core/clear.ts";
import type { DagDefinition } from "../../core/definition.ts";
import { NotFoundError } from "../../core/errors.ts";
import { compileGraph } from "../../core/graph.ts";
import type { TaskInstanceFacts } from "../../core/run.ts";
import type { TaskState } from "../../core/states.ts";
import { dag, newRows, task } from "./support.ts";

const chain = dag([task("a"), task("b", ["a"]), task("c", ["b"], { retries: 2 }), task("side", ["a"])]);

function rowsIn(definition: DagDefinition, states: Record<string, TaskState>): TaskInstanceFacts[] {
  return newRows(definition).map((row) => ({ ...row, tryNumber: 1, epoch: 5, state: states[row.taskId] ?? "success" }));
}

function select(definition: DagDefinition, request: ClearRequest, states: Record<string, TaskState> = {}): string[] {
  const rows = rowsIn(definition, states);
  return selectForClear(compileGraph(definition), rows, request).map((tiNo) => rows[tiNo]!.taskId);
}

describe("selectForClear", () => {
  it("takes the named tasks, and their relatives when asked to", () => {
    expect(select(chain, { tasks: ["b"] })).to.deep.equal(["b"]);
    expect(select(chain, { tasks: ["b"], includeUpstream: true })).to.deep.equal(["a", "b"]);
    expect(select(chain, { tasks: ["b"], includeDownstream: true })).to.deep.equal(["b", "c"]);
    expect(select(chain, { tasks: ["b"], includeDownstream: true, includeUpstream: true })).to.deep.equal([
      "a",
      "b",
      "c",
    ]);
    expect(select(chain, {})).to.have.members(["a", "b", "c", "side"]);
    expect(select(chain, { tasks: [] })).to.deep.equal([]);
  });

  it("puts upstream before downstream", () => {
    const reversed = dag([...chain.tasks].reverse());
    const order = select(reversed, {});
    expect(order.indexOf("a")).to.be.lessThan(order.indexOf("b"));
    expect(order.indexOf("b")).to.be.lessThan(order.indexOf("c"));
  });

  it("keeps to failed or running instances", () => {
    const states = { a: "failed", b: "upstream_failed", c: "running" } as const;
    expect(select(chain, { onlyFailed: true }, states)).to.deep.equal(["a", "b"]);
    expect(select(chain, { onlyRunning: true }, states)).to.deep.equal(["c"]);
    expect(select(chain, { onlyFailed: true, onlyRunning: true }, states)).to.deep.equal(["a", "b", "c"]);
  });

  it("leaves out what a clear does not change", () => {
    expect(select(chain, {}, { a: "none", b: "restarting", c: "removed", side: "queued" })).to.deep.equal(["side"]);
  });

  it("brings the setups of cleared work and their teardowns, whatever the flags, and no others", () => {
    const definition = dag([
      task("up", [], { isSetup: true }),
      task("x", ["up"]),
      task("y", ["x"]),
      task("down", ["up", "y"], { isTeardown: true, triggerRule: "all_done_setup_success" }),
      task("after", ["down"]),
    ]);
    expect(select(definition, { tasks: ["y"] })).to.deep.equal(["up", "y", "down"]);
    expect(select(definition, { onlyFailed: true }, { x: "failed", y: "upstream_failed" })).to.deep.equal([
      "up",
      "x",
      "y",
      "down",
    ]);
    expect(select(definition, { tasks: ["after"] })).to.deep.equal(["after"]);
    expect(select(definition, { tasks: ["down"] })).to.deep.equal(["down"]);
  });

  it("takes one instance of a mapped task, or all", () => {
    const definition = dag([task("m"), task("t", ["m"])]);
    const [first, after] = rowsIn(definition, {});
    const rows = [{ ...first!, mapIndex: 0 }, after!, { ...first!, tiNo: 2, mapIndex: 1 }];
    const graph = compileGraph(definition);
    expect(selectForClear(graph, rows, { tasks: [{ taskId: "m", mapIndex: 1 }] })).to.deep.equal([2]);
    expect(selectForClear(graph, rows, { tasks: ["m"] })).to.deep.equal([0, 2]);
    expect(() => selectForClear(graph, rows, { tasks: [{ taskId: "m", mapIndex: 7 }] })).to.throw(
      NotFoundError,
      '"m" with map index 7',
    );
  });

  it("refuses tasks that the run does not have", () => {
    expect(() => select(chain, { tasks: ["nope"] })).to.throw(NotFoundError, '"nope"');
  });
});

describe("clearTransitions", () => {
  it("forgets everything but the tries, and leaves a running attempt its epoch to end with", () => {
    const rows = rowsIn(chain, { c: "running" });
    const transitions = clearTransitions(compileGraph(chain), rows, [0, 2], "cleared by user:admin");
    const forgotten = { dueAt: null, firstPokeAt: null, lostCount: 0, branch: null, reason: "cleared by user:admin" };
    expect(transitions).to.deep.equal([
      { tiNo: 0, from: "success", to: "none", epoch: 5, newEpoch: 6, maxTries: 2, ...forgotten },
      { tiNo: 2, from: "running", to: "restarting", epoch: 5, maxTries: 4, ...forgotten },
    ]);
  });

  it("passes over what it does not change", () => {
    expect(clearTransitions(compileGraph(chain), rowsIn(chain, { a: "none" }), [0, 99])).to.deep.equal([]);
  });
});
