import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { Page } from "playwright-core";
import { z } from "zod";
import type { JsonObject } from "../../../core/json.ts";
import { cron, dagOf } from "../../scheduler/definitions.ts";
import { withBrowser } from "../../support/browser.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { accessibilityProblems, logIn } from "./browse.ts";
import { putDag, putRun } from "./seed.ts";
import { NOW, openSite, type Site } from "./site.ts";

const HOUR = 3_600_000;
const params = z.toJSONSchema(
  z.object({ day: z.iso.date(), rows: z.int().min(1).max(100).default(10), dryRun: z.boolean().default(false) }),
) as unknown as JsonObject;

describe("an operator's journeys in a browser", function () {
  this.timeout(60_000);
  const browser = withBrowser();
  let folder: TempFolder;
  let site: Site;
  before(async () => {
    folder = tempFolder("journeys");
    site = await openSite(folder, { reparse: async () => {} });
    const chain = { extract: [], clean: ["extract"], load: ["clean"] };
    const daily = { timetable: cron("0 6 * * *"), tags: ["etl"], description: "Loads the sales of a day." };
    await putDag(site.store, dagOf("sales", chain, { ...daily, params, paramDefaults: { rows: 10, dryRun: false } }));
    await putDag(site.store, dagOf("orders", chain, { timetable: cron("0 6 * * *") }));
    const fates = { extract: "success", clean: { error: "bad row" }, load: "upstream_failed" } as const;
    for (const dagId of ["sales", "orders"]) {
      await putRun(site.store, { dagId, runId: "good", logicalDate: NOW - 2 * HOUR });
      await putRun(site.store, { dagId, runId: "bad", logicalDate: NOW - HOUR, state: "failed", tasks: fates });
    }
    const put = { kind: "importError.put", file: "a.ts", message: "Boom", stack: "at x", line: 1, column: 1 } as const;
    await site.store.commit([put], "loader");
  });
  after(async () => {
    await site?.[Symbol.asyncDispose]();
    folder?.[Symbol.dispose]();
  });

  async function open(path: string, options: { javaScriptEnabled?: boolean; colorScheme?: "light" | "dark" } = {}) {
    const context = await browser.newContext(options);
    await logIn(context, site);
    const page = await context.newPage();
    await page.goto(site.url + path);
    return page;
  }
  const heading = (page: Page) => page.locator("main h1").innerText();

  describe("without JavaScript", () => {
    it("finds a DAG, fills in its form, corrects an error and starts a run", async () => {
      const page = await open("/dags", { javaScriptEnabled: false });
      await page.getByLabel("Search DAGs").fill("sal");
      await page.getByRole("button", { name: "Apply" }).click();
      expect(await page.locator("tbody tr").count()).to.equal(1);
      await page.getByRole("link", { name: "Trigger sales" }).click();
      await page.getByLabel("rows").fill("1000");
      await page.getByLabel("Run id").fill("from-the-page");
      await page.getByRole("button", { name: "Trigger run" }).click();
      expect(await page.locator(".field__error").count()).to.equal(2);
      expect(await page.getByLabel("rows").inputValue()).to.equal("1000");
      await page.getByLabel("rows").fill("50");
      await page.getByLabel("day").fill("2026-03-01");
      await page.getByRole("button", { name: "Check values" }).click();
      expect(await page.locator("#resolved").innerText()).to.contain('"rows": 50');
      await page.getByRole("button", { name: "Trigger run" }).click();
      const run = await site.store.runs.find("sales", "from-the-page");
      expect(run?.params).to.deep.equal({ day: "2026-03-01", rows: 50, dryRun: false });
    });

    it("retries from the home page: looks at what will run again, confirms", async () => {
      const page = await open("/", { javaScriptEnabled: false });
      await page.getByRole("link", { name: "Retry the failed tasks of orders" }).click();
      expect(await page.locator("#preview h2").innerText()).to.equal("2 task instances will change");
      await page.getByLabel("Only failed").uncheck();
      await page.getByRole("button", { name: "Preview" }).click();
      expect(await page.locator("#preview h2").innerText()).to.equal("3 task instances will change");
      await page.getByRole("button", { name: "Clear", exact: true }).click();
      expect((await site.store.runs.find("orders", "bad"))?.state).to.equal("queued");
    });

    it("backfills: chooses a range, looks at the dates, starts, pauses and cancels", async () => {
      const page = await open("/dags/orders/backfill", { javaScriptEnabled: false });
      await page.getByLabel("First date").fill("2026-03-01T00:00");
      await page.getByLabel("Last date").fill("2026-03-03T23:59");
      await page.getByRole("button", { name: "Preview" }).click();
      expect(await page.locator("#preview h2").innerText()).to.equal("3 dates: 3 new, 0 again, 0 left alone");
      await page.getByRole("button", { name: "Start backfill" }).click();
      expect(await heading(page)).to.match(/^Backfill \d+ of orders$/);
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("button", { name: "Resume" }).click();
      await page.locator("summary", { hasText: "Cancel…" }).click();
      await page.getByRole("button", { name: "Cancel the backfill" }).click();
      expect(await page.locator("main").innerText()).to.contain("cancelled");
    });

    it("pauses a DAG, makes a pool, changes the theme", async () => {
      const page = await open("/dags", { javaScriptEnabled: false });
      await page.getByRole("button", { name: "Pause orders", exact: true }).click();
      expect(await page.locator("#row-orders").innerText()).to.contain("Paused by admin");
      await page.getByRole("button", { name: "Unpause orders" }).click();
      await page.goto(`${site.url}/admin/pools`);
      await page.getByRole("link", { name: "New pool" }).click();
      await page.getByLabel("Name").fill("warehouse");
      await page.getByRole("spinbutton", { name: "Slots" }).fill("3");
      await page.getByRole("button", { name: "Create pool" }).click();
      expect(await page.locator("tbody").innerText()).to.contain("0 of 3 in use");
      await page.getByRole("button", { name: "Switch to the dark theme" }).click();
      expect(await page.locator("html").getAttribute("data-theme")).to.equal("dark");
      await page.getByRole("button", { name: "Switch to the light theme" }).click();
    });
  });

  describe("with JavaScript", () => {
    it("narrows the list while typing, and the address with it", async () => {
      const page = await open("/dags");
      await page.getByLabel("Search DAGs").pressSequentially("ord");
      await page.locator("tbody tr").nth(1).waitFor({ state: "detached" });
      expect(await page.locator("tbody tr").count()).to.equal(1);
      await page.waitForURL(/q=ord/);
      expect(browser.problems).to.deep.equal([]);
    });

    it("shows beside the trigger form what the tasks will get, as it changes", async () => {
      const page = await open("/dags/sales/trigger");
      await page.getByLabel("rows").fill("42");
      await page.getByLabel("day").fill("2026-03-05");
      await page.locator("#resolved", { hasText: '"day": "2026-03-05"' }).waitFor();
      expect(await page.locator("#resolved").innerText()).to.contain('"rows": 42');
      await page.getByLabel("dryRun").check();
      await page.locator("#resolved", { hasText: '"dryRun": true' }).waitFor();
      expect(browser.problems).to.deep.equal([]);
    });

    it("previews a clear and a backfill as the options change", async () => {
      const page = await open("/dags/sales/runs/bad/tasks/clean/clear");
      expect(await page.locator("#preview h2").innerText()).to.equal("2 task instances will change");
      await page.getByLabel("Past: earlier runs too").check();
      await page.locator("#preview h2", { hasText: "4 task instances in 2 runs will change" }).waitFor();
      await page.waitForURL(/past=1/);
      await page.goto(`${site.url}/dags/sales/backfill?from=2026-03-01&to=2026-03-02`);
      await page.getByLabel("Newest date first").check();
      await page.waitForURL(/reverse=1/);
      expect(browser.problems).to.deep.equal([]);
    });
  });

  describe("for everybody", () => {
    it("is accessible and free of errors on every page, light and dark", async () => {
      const pages = [
        "/",
        "/dags",
        "/runs",
        "/backfills",
        "/backfills/1",
        "/dags/sales/trigger",
        "/dags/orders/backfill?from=2026-03-01&to=2026-03-12",
        "/dags/sales/runs/bad/clear",
        "/dags/sales/runs/bad/tasks/clean/mark",
        "/dags/sales/runs/bad/cancel",
        "/dags/sales/runs/bad/note",
        "/admin/import-errors",
        "/admin/pools?edit=default_pool",
        "/admin/variables?new=1",
        "/admin/connections?new=1",
        "/admin/audit",
        "/admin/config",
        "/admin/tokens",
      ];
      const found: string[] = [];
      for (const colorScheme of ["light", "dark"] as const) {
        const page = await open("/", { colorScheme });
        // The dark theme differs only in its colours, which these pages show all of.
        for (const path of colorScheme === "light" ? pages : pages.slice(0, 8)) {
          await page.goto(site.url + path);
          found.push(...(await accessibilityProblems(page)).map((problem) => `${path} ${colorScheme}: ${problem}`));
          if (await page.evaluate("document.documentElement.scrollWidth > innerWidth"))
            found.push(`${path} is too wide`);
        }
      }
      expect(found).to.deep.equal([]);
      expect(browser.problems).to.deep.equal([]);
    }).timeout(180_000);
  });
});
