import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { endMarked, environmentValue, findMarked, parentOf } from "../../executor/processes.ts";
import { killLeftovers } from "../../executor/recovery.ts";
import { leftBehind, processesWithEnv, startScript, type TestProcess } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";

const onLinux = existsSync("/proc/self/environ") ? it : it.skip;

describe("processes of a host that died", () => {
  const newFolder = tempFolders();

  /** Starts a host with one running task, and gives the mark of everything that it starts. */
  async function hostWith(taskId: string, home: string): Promise<{ host: TestProcess; bootId: string }> {
    const host = startScript("test/executor/host.ts", [home, taskId]);
    const line = await host.line(/^boot \S+ is running/);
    return { host, bootId: line.split(" ")[1] ?? "" };
  }

  for (const [taskId, what] of [
    ["wait", "runners and their commands end by themselves"],
    ["block", "a runner whose event loop is blocked is killed, with its commands"],
  ] as const) {
    onLinux(`kill -9 of the host: ${what}`, async () => {
      const { host: started, bootId } = await hostWith(taskId, newFolder().path);
      await using host = started;
      expect(processesWithEnv("SLUICE_BOOT_ID", bootId).length).to.be.greaterThan(1);
      await host.stop("SIGKILL");
      expect(await leftBehind("SLUICE_BOOT_ID", bootId, 5_000)).to.deep.equal([]);
    });

    onLinux(`an orderly stop leaves nothing of a task that does not listen (${taskId})`, async () => {
      const { host: started, bootId } = await hostWith(taskId, newFolder().path);
      await using host = started;
      const { code } = await host.stop("SIGTERM");
      expect(code).to.equal(0);
      expect(host.stdout()).to.contain("outcome lost");
      expect(processesWithEnv("SLUICE_BOOT_ID", bootId)).to.deep.equal([]);
    });
  }

  describe("killLeftovers", () => {
    const environment = (home: string, more: NodeJS.ProcessEnv) => ({
      PATH: process.env.PATH,
      SLUICE_HOME: home,
      ...more,
    });
    const sleeper = (env: NodeJS.ProcessEnv) => spawn("/bin/sleep", ["300"], { env, stdio: "ignore", detached: true });

    onLinux("kills what an earlier start left, and nothing else", async () => {
      const home = newFolder("süß").path;
      const dead = sleeper(environment(home, { SLUICE_BOOT_ID: "old", SLUICE_RUNNER: "999999.1.old" }));
      const elsewhere = sleeper(environment("/elsewhere", { SLUICE_BOOT_ID: "old", SLUICE_RUNNER: "999999.1.old" }));
      const unrelated = sleeper(environment(home, {}));
      // Its host, this process, is alive: a `sluice tasks test` in another terminal.
      const alive = sleeper(environment(home, { SLUICE_BOOT_ID: "mine", SLUICE_RUNNER: `${process.pid}.1.mine` }));
      const all = [dead, elsewhere, unrelated, alive];
      try {
        for (const { pid } of all) while (environmentValue(pid ?? 0, "SLUICE_HOME") === undefined) await nextTurn();
        const ended = new Promise((resolve) => dead.once("exit", (_code, signal) => resolve(signal)));
        expect(await killLeftovers(home)).to.deep.equal([dead.pid]);
        expect(await ended).to.equal("SIGKILL");
        expect([elsewhere, unrelated, alive].map(({ pid }) => parentOf(pid ?? 0))).to.deep.equal(
          Array(3).fill(process.pid),
        );
        expect(await killLeftovers(home)).to.deep.equal([]);
      } finally {
        for (const child of all) child.kill("SIGKILL");
      }
    });
  });

  onLinux("endMarked ends a family that grows while it is being killed", async () => {
    const value = `grow-${process.pid}-${Date.now()}`;
    const bomb = "n=0; while [ $n -lt 60 ]; do sleep 300 & n=$((n+1)); done; wait";
    const child = spawn("/bin/sh", ["-c", bomb], { env: { PATH: process.env.PATH, GROWING: value }, stdio: "ignore" });
    while (findMarked([{ name: "GROWING", value }]).length < 5) await nextTurn();
    const killed = await endMarked([{ name: "GROWING", value }]);
    expect(killed).to.include(child.pid);
    expect(findMarked([{ name: "GROWING", value }])).to.deep.equal([]);
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
