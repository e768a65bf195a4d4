import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as patience } from "node:timers/promises";
import { after, afterEach, before } from "mocha";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findProgram, missingIsFailure, missingMessage, requirements } from "../../scripts/provision.ts";

/** No network of its own, no GPU, no sandbox (which root has none of), no first-run pages. */
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A busy Chromium now and then answers no request to close a context; it is then left to the end of the browser. */
const CLOSE_MS = 10_000;

/** The Chromium of one suite. Every page has an empty profile of its own and is closed after its test. */
export interface TestBrowser {
  /** A new page in a new context: no cookies, nothing cached. Default viewport 1280 × 800. */
  newPage(options?: BrowserContextOptions): Promise<Page>;
  /** A new context, for several pages that share a session. */
  newContext(options?: BrowserContextOptions): Promise<BrowserContext>;
  /** What went wrong in any page of this test so far: uncaught errors, console errors, breaches of the CSP. */
  readonly problems: readonly string[];
}

/**
 * Call inside `describe`: Chromium starts before the suite and ends after it. Without an installed Chromium the suite
 * is skipped, or fails where `CI=true`.
 */
export function withBrowser(): TestBrowser {
  let browser: Browser | undefined;
  const contexts: BrowserContext[] = [];
  const problems: string[] = [];

  before("start Chromium", async function () {
    this.timeout(60_000);
    const executablePath = findProgram(requirements.chromium);
    if (executablePath === undefined) {
      if (missingIsFailure()) throw new Error(missingMessage(requirements.chromium));
      this.skip(); // No Chromium and none may be installed; the test run has said so.
    }
    browser = await chromium.launch({ executablePath, args: flags, headless: true });
  });
  afterEach("close pages", async () => {
    const closing = Promise.all(contexts.splice(0).map((context) => context.close().catch(() => undefined)));
    await Promise.race([closing, patience(CLOSE_MS, undefined, { ref: false })]);
    problems.length = 0;
  });
  after("end Chromium", async () => browser?.close());

  const newContext = async (options: BrowserContextOptions = {}) => {
    if (browser === undefined) throw new Error("withBrowser() gives pages only inside tests and hooks of its suite");
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    contexts.push(context);
    context.on("weberror", (error) => problems.push(`uncaught: ${error.error().message}`));
    context.on("console", (message) => {
      if (message.type() === "error") problems.push(`console: ${message.text()}`);
    });
    return context;
  };
  return { newContext, newPage: async (options) => (await newContext(options)).newPage(), problems };
}

/** Saves a picture of the whole page under `SLUICE_TEST_SHOTS`, when that is set; `name` without the ending. */
export async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.SLUICE_TEST_SHOTS;
  if (folder === undefined) return;
  const path = `${folder}/${name}.png`;
  mkdirSync(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true });
}
