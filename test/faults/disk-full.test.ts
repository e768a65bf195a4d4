import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { platform } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { afterEach, describe, it } from "mocha";
import { hashToken, newToken } from "../../webserver/auth/sessions.ts";
import { tempFolders } from "../support/temp.ts";
import { type RealInstallation, startReal } from "./installation.ts";

/** Why the tests cannot run here; a file system of a fixed size needs the right to mount one. */
const missing =
  platform() !== "linux" || process.getuid?.() !== 0 ? "needs root on Linux, for a small tmpfs" : undefined;
const test = missing === undefined ? it : it.skip;

const DAGS = {
  "disk.ts": `
    import { existsSync } from "node:fs";
    import { Dag, getContext } from "sluice";
    const dag = new Dag("chunky");
    let before = dag.task("wait", async () => {
      while (!existsSync(getContext().conf.gate as string)) await new Promise((resolve) => setTimeout(resolve, 10));
    })();
    for (let nth = 0; nth < 12; nth++) {
      const next = dag.task("chunk" + nth, async () => String(nth).repeat(400_000))();
      before.before(next);
      before = next;
    }
    const talk = new Dag("talk");
    talk.task("talk", async () => {
      console.log("the first line");
      while (!existsSync(getContext().conf.full as string)) await new Promise((resolve) => setTimeout(resolve, 10));
      for (let nth = 0; nth < 2_000; nth++) console.log("while it is full " + "x".repeat(1_000));
      while (!existsSync(getContext().conf.free as string)) await new Promise((resolve) => setTimeout(resolve, 10));
      console.log("the last line");
      return "done";
    })();
    new Dag("small").task("one", async () => 1)();
  `,
};

interface HealthAnswer {
  readonly metadatabase: { readonly status: string; readonly detail?: string };
  readonly scheduler: { readonly status: string };
  readonly executor: { readonly status: string; readonly detail?: string };
}

