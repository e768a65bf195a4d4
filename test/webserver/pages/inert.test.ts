import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { JsonObject } from "../../../core/json.ts";
import { runPath, taskPath } from "../../../webserver/pages/paths.ts";
import { cron, dagOf } from "../../scheduler/definitions.ts";
import { withBrowser } from "../../support/browser.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { logIn } from "./browse.ts";
import { putDag, putRun } from "./seed.ts";
import { NOW, openSite, type Site } from "./site.ts";

/** Breaks out of an attribute, an element and a script, and says so if any of them runs. */
const EVIL = `x"'><img src=x onerror=alert(1)><script>alert(2)</script><a href="javascript:alert(3)">y</a>{{7*7}}\${alert(4)}`;
/** The same in markdown. */
const EVIL_NOTE = `${EVIL}\n\n[a](javascript:alert(5)) ![b](x" onerror="alert(6)) <svg onload=alert(7)>`;

const params = {
  type: "object",
  properties: {
    [EVIL]: { type: "string", title: EVIL, description: EVIL, default: EVIL },
    choice: { type: "string", enum: [EVIL, "b"], default: EVIL },
    box: { type: "object", default: { [EVIL]: EVIL } },
  },
} as JsonObject;

describe("hostile texts in every place that people and authors write to", function () {
  this.timeout(60_000);
  const browser = withBrowser();
  let folder: TempFolder;
  let site: Site;
  before(async () => {
    folder = tempFolder("inert");
    site = await openSite(folder, {
      explain: { explain: async () => EVIL, explainRun: async () => EVIL },
      reparse: async () => {},
      settings: () => [{ name: "SLUICE_X", value: EVIL, origin: "environment", about: EVIL }],
      dagsFolder: EVIL,
    });
    await seed(site);
  });
  after(async () => {
    await site?.[Symbol.asyncDispose]();
    folder?.[Symbol.dispose]();
  });

  const run = runPath(EVIL, EVIL);
  const task = taskPath(EVIL, EVIL, EVIL);
  const dag = `/dags/${encodeURIComponent(EVIL)}`;
  const pages = [
    ["home", "/"],
    ["the DAG list", `/dags?q=${encodeURIComponent("x")}&tag=${encodeURIComponent(EVIL)}`],
    ["the DAG list with a hostile search", `/dags?q=${encodeURIComponent(EVIL)}`],
    ["a hostile flash message", `/dags?flash=${encodeURIComponent(EVIL)}&flash_state=${encodeURIComponent(EVIL)}`],
    ["runs", `/runs?dag=${encodeURIComponent(EVIL)}&run_id=&from=&to=`],
    ["trigger", `${dag}/trigger`],
    [
      "trigger with a hostile address",
      `${dag}/trigger?conf=${encodeURIComponent(EVIL)}&run_id=${encodeURIComponent(EVIL)}`,
    ],
    ["backfill", `${dag}/backfill?from=2026-03-01&to=2026-03-03&conf=${encodeURIComponent(EVIL)}`],
    ["backfill preview", `${dag}/backfill?from=2026-03-01&to=2026-03-10`],
    ["backfills", "/backfills"],
    ["one backfill", "/backfills/1"],
    ["clear a run", `${run}/clear?task=${encodeURIComponent(EVIL)}`],
    ["clear a task", `${task}/clear`],
    ["mark a task", `${task}/mark?state=${encodeURIComponent(EVIL)}`],
    ["cancel", `${run}/cancel`],
    ["a note of a run", `${run}/note`],
    ["a note of a task", `${task}/note`],
    ["import errors", "/admin/import-errors"],
    ["pools", `/admin/pools?edit=${encodeURIComponent(EVIL)}`],
    ["variables", `/admin/variables?edit=${encodeURIComponent(EVIL)}`],
    ["connections", "/admin/connections?edit=evil"],
    ["the audit log", `/admin/audit?dag=${encodeURIComponent(EVIL)}`],
    ["the configuration", "/admin/config"],
    ["tokens", "/admin/tokens"],
  ] as const;

  it("stay text on each of our pages", async () => {
    const context = await browser.newContext();
    await logIn(context, site);
    const page = await context.newPage();
    const dialogs: string[] = [];
    page.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    for (const [name, path] of pages) {
      const response = await page.goto(site.url + path);
      expect(response?.status(), name).to.equal(200);
      const living = page.locator("main img, main script, main svg[onload], main a[href^='javascript']");
      expect(await living.count(), name).to.equal(0);
      expect(dialogs, name).to.deep.equal([]);
      // A script or style that got in is refused by the policy, and reported here.
      expect(browser.problems, name).to.deep.equal([]);
      if (!path.includes("flash")) expect(await page.content(), name).to.contain("onerror=alert(1)");
    }
  });
});

async function seed(site: Site): Promise<void> {
  const { store } = site;
  const definition = dagOf(
    EVIL,
    { [EVIL]: [], other: [EVIL] },
    {
      displayName: EVIL,
      description: EVIL,
      tags: [EVIL],
      owners: [EVIL],
      timetable: cron("0 6 * * *"),
      params,
      paramDefaults: { [EVIL]: EVIL, choice: EVIL, box: { [EVIL]: EVIL } },
    },
  );
  await putDag(store, definition, `${EVIL}.ts`);
  const run = { dagId: EVIL, note: EVIL_NOTE, conf: { [EVIL]: EVIL } };
  const tasks = { [EVIL]: { error: EVIL }, other: "upstream_failed" } as const;
  await putRun(store, { ...run, runId: EVIL, logicalDate: NOW - 1_000, state: "failed", tasks });
  await putRun(store, { ...run, runId: `${EVIL}2`, logicalDate: NOW, state: "running", tasks: { [EVIL]: "queued" } });
  const { runKey } = (await store.runs.find(EVIL, EVIL))!;
  const connection = {
    connectionId: "evil",
    connType: EVIL,
    description: EVIL,
    host: EVIL,
    schema: EVIL,
    login: EVIL,
    password: EVIL,
    port: 1,
    extra: JSON.stringify({ [EVIL]: EVIL }),
  };
  const dates = [1, 2].map((sortOrder) => ({
    sortOrder,
    logicalDate: NOW - sortOrder * 86_400_000,
    runKey: null,
    state: "skipped" as const,
    reason: EVIL,
  }));
  const result = await store.commit(
    [
      { kind: "task.note", runKey, tiNo: 0, note: EVIL_NOTE },
      { kind: "importError.put", file: EVIL, message: EVIL, stack: `${EVIL}\n${EVIL}`, line: 1, column: 1 },
      { kind: "pool.put", mode: "create", pool: { name: EVIL, slots: 1, description: EVIL, includeDeferred: false } },
      { kind: "variable.put", mode: "create", variable: { key: EVIL, value: EVIL, description: EVIL } },
      { kind: "connection.put", mode: "create", connection },
      { kind: "dag.pause", dagId: EVIL, isPaused: true, reason: EVIL },
      {
        kind: "backfill.create",
        dagId: EVIL,
        fromDate: NOW - 86_400_000,
        toDate: NOW,
        conf: { [EVIL]: EVIL },
        reprocess: "none",
        maxActiveRuns: 1,
        isReverse: false,
        runOnLatestVersion: true,
        dates,
      },
      { kind: "event", name: EVIL, dagId: EVIL, detail: { [EVIL]: EVIL } },
    ],
    `user:${EVIL}`,
  );
  if (!result.ok) throw new Error(result.message);
  await store.access.createToken({ name: EVIL, role: "viewer", tokenHash: "x", createdBy: EVIL });
  site.clock.advance(10 * 60_000);
}
