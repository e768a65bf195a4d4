import { existsSync } from "node:fs";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { processesWithEnv } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";
import { type RealInstallation, startReal } from "./installation.ts";

const onLinux = existsSync("/proc/self/environ") ? it : it.skip;

const DAGS = {
  "values.ts": `
    import { Dag, getClient } from "sluice";
    const returns = (dagId: string, value: () => unknown) => new Dag(dagId).task("give", async () => value() as never)();
    returns("over_limit", () => "x".repeat(1_000_001));
    returns("ten_megabytes", () => ({ rows: Array.from({ length: 100_000 }, (_, n) => "row number " + n + " ".repeat(90)) }));
    returns("a_function", () => ({ a: [1, { b: () => 1 }] }));
    returns("a_bigint", () => ({ price: 10n }));
    returns("not_a_number", () => [1, NaN]);
    returns("a_circle", () => { const a: { self?: unknown } = {}; a.self = a; return a; });
    const handOver = new Dag("prototype");
    const give = handOver.task("give", async () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"x": 1}}, "a": 1}'));
    handOver.task("take", async ({ value }: { value: { a: number } }) => ({
      own: Object.getOwnPropertyNames(value).sort(),
      isPolluted: ({} as { polluted?: boolean }).polluted === true || (value as { polluted?: boolean }).polluted === true,
    }))({ value: give() });
    const set = new Dag("set_too_much");
    set.task("set", async () => getClient().setXCom({ key: "big", value: "y".repeat(10_000_000) }))();
  `,
  "deaths.ts": `
    import { spawn } from "node:child_process";
    import { Dag } from "sluice";
    const one = (dagId: string, body: () => unknown, options = {}) => new Dag(dagId).task("it", async () => (await body()) as never, options)();
    one("exits", () => { console.log("about to leave"); process.exit(0); });
    one("rejects", () => new Promise((resolve) => { void Promise.reject(new Error("nobody listens")); setTimeout(resolve, 5_000); }));
    one("throws_later", () => new Promise((resolve) => { setTimeout(() => { throw new Error("out of the blue"); }, 10); setTimeout(resolve, 5_000); }));
    one("blocks", () => { console.log("blocking"); for (;;); }, { executionTimeout: 0.5 });
    one("neighbour", () => new Promise((resolve) => setTimeout(() => resolve("fine"), 300)));
    one("fertile", () => {
      const shell = (script: string) => spawn("/bin/sh", ["-c", script], { stdio: "ignore", detached: true });
      shell("trap '' TERM HUP INT; sleep 300 & sleep 300");
      shell("trap '' TERM; setsid sh -c \\"trap '' TERM; sleep 300\\" & sleep 300");
      return new Promise((resolve) => setTimeout(() => resolve("left children behind"), 100));
    });
    one("fertile_and_deaf", () => {
      spawn("/bin/sh", ["-c", "trap '' TERM; sleep 300"], { stdio: "ignore", detached: true });
      return new Promise(() => setInterval(() => {}, 1_000));
    }, { executionTimeout: 0.5 });
  `,
};

describe("author code that misbehaves, in a whole installation", function () {
  this.timeout(60_000);
  const folder = tempFolder("faults");
  let real: RealInstallation;

  before(async () => {
    real = await startReal(folder.path, { dags: DAGS });
  });
  after(async () => {
    await real[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  /** Runs a DAG whose task must fail; gives the error. */
  async function failing(dagId: string, taskId = "it"): Promise<string> {
    const { state, runKey } = await real.run(dagId);
    expect(state, dagId).to.equal("failed");
    return real.error(runKey, taskId);
  }

  it("fails a task whose value is over the limit, naming the task, the size and the limit", async () => {
    expect(await failing("over_limit", "give")).to.match(/give.*1[,.]?000[,.]?003.*1[,.]?000[,.]?000/s);
    expect(await failing("ten_megabytes", "give")).to.match(/give.*1[,.]?000[,.]?000/s);
    expect(await failing("set_too_much", "set")).to.match(/1[,.]?000[,.]?000/);
  });

  for (const [dagId, place] of [
    ["a_function", /a\[1\]\.b.*function/],
    ["a_bigint", /price.*bigint/i],
    ["not_a_number", /\[1\].*NaN/],
    ["a_circle", /self.*(circ|itself)/],
  ] as const) {
    it(`fails a task whose value is no JSON and says where (${dagId})`, async () => {
      expect(await failing(dagId, "give")).to.match(place);
    });
  }

  it("hands __proto__ over as a value like any other, and pollutes nothing", async () => {
    const { state, runKey } = await real.run("prototype");
    expect(state).to.equal("success");
    const xcoms = await real.store.tasks.xcoms(runKey);
    const taken = xcoms.find(({ taskId }) => taskId === "take")?.value as { own: string[]; isPolluted: boolean };
    expect(taken.isPolluted).to.equal(false);
    expect(taken.own).to.include("a");
    expect(({} as { polluted?: boolean }).polluted).to.equal(undefined);
  });

  it("fails a task that calls process.exit(0), and keeps what it printed", async () => {
    const { state, runKey } = await real.run("exits");
    expect(state).to.equal("failed");
    expect(await real.error(runKey, "it")).to.match(/exit/i);
    const { log } = await real.trace(runKey, "it");
    expect(log.map(({ message }) => message)).to.include("about to leave");
  });

  it("fails the task that caused an unhandled rejection or exception", async () => {
    expect(await failing("rejects")).to.contain("nobody listens");
    expect(await failing("throws_later")).to.contain("out of the blue");
  });

  it("ends a task that blocks its event loop past its timeout, while others run", async () => {
    const blocked = await real.trigger("blocks");
    const neighbour = await real.run("neighbour");
    expect(neighbour.state).to.equal("success");
    expect((await real.ended(blocked.runKey)).state).to.equal("failed");
    expect(await real.error(blocked.runKey, "it")).to.contain("executionTimeout of 0.5 s");
  });

  for (const [dagId, state] of [
    ["fertile", "success"],
    ["fertile_and_deaf", "failed"],
  ] as const) {
    onLinux(`leaves no child of a task that ignores SIGTERM (${dagId})`, async () => {
      const run = await real.run(dagId);
      expect(run.state).to.equal(state);
      const left = processesWithEnv("SLUICE_HOME", real.home).filter(({ command }) => /sleep 300/.test(command));
      expect(left).to.deep.equal([]);
    });
  }
});
