import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { type ApiSite, NOW, ok, openApiSite, refused } from "./site.ts";

describe("API: runs", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site[Symbol.asyncDispose]());
  const RUNS = "/v2/dags/etl/dagRuns";
  const ids = (body: { dag_runs: { dag_run_id: string }[] }) => body.dag_runs.map((run) => run.dag_run_id);
  const state = async (run: string) => (await ok(site.ask("GET", `${RUNS}/${run}`))).state;

  it("lists with Airflow's filters, ranges, order and pages", async () => {
    expect(ids(await ok(site.ask("GET", RUNS)))).to.have.members(["good", "bad", "open"]);
    expect(ids(await ok(site.ask("GET", `${RUNS}?state=failed&state=running&order_by=dag_run_id`)))).to.deep.equal([
      "bad",
      "open",
    ]);
    const page = await ok(site.ask("GET", `${RUNS}?order_by=-dag_run_id&limit=1&offset=1`));
    expect([ids(page), page.total_entries]).to.deep.equal([["good"], 3]);
    const at = encodeURIComponent(new Date(NOW).toISOString());
    expect(ids(await ok(site.ask("GET", `${RUNS}?logical_date_gte=${at}`)))).to.deep.equal(["bad"]);
    expect(ids(await ok(site.ask("GET", `${RUNS}?logical_date_lt=${at}`)))).to.deep.equal(["good"]);
    expect(ids(await ok(site.ask("GET", "/v2/dags/~/dagRuns?run_type=manual")))).to.deep.equal(["open"]);
    expect(ids(await ok(site.ask("GET", `${RUNS}?run_id_pattern=OO`)))).to.deep.equal(["good"]);
    await refused(site.ask("GET", "/v2/dags/none/dagRuns"), 404);
  });

  it("lists several DAGs by POST", async () => {
    const body = { dag_ids: ["etl", "quiet"], states: ["success"], order_by: "-run_after", page_limit: 10 };
    expect(ids(await ok(site.ask("POST", "/v2/dags/~/dagRuns/list", { body })))).to.deep.equal(["good"]);
    await refused(site.ask("POST", "/v2/dags/etl/dagRuns/list", { body }), 422);
  });

  it("tells one run with its counts", async () => {
    const run = await ok(site.ask("GET", `${RUNS}/bad`));
    expect(run).to.include({ dag_id: "etl", state: "failed", run_type: "scheduled", triggered_by: "timetable" });
    expect(run.task_counts).to.deep.equal({ success: 1, failed: 1, upstream_failed: 1 });
    expect(run.logical_date).to.equal("2026-03-10T12:00:00.000Z");
    expect(run.dag_versions).to.deep.include({
      id: run.dag_versions[0].id,
      version_number: 1,
      dag_id: "etl",
      bundle_name: "dags",
    });
    await refused(site.ask("GET", `${RUNS}/none`), 404);
  });

  it("triggers with conf, params, note and dates", async () => {
    const body = {
      dag_run_id: "by-hand",
      logical_date: "2026-02-01T00:00:00+01:00",
      conf: { limit: 5, api_token: "canary" },
      note: "Please",
    };
    const run = await ok(site.ask("POST", RUNS, { body }), 201);
    expect(run).to.include({ dag_run_id: "by-hand", state: "queued", note: "Please", triggered_by: "rest_api" });
    expect(run.logical_date).to.equal("2026-01-31T23:00:00.000Z");
    expect(run.params).to.include({ limit: 5 });
    expect(run.triggering_user_name).to.equal("token:admin");
    const stored = await site.web.store.runs.find("etl", "by-hand");
    expect(stored?.conf).to.deep.equal(body.conf);
    expect(run.conf, "masked in the answer").to.deep.equal({ limit: 5, api_token: "***" });
    expect(await refused(site.ask("POST", RUNS, { body }), 409)).to.contain("Choose another run id");
    const dateless = await ok(site.ask("POST", RUNS, { body: { logical_date: null } }), 201);
    expect(dateless.logical_date).to.equal(null);
  });

  it("refuses params that do not fit, naming each", async () => {
    const answer = await site.ask("POST", RUNS, { body: { conf: { limit: 0 } } });
    expect(answer.status).to.equal(422);
    expect(answer.body.errors).to.have.length(1);
    expect(answer.body.errors[0].path).to.contain("limit");
    await refused(site.ask("POST", "/v2/dags/none/dagRuns", { body: {} }), 404);
  });

  it("gives the same run for the same Idempotency-Key", async () => {
    const headers = { "idempotency-key": "order-7" };
    const first = await site.ask("POST", RUNS, { body: { conf: { limit: 2 } }, headers });
    const again = await site.ask("POST", RUNS, { body: { conf: { limit: 2 } }, headers });
    expect([first.status, again.status]).to.deep.equal([201, 200]);
    expect(first.body.dag_run_id).to.equal("manual__order-7");
    expect(again.body).to.deep.equal(first.body);
    expect((await ok(site.ask("GET", `${RUNS}?run_id_pattern=order-7`))).total_entries).to.equal(1);
  });

  it("makes one run of many requests with one key at once", async () => {
    const headers = { "idempotency-key": "rush" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => site.ask("POST", RUNS, { body: {}, headers })));
    expect(answers.filter((answer) => answer.status === 201)).to.have.length(1);
    expect(answers.filter((answer) => answer.status === 200)).to.have.length(7);
    expect(new Set(answers.map((answer) => answer.body.dag_run_id))).to.deep.equal(new Set(["manual__rush"]));
  });

  it("refuses keys that are no run ids", async () => {
    for (const key of ["a/b", "a b", "x".repeat(201), "../x"])
      await refused(site.ask("POST", RUNS, { body: {}, headers: { "idempotency-key": key } }), 422);
  });

  it("writes notes and marks, as far as update_mask says", async () => {
    await ok(site.ask("PATCH", `${RUNS}/good`, { body: { note: "seen" } }));
    await ok(site.ask("PATCH", `${RUNS}/good?update_mask=note`, { body: { note: "twice", state: "failed" } }));
    expect(await ok(site.ask("GET", `${RUNS}/good`))).to.include({ note: "twice", state: "success" });
    await ok(site.ask("PATCH", `${RUNS}/good?update_mask=state`, { body: { note: "lost", state: "success" } }));
    expect((await ok(site.ask("GET", `${RUNS}/good`))).note).to.equal("twice");
    expect((await ok(site.ask("PATCH", `${RUNS}/good`, { body: { note: null } }))).note).to.equal(null);
  });

  it("previews a mark of a run, then makes it", async () => {
    const body = { state: "success" };
    const preview = await ok(site.ask("PATCH", "/sluice/v1/dags/etl/dagRuns/by-hand/dry_run", { body }));
    expect(preview.total_entries).to.equal(3);
    expect(await state("by-hand")).to.equal("queued");
    expect(await ok(site.ask("PATCH", `${RUNS}/by-hand`, { body }))).to.include({ state: "success" });
    expect((await ok(site.ask("GET", `${RUNS}/by-hand`))).task_counts).to.deep.equal({ success: 3 });
  });

  it("clears a run, by default only in thought", async () => {
    const preview = await ok(site.ask("POST", `${RUNS}/good/clear`, { body: {} }));
    expect(preview.total_entries).to.equal(3);
    expect(await state("good")).to.equal("success");
    const run = await ok(site.ask("POST", `${RUNS}/good/clear`, { body: { dry_run: false } }));
    expect(run).to.include({ dag_run_id: "good", state: "queued" });
    expect(run.task_counts).to.deep.equal({ none: 3 });
  });

  it("retries what failed", async () => {
    const path = "/sluice/v1/dags/etl/dagRuns/bad/retryFailed";
    const names = (body: { task_instances: { task_id: string }[] }) => body.task_instances.map((each) => each.task_id);
    expect(names(await ok(site.ask("POST", path, { body: { dry_run: true } })))).to.deep.equal(["load", "report"]);
    expect(await state("bad")).to.equal("failed");
    const cleared = await ok(site.ask("POST", path));
    expect(cleared.task_instances.map((each: { state: unknown }) => each.state)).to.deep.equal([null, null]);
    expect(await state("bad")).to.equal("queued");
  });

  it("cancels a run once", async () => {
    const path = "/sluice/v1/dags/etl/dagRuns/open/cancel";
    expect((await ok(site.ask("POST", path, { body: { dry_run: true } }))).total_entries).to.equal(2);
    expect(await state("open")).to.equal("running");
    const touched = await ok(site.ask("POST", path));
    expect(touched.task_instances.map((each: { state: string }) => each.state)).to.deep.equal(["failed", "skipped"]);
    expect(await state("open")).to.equal("failed");
    expect((await ok(site.ask("POST", path))).total_entries).to.equal(0);
  });

  it("deletes a run unless it is running", async () => {
    const run = await site.web.store.runs.find("etl", "bad");
    const running = { kind: "run.state", runKey: run?.runKey ?? 0, from: ["queued"], to: "running" } as const;
    await site.web.store.commit([running], "scheduler");
    expect(await refused(site.ask("DELETE", `${RUNS}/bad`), 409)).to.contain("Cancel it first");
    expect((await site.ask("DELETE", `${RUNS}/open`)).status).to.equal(204);
    await refused(site.ask("GET", `${RUNS}/open`), 404);
    await refused(site.ask("DELETE", `${RUNS}/open`), 404);
  });

  describe("waiting", () => {
    it("tells each state and ends with the run, results included", async () => {
      await ok(site.ask("POST", "/v2/dags/quiet/dagRuns", { body: { dag_run_id: "w" } }), 201);
      const path = `${site.web.url}/api/v2/dags/quiet/dagRuns/w/wait?result=only`;
      const response = await fetch(path, { headers: { authorization: `Bearer ${site.tokens.viewer}` } });
      expect(response.headers.get("content-type")).to.contain("application/x-ndjson");
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      expect((await reader.read()).value).to.equal('{"state":"queued"}\n');
      const run = await site.web.store.runs.find("quiet", "w");
      const runKey = run?.runKey ?? 0;
      const json = '{"rows":9}';
      await site.web.store.commit(
        [
          { kind: "run.state", runKey, from: ["queued"], to: "running" },
          { kind: "xcom.set", runKey, tiNo: 0, key: "return_value", json, attempt: null },
        ],
        "scheduler",
      );
      expect((await reader.read()).value).to.equal('{"state":"running"}\n');
      await ok(site.ask("PATCH", "/v2/dags/quiet/dagRuns/w", { body: { state: "success" } }));
      expect((await reader.read()).value).to.equal('{"state":"success","results":{"only":{"rows":9}}}\n');
      expect((await reader.read()).done).to.equal(true);
    });

    it("repeats the state each interval, and ends when the run is deleted", async () => {
      await ok(site.ask("POST", "/v2/dags/quiet/dagRuns", { body: { dag_run_id: "d" } }), 201);
      const path = `${site.web.url}/api/v2/dags/quiet/dagRuns/d/wait?interval=0.1`;
      const response = await fetch(path, { headers: { authorization: `Bearer ${site.tokens.viewer}` } });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let line = 0; line < 2; line++) expect((await reader.read()).value).to.equal('{"state":"queued"}\n');
      expect((await site.ask("DELETE", "/v2/dags/quiet/dagRuns/d")).status).to.equal(204);
      for (let read = await reader.read(); !read.done; read = await reader.read())
        expect(read.value).to.equal('{"state":"queued"}\n');
    });

    it("answers at once for a run that has ended, and 404 for none", async () => {
      const answer = await site.ask("GET", "/v2/dags/quiet/dagRuns/w/wait");
      expect(answer.text).to.equal('{"state":"success"}\n');
      await refused(site.ask("GET", "/v2/dags/quiet/dagRuns/none/wait"), 404);
      await refused(site.ask("GET", "/v2/dags/quiet/dagRuns/w/wait?interval=0"), 422);
    });
  });
});
