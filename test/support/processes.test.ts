import { expect } from "chai";
import { describe, it } from "mocha";
import { childrenOf, isRunning, processesWithEnv, runProcess, startProcess } from "./processes.ts";

describe("startProcess", () => {
  it("finds a line that was printed before it was asked for, and one that comes later", async () => {
    await using child = startProcess(["sh", "-c", "echo one; echo two >&2; read never"], { input: "" });
    expect(await child.line("one")).to.equal("one");
    expect(await child.line(/^t.o$/)).to.equal("two");
    expect(await child.ended).to.deep.equal({ code: 1, signal: null });
  });

  it("says what was printed when a process ends without the line", async () => {
    await using child = startProcess(["sh", "-c", "echo something else; exit 3"]);
    const error = await child.line("ready").then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).to.include("ended before ready").and.include("something else");
  });

  it("stops with a signal and tells how the process ended", async () => {
    await using child = startProcess(["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"]);
    await child.line("up");
    expect(await child.stop()).to.deep.equal({ code: 7, signal: null });
  });

  it("kills the children of a process with it", async () => {
    let grandchild = 0;
    {
      await using child = startProcess(["sh", "-c", "sleep 600 & echo $!; wait"]);
      grandchild = Number(await child.line(/^\d+$/));
      expect(childrenOf(child.pid)).to.deep.equal([grandchild]);
      expect(isRunning(grandchild)).to.equal(true);
    }
    expect(isRunning(grandchild)).to.equal(false);
  });

  it("finds, reports and ends a descendant that has left the process group", async () => {
    let stray = 0;
    const leave = async () => {
      await using child = startProcess(["sh", "-c", "setsid sh -c 'echo $$; exec sleep 600' & wait"]);
      stray = Number(await child.line(/^\d+$/));
      await child.kill();
    };
    const error = await leave().then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).to.include("left processes behind");
    expect(isRunning(stray)).to.equal(false);
  });

  it("marks what it starts, so that descendants are found by their environment", async () => {
    await using child = startProcess(["sleep", "600"], { env: { SLUICE_TEST_EXAMPLE: "here" } });
    expect(processesWithEnv("SLUICE_TEST_EXAMPLE", "here").map(({ pid }) => pid)).to.deep.equal([child.pid]);
  });
});

describe("runProcess", () => {
  it("gives the output and the exit code, with input and environment", async () => {
    const result = await runProcess(["sh", "-c", 'cat; echo "$WHO" >&2; exit 2'], { input: "in", env: { WHO: "me" } });
    expect(result).to.deep.equal({ code: 2, signal: null, stdout: "in", stderr: "me\n" });
  });

  it("ends a process that takes too long", async () => {
    const error = await runProcess(["sleep", "600"], { timeoutMs: 50 }).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).to.include("Timed out after 50 ms");
  });
});