/** A token for the API, and what it asks. */
async function healthOf({ store, installation }: RealInstallation): Promise<() => Promise<HealthAnswer>> {
  const token = newToken();
  await store.access.createToken({ name: "test", role: "viewer", tokenHash: hashToken(token), createdBy: "test" });
  return async () => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${installation.url}/api/v2/monitor/health`, { headers });
    return (await response.json()) as HealthAnswer;
  };
}

describe(`a full disk${missing === undefined ? "" : ` (skipped: ${missing})`}`, function () {
  this.timeout(120_000);
  const mounts: string[] = [];
  // Before the folders are removed, which is what the hook of the next line does.
  afterEach(() => {
    for (const mount of mounts.splice(0)) execFileSync("umount", ["-l", mount]);
  });
  const newFolder = tempFolders();

  function smallDisk(path: string, megabytes: number): void {
    mkdirSync(path, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0700`, "tmpfs", path]);
    mounts.push(path);
  }

  /** Takes what space there is, and what becomes free, until the filler is removed. */
  function fill(path: string): Disposable {
    const file = `${path}/filler`;
    const take = () => {
      for (const size of [1 << 20, 1 << 12]) {
        try {
          for (;;) appendFileSync(file, Buffer.alloc(size, 1));
        } catch {
          // Full.
        }
      }
    };
    take();
    const timer = setInterval(take, 20);
    return {
      [Symbol.dispose]() {
        clearInterval(timer);
        rmSync(file, { force: true });
      },
    };
  }

  test("while committing: health says so, commands are refused, and everything goes on when there is space", async () => {
    const folder = newFolder("disk");
    const home = folder.file("home");
    const gate = folder.file("gate");
    smallDisk(home, 64);
    await using real = await startReal(folder.path, { dags: DAGS, home, web: true });
    const health = await healthOf(real);
    expect((await health()).scheduler.status).to.equal("healthy");
    // Its code is on the disk already.
    await real.run("small");
    const { runKey } = await real.trigger("chunky", { conf: { gate } });
    await real.until("the first task runs", 20_000, async () =>
      (await real.store.tasks.ofRun(runKey)).some(({ state }) => state === "running") ? true : undefined,
    );
    let answer: HealthAnswer;
    {
      using _filler = fill(home);
      writeFileSync(gate, "");
      const deadline = performance.now() + 30_000;
      do {
        await sleep(50);
        answer = await health();
      } while (answer.scheduler.status === "healthy" && performance.now() < deadline);
      const trouble = (await real.store.tasks.attemptsOfRun(runKey)).filter(({ error }) => error !== null);
      expect(answer.scheduler.status, JSON.stringify(trouble)).to.equal("unhealthy");
      expect(answer.metadatabase.status).to.equal("unhealthy");
      expect(answer.metadatabase.detail).to.match(/disk.*is full.*Free some space/i);
      expect((await fetch(`${real.installation.url}/readyz`)).status).to.equal(503);
      const refused = await real
        .trigger("small", { conf: { large: "x".repeat(60_000) } })
        .catch((error: Error & { code?: string }) => error);
      expect(refused).to.be.instanceOf(Error).with.property("code", "store_unavailable");
      expect((await real.store.runs.get(runKey))?.state).to.equal("running");
    }
    const run = await real.ended(runKey, 60_000);
    const attempts = await real.store.tasks.attemptsOfRun(runKey);
    expect(run.state, JSON.stringify(attempts.filter(({ error }) => error !== null))).to.equal("success");
    expect(attempts.map(({ state }) => state)).to.satisfy((states: string[]) => states.every((s) => s === "success"));
    expect((await real.store.tasks.xcoms(runKey)).filter(({ size }) => size > 400_000)).to.have.lengthOf(12);
    expect((await real.run("small")).state).to.equal("success");
    expect((await health()).scheduler.status).to.equal("healthy");
  });

  test("while logging: tasks succeed, lines are missing behind a remark, and later lines are there", async () => {
    const folder = newFolder("disk");
    const home = folder.file("home");
    const [full, free] = [folder.file("full"), folder.file("free")];
    mkdirSync(home);
    smallDisk(`${home}/logs`, 4);
    await using real = await startReal(folder.path, { dags: DAGS, home, web: true });
    const health = await healthOf(real);
    const { runKey } = await real.trigger("talk", { conf: { full, free } });
    await real.until("its first line is stored", 20_000, async () => {
      const tasks = await real.store.tasks.ofRun(runKey);
      return tasks.some(({ state }) => state === "running") || undefined;
    });
    while ((await real.trace(runKey, "talk")).log.length === 0) await sleep(20);
    {
      using _filler = fill(`${home}/logs`);
      writeFileSync(full, "");
      // Other tasks do not even notice.
      expect((await real.run("small")).state).to.equal("success");
      const deadline = performance.now() + 20_000;
      while ((await health()).executor.status === "healthy" && performance.now() < deadline) await sleep(50);
      expect((await health()).executor)
        .to.have.property("detail")
        .that.matches(/Log lines.*ENOSPC/);
    }
    writeFileSync(free, "");
    expect((await real.ended(runKey, 60_000)).state).to.equal("success");
    const { log } = await real.trace(runKey, "talk");
    const messages = log.map(({ message }) => message);
    expect(messages[0]).to.equal("the first line");
    expect(messages.at(-1)).to.equal("the last line");
    expect(messages.length).to.be.lessThan(2_000);
    expect(messages.join("\n")).to.match(/(lines|log).*(missing|lost|left out|could not be)/i);
  });

  test("while code is to be written: the task waits for space, and does not fail", async () => {
    const folder = newFolder("disk");
    const home = folder.file("home");
    smallDisk(`${home}/bundles`, 4);
    await using real = await startReal(folder.path, { dags: DAGS, home });
    const filler = fill(`${home}/bundles`);
    const { runKey } = await real.trigger("small");
    await sleep(1_500);
    expect((await real.store.runs.get(runKey))?.state).to.equal("running");
    filler[Symbol.dispose]();
    expect((await real.ended(runKey)).state).to.equal("success");
    expect((await real.store.tasks.attemptsOfRun(runKey)).map(({ state }) => state)).to.deep.equal(["success"]);
  });
});
