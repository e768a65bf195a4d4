import { existsSync } from "node:fs";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { withBrowser } from "../support/browser.ts";
import { isRunning, processesWithEnv } from "../support/processes.ts";
import { GATES, House } from "./house.ts";

const DAGS = `
import { existsSync } from "node:fs";
import { bash, Dag, getContext, sensor } from "sluice";
import { gate } from "./lib/gates.ts";

const fragile = new Dag("fragile", { schedule: null });
const load = fragile.task("load", async () => {
  console.log("loading the rows");
  if (getContext().tryNumber === 1) throw new Error("row 17 has no price");
})();
fragile.task("report", async () => {})().after(load);

const waiting = new Dag("waiting", { schedule: null });
waiting.task("file", sensor(async () => existsSync(process.env.GATES + "/landed"), { every: 0.2, timeout: 600 }))();

const crowd = new Dag("crowd", { schedule: null });
for (const name of ["one", "two", "three"])
  crowd.task(name, async () => gate("crowd", getContext().signal), { pool: "narrow" })();

const stubborn = new Dag("stubborn", { schedule: null });
const rude = stubborn.task("rude", bash({
  command: "trap '' TERM INT HUP; (trap '' TERM INT HUP; STUBBORN=child sleep 1000) & echo started; while :; do sleep 1000; done",
  env: { STUBBORN_MARK: "rude" },
}))();
stubborn.task("never", async () => {})().after(rude);
`;

describe("repairing what went wrong, in a browser", function () {
  this.timeout(60_000);
  const browser = withBrowser();
  let house: House;
  before(async () => {
    house = await House.open({ "lib/gates.ts": GATES, ".sluiceignore": "lib/\n", "dags.ts": DAGS });
    await house.cli("pools", "set", "narrow", "1");
    await house.until("the DAGs are there", () => house.store.dags.get("stubborn"));
  });
  after(async () => {
    await house?.[Symbol.asyncDispose]();
  });
  const trigger = (dagId: string, runId: string) => house.cli("dags", "trigger", dagId, "--run-id", runId);

  it("leads from the home page over the log of what failed to a run that succeeds", async () => {
    const page = await house.page(browser, "/");
    await page.waitForSelector('#live[data-live="live"]');
    await trigger("fragile", "monday");
    const card = page.locator("#failing-fragile");
    await card.waitFor();
    expect(await card.innerText())
      .to.contain("load: ")
      .and.to.contain("row 17 has no price");
    await card.getByRole("link", { name: "Open log" }).click();
    expect(await page.locator(".log").innerText()).to.contain("loading the rows");
    expect(await page.locator(".error-card").innerText()).to.contain("row 17 has no price");
    await page.getByRole("link", { name: "Clear", exact: true }).click();
    expect(await page.locator("#preview h2").innerText()).to.equal("2 task instances will change");
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    await house.run("fragile", "monday", "success");
    await page.goto(house.url);
    await page.locator("#attention", { hasText: "All clear" }).waitFor();
    expect(browser.problems).to.deep.equal([]);
  });

  it("says what a sensor waits for, and goes on when it has come", async () => {
    await trigger("waiting", "w");
    const { runKey } = await house.task("waiting", "w", "file", "up_for_reschedule");
    const page = await house.page(browser, "/dags/waiting/runs/w/tasks/file");
    expect(await page.locator("#task-head .reason").innerText()).to.match(
      /next poke|pokes? again|checks? again|looks again/i,
    );
    house.openGate("landed");
    await page.locator("#task-head .state.s-success").waitFor();
    await house.run("waiting", "w", "success");
    expect((await house.store.tasks.attempts(runKey, 0)).length).to.equal(1);
    expect(browser.problems).to.deep.equal([]);
  });

  it("says how full the pool is and who is next", async () => {
    await trigger("crowd", "c");
    await house.until("one runs", async () => (await house.store.admin.poolUse()).get("narrow")?.running === 1);
    const page = await house.page(browser, "/dags/crowd/runs/c");
    const waiting = (await page.locator("td.reason").allInnerTexts()).filter((reason) => reason.includes("pool"));
    expect(waiting.map((reason) => reason.trim()).sort()).to.deep.equal([
      "pool narrow is full: 1/1, 1st in line",
      "pool narrow is full: 1/1, 2nd in line",
    ]);
    house.openGate("crowd");
    await page.locator("#run-head .run-state .state.s-success").waitFor();
    expect(browser.problems).to.deep.equal([]);
  });

  it("cancels a run whose shell command and its child ignore every polite request", async () => {
    await trigger("stubborn", "s");
    const rude = await house.task("stubborn", "s", "rude", "running");
    await house.until("it has started", async () => (await house.log(rude)).includes("started"));
    const pids = processesWithEnv("STUBBORN_MARK", "rude").map(({ pid }) => pid);
    expect(pids.length).to.be.at.least(2);
    const page = await house.page(browser, "/dags/stubborn/runs/s");
    await page.getByRole("link", { name: "Cancel", exact: true }).click();
    await page.locator("main form button.button--danger").click();
    const { runKey } = await house.run("stubborn", "s", "failed");
    expect(await house.states(runKey)).to.deep.equal({ rude: "failed", never: "skipped" });
    await house.until("every process of it is gone", async () => !pids.some(isRunning));
    expect(processesWithEnv("STUBBORN_MARK", "rude")).to.deep.equal([]);
    expect(browser.problems).to.deep.equal([]);
  });

  it("kept every promise on the way", async () => {
    expect(await house.verify()).to.deep.equal([]);
    expect(existsSync(house.file("home", "sluice.db"))).to.equal(true);
  });
});
