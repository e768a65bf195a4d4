// exclusive: it measures nothing, but starts processes by the hundred and would starve its neighbours
import { existsSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { bundleEngine } from "./bundle.ts";
import { runLane } from "./lane.ts";

/** Another one each day, so that the years add up; always printed. `SLUICE_TEST_SEED` repeats one. */
const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Date.now() / 86_400_000));
const KILLS = 60;

const onLinux = existsSync("/proc/self/environ") ? it : it.skip;

describe("kill -9 at random moments", () => {
  onLinux(`loses nothing and repeats nothing unexplained (seed ${seed})`, async function () {
    this.timeout(200_000);
    using engine = await bundleEngine();
    const report = await runLane({ seed, kills: KILLS, budgetMs: 45_000, engine: engine.file });
    const { violations, bootCpuMs, ...counts } = report;
    console.log(JSON.stringify({ ...counts, boots: bootCpuMs.length }));
    expect(violations).to.deep.equal([]);
    // A slow machine gets fewer kills in its time; without any work done the test would say nothing.
    expect(report.kills).to.be.at.least(20);
    expect(report.succeeded).to.be.greaterThan(0.5 * report.leftAlone);
    expect(report.lostAttempts).to.be.greaterThan(0);
  });
});
