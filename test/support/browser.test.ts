import { expect } from "chai";
import { describe, it } from "mocha";
import { withBrowser } from "./browser.ts";

describe("withBrowser", () => {
  const browser = withBrowser();

  it("opens pages that share nothing", async () => {
    const [one, other] = [await browser.newPage(), await browser.newPage()];
    for (const page of [one, other]) await page.route("**/*", (route) => route.fulfill({ body: "<title>hi</title>" }));
    await one.goto("http://sluice.test/");
    await other.goto("http://sluice.test/");
    await one.evaluate(() => localStorage.setItem("key", "one's"));
    expect(await one.title()).to.equal("hi");
    expect(await other.evaluate(() => localStorage.getItem("key"))).to.equal(null);
  });

  it("collects what goes wrong in a page", async () => {
    const page = await browser.newPage();
    const told = page.context().waitForEvent("weberror");
    await page.setContent("<script>console.error('a warning'); throw new Error('broken')</script>");
    await told;
    expect(browser.problems).to.have.members(["console: a warning", "uncaught: broken"]);
  });
});
