import { expect } from "chai";
import { describe, it } from "mocha";
import { Dag, empty, triggerDagRun } from "../../sdk/index.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { refused } from "./harness.ts";

const work = async () => 1;
const take = async (inputs: { a?: unknown; b?: unknown }) => inputs;
const anything = (value: unknown) => value as never;

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
    expect(forgotten.stack).to.match(/task\.test\.ts/);
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
