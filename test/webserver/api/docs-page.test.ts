import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { shot, withBrowser } from "../../support/browser.ts";
import { type ApiSite, openApiSite } from "./site.ts";

describe("the page of the API in a browser", function () {
  this.timeout(60_000);
  const chromium = withBrowser();
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site?.[Symbol.asyncDispose]());

  for (const colorScheme of ["light", "dark"] as const)
    it(`opens a request in ${colorScheme} colours, without a breach of the CSP`, async () => {
      const page = await chromium.newPage({ colorScheme });
      await page.context().addCookies([{ name: "sluice_session", value: site.web.cookie, url: site.web.url }]);
      await page.goto(`${site.web.url}/api/docs`);
      const trigger = page.locator("#post-v2-dags-dag-id-dagruns");
      await trigger.locator("summary").click();
      await trigger.getByText("Idempotency-Key", { exact: true }).waitFor();
      expect(await trigger.getByText("role user").isVisible()).to.equal(true);
      await shot(page, `api-docs-${colorScheme}`);
      expect(chromium.problems).to.deep.equal([]);
    });
});
