// exclusive: measures delays and memory
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { tempFolder } from "../support/temp.ts";
import { type RealInstallation, startReal } from "./installation.ts";

const MEGABYTE = 1 << 20;
const LIMIT = 2_000_000;

const DAGS = {
  "flood.ts": `
    import { execFileSync } from "node:child_process";
    import { Dag } from "sluice";
    const flood = (dagId: string, body: () => Promise<void>) => new Dag(dagId).task("print", body)();
    const line = "a line of the flood ".repeat(50).trim();
    flood("through_console", async () => {
      for (let bytes = 0; bytes < 200e6; bytes += line.length) {
        console.log(line);
        if (bytes % 10_000 < line.length) await new Promise((resolve) => setImmediate(resolve));
      }
      console.log("the last line");
    });
    flood("through_a_command", async () => {
      execFileSync("sh", ["-c", "head -c 200000000 /dev/zero | tr '\\\\0' x"], { stdio: "inherit" });
    });
  `,
  "small.ts": `
    import { Dag } from "sluice";
    new Dag("small").task("one", async () => 1)();
  `,
};

describe("a task that prints 200 MB", function () {
  this.timeout(120_000);
  const folder = tempFolder("flood");
  let real: RealInstallation;
  /** Of a small run while nothing else happens, ms. */
  let usualDelay = 0;

  async function timed(): Promise<number> {
    const began = performance.now();
    const { state } = await real.run("small");
    expect(state).to.equal("success");
    return performance.now() - began;
  }

  before(async () => {
    const env = { SLUICE_TASK_LOG_LIMIT_BYTES: String(LIMIT) };
    real = await startReal(folder.path, { dags: DAGS, env });
    await real.run("small");
    const alone: number[] = [];
    for (let nth = 0; nth < 5; nth++) alone.push(await timed());
    usualDelay = median(alone);
  });
  after(async () => {
    await real[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  for (const dagId of ["through_console", "through_a_command"]) {
    it(`takes no memory from the host, fills no disk and holds nobody up (${dagId})`, async () => {
      const before = process.memoryUsage.rss();
      let peak = before;
      const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
      const flooding = await real.trigger(dagId);
      let isFlooding = true;
      const ended = real.ended(flooding.runKey, 90_000).finally(() => (isFlooding = false));
      const delays: number[] = [];
      while (isFlooding) delays.push(await timed());
      const { state } = await ended;
      clearInterval(watch);
      expect(state).to.equal("success");
      expect(peak - before).to.be.lessThan(200 * MEGABYTE);
      expect(median(delays)).to.be.lessThan(10 * usualDelay + 200);
      const { log } = await real.trace(flooding.runKey, "print");
      const stored = log.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0);
      expect(stored).to.be.within(LIMIT / 4, LIMIT * 2);
      expect(log.map(({ message }) => message).join("\n")).to.match(/left out|cut|limit|truncated/i);
    });
  }
});

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}
