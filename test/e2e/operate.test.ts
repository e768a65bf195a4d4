import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { Page } from "playwright-core";
import { withBrowser } from "../support/browser.ts";
import { House } from "./house.ts";

const DAGS = `
import { Dag, getContext } from "sluice";
import { z } from "zod";

const daily = new Dag("daily", { schedule: "@daily" });
daily.task("work", async () => console.log("for " + getContext().logicalDate))();

const asked = new Dag("asked", {
  schedule: null,
  params: z.object({ day: z.iso.date(), rows: z.int().min(1).max(100).default(10), dryRun: z.boolean().default(false) }),
});
asked.task("work", async () => getContext().params)();
`;

describe("operating, in a browser", function () {
  this.timeout(60_000);
  const browser = withBrowser();
  let house: House;
  before(async () => {
    house = await House.open({ "dags.ts": DAGS });
    await house.until(
      "the DAGs are there",
      async () => (await house.store.dags.get("asked")) && house.store.dags.get("daily"),
    );
  });
  after(async () => {
    await house?.[Symbol.asyncDispose]();
  });
  const isLive = (page: Page) => page.waitForSelector('#live[data-live="live"]');

  it("pauses: a run that is triggered waits and says so; unpauses: it runs", async () => {
    const page = await house.page(browser, "/dags/asked/grid");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator("main", { hasText: "Paused by admin" }).waitFor();
    await house.cli("dags", "trigger", "asked", "--run-id", "held", "--conf", '{"day":"2026-01-01"}');
    await page.goto(`${house.url}/dags/asked/runs/held`);
    expect(await page.locator("#run-head .run-state").innerText())
      .to.match(/queued/i)
      .and.to.contain("DAG is paused");
    await page.goto(`${house.url}/dags/asked/grid`);
    await page.getByRole("button", { name: "Unpause" }).click();
    await house.run("asked", "held", "success");
    expect(browser.problems).to.deep.equal([]);
  });

  for (const javaScriptEnabled of [true, false])
    it(`refuses wrong values in the trigger form and keeps what was typed (JavaScript ${javaScriptEnabled ? "on" : "off"})`, async () => {
      const runId = `form-${javaScriptEnabled}`;
      const page = await house.page(browser, "/dags/asked/trigger", { javaScriptEnabled });
      await page.getByLabel("rows").fill("1000");
      await page.getByLabel("Run id").fill("no spaces please");
      await page.getByRole("button", { name: "Trigger run" }).click();
      await page.locator(".field__error").first().waitFor();
      expect(await page.locator(".field__error").count()).to.be.at.least(2);
      expect(await page.getByLabel("rows").inputValue()).to.equal("1000");
      await page.getByLabel("rows").fill("7");
      await page.getByLabel("day").fill("2026-03-01");
      await page.getByLabel("Run id").fill(runId);
      await page.getByRole("button", { name: "Trigger run" }).click();
      const { params, runKey } = await house.run("asked", runId, "success");
      expect(params).to.deep.equal({ day: "2026-03-01", rows: 7, dryRun: false });
      expect(await house.store.tasks.xcomJson(runKey, 0, "return_value")).to.equal(JSON.stringify(params));
    });

  for (const javaScriptEnabled of [true, false])
    it(`previews a backfill, runs it and shows each date (JavaScript ${javaScriptEnabled ? "on" : "off"})`, async () => {
      const month = javaScriptEnabled ? "03" : "04";
      const page = await house.page(browser, "/dags/daily/backfill", { javaScriptEnabled });
      await page.getByLabel("First date").fill(`2026-${month}-01T00:00`);
      await page.getByLabel("Last date").fill(`2026-${month}-03T23:59`);
      await page.getByRole("button", { name: "Preview" }).click();
      await page.locator("#preview h2", { hasText: "3 dates: 3 new, 0 again, 0 left alone" }).waitFor();
      await page.getByRole("button", { name: "Start backfill" }).click();
      await page.waitForURL(/\/backfills\/\d+/);
      const backfillId = Number(/\d+$/.exec(new URL(page.url()).pathname)?.[0]);
      for (const day of ["01", "02", "03"]) {
        const run = await house.run("daily", `backfill__2026-${month}-${day}T00:00:00+00:00`, "success");
        expect(run).to.include({ runType: "backfill", backfillId });
      }
      const ended = async () => (await house.store.admin.backfill(backfillId))?.completedAt ?? undefined;
      await house.until("the end of the backfill", ended);
      if (!javaScriptEnabled) await page.reload();
      await page.locator("#backfill tbody .state.s-success").nth(2).waitFor();
    });

  it("keeps two tabs alive at once", async () => {
    const tabs = [await house.page(browser, "/dags/asked/grid"), await house.page(browser, "/runs?dag=asked")];
    await Promise.all(tabs.map(isLive));
    await house.cli("dags", "trigger", "asked", "--run-id", "watched", "--conf", '{"day":"2026-01-01"}');
    await tabs[0]?.waitForSelector('th[data-run="watched"] .s-success');
    await tabs[1]?.getByText("watched").first().waitFor();
    expect(browser.problems).to.deep.equal([]);
  });

  it("walks from the list to a log without JavaScript", async () => {
    const page = await house.page(browser, "/dags", { javaScriptEnabled: false });
    await page.getByLabel("Search DAGs").fill("dail");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByRole("link", { name: "daily", exact: true }).click();
    await page.getByRole("link", { name: "Grid", exact: true }).click();
    await page.locator('tr[data-task="work"] a.cell').first().click();
    expect(await page.locator(".log").innerText()).to.contain("for ");
    await page.getByRole("link", { name: "Clear", exact: true }).click();
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    await page.locator("main", { hasText: "Cleared" }).first().waitFor();
  });

  it("shows nothing to somebody who is not logged in, and kept every promise", async () => {
    const page = await browser.newPage();
    await page.goto(`${house.url}/dags/daily/grid`);
    expect(await page.locator("h1").innerText()).to.equal("Log in to Sluice");
    expect(await house.verify()).to.deep.equal([]);
  });
});
