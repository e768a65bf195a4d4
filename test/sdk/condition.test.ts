import { expect } from "chai";
import { describe, it } from "mocha";
import { Dag, empty, type TaskRef } from "../../sdk/index.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { refused } from "./harness.ts";

const work = async () => 1;
const anything = (value: unknown) => value as never;

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
