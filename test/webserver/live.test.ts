import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { BrowserContextOptions, Page } from "playwright-core";
import type { RunKey } from "../../store/rows.ts";
import { commit, to } from "../store/fixtures.ts";
import { shot, withBrowser } from "../support/browser.ts";
import { FakeClock } from "../support/clock.ts";
import { accessibilityProblems } from "./pages/browse.ts";
import { failure, playRun, putDag, task } from "./seed.ts";
import { seedAll } from "./seed-all.ts";
import { startWeb, type TestWeb } from "./support.ts";

describe("live pages in a browser", function () {
  this.timeout(60_000);
  const browser = withBrowser();
  let web: TestWeb;
  let paths: Readonly<Record<string, string>>;
  const clock = new FakeClock("2026-11-01T00:00:00Z");

  before(async () => {
    web = await startWeb({ clock, storeClock: clock });
    paths = await seedAll(web, clock);
  });
  after(async () => web?.[Symbol.asyncDispose]());

  async function context(options: BrowserContextOptions = {}) {
    const made = await browser.newContext(options);
    await made.addCookies([{ name: "sluice_session", value: web.cookie, url: web.url }]);
    return made;
  }
  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await (await context(options)).newPage();
    await page.goto(web.url + path);
    // Would not survive a reload.
    await page.evaluate(() => Object.assign(globalThis, { isSamePage: true }));
    return page;
  }
  const isLive = (page: Page) => page.waitForSelector('#live[data-live="live"]');
  const isSamePage = (page: Page) => page.evaluate(() => "isSamePage" in globalThis);

  /** A run whose only task runs at this moment. */
  async function runningTask(dagId: string): Promise<RunKey> {
    const version = await putDag(web.store, { dagId, tasks: [task("work"), task("later", ["work"])] });
    return playRun(web.store, clock, version, { dagId, runId: "now" }, { stopAfter: 0 });
  }
  const succeed = (runKey: RunKey) =>
    commit(web.store, [
      {
        kind: "attempt.finish",
        attempt: { runKey, tiNo: 0, tryNumber: 1, epoch: 1 },
        state: "success",
      },
      { kind: "task.transitions", runKey, transitions: [to("success", 0, "running", 1)] },
    ]);
  const say = (runKey: RunKey, ...messages: string[]) =>
    web.logs.append(
      { runKey, tiNo: 0, tryNumber: 1, epoch: 1 },
      messages.map((message) => ({ at: clock.now(), level: "info" as const, source: "stdout", message })),
    );

  it("turns a cell of the grid green without a reload", async () => {
    const runKey = await runningTask("live_grid");
    const page = await open("/dags/live_grid/grid");
    await isLive(page);
    const cell = page.locator('tr[data-task="work"] a.cell');
    expect(await cell.getAttribute("class")).to.contain("s-running");
    await succeed(runKey);
    await page.waitForSelector('tr[data-task="work"] a.cell.s-success');
    expect(await cell.getAttribute("aria-label")).to.equal("work, now: success");
    expect(await cell.locator("use").getAttribute("href")).to.contain("#state-success");
    expect(await isSamePage(page)).to.equal(true);
    expect(browser.problems).to.deep.equal([]);
  });

  it("shows a new run as a new column, and keeps the focus", async () => {
    const version = await putDag(web.store, { dagId: "live_runs", tasks: [task("work")] });
    await playRun(web.store, clock, version, { dagId: "live_runs", runId: "first" });
    const page = await open("/dags/live_runs/grid");
    await isLive(page);
    await page.locator('tr[data-task="work"] a.cell').focus();
    clock.advance(60_000);
    await playRun(web.store, clock, version, { dagId: "live_runs", runId: "second" });
    await page.waitForSelector('th[data-run="second"] .s-success');
    const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
    expect(focused).to.equal("work, first: success");
    expect(await isSamePage(page)).to.equal(true);
  });

  it("colours the graph and its groups as the run goes on, without moving it", async () => {
    const version = await putDag(web.store, {
      dagId: "live_graph",
      groups: [{ groupId: "g", label: "group" }],
      tasks: [task("g.work", [], { groupId: "g" })],
    });
    const runKey = await playRun(web.store, clock, version, { dagId: "live_graph", runId: "now" }, { stopAfter: 0 });
    const page = await open("/dags/live_graph/graph?open=none");
    await isLive(page);
    await page.getByRole("button", { name: "Zoom in" }).click();
    const viewBox = await page.locator("svg.graph").getAttribute("viewBox");
    await succeed(runKey);
    await page.waitForSelector('a.node[data-task="g"].s-success');
    expect(await page.locator("svg.graph").getAttribute("viewBox")).to.equal(viewBox);
    expect(await page.getByRole("link", { name: "Group group, 1 task: success", exact: true }).count()).to.equal(1);
  });

  it("tails a log, pauses when scrolled up, and ends with the try", async () => {
    const runKey = await runningTask("live_log");
    say(runKey, ...Array.from({ length: 200 }, (_, at) => `early ${at}`));
    const page = await open("/dags/live_log/runs/now/tasks/work");
    await isLive(page);
    say(runKey, "hello <b>there</b>");
    await page.waitForSelector("#L201");
    expect(await page.locator("#L201 .line__text").innerText()).to.equal("hello <b>there</b>");
    const log = page.locator(".log");
    await page.waitForFunction(() => {
      const element = document.querySelector(".log");
      return element !== null && element.scrollTop + element.clientHeight >= element.scrollHeight - 2;
    });
    await log.evaluate((element) => element.scrollTo({ top: 0 }));
    await page.waitForFunction(() => document.querySelector(".log")?.scrollTop === 0);
    say(runKey, "one", "two");
    const jump = page.getByRole("button", { name: "↓ 2 new" });
    await jump.waitFor();
    expect(await log.evaluate((element) => element.scrollTop)).to.equal(0);
    await jump.click();
    expect(await log.evaluate((element) => element.scrollTop)).to.be.above(100);
    say(runKey, "the last words");
    await succeed(runKey);
    await page.waitForSelector("#L204");
    await page.waitForSelector("#task-head .s-success");
    await page.waitForFunction(() => document.querySelector(".log[data-stream]") === null);
    expect(await isSamePage(page)).to.equal(true);
    expect(browser.problems).to.deep.equal([]);
  });

  it("shows the log of a task that begins while its page is open", async () => {
    const version = await putDag(web.store, { dagId: "live_start", tasks: [task("work")] });
    const tasks = [
      {
        tiNo: 0,
        taskId: "work",
        mapIndex: -1,
        operator: "ts",
        pool: "default_pool",
        poolSlots: 1,
        queue: "default",
        executor: null,
        priorityWeight: 1,
        maxTries: 1,
      },
    ];
    const run = (await web.store.runs.find("live_log", "now"))!;
    const [created] = await commit(web.store, [
      { kind: "run.create", run: { ...run, dagId: "live_start", versionId: version, state: "running" }, tasks },
    ]);
    const runKey = created!.runKey!;
    const page = await open("/dags/live_start/runs/now/tasks/work");
    await isLive(page);
    expect(await page.locator("#task-content").innerText()).to.contain("Not started");
    await commit(web.store, [
      {
        kind: "task.transitions",
        runKey,
        transitions: [to("scheduled", 0, "none"), { ...to("queued", 0, "scheduled"), newEpoch: 1, tryNumber: 1 }],
      },
      { kind: "attempt.start", attempt: { runKey, tiNo: 0, tryNumber: 1, epoch: 1 }, workerId: "w" },
    ]);
    await page.waitForSelector(".log[data-stream]");
    say(runKey, "begun");
    await page.waitForSelector("#L1");
    expect(await page.getByRole("button", { name: "Wrap" }).count()).to.equal(1);
  });

  it("shares one stream between tabs, and catches up after the server was away", async () => {
    const runKey = await runningTask("live_tabs");
    const shared = await context();
    let streams = 0;
    shared.on("request", (request) => {
      if (new URL(request.url()).pathname === "/events") streams++;
    });
    const tabs = await Promise.all([1, 2, 3].map(() => shared.newPage()));
    for (const tab of tabs) await tab.goto(`${web.url}/dags/live_tabs/grid`);
    for (const tab of tabs) await isLive(tab);
    web.cut();
    for (const tab of tabs) await tab.waitForSelector('#live[data-live="offline"]');
    await succeed(runKey);
    for (const tab of tabs) await tab.waitForSelector('tr[data-task="work"] a.cell.s-success');
    for (const tab of tabs) await isLive(tab);
    expect(streams, "streams opened by pages themselves").to.equal(0);
  });

  it("moves with the keyboard: rows, places, edges of the graph, help", async () => {
    const page = await open("/dags/etl/runs");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    const second = page.locator("tbody tr").nth(1).locator("a").first();
    expect(await second.evaluate((element) => element === document.activeElement)).to.equal(true);
    await page.keyboard.press("o");
    await page.waitForURL(/\/runs\/scheduled__/);
    await page.keyboard.press("/");
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).type)).to.equal("search");
    await page.keyboard.type("gd");
    expect(page.url()).to.contain("/runs/scheduled__");
    await page.keyboard.press("Escape");
    await page.locator("main h1").click();
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    expect(await page.getByRole("dialog").count()).to.equal(0);
    // In one go: the second key counts for a moment only, which a busy machine may miss.
    await page.evaluate(() => {
      for (const key of ["g", "d"]) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    });
    await page.waitForURL(`${web.url}/dags`);
    await page.goto(`${web.url}/dags/etl/grid`);
    await page.locator('tr[data-task="check"] a.cell').last().focus();
    for (const key of ["ArrowDown", "ArrowDown", "ArrowLeft"]) await page.keyboard.press(key);
    const label = await page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
    expect(label).to.match(/^load\.orders, scheduled__2026-11-30/);
    expect(await page.locator('a.cell[tabindex="0"]').count()).to.equal(1);
    await page.goto(`${web.url}/dags/etl/graph`);
    await page.locator('a.node[data-task="extract"]').focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    expect(await page.evaluate(() => (document.activeElement as HTMLElement).dataset.task)).to.equal("load.customers");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/tasks\/load\.customers$/);
  });

  it("does not move rows under the pointer", async () => {
    const version = await putDag(web.store, { dagId: "live_rows", tasks: [task("work")] });
    await playRun(web.store, clock, version, { dagId: "live_rows", runId: "first" });
    const page = await open("/dags/live_rows/runs");
    await isLive(page);
    await page.locator("tbody tr").first().hover();
    clock.advance(60_000);
    await playRun(web.store, clock, version, { dagId: "live_rows", runId: "second" }, { outcome: () => failure("x") });
    await page.getByRole("button", { name: "Show what is new" }).waitFor();
    expect(await page.locator("tbody tr").count()).to.equal(1);
    await page.locator("h1").hover();
    await page.waitForSelector("#run-second");
    expect(await page.getByRole("button", { name: "Show what is new" }).count()).to.equal(0);
  });

  it("works without JavaScript: reads everything, follows links, opens groups", async () => {
    const page = await open("/dags/forecast/grid?open=none", { javaScriptEnabled: false });
    await page.getByRole("link", { name: "Open group region 2" }).click();
    await page.getByRole("link", { name: "region_2.step_5, hour-1: failed" }).click();
    expect(await page.locator("main h1").innerText()).to.contain("region_2.step_5");
    await page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "hour-1" }).click();
    await page.getByRole("link", { name: "Gantt" }).click();
    expect(await page.locator(".gantt tbody tr").count()).to.be.above(40);
    await page.getByRole("link", { name: "Graph", exact: true }).click();
    expect(await page.locator("svg.graph a.node").count()).to.be.above(40);
  });

  for (const colorScheme of ["light", "dark"] as const)
    it(`has no serious accessibility problem on any page (${colorScheme})`, async () => {
      const page = await open("/dags/etl", { colorScheme });
      for (const [name, path] of Object.entries(paths)) {
        // What is not a matter of colour was looked at in the light.
        if (colorScheme === "dark" && !COLOURFUL.has(name) && process.env.SLUICE_TEST_SHOTS === undefined) continue;
        await page.goto(web.url + path);
        expect(await accessibilityProblems(page), path).to.deep.equal([]);
        await shot(page, `dag/${name}-${colorScheme}`);
      }
      expect(browser.problems).to.deep.equal([]);
    }).timeout(120_000);
});

const COLOURFUL = new Set([
  "overview",
  "grid",
  "broken",
  "graph",
  "code",
  "run-failed",
  "run-gantt",
  "task",
  "task-failed",
]);
