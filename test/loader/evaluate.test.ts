import { realpathSync } from "node:fs";
import { join } from "node:path";
import { scheduler } from "node:timers/promises";
import { expect } from "chai";
import { after, afterEach, describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { bundleDagFile } from "../../loader/bundle.ts";
import { DagFileError } from "../../loader/dag-file-error.ts";
import { EsbuildService } from "../../loader/esbuild-service.ts";
import { Evaluator } from "../../loader/evaluate.ts";
import { FakeClock } from "../support/clock.ts";
import {
  childrenOf,
  commandOf,
  isRunning,
  nodeCommand,
  projectRoot,
  runProcess,
  within,
} from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";
import { dagSource, write } from "./support.ts";

describe("Evaluator", () => {
  const folder = tempFolders();
  const esbuild = new EsbuildService(systemClock);
  const evaluators: Evaluator[] = [];
  afterEach(async () => {
    for (const evaluator of evaluators.splice(0)) await evaluator.stop();
  });
  after(() => esbuild.stop());

  const newEvaluator = (limits: { timeoutMs?: number; heapMb?: number } = {}) => {
    const evaluator = new Evaluator({ clock: systemClock, ...limits });
    evaluators.push(evaluator);
    return evaluator;
  };

  const bundled = async (source: string, more: Record<string, string> = {}) => {
    const root = folder();
    for (const [name, text] of Object.entries({ ...more, "a.ts": source })) write(root.file(name), text);
    const bundle = await bundleDagFile(esbuild.build, {
      root: root.path,
      file: "a.ts",
      realPath: realpathSync(root.file("a.ts")),
    });
    return { bundle, root };
  };

  const evaluate = async (source: string, more?: Record<string, string>, evaluator = newEvaluator()) => {
    const { bundle, root } = await bundled(source, more);
    return evaluator.evaluate({ bundle, root: root.path });
  };

  const refused = async (
    source: string,
    more?: Record<string, string>,
    evaluator?: Evaluator,
  ): Promise<DagFileError> => {
    const error = await evaluate(source, more, evaluator).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).to.be.instanceOf(DagFileError);
    return error as DagFileError;
  };

  const BEGIN = 'import { Dag } from "sluice";\nnew Dag("x");\n';

  it("gives the definitions of all DAGs of a file, in order", async () => {
    const { definitions } = await evaluate(`${dagSource("a")}\nnew Dag("b").task("t", async () => 1)();`);
    expect(definitions.map(({ dagId }) => dagId)).to.deep.equal(["a", "b"]);
    expect(definitions[0]?.tasks.map(({ taskId }) => taskId)).to.deep.equal(["first"]);
    expect(definitions[0]?.timetable).to.include({ kind: "cron", timezone: "UTC" });
  });

  it("lends zod to a file without an own one, and tells the file where it lies", async () => {
    const { definitions } = await evaluate(
      `import { Dag } from "apache-airflow-ts-sdk"; import { z } from "zod"; import { basename } from "node:path";
       new Dag("x", { params: z.object({ day: z.string().default(basename(import.meta.filename)) }) });`,
    );
    expect(definitions[0]?.paramDefaults).to.deep.equal({ day: "a.ts" });
  });

  it("gives no setting and no credential to the file", async () => {
    process.env.SLUICE_SECRET_KEY = "secret";
    try {
      const { definitions } = await evaluate(
        'import { Dag } from "sluice"; new Dag("x", { description: Object.keys(process.env).sort().join() });',
      );
      expect(definitions[0]?.description)
        .to.match(/\bPATH\b/)
        .and.not.to.match(/SLUICE|SECRET/);
    } finally {
      delete process.env.SLUICE_SECRET_KEY;
    }
  });

  it("shows the author's line of an error, in the file or in a helper", async () => {
    const thrown = await refused(`${BEGIN}function boom(): never {\n  throw new TypeError("bad");\n}\nboom();`);
    expect(thrown.message).to.equal("a.ts:4:9: TypeError: bad");
    expect(thrown.location).to.deep.equal({ file: "a.ts", line: 4, column: 9 });
    expect(thrown.detail).to.equal("TypeError: bad\n    at boom (a.ts:4:9)\n    at <anonymous> (a.ts:6:1)");
    const helped = await refused(`import { h } from "./lib/h.ts";\n${BEGIN}h();`, {
      "lib/h.ts": '\nexport const h = () => {\n  JSON.parse("{");\n};',
    });
    expect(helped.location).to.deep.equal({ file: "lib/h.ts", line: 3, column: 8 });
  });

  it("shows the author's line of a wrong definition", async () => {
    const error = await refused('import { Dag } from "sluice";\nconst d = new Dag("x");\nd.task("t", async () => 1);');
    expect(error.code).to.equal("dag_file_invalid");
    expect(error.location).to.include({ file: "a.ts", line: 3 });
    expect(error.message).to.contain('a.ts:3:3: Task "t" was declared but its factory was never called');
    const unknown = await refused(`${BEGIN}new Dag("y", { schedul: "@daily" } as object);`);
    expect(unknown.location).to.include({ file: "a.ts", line: 3 });
  });

  it("survives whatever is thrown", async () => {
    for (const thrown of [
      "null",
      "undefined",
      '"text"',
      "42n",
      "Symbol('s')",
      "{}",
      "new Proxy({}, { get() { throw 1 } })",
    ]) {
      const error = await refused(`${BEGIN}throw ${thrown};`);
      expect(error.code, thrown).to.equal("dag_file_threw");
    }
  });

  it("reports a rejection that nobody awaits and an error in a callback", async () => {
    expect((await refused(`${BEGIN}Promise.reject(new Error("lost"));`)).message).to.equal("a.ts:3:16: lost");
    const late = await refused(`${BEGIN}process.nextTick(() => { throw new Error("late"); }); await null;`);
    expect(late.message).to.contain("late");
  });

  it("reports process.exit with its line, and other ends", async () => {
    const exit = await refused(`${BEGIN}process.exit(0);`);
    expect(exit.code).to.equal("dag_file_exited");
    expect(exit.message).to.equal("a.ts:3:9: it calls process.exit(0) while it is evaluated. Remove the call.");
    const killed = await refused(`${BEGIN}process.kill(process.pid, "SIGKILL"); for (;;);`);
    expect(killed.message).to.equal("a.ts: its process was ended by SIGKILL while it was evaluated.");
    expect((await refused(`${BEGIN}process.abort();`)).message).to.contain("SIGABRT");
  });

  it("ends an endless loop and says where it was", async () => {
    const source = `${BEGIN}let count = 0;\nwhile (true) {\n  count++;\n}`;
    const error = await refused(source, {}, newEvaluator({ timeoutMs: 2_000 }));
    expect(error.code).to.equal("dag_file_timeout");
    expect(error.message).to.contain("was not evaluated within 2 s");
    expect(error.location?.file).to.equal("a.ts");
    expect(error.location?.line).to.be.within(4, 6);
    expect(error.detail).to.equal(undefined);
  });

  it("ends what waits too long, or for ever", async () => {
    const waits = `${BEGIN}await new Promise((resolve) => setTimeout(resolve, 3_600_000));`;
    expect((await refused(waits, {}, newEvaluator({ timeoutMs: 300 }))).code).to.equal("dag_file_timeout");
    const never = await refused(`${BEGIN}await new Promise(() => {});`);
    expect(never.message).to.equal("a.ts: a top-level await never settles. Move what waits into a task.");
    expect(never.detail).to.equal(undefined);
  });

  it("ends what takes too much memory, on the heap or beside it", async () => {
    const heap = `${BEGIN}const all: number[][] = []; for (;;) all.push(new Array(1e5).fill(0.5));`;
    expect((await refused(heap, {}, newEvaluator({ heapMb: 64 }))).code).to.equal("dag_file_memory");
    const buffers = `${BEGIN}const all: Buffer[] = [];
      for (;;) { all.push(Buffer.alloc(1e7, 1)); await new Promise((r) => setTimeout(r, 2)); }`;
    expect((await refused(buffers, {}, newEvaluator({ heapMb: 64 }))).code).to.equal("dag_file_memory");
  });

  it("lets 100 MB of output pass and keeps the beginning for the error", async () => {
    const flood = `console.log("begin"); for (let i = 0; i < 1_600; i++) process.stdout.write("x".repeat(65_536));`;
    expect((await evaluate(`${dagSource("a")}${flood}`)).definitions).to.have.length(1);
    const error = await refused(`${BEGIN}${flood}\nthrow new Error("after");`);
    expect(error.message).to.equal("a.ts:4:7: after");
    expect(error.detail).to.match(/It printed:\nbegin\nx+/);
    expect(error.detail?.length).to.be.lessThan(70_000);
  });

  it("is not fooled by patched globals, and later evaluations are not touched", async () => {
    const evaluator = newEvaluator();
    const patches = `JSON.stringify = () => "{}"; Date.now = () => 0; Promise.resolve = () => { throw 1; };
      globalThis.setImmediate = (() => 0) as never; Array.prototype.map = () => { throw new Error("patched"); };`;
    await evaluate(`${dagSource("a")}${patches}`, {}, evaluator).catch((error: unknown) => {
      expect(error).to.be.instanceOf(DagFileError);
    });
    expect((await evaluate(dagSource("b"), {}, evaluator)).definitions[0]?.dagId).to.equal("b");
  });

  it("checks what the process answers", async () => {
    const forged = `import { writeSync } from "node:fs"; writeSync(3, '{"answer":{"kind":"dags","definitions":[]}}\\n');`;
    expect((await refused(`${dagSource("a")}${forged}`)).message).to.contain("disturbed its own evaluation");
    const noise = 'import { writeSync } from "node:fs"; writeSync(3, "noise\\n");';
    expect((await refused(`${dagSource("a")}${noise}`)).message).to.contain("disturbed its own evaluation");
    const twice = await refused(`${dagSource("a")}new Dag("a");`);
    expect(twice.message).to.contain('two DAGs with the id "a"');
  });

  it("kills what the file has started, and leaves no process of its own behind", async () => {
    const started = `import { spawn } from "node:child_process";
      const child = spawn("sleep", ["600"], { stdio: "ignore" });
      dag.task("pid_" + child.pid, async () => 1)();`;
    const evaluator = newEvaluator();
    const { definitions } = await evaluate(`${dagSource("a")}${started}`, {}, evaluator);
    const pid = Number(definitions[0]?.tasks.at(-1)?.taskId.slice(4));
    expect(pid).to.be.greaterThan(1);
    await evaluator.stop();
    const gone = async () => {
      while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
    };
    await within(gone(), 2_000, () => `process ${pid} still runs`);
  });

  it("stops at once when it is no longer wanted", async () => {
    const { bundle, root } = await bundled(`${BEGIN}for (;;);`);
    const unwanted = new AbortController();
    const evaluation = newEvaluator().evaluate({ bundle, root: root.path, signal: unwanted.signal });
    unwanted.abort(new Error("changed"));
    expect(await evaluation.catch((error: Error) => error.message)).to.equal("changed");
  });

  describe("in bulk", () => {
    const pidOf = async (evaluator: Evaluator, extra = "") => {
      const { bundle, root } = await bundled(
        `${dagSource("a")}dag.task("pid_" + process.pid, async () => 1)();${extra}`,
      );
      const { definitions } = await evaluator.evaluate({ bundle, root: root.path, isBulk: true });
      return definitions[0]?.tasks.at(-1)?.taskId;
    };

    it("evaluates one file after the other in one process", async () => {
      const evaluator = newEvaluator();
      const first = await pidOf(evaluator);
      expect(await pidOf(evaluator, "const own = 1; await null;")).to.equal(first);
      expect(await pidOf(evaluator)).to.equal(first);
    });

    it("gives a file that comes again a process that does not know it", async () => {
      const evaluator = newEvaluator();
      const { bundle, root } = await bundled(dagSource("a"));
      for (let at = 0; at < 3; at++) {
        const { definitions } = await evaluator.evaluate({ bundle, root: root.path, isBulk: true });
        expect(definitions).to.have.length(1);
      }
    });

    it("leaves a process in which a file has left something behind", async () => {
      for (const trace of [
        "(globalThis as any).left = 1;",
        "Date.now = () => 0;",
        "Array.prototype.toSpliced = Array.prototype.filter as never;",
        "process.env.LEFT = '1';",
        "process.chdir('/');",
        "process.on('beforeExit', () => {});",
        "setTimeout(() => {}, 3_600_000);",
        "setInterval(() => {}, 1_000);",
        "console.log = () => {};",
      ]) {
        const evaluator = newEvaluator();
        const first = await pidOf(evaluator, trace);
        expect(await pidOf(evaluator), trace).not.to.equal(first);
      }
    });

    it("gives a file that fails a process of its own, and then its error", async () => {
      const evaluator = newEvaluator({ timeoutMs: 2_000 });
      await pidOf(evaluator);
      const fail = async (source: string) => {
        const { bundle, root } = await bundled(source);
        const failed = evaluator.evaluate({ bundle, root: root.path, isBulk: true });
        return failed.catch((error: DagFileError) => error.message);
      };
      expect(await fail(`${BEGIN}process.exit(1);`)).to.contain("a.ts:3:9: it calls process.exit(1)");
      expect(await fail(`${BEGIN}for (;;);`)).to.contain("within 2 s");
      const counter = "const n = ((globalThis as any).n ?? 0) + 1; (globalThis as any).n = n;";
      expect(await fail(`${BEGIN}${counter} throw new Error("try " + n);`)).to.contain("try 1");
      expect(await pidOf(evaluator)).to.match(/^pid_/);
    });
  });

  it("ends the process that waits, and esbuild, after five idle seconds", async () => {
    const clock = new FakeClock();
    const evaluator = new Evaluator({ clock });
    evaluators.push(evaluator);
    const bundler = new EsbuildService(clock);
    await bundler.build({ stdin: { contents: "1" }, write: false });
    evaluator.prepare();
    const helpers = () => childrenOf(process.pid).filter((pid) => /evaluate-child|esbuild/.test(commandOf(pid)));
    expect(helpers()).to.have.length(2);
    clock.advance(4_999);
    expect(helpers()).to.have.length(2);
    clock.advance(1);
    const gone = async () => {
      while (helpers().some(isRunning)) await scheduler.wait(5);
    };
    await within(gone(), 5_000, () => `still there: ${helpers().map(commandOf)}`);
  });

  it("leaves no process behind when it is killed itself", async () => {
    const script = folder().file("killed.ts");
    const ours = (...names: string[]) => JSON.stringify(join(projectRoot, ...names));
    write(
      script,
      `import { systemClock } from ${ours("core", "clock.ts")};
       import { Evaluator } from ${ours("loader", "evaluate.ts")};
       import { childrenOf } from ${ours("test", "support", "processes.ts")};
       const evaluator = new Evaluator({ clock: systemClock });
       const code = "await new Promise((resolve) => setTimeout(resolve, 3_600_000));";
       const sourceMap = JSON.stringify({ version: 3, sources: [], mappings: "" });
       const bundle = { file: "a.ts", hash: "", code, sourceMap, sources: [], inputs: [], usesSdk: true };
       void evaluator.evaluate({ bundle, root: "/" });
       setTimeout(() => {
         console.log(childrenOf(process.pid).join());
         process.kill(process.pid, "SIGKILL");
       }, 500);`,
    );
    const { stdout } = await runProcess([...nodeCommand, script]);
    const pids = stdout.trim().split(",").map(Number);
    expect(pids).to.have.length(2); // the evaluation and the spare
    const gone = async () => {
      while (pids.some(isRunning)) await scheduler.wait(50);
    };
    await within(gone(), 5_000, () => `still there: ${pids}`);
  });

  it("keeps one process ready while evaluations come, and none after its stop", async () => {
    const processes = () => childrenOf(process.pid).filter((pid) => commandOf(pid).includes("evaluate-child"));
    const evaluator = newEvaluator();
    await evaluate(dagSource("a"), {}, evaluator);
    expect(processes()).to.have.length.within(1, 2);
    await evaluator.stop();
    expect(processes()).to.deep.equal([]);
  });
});
