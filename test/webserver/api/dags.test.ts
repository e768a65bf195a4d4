import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { type ApiSite, NOW, ok, openApiSite, refused } from "./site.ts";

describe("API: DAGs", function () {
  this.timeout(30_000);
  let site: ApiSite;
  const reparsed: (string | undefined)[] = [];
  before(async () => {
    site = await openApiSite({ reparse: async (file) => void reparsed.push(file) });
  });
  after(() => site[Symbol.asyncDispose]());
  const ids = (body: { dags: { dag_id: string }[] }) => body.dags.map((dag) => dag.dag_id);

  it("lists with Airflow's filters, order and pages", async () => {
    const all = await ok(site.ask("GET", "/v2/dags"));
    expect(ids(all)).to.deep.equal(["etl", "nightly", "quiet"]);
    expect(all.total_entries).to.equal(3);
    expect(ids(await ok(site.ask("GET", "/v2/dags?order_by=-dag_id&limit=2")))).to.deep.equal(["quiet", "nightly"]);
    const second = await ok(site.ask("GET", "/v2/dags?limit=1&offset=1"));
    expect([ids(second), second.total_entries]).to.deep.equal([["nightly"], 3]);
    expect(ids(await ok(site.ask("GET", "/v2/dags?tags=night&tags=none")))).to.deep.equal(["nightly"]);
    expect(ids(await ok(site.ask("GET", "/v2/dags?dag_id_pattern=%25UIE%25")))).to.deep.equal(["quiet"]);
    expect(ids(await ok(site.ask("GET", "/v2/dags?last_dag_run_state=running")))).to.deep.equal(["etl"]);
    expect(ids(await ok(site.ask("GET", "/v2/dags?paused=true")))).to.deep.equal([]);
  });

  it("tells one DAG and its details", async () => {
    const dag = await ok(site.ask("GET", "/v2/dags/etl"));
    expect(dag).to.include({
      dag_id: "etl",
      is_paused: false,
      is_stale: false,
      fileloc: "etl.ts",
      bundle_name: "dags",
    });
    expect(dag.tags).to.deep.equal([{ name: "sales", dag_id: "etl" }]);
    expect(dag.last_parsed_time).to.match(/Z$/);
    const details = await ok(site.ask("GET", "/v2/dags/etl/details"));
    expect(details.params.properties.limit).to.include({ default: 10 });
    expect(details.latest_dag_version.version_number).to.equal(1);
    expect(await refused(site.ask("GET", "/v2/dags/none"), 404)).to.contain('"none"');
    await refused(site.ask("GET", "/v2/dags/none/details"), 404);
  });

  it("pauses one, several, and only what update_mask names", async () => {
    expect(await ok(site.ask("PATCH", "/v2/dags/quiet", { body: { is_paused: true } }))).to.include({
      is_paused: true,
    });
    await ok(site.ask("PATCH", "/v2/dags/quiet?update_mask=is_paused", { body: { is_paused: false } }));
    expect((await site.web.store.dags.get("quiet"))?.isPaused).to.equal(false);
    const bulk = await ok(site.ask("PATCH", "/v2/dags?tags=sales", { body: { is_paused: true } }));
    expect(ids(bulk)).to.deep.equal(["etl", "nightly"]);
    expect(ids(await ok(site.ask("GET", "/v2/dags?paused=true")))).to.deep.equal(["etl", "nightly"]);
    const { rows } = await site.web.store.events.list({ kinds: ["dag.paused"], isDescending: true });
    expect(rows.map((event) => event.actor)).to.include("token:admin");
    await ok(site.ask("PATCH", "/v2/dags?limit=1000", { body: { is_paused: false } }));
    await refused(site.ask("PATCH", "/v2/dags/none", { body: { is_paused: true } }), 404);
    await refused(site.ask("PATCH", "/v2/dags/etl?update_mask=owners", { body: { is_paused: true } }), 422);
  });

  it("shows tasks with their neighbours", async () => {
    const { tasks, total_entries: total } = await ok(site.ask("GET", "/v2/dags/etl/tasks?order_by=-task_id"));
    expect(tasks.map((task: { task_id: string }) => task.task_id)).to.deep.equal(["report", "load", "extract"]);
    expect(total).to.equal(3);
    const load = await ok(site.ask("GET", "/v2/dags/etl/tasks/load"));
    expect(load).to.deep.include({ upstream_task_ids: ["extract"], downstream_task_ids: ["report"], retries: 1 });
    await refused(site.ask("GET", "/v2/dags/etl/tasks/none"), 404);
  });

  it("shows versions and sources, as JSON and as text", async () => {
    const { dag_versions: versions } = await ok(site.ask("GET", "/v2/dags/etl/dagVersions"));
    expect(versions).to.have.length(1);
    expect(await ok(site.ask("GET", "/v2/dags/etl/dagVersions/1"))).to.deep.equal(versions[0]);
    await refused(site.ask("GET", "/v2/dags/etl/dagVersions/2"), 404);
    expect((await ok(site.ask("GET", "/v2/dags/~/dagVersions?order_by=dag_id"))).total_entries).to.equal(3);
    const source = await ok(site.ask("GET", "/v2/dagSources/etl"));
    expect(source.content).to.contain('new Dag("etl")');
    const text = await site.ask("GET", "/v2/dagSources/etl", { headers: { accept: "text/plain" } });
    expect([text.headers.get("content-type"), text.text]).to.deep.equal(["text/plain; charset=utf-8", source.content]);
    await refused(site.ask("GET", "/v2/dagSources/etl?version_number=7"), 404);
  });

  it("counts runs, lists tags, warns of missing pools", async () => {
    expect(await ok(site.ask("GET", "/v2/dagTags"))).to.deep.equal({ tags: ["night", "sales"], total_entries: 2 });
    expect((await ok(site.ask("GET", "/v2/dagTags?tag_name_pattern=NIGHT"))).tags).to.deep.equal(["night"]);
    const { dags } = await ok(site.ask("GET", "/v2/dagStats?dag_ids=etl"));
    expect(dags[0].stats).to.have.deep.members([
      { state: "success", count: 1 },
      { state: "failed", count: 1 },
      { state: "running", count: 1 },
    ]);
    const { dag_warnings: warnings } = await ok(site.ask("GET", "/v2/dagWarnings"));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include({ dag_id: "etl", warning_type: "non-existent pool" });
    expect(warnings[0].message).to.contain('"reports"');
    expect((await ok(site.ask("GET", "/v2/dagWarnings?dag_id=quiet"))).total_entries).to.equal(0);
  });

  it("foretells the next runs", async () => {
    const { next_runs: runs } = await ok(site.ask("GET", "/sluice/v1/dags/nightly/nextRuns?limit=2"));
    expect(runs.map((run: { run_after: string }) => run.run_after)).to.deep.equal([
      "2026-03-11T06:00:00.000Z",
      "2026-03-12T06:00:00.000Z",
    ]);
    expect((await ok(site.ask("GET", "/sluice/v1/dags/quiet/nextRuns"))).next_runs).to.deep.equal([]);
    expect(site.clock.now()).to.be.greaterThan(NOW);
  });

  it("has a known file read again, and no other", async () => {
    const { file_token: token } = await ok(site.ask("GET", "/v2/dags/etl"));
    expect((await site.ask("PUT", `/v2/parseDagFile/${token}`)).status).to.equal(201);
    const outside = Buffer.from("../../etc/passwd").toString("base64url");
    await refused(site.ask("PUT", `/v2/parseDagFile/${outside}`), 404);
    expect(reparsed).to.deep.equal(["etl.ts"]);
  });

  it("deletes a DAG without unfinished runs, which then is stale to nobody", async () => {
    expect(await refused(site.ask("DELETE", "/v2/dags/etl"), 409)).to.contain("cancel it first");
    expect((await site.ask("DELETE", "/v2/dags/quiet")).status).to.equal(204);
    await refused(site.ask("GET", "/v2/dags/quiet"), 404);
  });

  it("lists stale DAGs only when asked", async () => {
    await site.web.store.commit([{ kind: "dag.deactivate", dagId: "nightly" }], "loader");
    expect(ids(await ok(site.ask("GET", "/v2/dags")))).to.deep.equal(["etl"]);
    const all = await ok(site.ask("GET", "/v2/dags?exclude_stale=false"));
    expect(ids(all)).to.deep.equal(["etl", "nightly"]);
    expect(all.dags[1].is_stale).to.equal(true);
  });

  it("lists import errors", async () => {
    const { import_errors: errors } = await ok(site.ask("GET", "/v2/importErrors?filename_pattern=broken"));
    expect(errors[0]).to.include({ filename: "broken.ts", line: 3, message: "Unexpected token" });
    expect(await ok(site.ask("GET", `/v2/importErrors/${errors[0].import_error_id}`))).to.deep.equal(errors[0]);
    await refused(site.ask("GET", "/v2/importErrors/99"), 404);
    expect((await ok(site.ask("GET", "/v2/importErrors?filename_pattern=etl"))).total_entries).to.equal(0);
  });
});
