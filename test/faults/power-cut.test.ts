import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { isRunTerminal } from "../../core/states.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { triggerRun } from "../../store/commands/index.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { verify } from "../../store/verify.ts";
import { killAll, leftBehind, processesWithEnv, startScript } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";

const onLinux = existsSync("/proc/self/environ") ? it : it.skip;

const DAG = `
  import { spawn } from "node:child_process";
  import { Dag, getContext } from "sluice";
  const dag = new Dag("long");
  const first = dag.task("first", async () => "kept")();
  dag.task("second", async ({ value }: { value: string }) => {
    const { tryNumber } = getContext();
    spawn("/bin/sh", ["-c", "trap '' TERM; sleep 300"], { stdio: "ignore", detached: true });
    for (let line = 1; tryNumber === 1; line++) {
      console.log("line " + line);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return value + " until try " + tryNumber;
  })({ value: first });
`;

/** Looks again and again at what another process writes. */
async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + 60_000; ; await sleep(25)) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`waited a minute until ${what}`);
  }
}

describe("a power cut under a running installation", function () {
  this.timeout(180_000);
  const newFolder = tempFolders();

  onLinux("loses no state, no value and no line that could be seen, and the next start goes on", async () => {
    const folder = newFolder("cut");
    const home = folder.file("home");
    mkdirSync(folder.file("dags"));
    writeFileSync(folder.file("dags", "long.ts"), DAG);
    const env = { SLUICE_HOME: home, SLUICE_DAGS: folder.file("dags"), SLUICE_PORT: "0", SLUICE_LOG_LEVEL: "error" };
    const up = () => startScript("cli/main.ts", ["up", "--json"], { cwd: folder.path, env });
    const open = async (): Promise<Store> =>
      openStore({
        url: `sqlite:${home}/sluice.db`,
        secretKey: Buffer.from(readFileSync(`${home}/secret.key`, "utf8").trim(), "hex"),
        hintFile: `${home}/hint`,
      });
    const logs = new FolderLogStore(`${home}/logs`);

    await using first = up();
    await first.line('"url"', 60_000);
    const store = await open();
    await until("the DAG is loaded", async () => store.dags.get("long"));
    const command = { store, clock: systemClock, actor: "test", triggeredBy: "cli" as const };
    const { runKey } = await triggerRun(command, { dagId: "long" });
    const key = { runKey, tiNo: 1, tryNumber: 1 };
    const seen = await until("the task has printed", async () => {
      const { lines } = await logs.read(key, 0, 1_000);
      return lines.length > 20 ? lines : undefined;
    });
    await first.kill();
    await killAll(processesWithEnv("SLUICE_HOME", home).map(({ pid }) => pid));

    await using second = up();
    await second.line('"url"', 60_000);
    const ended = await until("the run has ended", async () => {
      const row = await store.runs.get(runKey);
      return row !== undefined && isRunTerminal(row.state) ? row : undefined;
    });
    expect(ended.state).to.equal("success");
    const values = (await store.tasks.xcoms(runKey)).map(({ taskId, value }) => [taskId, value]);
    expect(Object.fromEntries(values)).to.deep.equal({ first: "kept", second: "kept until try 2" });
    expect((await store.tasks.attempts(runKey, 1)).map(({ state }) => state)).to.deep.equal(["lost", "success"]);
    const later = await new FolderLogStore(`${home}/logs`).read(key, 0, 1_000);
    expect(later.lines.slice(0, seen.length)).to.deep.equal(seen);
    expect(await verify(store)).to.deep.equal([]);
    await store.close();
    await logs.close();
    expect((await second.stop()).code).to.equal(0);
    expect(await leftBehind("SLUICE_HOME", home, 3_000)).to.deep.equal([]);
  });
});
