import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { type ApiSite, ok, openApiSite, refused } from "./site.ts";

describe("API: backfills", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site[Symbol.asyncDispose]());
  const body = { dag_id: "nightly", from_date: "2026-02-01T00:00:00Z", to_date: "2026-02-03T23:00:00Z" };

  it("are previewed with their dates, changing nothing", async () => {
    const preview = await ok(site.as("viewer")("POST", "/v2/backfills/dry_run", { body }));
    expect(preview.backfills.map((date: { logical_date: string }) => date.logical_date)).to.deep.equal([
      "2026-02-01T06:00:00.000Z",
      "2026-02-02T06:00:00.000Z",
      "2026-02-03T06:00:00.000Z",
    ]);
    const reverse = await ok(site.ask("POST", "/v2/backfills/dry_run", { body: { ...body, run_backwards: true } }));
    expect(reverse.backfills[0].logical_date).to.equal("2026-02-03T06:00:00.000Z");
    expect((await ok(site.ask("GET", "/v2/backfills"))).total_entries).to.equal(0);
  });

  it("are created once per DAG, paused, resumed and cancelled", async () => {
    const made = await ok(site.ask("POST", "/v2/backfills", { body: { ...body, dag_run_conf: { secret: "canary" } } }));
    expect(made).to.include({ dag_id: "nightly", max_active_runs: 10, reprocess_behavior: "none", is_paused: false });
    expect(made.dag_run_conf).to.deep.equal({ secret: "***" });
    expect(await refused(site.ask("POST", "/v2/backfills", { body }), 409)).to.contain("active one");
    const path = `/v2/backfills/${made.id}`;
    expect((await ok(site.ask("PUT", `${path}/pause`))).is_paused).to.equal(true);
    expect((await ok(site.ask("PUT", `${path}/unpause`))).is_paused).to.equal(false);
    expect((await ok(site.ask("GET", `${path}`))).completed_at).to.equal(null);
    expect((await ok(site.ask("PUT", `${path}/cancel`))).completed_at).to.match(/Z$/);
    await refused(site.ask("PUT", `${path}/pause`), 409);
    expect((await ok(site.ask("GET", "/v2/backfills?dag_id=nightly&active=true"))).total_entries).to.equal(0);
    expect((await ok(site.ask("GET", "/v2/backfills?dag_id=nightly"))).backfills[0].id).to.equal(made.id);
  });

  it("need a schedule, dates in order and a DAG", async () => {
    await refused(site.ask("POST", "/v2/backfills", { body: { ...body, dag_id: "quiet" } }), 422);
    await refused(site.ask("POST", "/v2/backfills", { body: { ...body, to_date: "2026-01-01T00:00:00Z" } }), 422);
    await refused(site.ask("POST", "/v2/backfills/dry_run", { body: { ...body, dag_id: "none" } }), 404);
    await refused(site.ask("POST", "/v2/backfills", { body: { ...body, from_date: "2026-02-01" } }), 422);
    await refused(site.ask("POST", "/v2/backfills", { body: { ...body, max_active_runs: 0 } }), 422);
    await refused(site.ask("GET", "/v2/backfills/99"), 404);
    await refused(site.ask("PUT", "/v2/backfills/99/cancel"), 404);
  });
});
