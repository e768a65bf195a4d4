import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import {
  bash,
  branch,
  Dag,
  empty,
  getContext,
  http,
  type Json,
  sensor,
  shortCircuit,
  type TaskRef,
  triggerDagRun,
} from "../../sdk/index.ts";

/** Fails to compile unless both types are the same. */
function same<A>() {
  return <B>(..._proof: [A] extends [B] ? ([B] extends [A] ? [] : ["differs", A, B]) : ["differs", A, B]) => undefined;
}

/** The body is checked by tsc and never run. */
function compiles(_body: () => void): void {
  expect(_body).to.be.a("function");
}

const dag = new Dag("types");

describe("types of the SDK", () => {
  it("follow a value from the task that leaves it to the task that takes it", () => {
    compiles(() => {
      const extract = dag.task("extract", async (): Promise<number[]> => [3, 5, 8]);
      const total = dag.task("total", async ({ rows }: { rows: number[] }) => rows.length, { retries: 2 });
      const report = dag.task("report", ({ sum, title }: { sum: number; title?: string }) => {
        console.log(title, sum);
      });
      const sum = total({ rows: extract() });
      same<TaskRef<number>>()<typeof sum>();
      report({ sum });
      report({ sum: 3, title: "x" });
      total({ rows: [1, 2] });
    });
  });

  it("refuse a wrong, missing, extra or unnamed input", () => {
    compiles(() => {
      const words = dag.task("words", async () => ["a"])();
      const total = dag.task("total", async ({ rows }: { rows: number[] }) => rows.length);
      // @ts-expect-error a task that leaves string[] is no number[]
      total({ rows: words });
      // @ts-expect-error a literal of the wrong type
      total({ rows: "3" });
      // @ts-expect-error rows is missing
      total({});
      // @ts-expect-error no inputs at all
      total();
      // @ts-expect-error an input that the handler does not take
      total({ rows: [1], extra: 1 });
      // @ts-expect-error inputs are named
      total(words);
      const nothing = dag.task("nothing", async () => 1);
      nothing();
      nothing({});
      // @ts-expect-error takes no inputs
      nothing({ rows: [1] });
      // @ts-expect-error a factory must be called first
      total({ rows: nothing });
      // @ts-expect-error a look-alike
      total({ rows: { taskId: "words" } });
      // @ts-expect-error a reference inside of a literal
      total({ rows: [nothing()] });
    });
  });

  it("refuse a literal that JSON cannot hold", () => {
    compiles(() => {
      const take = dag.task(
        "take",
        async (_: { when?: Date; big?: bigint; call?: () => void; map?: Map<string, number>; any?: Json }) => 1,
      );
      take({ any: { deep: [1, "a", null, true] } });
      // @ts-expect-error a Date arrives as a text
      take({ when: new Date() });
      // @ts-expect-error a BigInt
      take({ big: 1n });
      // @ts-expect-error a function
      take({ call: () => undefined });
      // @ts-expect-error a Map
      take({ map: new Map() });
      // @ts-expect-error a Date inside of JSON
      take({ any: { deep: new Date() } });
      // @ts-expect-error undefined inside of JSON
      take({ any: [undefined] });
    });
  });

  it("know interfaces, optional properties and unions", () => {
    interface Order {
      id: number;
      tags?: string[];
      state: "open" | "paid";
    }
    compiles(() => {
      const load = dag.task("load", async (): Promise<Order[]> => []);
      const show = dag.task(
        "show",
        async ({ orders, first }: { orders: Order[]; first: Order | null }) => `${orders}${first}`,
      );
      show({ orders: load(), first: null });
      show({ orders: [{ id: 1, state: "open" }], first: { id: 2, state: "paid", tags: ["x"] } });
      // @ts-expect-error no such state
      show({ orders: [{ id: 1, state: "lost" }], first: null });
    });
  });

  it("see a value as it is after its way through JSON", () => {
    compiles(() => {
      const at = dag.task("at", async () => ({ when: new Date(), n: 1 }))();
      same<TaskRef<{ when: string; n: number }>>()<typeof at>();
      const map = dag.task("map", async () => new Map([["a", 1]]))();
      same<TaskRef<never>>()<typeof map>();
      const none = dag.task("none", async () => {})();
      same<TaskRef<undefined>>()<typeof none>();
      const anything = dag.task("anything", async (): Promise<unknown> => 1)();
      same<TaskRef<unknown>>()<typeof anything>();
    });
  });

  it("refuse unknown keys, wrong settings and handlers with two parameters", () => {
    compiles(() => {
      // @ts-expect-error retires
      dag.task("a", async () => 1, { retires: 2 });
      // @ts-expect-error no such rule
      dag.task("a", async () => 1, { triggerRule: "all_sucess" });
      // @ts-expect-error two parameters
      dag.task("a", async (a: { x: number }, b: number) => `${a}${b}`);
      // @ts-expect-error no such key
      new Dag("b", { shedule: "@daily" });
      // @ts-expect-error a number is no schedule
      new Dag("b", { schedule: 5 });
      new Dag("b", { defaultArgs: { retries: 2, retryDelay: "10m", retry: undefined, pool: "db" } });
      // @ts-expect-error taskId is no default
      new Dag("b", { defaultArgs: { taskId: "x" } });
    });
  });

  it("know params by their schema", () => {
    compiles(() => {
      const typed = new Dag("typed", { params: z.object({ day: z.iso.date(), dryRun: z.boolean().default(false) }) });
      typed.task("show", async () => {
        const { params } = getContext(typed);
        same<{ day: string; dryRun: boolean }>()<typeof params>();
        // @ts-expect-error no such param
        return params.days;
      });
      const { params } = getContext<{ n: number }>();
      same<{ n: number }>()<typeof params>();
    });
  });

  it("check conditions, switches and edges", () => {
    compiles(() => {
      const small = dag.task("small", async () => 1)();
      const big = dag.task("big", async () => 2)();
      dag
        .if(async ({ n }: { n: number }) => n > 5, { n: 3 }, { taskId: "check" })
        .then(big)
        .else(small);
      dag
        .if(function always() {
          return true;
        })
        .then(big);
      // @ts-expect-error must give a boolean
      dag.if(async () => "yes");
      // @ts-expect-error n is missing
      dag.if(async ({ n }: { n: number }) => n > 5);
      // @ts-expect-error n is a number
      dag.if(async ({ n }: { n: number }) => n > 5, { n: "3" });
      // @ts-expect-error a factory is no branch
      dag.if(async () => true).then(dag.task("x", async () => 1));
      const decision = dag.task("decision", async () => true)();
      dag.if(decision).then(big);
      // @ts-expect-error leaves a number, not a boolean
      dag.if(small);
      dag
        .switch(async () => big)
        .case(big)
        .case(small);
      // @ts-expect-error must name a task
      dag.switch(async () => 5);
      const group = dag.taskGroup("group", { defaultArgs: { retries: 1 } });
      group
        .task("inner", async () => 1)()
        .after(small, group)
        .before(big);
      // @ts-expect-error a group is no branch
      dag.if(decision).then(group);
      // @ts-expect-error a text is no node
      small.before("big");
    });
  });

  it("check operators", () => {
    compiles(() => {
      const file = dag.task("dump", bash({ command: "echo {{ ds }}" }))();
      same<TaskRef<string>>()<typeof file>();
      const count = dag.task(
        "count",
        bash<{ file: string }>({ command: ["wc", "-l", (ctx) => ctx.inputs.file], output: "json" }),
      );
      same<TaskRef<Json>>()<ReturnType<typeof count>>();
      count({ file });
      // @ts-expect-error file is missing
      count();
      // @ts-expect-error a computed command is a list
      bash({ command: () => "rm -rf /" });
      // @ts-expect-error no such option
      bash({ command: "true", timeout: 3 });
      const rates = dag.task("rates", http({ url: "http://localhost/", select: ({ status }) => status }))();
      same<TaskRef<number>>()<typeof rates>();
      const found = dag.task(
        "wait",
        sensor(async () => (Math.random() > 0.5 ? { id: 1 } : undefined), { every: 60 }),
      )();
      same<TaskRef<{ id: number }>>()<typeof found>();
      const go = dag.task(
        "go",
        shortCircuit(({ n }: { n: number }) => n > 3),
      )({ n: 4 });
      same<TaskRef<boolean>>()<typeof go>();
      dag.task(
        "pick",
        branch(async () => [file, "other"]),
      )();
      // @ts-expect-error a number names no task
      branch(async () => 5);
      const started = dag.task("start", triggerDagRun({ dagId: "other", conf: { day: "{{ ds }}" } }))();
      same<TaskRef<string>>()<typeof started>();
      // @ts-expect-error takes no inputs
      dag.task("done", empty())({ file });
    });
  });
});
