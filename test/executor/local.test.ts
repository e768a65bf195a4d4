import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { build } from "esbuild";
import { describe, it } from "mocha";
import { processesWithEnv } from "../support/processes.ts";
import { dagModule, executorConformance } from "./conformance.ts";
import { fakeStore, openLocal } from "./harness.ts";

/** Pending for ever, and alive. */
const FOREVER = "new Promise(() => setInterval(() => {}, 1000))";
const onLinux = existsSync("/proc/self/environ") ? it : it.skip;

describe("LocalExecutor", () => {
  executorConformance(openLocal);

  describe("warm processes", () => {
    const pidModule = dagModule(`place("pid", async () => process.pid);
      place("two", async () => { console.log("two"); await new Promise((resolve) => setTimeout(resolve, 60)); });`);

    it("runs tasks one after the other in the same process", async () => {
      await using harness = await openLocal(pidModule);
      const first = await harness.run({ taskId: "pid" }).outcome;
      const second = await harness.run({ taskId: "pid" }).outcome;
      expect(second.pid).to.equal(first.pid);
      expect(first.returnValueJson).to.equal(String(first.pid));
    });

    it("starts further processes for tasks that would wait, and shrinks to one when idle", async () => {
      await using harness = await openLocal(pidModule, { limits: { idleMs: 100, growAfterMs: 1 } });
      const slow = [1, 2, 3].map(() => harness.run({ taskId: "two" }).outcome);
      const pids = new Set((await Promise.all(slow)).map(({ pid }) => pid));
      expect(pids.size).to.be.greaterThan(1);
      await expectEventually(() => runnersOf(harness.executor.bootId).length === 1);
    });

    it("gives the next task a clean environment and working folder", async () => {
      const code =
        dagModule(`place("soil", async () => { process.env.LEFT = "behind"; delete process.env.PATH; process.chdir("/"); });
        place("look", async () => [process.env.LEFT ?? null, typeof process.env.PATH, process.cwd()]);`);
      await using harness = await openLocal(code);
      const soil = await harness.run({ taskId: "soil" }).outcome;
      const look = await harness.run({ taskId: "look" }).outcome;
      expect(look.pid).to.equal(soil.pid);
      expect(JSON.parse(look.returnValueJson ?? "")).to.deep.equal([null, "string", process.cwd()]);
    });

    it("gives a task with a memory limit a process of that limit", async () => {
      const code = dagModule(`import { getHeapStatistics } from "node:v8";
        place("heap", async () => Math.round(getHeapStatistics().heap_size_limit / 2 ** 20));`);
      await using harness = await openLocal(code);
      const usual = Number((await harness.run({ taskId: "heap" }).outcome).returnValueJson);
      const small = Number((await harness.run({ taskId: "heap", memoryLimitMb: 64 }).outcome).returnValueJson);
      expect(usual).to.be.greaterThan(500);
      expect(small).to.be.within(64, 200);
    });

    it("withholds Sluice's secrets from tasks, and keeps the author's environment", async () => {
      const env = {
        ...process.env,
        SLUICE_SECRET_KEY: "canary-1",
        SLUICE_DATABASE_URL: "canary-2",
        SLUICE_REDIS_URL: "canary-3",
        SLUICE_SECRET_KEY_FILE: "canary-4",
        SLUICE_CONN_DB: "canary-5",
        AUTHORS_OWN: "kept",
      };
      await using harness = await openLocal(dagModule(`place("env", async () => ({ ...process.env }));`), { env });
      const text = (await harness.run({ taskId: "env" }).outcome).returnValueJson ?? "";
      expect(text).to.not.contain("canary");
      expect(JSON.parse(text)).to.deep.include({ AUTHORS_OWN: "kept", SLUICE_HOME: harness.home });
    });

    it("shows the author's lines in stack traces", async () => {
      const source = `import { Dag } from "sluice";\n\nconst dag = new Dag("d");\ninterface Row { readonly n: number }\nasync function fails(): Promise<Row> {\n  throw new Error("at line 6");\n}\ndag.task("fails", fails)();\n`;
      const { outputFiles } = await build({
        stdin: { contents: source, loader: "ts", sourcefile: "orders.ts", resolveDir: "/author" },
        bundle: true,
        format: "esm",
        platform: "node",
        external: ["sluice"],
        sourcemap: "external",
        sourceRoot: "/author",
        write: false,
        outfile: "bundle.mjs",
      });
      const code = outputFiles.find(({ path }) => path.endsWith(".mjs"))?.text ?? "";
      const sourceMap = outputFiles.find(({ path }) => path.endsWith(".map"))?.text ?? "";
      await using harness = await openLocal(code, { sourceMap });
      const { outcome } = await harness.run({ taskId: "fails" }).outcome;
      expect(outcome)
        .to.have.nested.property("error.stack")
        .that.matches(/orders\.ts:6:/);
    });
  });

  it("lets a DAG file find what lies beside it", async () => {
    const code = dagModule(`place("where", async () => [import.meta.dirname, import.meta.filename]);`);
    await using harness = await openLocal(code, { dagsFolder: "/srv/dags" });
    const { returnValueJson } = await harness.run({ taskId: "where" }).outcome;
    expect(JSON.parse(returnValueJson ?? "null")).to.deep.equal(["/srv/dags", "/srv/dags/d.ts"]);
  });

  describe("processes that die", () => {
    it("tells running out of memory from other deaths", async () => {
      const code = dagModule(
        `place("eat", async () => { const kept = []; for (;;) kept.push(new Array(1e5).fill(kept.length)); });`,
      );
      await using harness = await openLocal(code);
      const { outcome } = await harness.run({ taskId: "eat", memoryLimitMb: 64 }).outcome;
      expect(outcome).to.deep.include({ kind: "failed", retryable: true });
      expect(outcome).to.have.nested.property("error.name", "OutOfMemory");
      expect(outcome).to.have.nested.property("error.message").that.contains("64 MB");
    }).timeout(30_000);

    for (const signal of ["SIGSEGV", "SIGABRT"]) {
      it(`names ${signal}`, async () => {
        const code = dagModule(
          `place("crash", async () => { process.kill(process.pid, "${signal}"); await ${FOREVER}; });`,
        );
        await using harness = await openLocal(code);
        const { outcome } = await harness.run({ taskId: "crash" }).outcome;
        expect(outcome).to.have.nested.property("error.name", "ProcessCrashed");
        expect(outcome).to.have.nested.property("error.message").that.contains(signal);
      });
    }

    it("keeps what was printed before the event loop blocked and the process was killed", async () => {
      const code = dagModule(`place("block", async () => { console.log("first"); console.log("second"); for (;;); });`);
      await using harness = await openLocal(code, { graceMs: 50 });
      const block = harness.run({ taskId: "block", executionTimeoutMs: 300 });
      const { outcome } = await block.outcome;
      expect(outcome).to.have.nested.property("error.name", "TaskTimeout");
      expect((await block.log()).map((line) => line.message)).to.deep.equal(["first", "second"]);
    });

    it("says so when no process can be started", async () => {
      const env = { ...process.env, NODE_OPTIONS: "--no-such-flag" };
      await using harness = await openLocal(dagModule(`place("x", async () => 1);`), { env });
      const { outcome } = await harness.run({ taskId: "x" }).outcome;
      expect(outcome).to.have.nested.property("error.name", "RunnerFailed");
      expect(outcome).to.have.nested.property("error.message").that.contains("no-such-flag");
    });

    it("fails one task, not its neighbours, when a shared task exits", async () => {
      const code = dagModule(`place("exit", async () => { process.exit(0); });
        place("neighbour", async () => { console.log("here"); await new Promise((resolve) => setTimeout(resolve, 300)); return "unharmed"; });`);
      await using harness = await openLocal(code);
      const neighbour = harness.run({ taskId: "neighbour", isolation: "shared" });
      await neighbour.printed("here");
      const exit = await harness.run({ taskId: "exit", isolation: "shared" }).outcome;
      expect(exit.outcome.kind).to.equal("failed");
      expect((await neighbour.outcome).returnValueJson).to.equal('"unharmed"');
    });

    it("kills a shared process whose event loop is blocked, and says which kind of task does that", async () => {
      const code = dagModule(`place("block", async () => { console.log("blocking"); for (;;); });
        place("neighbour", () => { console.log("here"); return ${FOREVER}; });
        place("next", async () => "next");`);
      await using harness = await openLocal(code, { limits: { pingMs: 50, pongTimeoutMs: 300 } });
      const neighbour = harness.run({ taskId: "neighbour", isolation: "shared" });
      await neighbour.printed("here");
      const block = harness.run({ taskId: "block", isolation: "shared" });
      for (const started of [neighbour, block]) {
        const { outcome } = await started.outcome;
        expect(outcome).to.deep.include({ kind: "failed", retryable: true });
        expect(outcome).to.have.nested.property("error.message").that.contains(`isolation "process"`);
      }
      expect((await harness.run({ taskId: "next", isolation: "shared" }).outcome).returnValueJson).to.equal('"next"');
    });

    it("replaces a shared process in which a task ignores its timeout, once its other tasks are done", async () => {
      const code = dagModule(`place("deaf", () => ${FOREVER});
        place("neighbour", async () => { console.log("here"); await new Promise((resolve) => setTimeout(resolve, 500)); return process.pid; });
        place("pid", async () => process.pid);`);
      await using harness = await openLocal(code, { graceMs: 50 });
      const neighbour = harness.run({ taskId: "neighbour", isolation: "shared" });
      await neighbour.printed("here");
      const deaf = await harness.run({ taskId: "deaf", isolation: "shared", executionTimeoutMs: 50 }).outcome;
      expect(deaf.outcome).to.have.nested.property("error.name", "TaskTimeout");
      const next = await harness.run({ taskId: "pid", isolation: "shared" }).outcome;
      expect(next.pid).to.not.equal(deaf.pid);
      expect((await neighbour.outcome).returnValueJson).to.equal(String(deaf.pid));
      await expectEventually(() => !runnersOf(harness.executor.bootId).includes(deaf.pid ?? 0));
    });
  });

  describe("processes that tasks start", () => {
    const DAEMON = `import { spawn } from "node:child_process";
      const daemon = (env) => new Promise((resolve, reject) => {
        // Leaves the group, the session and its parent, and does not listen to SIGTERM.
        const shell = spawn("/bin/sh", ["-c", "setsid sh -c 'trap \\"\\" TERM; (sleep 300; :) & sleep 300' & echo away"], { stdio: ["ignore", "pipe", "inherit"], env });
        shell.stdout.once("data", resolve);
        shell.once("error", reject);
      });`;
    const imports = (code: string) => code.replace("\n", `\n${DAEMON}\n`);

    onLinux("are gone when the task has ended, wherever they fled", async () => {
      const code = imports(
        dagModule(`place("spawn", async () => { await daemon(); return process.pid; });
        place("bare", async () => { await daemon({ PATH: process.env.PATH }); });`),
      );
      await using harness = await openLocal(code);
      for (const taskId of ["spawn", "bare"]) {
        const started = harness.run({ taskId });
        const report = await started.outcome;
        expect(report.outcome.kind).to.equal("success");
        expect(runnersAndChildrenOf(harness.executor.bootId)).to.deep.equal([report.pid]);
        expect((await started.log()).at(-1)?.message).to.match(/left running/);
      }
    });

    onLinux("are gone when the task was killed", async () => {
      const code = imports(
        dagModule(`place("stuck", async () => { await daemon(); console.log("ready"); for (;;); });`),
      );
      await using harness = await openLocal(code, { graceMs: 50 });
      const stuck = harness.run({ taskId: "stuck" });
      await stuck.printed("ready");
      harness.executor.cancel(stuck.work.attempt, "enough");
      const report = await stuck.outcome;
      expect(report.outcome.kind).to.equal("cancelled");
      expect(runnersAndChildrenOf(harness.executor.bootId).filter((pid) => pid === report.pid)).to.deep.equal([]);
      expect(processesWithEnv("SLUICE_ATTEMPT", `${harness.executor.bootId}.${2}`)).to.deep.equal([]);
    });

    onLinux("are gone when the task exits its process", async () => {
      const code = imports(dagModule(`place("exit", async () => { await daemon(); process.reallyExit(0); });`));
      await using harness = await openLocal(code);
      const exit = await harness.run({ taskId: "exit" }).outcome;
      expect(exit.outcome).to.have.nested.property("error.name", "ExitWithoutResult");
      const left = runnersAndChildrenOf(harness.executor.bootId);
      expect(left.filter((pid) => !runnersOf(harness.executor.bootId).includes(pid))).to.deep.equal([]);
    });

    onLinux("of a shared task are gone without harm to others", async () => {
      const code = imports(
        dagModule(`place("spawn", async () => { await daemon({}); });
        place("neighbour", async () => { await daemon(); console.log("ready"); await new Promise((resolve) => setTimeout(resolve, 300)); });`),
      );
      await using harness = await openLocal(code);
      const neighbour = harness.run({ taskId: "neighbour", isolation: "shared" });
      await neighbour.printed("ready");
      await harness.run({ taskId: "spawn", isolation: "shared" }).outcome;
      expect(runnersAndChildrenOf(harness.executor.bootId).length).to.be.greaterThan(1);
      expect((await neighbour.outcome).outcome.kind).to.equal("success");
    });

    it("write to the task's log when they inherit its output", async () => {
      const code = dagModule(`import { spawnSync } from "node:child_process";
        place("shell", async () => { spawnSync("/bin/sh", ["-c", "echo out; echo err >&2"], { stdio: "inherit" }); });`);
      await using harness = await openLocal(code);
      const shell = harness.run({ taskId: "shell" });
      await shell.outcome;
      await shell.printed("err");
      const lines = (await shell.log()).map(({ source, message }) => `${source} ${message}`);
      expect(lines).to.include.members(["stdout out", "stderr err"]);
    });
  });

  describe("floods", () => {
    it("cuts a log of 200 MB off in the task's process, and says so", async () => {
      const code = dagModule(
        `place("flood", async () => { const line = "x".repeat(999); for (let n = 0; n < 200_000; n++) console.log(line); });`,
      );
      await using harness = await openLocal(code, { limits: { logBytes: 2_000_000 } });
      const before = process.memoryUsage().rss;
      const flood = harness.run({ taskId: "flood" });
      expect((await flood.outcome).outcome.kind).to.equal("success");
      const lines = await flood.log();
      expect(lines.length).to.be.within(1_500, 2_100);
      expect(lines.at(-1)?.message).to.match(/^truncated: at least \d{6} lines were left out/);
      expect(process.memoryUsage().rss - before).to.be.lessThan(200 * 2 ** 20);
    });

    it("cuts off what a command writes past the task's own output", async () => {
      const code = dagModule(`import { spawnSync } from "node:child_process";
        place("flood", async () => { spawnSync("/bin/sh", ["-c", "head -c 50000000 /dev/zero | tr '\\\\0' 'x' | fold -w 1000"], { stdio: "inherit" }); });`);
      await using harness = await openLocal(code, { limits: { logBytes: 1_000_000 } });
      const flood = harness.run({ taskId: "flood" });
      expect((await flood.outcome).outcome.kind).to.equal("success");
      const lines = await flood.log();
      expect(lines.length).to.be.within(500, 1_100);
      expect(lines.at(-1)?.message).to.match(/^truncated/);
    });
  });

  it("reports each attempt once while processes are being killed at random", async () => {
    const code = dagModule(
      `place("work", async () => { await new Promise((resolve) => setTimeout(resolve, 3)); return getContext().runId; });`,
    );
    await using harness = await openLocal(code, { slots: 3 });
    let left = 150;
    const line = async (isolation: "process" | "shared") => {
      while (left-- > 0) await harness.run({ taskId: "work", isolation }).outcome;
    };
    let isDone = false;
    const killer = async () => {
      for (let round = 0; !isDone; round++) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        const pids = runnersOf(harness.executor.bootId);
        const pid = pids[round % Math.max(1, pids.length)];
        // It may have ended since it was found.
        if (pid !== undefined) spawnSync("kill", ["-KILL", String(pid)]);
      }
    };
    const killing = killer();
    await Promise.all([line("process"), line("process"), line("shared")]);
    isDone = true;
    await killing;
    const keys = harness.outcomes.map(({ attempt }) => attempt.runKey);
    expect(new Set(keys).size).to.equal(keys.length);
    expect(keys.length).to.equal(150);
    for (const { outcome, returnValueJson, attempt } of harness.outcomes) {
      if (outcome.kind === "success") expect(returnValueJson).to.equal(`"run-${attempt.runKey}"`);
      else expect(outcome).to.have.nested.property("error.name").that.is.oneOf(["ProcessKilled", "RunnerFailed"]);
    }
    expect(harness.executor.freeSlots).to.equal(3);
  }).timeout(60_000);

  it("replaces a process that has grown large, between two tasks", async () => {
    const code = dagModule(`place("pid", async () => process.pid);`);
    await using harness = await openLocal(code, { limits: { retireRssMb: 1 } });
    const first = await harness.run({ taskId: "pid" }).outcome;
    await expectEventually(() => !runnersOf(harness.executor.bootId).includes(first.pid ?? 0));
    const second = await harness.run({ taskId: "pid" }).outcome;
    expect(second.returnValueJson).to.equal(String(second.pid));
    expect(second.pid).to.not.equal(first.pid);
  });

  it("keeps its worker's lease: registered at start, renewed, left at stop", async () => {
    const code = dagModule(`place("x", async () => 1);`);
    const harness = await openLocal(code, { limits: { leaseMs: 60 } });
    await expectEventually(() => harness.store.changes.filter(({ kind }) => kind === "worker.heartbeat").length >= 2);
    await harness[Symbol.asyncDispose]();
    expect(harness.store.changes[0]).to.deep.include({ kind: "worker.put", leaseMs: 60 });
    expect(harness.store.changes.at(-1)).to.deep.equal({
      kind: "worker.state",
      workerId: "worker-1",
      state: "stopped",
    });
  });

  it("masks registered secrets in a task's error", async () => {
    const code = dagModule(`place("leak", async () => { throw new Error("login failed for hunter22"); });`);
    await using harness = await openLocal(code, { mask: (text) => text.replaceAll("hunter22", "***") });
    const { outcome } = await harness.run({ taskId: "leak" }).outcome;
    expect(JSON.stringify(outcome)).to.contain("login failed for ***").and.not.contain("hunter22");
  });

  it("writes a bundle once, whole, with its source map beside it", async () => {
    const code = dagModule(`place("x", async () => 1);`);
    await using harness = await openLocal(code);
    const { work, outcome } = harness.run({ taskId: "x" });
    await outcome;
    const file = `${harness.home}/bundles/${work.bundleHash}.mjs`;
    expect(await readFile(file, "utf8"))
      .to.contain(code.trimEnd())
      .and.contain(`//# sourceMappingURL=${work.bundleHash}.mjs.map`);
    expect(existsSync(`${file}.map`)).to.equal(true);
    expect(fakeStore(code).dags).to.be.an("object");
  });
});

/** Runner processes of one start of a host. */
function runnersOf(bootId: string): number[] {
  return processesWithEnv("SLUICE_BOOT_ID", bootId)
    .filter(({ command }) => command.includes("runner/main"))
    .map(({ pid }) => pid);
}

function runnersAndChildrenOf(bootId: string): number[] {
  return processesWithEnv("SLUICE_BOOT_ID", bootId).map(({ pid }) => pid);
}

/** Looks again each 10 ms until it is so; mocha's timeout ends the wait. */
async function expectEventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}
