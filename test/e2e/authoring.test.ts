// exclusive: it measures how soon a saved file is seen
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { withBrowser } from "../support/browser.ts";
import { GATES, House } from "./house.ts";

const DAG = (body: string) =>
  `import { Dag, getContext } from "sluice";\nimport { gate } from "./lib/gates.ts";\n${body}\n`;

const SALES = DAG(`
const dag = new Dag("sales", { schedule: "0 0 1 1 *" });
const rows = dag.task("rows", async () => [3, 5, 8]);
const total = dag.task("total", async ({ rows }: { rows: number[] }) => rows.reduce((a, b) => a + b, 0));
total({ rows: rows() });
`);

describe("from a file to a run, in a browser", function () {
  this.timeout(60_000);
  const browser = withBrowser();
  let house: House;
  before(async () => {
    house = await House.open({ "lib/gates.ts": GATES, ".sluiceignore": "lib/\n" });
  });
  after(async () => {
    await house?.[Symbol.asyncDispose]();
  });

  it("shows a file that is dropped within two seconds, runs it, and paints its grid", async () => {
    const page = await house.page(browser, "/dags");
    await page.waitForSelector('#live[data-live="live"]');
    const savedAt = performance.now();
    house.write("sales.ts", SALES);
    await page.waitForSelector("#row-sales");
    expect(performance.now() - savedAt).to.be.below(2_000);
    await page.getByRole("link", { name: "Trigger sales" }).click();
    await page.getByLabel("Run id").fill("first");
    await page.getByRole("button", { name: "Trigger run" }).click();
    await house.run("sales", "first", "success");
    await page.goto(`${house.url}/dags/sales/grid`);
    await page.waitForSelector('tr[data-task="total"] a.cell.s-success');
    expect(await page.locator('tr[data-task="rows"] a.cell').getAttribute("aria-label")).to.equal(
      "rows, first: success",
    );
    await page.goto(`${house.url}/dags/sales/runs/first/tasks/total?tab=xcom`);
    expect(await page.locator("main").innerText()).to.contain("16");
    expect(browser.problems).to.deep.equal([]);
  });

  it("shows where a broken file is broken, keeps the last good version in service, and forgets it once repaired", async () => {
    const page = await house.page(browser, "/admin/import-errors");
    await page.waitForSelector('#live[data-live="live"]');
    house.write("sales.ts", `${SALES}\nconst oops = ;\n`);
    const error = page.locator('[id="error-sales.ts"]');
    await error.waitFor();
    const text = await error.innerText();
    expect(text).to.contain("sales.ts:10");
    expect(text).to.match(/Unexpected ";"/);
    expect(text).to.match(/last good version stays in service: sales/);
    const triggering = await house.page(browser, "/dags/sales/trigger", { javaScriptEnabled: false });
    await triggering.getByLabel("Run id").fill("while-broken");
    await triggering.getByRole("button", { name: "Trigger run" }).click();
    await house.run("sales", "while-broken", "success");
    expect((await house.store.dags.get("sales"))?.nextRunAt).to.be.a("number");
    house.write("sales.ts", `throw new Error("not today");\n${SALES}`);
    await page.locator('[id="error-sales.ts"]', { hasText: "not today" }).waitFor();
    house.write("sales.ts", SALES);
    await page.getByRole("heading", { name: "Every file loads" }).waitFor();
    expect(await house.store.dags.versions("sales")).to.have.lengthOf(1);
    expect(browser.problems).to.deep.equal([]);
  });

  it("finishes a run on its code while its file is changed, and while it is deleted; then moves it to new code", async () => {
    const v1 = DAG(`
const dag = new Dag("moving", { schedule: null });
const slow = dag.task("slow", async () => { await gate("moving"); return "old slow"; })();
const old = dag.task("old", async () => "only in version 1")().after(slow);
dag.task("last", async () => { console.log("code of version 1"); if (getContext().tryNumber === 1) throw new Error("as planned"); })().after(old);
`);
    // Reordered; "old" became "fresh"; "slow" says something else.
    const v2 = DAG(`
const dag = new Dag("moving", { schedule: null });
const last = dag.task("last", async () => { console.log("code of version 2"); })();
const fresh = dag.task("fresh", async () => { console.log("new here"); })();
const slow = dag.task("slow", async () => "new slow")();
slow.before(fresh); fresh.before(last);
`);
    house.write("moving.ts", v1);
    await house.until("the DAG is there", () => house.store.dags.get("moving"));
    await house.cli("dags", "trigger", "moving", "--run-id", "one");
    await house.task("moving", "one", "slow", "running");
    house.write("moving.ts", v2);
    await house.until("version 2", async () => (await house.store.dags.versionOf("moving"))?.versionNumber === 2);
    house.remove("moving.ts");
    await house.until("the DAG has no file", async () => (await house.store.dags.get("moving"))?.isActive === false);
    house.openGate("moving");
    const { runKey } = await house.run("moving", "one", "failed");
    expect(await house.states(runKey)).to.deep.equal({ slow: "success", old: "success", last: "failed" });
    expect(await house.log(await house.task("moving", "one", "last", "failed"))).to.include("code of version 1");

    house.write("moving.ts", v2);
    await house.until("the file is back", async () => (await house.store.dags.get("moving"))?.isActive);
    expect(await house.store.dags.versions("moving")).to.have.lengthOf(2);
    const page = await house.page(browser, "/dags/moving/runs/one");
    await page.getByRole("link", { name: "Clear failed" }).click();
    await page.getByLabel("Version of the DAG").selectOption("newest");
    await page.waitForURL(/version=newest/);
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    await house.run("moving", "one", "success");
    const expected = { slow: "success", old: "removed", last: "success", fresh: "success" };
    expect(await house.states(runKey)).to.deep.equal(expected);
    expect(await house.log(await house.task("moving", "one", "last", "success"))).to.include("code of version 2");
    expect(await house.log(await house.task("moving", "one", "fresh", "success"))).to.include("new here");

    // The pages show the tasks of the version, whatever their numbers in the rows.
    await page.goto(`${house.url}/dags/moving/grid`);
    for (const taskId of ["slow", "last", "fresh"])
      expect(await page.locator(`tr[data-task="${taskId}"] a.cell`).getAttribute("class")).to.contain("s-success");
    await page.goto(`${house.url}/dags/moving/runs/one?tab=graph`);
    await page.locator("a.node.s-success").nth(2).waitFor();
    expect(await page.locator("a.node").count()).to.equal(3);
    await page.goto(`${house.url}/dags/moving/runs/one`);
    const rows = await page.locator("tbody tr").allInnerTexts();
    expect(rows.map((row) => row.split(/\s/)[0])).to.deep.equal(["slow", "fresh", "last", "old"]);
    expect(browser.problems).to.deep.equal([]);
    expect(await house.verify()).to.deep.equal([]);
  });
});
