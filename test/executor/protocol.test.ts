import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { runnerEnvironment } from "../../executor/local/environment.ts";
import { classifyExit } from "../../executor/local/exit.ts";
import { readToHost } from "../../executor/protocol.ts";

const line = { at: 1, level: "info", source: "stdout", message: "m" };
const error = { name: "Error", message: "m", stack: "s" };

describe("the border between runner and host", () => {
  const good: unknown[] = [
    ["ready"],
    ["pong", 3],
    ["retire", "large"],
    ["done", 1, { kind: "success" }, null, false],
    ["done", 1, { kind: "success", branch: { skipped: ["a"], transitive: true } }, "1", false],
    ["done", 1, { kind: "failed", error, retryable: true, retryAfterMs: 5 }, null, true],
    ["done", 1, { kind: "reschedule", at: 5 }, null, false],
    ["done", 1, { kind: "skipped" }, null, false],
    ["log", 1, [line, { ...line, fields: { a: 1 } }]],
    ["call", 1, 2, "getVariable", { key: "k" }],
    ["spawned", 1, 4_000],
  ];
  const bad: unknown[] = [
    null,
    "done",
    [],
    ["shout", 1],
    ["done", -1, { kind: "success" }, null, false],
    ["done", 1, { kind: "lost", error }, null, false],
    ["done", 1, { kind: "failed", error: "text", retryable: true }, null, false],
    ["done", 1, { kind: "failed", error, retryable: true, retryAfterMs: -1 }, null, false],
    ["done", 1, { kind: "success", branch: { skipped: [1] } }, null, false],
    ["done", 1, { kind: "success" }, { not: "text" }, false],
    ["log", 1, [{ ...line, level: "loud" }]],
    ["log", 1, [{ ...line, message: 5 }]],
    ["call", 1, 2, "getVariable", null],
    ["spawned", 1, 1],
    ["spawned", 1, -9],
    ["exited", 1, 2.5],
  ];

  it("takes each message that a runner sends", () => {
    expect(readToHost(good)).to.equal(good);
    expect(readToHost([])).to.deep.equal([]);
  });

  for (const message of bad) {
    it(`refuses ${JSON.stringify(message)}, and with it all that came along`, () => {
      expect(readToHost([["ready"], message])).to.equal(undefined);
    });
  }

  it("never throws, whatever arrives", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const read = readToHost(value);
        expect(read === undefined || read === (value as unknown)).to.equal(true);
      }),
    );
  });
});

describe("classifyExit", () => {
  const exit = { code: null, signal: null, stderrTail: "", memoryLimitMb: 512 };

  it("tells the causes of a process's end apart", () => {
    const names = [
      classifyExit({ ...exit, code: 0 }),
      classifyExit({ ...exit, signal: "SIGSEGV" }),
      classifyExit({ ...exit, signal: "SIGKILL" }),
      classifyExit({ ...exit, signal: "SIGTERM" }),
      classifyExit({ ...exit, signal: "SIGABRT", stderrTail: "FATAL ERROR: … JavaScript heap out of memory\n" }),
      classifyExit({ ...exit, code: 9, isBootFailure: true }),
      classifyExit({ ...exit, signal: "SIGKILL", killReason: "gave no sign of life" }),
    ].map(({ name }) => name);
    expect(names).to.deep.equal([
      "ExitWithoutResult",
      "ProcessCrashed",
      "ProcessKilled",
      "ProcessKilled",
      "OutOfMemory",
      "RunnerFailed",
      "RunnerKilled",
    ]);
  });

  it("says what to do", () => {
    expect(classifyExit({ ...exit, code: 3 }).message)
      .to.contain("exit code 3")
      .and.contain("must return or throw");
    expect(classifyExit({ ...exit, signal: "SIGABRT", stderrTail: "Reached heap limit" }).message).to.contain(
      "memoryLimit",
    );
  });
});

describe("runnerEnvironment", () => {
  const marks = { home: "/h", bootId: "b", runnerId: "1.2.b" };

  it("keeps the author's variables and adds the marks", () => {
    expect(
      runnerEnvironment({ PATH: "/bin", MINE: "1", SLUICE_VAR_X: "y", SLUICE_HOME: "other" }, marks),
    ).to.deep.equal({
      PATH: "/bin",
      MINE: "1",
      SLUICE_VAR_X: "y",
      SLUICE_HOME: "/h",
      SLUICE_BOOT_ID: "b",
      SLUICE_RUNNER: "1.2.b",
    });
  });

  it("does not start the host's debugger in each runner", () => {
    const env = runnerEnvironment({ NODE_OPTIONS: "--inspect=9229 --no-deprecation" }, marks);
    expect(env.NODE_OPTIONS).to.equal("--no-deprecation");
  });
});
