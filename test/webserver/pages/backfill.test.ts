import { expect } from "chai";
import { after, before, beforeEach, describe, it } from "mocha";
import { cron, dagOf } from "../../scheduler/definitions.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { putDag, putRun } from "./seed.ts";
import { openSite, type Site } from "./site.ts";

const at = (day: number) => Date.parse(`2026-03-0${day}T06:00:00Z`);

describe("the backfill pages", () => {
  let folder: TempFolder;
  let site: Site;
  let number = 0;
  let dag = "";
  before(async () => {
    folder = tempFolder("pages");
    site = await openSite(folder);
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  beforeEach(async () => {
    dag = `daily_${++number}`;
    await putDag(site.store, dagOf(dag, { extract: [], load: ["extract"] }, { timetable: cron("0 6 * * *") }));
    await putRun(site.store, { dagId: dag, logicalDate: at(2) });
    await putRun(site.store, { dagId: dag, logicalDate: at(3), state: "failed", tasks: { extract: { error: "x" } } });
    await putRun(site.store, { dagId: dag, logicalDate: at(4), state: "running" });
  });

  const preview = (more = "") => site.get(`/dags/${dag}/backfill?from=2026-03-01&to=2026-03-05&max_active=3${more}`);
  const digestOf = (text: string) => /name="digest" value="([^"]+)"/.exec(text)?.[1] ?? "";
  const dates = (text: string) =>
    [...text.matchAll(/<time datetime="2026-03-(\d\d)T06:00:00.000Z"[\s\S]*?<\/svg>([^<]+)</g)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
  const range = {
    from: "2026-03-01",
    to: "2026-03-05",
    max_active: "3",
    reprocess: "none",
    reverse: "",
    newest: "1",
    conf: "",
  };

  it("lists nothing before a range is chosen", async () => {
    const page = await site.get(`/dags/${dag}/backfill`);
    expect(page.status).to.equal(200);
    expect(page.text).to.contain("Choose a range to see its dates.").and.to.contain("Last 30 days");
  });

  it("previews each date with what would happen to it and why", async () => {
    const { text } = await preview();
    expect(dates(text)).to.deep.equal(["01 new run", "02 left alone", "03 left alone", "04 left alone", "05 new run"]);
    expect(text).to.contain("5 dates: 2 new, 0 again, 3 left alone");
    expect(text).to.contain("already succeeded").and.to.contain("is running");
    expect((await site.store.admin.backfills({ dagId: dag })).total).to.equal(0);
  });

  it("follows the options: failed ones again, all again, newest first", async () => {
    expect(dates((await preview("&reprocess=failed")).text)[2]).to.equal("03 run again");
    expect((await preview("&reprocess=completed")).text).to.contain("2 new, 2 again, 1 left alone");
    expect(dates((await preview("&reverse=1")).text)[0]).to.equal("05 new run");
  });

  it("uses the newest version unless the box was emptied", async () => {
    const box = /name="newest" value="1"( checked)?/;
    expect((await preview()).text.match(box)?.[1]).to.equal(" checked");
    expect((await preview("&o=1")).text.match(box)?.[1]).to.equal(undefined);
  });

  it("starts the backfill that was shown, and shows how far it is", async () => {
    const digest = digestOf((await preview()).text);
    const done = await site.post(`/dags/${dag}/backfill`, { ...range, digest });
    expect(done.status).to.equal(303);
    const [backfill] = (await site.store.admin.backfills({ dagId: dag })).rows;
    expect(done.location).to.match(new RegExp(`^/backfills/${backfill!.id}\\?flash=`));
    expect(backfill).to.include({ maxActiveRuns: 3, reprocess: "none", isReverse: false, runOnLatestVersion: true });
    const page = await site.get(`/backfills/${backfill!.id}`);
    expect(page.text).to.contain("2 waiting").and.to.contain("3 left alone");
    expect((await site.get(`/backfills?dag=${dag}`)).text).to.contain("0 of 2");
  });

  it("starts nothing when runs have changed since the preview, and shows the new state", async () => {
    const digest = digestOf((await preview()).text);
    await putRun(site.store, { dagId: dag, logicalDate: at(5) });
    const page = await site.post(`/dags/${dag}/backfill`, { ...range, digest });
    expect(page.status).to.equal(409);
    expect(page.text).to.contain("have changed since you looked").and.to.contain("1 new, 0 again");
    expect((await site.store.admin.backfills({ dagId: dag })).total).to.equal(0);
    const again = await site.post(`/dags/${dag}/backfill`, { ...range, digest: digestOf(page.text) });
    expect(again.status).to.equal(303);
  });

  it("pauses, resumes and cancels", async () => {
    const digest = digestOf((await preview()).text);
    await site.post(`/dags/${dag}/backfill`, { ...range, digest });
    const id = (await site.store.admin.backfills({ dagId: dag })).rows[0]!.id;
    await site.post(`/backfills/${id}/pause`, { paused: "1" });
    expect((await site.store.admin.backfill(id))?.isPaused).to.equal(true);
    expect((await site.get(`/backfills/${id}`)).text).to.contain("Resume");
    await site.post(`/backfills/${id}/pause`, { paused: "0" });
    expect((await site.store.admin.backfill(id))?.isPaused).to.equal(false);
    await site.post(`/backfills/${id}/cancel`);
    const page = await site.get(`/backfills/${id}`);
    expect(page.text).to.contain("cancelled").and.not.to.contain("Cancel the backfill");
    const again = await site.post(`/backfills/${id}/cancel`);
    expect(new URL(again.location, site.url).searchParams.get("flash_state")).to.equal("failed");
  });

  it("says why nothing can be done", async () => {
    const page = await site.get(`/dags/${dag}/backfill?from=2026-03-02&to=2026-03-04`);
    expect(page.text)
      .to.contain("Nothing to do: every date here has its run.")
      .and.to.contain("disabled>Start backfill");
    const none = await site.get(`/dags/${dag}/backfill?from=2026-03-02T07:00&to=2026-03-02T08:00`);
    expect(none.text).to.contain("The schedule has no date in this range");
    await putDag(site.store, dagOf("unscheduled", { make: [] }));
    const manual = await site.get("/dags/unscheduled/backfill?from=2026-03-01&to=2026-03-02");
    expect(manual.text).to.contain("has no dates to fill").and.to.contain("Trigger it instead.");
  });

  it("says what is wrong with the range, the number and the configuration, and keeps them", async () => {
    const backwards = await site.get(`/dags/${dag}/backfill?from=2026-03-05&to=2026-03-01`);
    expect(backwards.text).to.contain("ends before it starts").and.to.contain('value="2026-03-05T00:00"');
    const odd = await site.get(`/dags/${dag}/backfill?from=x&to=2026-03-01`);
    expect(odd.text).to.contain("f-from-error");
    const many = await site.get(`/dags/${dag}/backfill?from=2026-03-01&to=2026-03-02&max_active=0`);
    expect(many.text).to.contain("f-max_active-error");
    const conf = await site.get(`/dags/${dag}/backfill?from=2026-03-01&to=2026-03-02&conf=%5B`);
    expect(conf.text).to.contain("f-conf-error").and.not.to.contain('name="digest"');
  });

  it("reads dates on the clock of the DAG's zone", async () => {
    const zoned = { timetable: cron("0 0 * * *", "America/New_York"), timezone: "America/New_York" };
    await putDag(site.store, dagOf("zoned", { make: [] }, zoned));
    const page = await site.get("/dags/zoned/backfill?from=2026-03-07&to=2026-03-09");
    // The clocks go forward on the 8th: midnight is 05:00 UTC before it and 04:00 after it.
    for (const iso of ["2026-03-07T05:00", "2026-03-08T05:00", "2026-03-09T04:00"])
      expect(page.text).to.contain(`datetime="${iso}`);
    expect(page.text).to.contain("3 dates: 3 new").and.to.contain("2026-03-07 00:00 America/New_York");
  });

  it("estimates from the runs that succeeded", async () => {
    expect((await preview()).text).to.contain("About 0.0 s: at most 3 at once, 0.0 s each.");
  });

  it("answers 404 for what is not there", async () => {
    for (const path of ["/backfills/999", "/backfills/x", "/backfills/1e400", "/dags/nope/backfill"])
      expect((await site.get(path)).status, path).to.equal(404);
  });
});
