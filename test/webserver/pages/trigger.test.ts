import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { z } from "zod";
import type { JsonObject } from "../../../core/json.ts";
import { dagOf } from "../../scheduler/definitions.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { putDag, putRun } from "./seed.ts";
import { NOW, openSite, type Site } from "./site.ts";

const params = z.toJSONSchema(
  z.object({
    day: z.iso.date(),
    region: z.enum(["eu", "us"]).default("eu"),
    rows: z.int().min(1).max(100).default(10),
    dryRun: z.boolean().default(false),
  }),
) as unknown as JsonObject;
const paramDefaults = { region: "eu", rows: 10, dryRun: false };
const filled = { "p.day": "2026-03-01", "p.region": "us", "p.rows": "20", "p.dryRun": "1" };

describe("the trigger page", () => {
  let folder: TempFolder;
  let site: Site;
  before(async () => {
    folder = tempFolder("pages");
    site = await openSite(folder);
    await putDag(site.store, dagOf("sales", { extract: [], load: ["extract"] }, { params, paramDefaults }));
    await putDag(site.store, dagOf("plain", { make: [] }));
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const runsOf = async (dagId: string) => (await site.store.runs.list({ dagId })).rows;

  it("starts a run with the values of the form and leads to it", async () => {
    const done = await site.post("/dags/sales/trigger", {
      ...filled,
      run_id: "by-hand",
      note: "please",
      action: "run",
    });
    expect(done.status).to.equal(303);
    expect(done.location).to.match(/^\/dags\/sales\/runs\/by-hand\?flash=/);
    const run = (await runsOf("sales")).find((each) => each.runId === "by-hand")!;
    expect(run.conf).to.deep.equal({ day: "2026-03-01", region: "us", rows: 20, dryRun: true });
    expect(run).to.include({ triggeringUser: "user:admin", triggeredBy: "ui", note: "please", runType: "manual" });
  });

  it("shows each error at its field, keeps what was typed and starts nothing", async () => {
    const before = (await runsOf("sales")).length;
    const typed = { ...filled, "p.day": "", "p.rows": "1000", note: "keep me", action: "run" };
    const page = await site.post("/dags/sales/trigger", typed);
    expect(page.status).to.equal(422);
    expect(page.text)
      .to.match(/id="f-p_day-error">[^<]+</)
      .and.to.match(/id="f-p_rows-error">[^<]+</);
    expect(page.text).to.contain("keep me").and.to.contain('value="1000"').and.to.contain('value="us" selected');
    expect(await runsOf("sales")).to.have.length(before);
  });

  it("checks without starting: what the tasks would get, and the same as commands", async () => {
    const before = (await runsOf("sales")).length;
    const page = await site.post("/dags/sales/trigger", { ...filled, action: "check" });
    expect(page.status).to.equal(200);
    expect(page.text).to.contain("&#34;region&#34;: &#34;us&#34;").and.to.contain("/api/v2/dags/sales/dagRuns");
    expect(await runsOf("sales")).to.have.length(before);
  });

  it("quotes the command so that a shell takes nothing out of it", async () => {
    const page = await site.post("/dags/plain/trigger", { conf: `{"a":"it's $(id)"}`, action: "check" });
    expect(page.text).to.contain("&#39;{&#34;conf&#34;:{&#34;a&#34;:&#34;it&#39;\\&#39;&#39;s $(id)&#34;}}&#39;");
  });

  it("takes values from the address and from an earlier run", async () => {
    const page = await site.get("/dags/sales/trigger?p.day=2026-02-02&p.rows=7");
    expect(page.text).to.contain('value="2026-02-02"').and.to.contain('value="7"');
    await putRun(site.store, {
      dagId: "sales",
      logicalDate: NOW - 1,
      runId: "old",
      conf: { day: "2025-12-31", rows: 3 },
    });
    const again = await site.get("/dags/sales/trigger?from=old");
    expect(again.text).to.contain('value="2025-12-31"').and.to.contain('value="3"');
    expect((await site.get("/dags/sales/trigger?from=nope")).status).to.equal(404);
  });

  it("takes free JSON for a DAG without params, and says what is wrong with it", async () => {
    const done = await site.post("/dags/plain/trigger", { conf: '{"a": [1, 2]}', run_id: "free" });
    expect(done.status).to.equal(303);
    expect((await runsOf("plain"))[0]?.conf).to.deep.equal({ a: [1, 2] });
    for (const conf of ["{", "[1]", "1", "null", '{"__proto__": {"x": 1}}']) {
      const page = await site.post("/dags/plain/trigger", { conf });
      expect(page.status, conf).to.equal(422);
    }
    expect(await runsOf("plain")).to.have.length(1);
  });

  it("refuses a run id that is taken or not safe, with the reason", async () => {
    for (const [runId, status] of [
      ["free", 409],
      ["../x", 422],
      ["a b", 422],
      ["$(id)", 422],
      ["x".repeat(300), 422],
    ] as const) {
      const page = await site.post("/dags/plain/trigger", { run_id: runId });
      expect(page.status, runId).to.equal(status);
      expect(page.text).to.contain('role="alert"');
    }
    expect(await runsOf("plain")).to.have.length(1);
  });

  it("reads the logical date as UTC and refuses one that another run has", async () => {
    const form = { logical_date: "2026-01-02T03:04", run_id: "dated" };
    expect((await site.post("/dags/plain/trigger", form)).status).to.equal(303);
    expect((await site.store.runs.find("plain", "dated"))?.logicalDate).to.equal(Date.parse("2026-01-02T03:04:00Z"));
    const again = await site.post("/dags/plain/trigger", { ...form, run_id: "other" });
    expect(again.status).to.equal(409);
  });

  it("offers to unpause a paused DAG, and does when asked", async () => {
    await site.post("/dags/plain/pause", { paused: "1" });
    expect((await site.get("/dags/plain/trigger")).text).to.contain("Paused by admin: a run would wait in the queue.");
    await site.post("/dags/plain/trigger", { run_id: "waits" });
    expect((await site.store.dags.get("plain"))?.isPaused).to.equal(true);
    await site.post("/dags/plain/trigger", { run_id: "goes", unpause: "1" });
    expect((await site.store.dags.get("plain"))?.isPaused).to.equal(false);
  });

  it("answers 404 for a DAG that does not exist", async () => {
    expect((await site.get("/dags/nope/trigger")).status).to.equal(404);
    expect((await site.post("/dags/nope/trigger")).status).to.equal(404);
  });
});
