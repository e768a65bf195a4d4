import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { commit } from "../../store/fixtures.ts";
import { type ApiSite, NOW, ok, openApiSite, refused } from "./site.ts";

describe("API: task instances", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site[Symbol.asyncDispose]());
  const of = (run: string) => `/v2/dags/etl/dagRuns/${run}/taskInstances`;
  const names = (body: { task_instances: { task_id: string }[] }) => body.task_instances.map((each) => each.task_id);

  it("lists those of a run, of all runs, by state, pool and range", async () => {
    expect(names(await ok(site.ask("GET", of("bad"))))).to.deep.equal(["extract", "load", "report"]);
    const failed = await ok(site.ask("GET", "/v2/dags/~/dagRuns/~/taskInstances?state=failed&state=upstream_failed"));
    expect(failed.task_instances.map((each: { dag_run_id: string }) => each.dag_run_id)).to.deep.equal(["bad", "bad"]);
    expect((await ok(site.ask("GET", "/v2/dags/etl/dagRuns/~/taskInstances?pool=reports"))).total_entries).to.equal(3);
    expect(names(await ok(site.ask("GET", `${of("open")}?state=no_status`)))).to.deep.equal(["report"]);
    expect(names(await ok(site.ask("GET", `${of("good")}?order_by=-task_id&limit=1`)))).to.deep.equal(["report"]);
    const at = encodeURIComponent(new Date(NOW).toISOString());
    const later = await ok(site.ask("GET", `/v2/dags/etl/dagRuns/~/taskInstances?logical_date_gte=${at}&limit=1`));
    expect([later.task_instances[0].dag_run_id, later.total_entries]).to.deep.equal(["bad", 3]);
    const started = await ok(site.ask("GET", `/v2/dags/etl/dagRuns/~/taskInstances?start_date_lt=${at}`));
    expect(started.total_entries).to.equal(0);
    await refused(site.ask("GET", of("none")), 404);
  });

  it("lists several DAGs and runs by POST", async () => {
    const body = { dag_ids: ["etl", "quiet"], dag_run_ids: ["good", "bad"], state: ["success"], order_by: "task_id" };
    const found = await ok(site.ask("POST", "/v2/dags/~/dagRuns/~/taskInstances/list", { body }));
    expect(names(found)).to.deep.equal(["extract", "extract", "load", "report"]);
    expect(found.total_entries).to.equal(4);
    await refused(site.ask("POST", "/v2/dags/etl/dagRuns/~/taskInstances/list", { body }), 422);
  });

  it("tells one instance, with and without map index", async () => {
    const one = await ok(site.ask("GET", `${of("bad")}/load`));
    expect(one).to.include({
      task_id: "load",
      state: "failed",
      try_number: 2,
      max_tries: 1,
      map_index: -1,
      operator: "ts",
    });
    expect(one.duration).to.equal(2);
    expect(await ok(site.ask("GET", `${of("bad")}/load/-1`))).to.deep.equal(one);
    expect(await refused(site.ask("GET", `${of("bad")}/load/3`), 404)).to.contain('"load"[3]');
    expect((await ok(site.ask("GET", `${of("bad")}/load/listMapped`))).total_entries).to.equal(0);
  });

  it("keeps every try with its error", async () => {
    const { task_instances: tries } = await ok(site.ask("GET", `${of("bad")}/load/tries`));
    expect(tries.map((each: { try_number: number }) => each.try_number)).to.deep.equal([1, 2]);
    expect(tries[1].error.message).to.equal("no such table");
    expect(await ok(site.ask("GET", `${of("bad")}/load/tries/2`))).to.deep.equal(tries[1]);
    expect(await ok(site.ask("GET", `${of("bad")}/load/-1/tries/1`))).to.deep.equal(tries[0]);
    await refused(site.ask("GET", `${of("bad")}/load/tries/3`), 404);
  });

  it("says why an instance does not run", async () => {
    const waiting = await ok(site.ask("GET", `${of("open")}/report/dependencies`));
    expect(waiting.dependencies[0].reason).to.contain("load");
    expect((await ok(site.ask("GET", `${of("open")}/report`))).reason).to.equal(waiting.dependencies[0].reason);
    expect((await ok(site.ask("GET", `${of("good")}/load/dependencies`))).dependencies).to.deep.equal([]);
    const all = await ok(site.ask("GET", "/sluice/v1/dags/etl/dagRuns/open/reasons"));
    expect(all.reasons.map((each: { task_id: string }) => each.task_id)).to.deep.equal(["report"]);
    expect(all.reasons[0].reason).to.equal(waiting.dependencies[0].reason);
  });

  it("asks the scheduler beside it first", async () => {
    await using beside = await openApiSite({
      explain: { explain: async (_run, tiNo) => `said of ${tiNo}`, explainRun: async () => "said of the run" },
    });
    const { dependencies } = await ok(beside.ask("GET", `${of("open")}/report/-1/dependencies`));
    expect(dependencies).to.deep.equal([{ name: "none", reason: "said of 2" }]);
    const run = await ok(beside.ask("POST", "/v2/dags/etl/dagRuns", { body: {} }), 201);
    const path = `/sluice/v1/dags/etl/dagRuns/${encodeURIComponent(run.dag_run_id)}/reasons`;
    expect((await ok(beside.ask("GET", path))).run).to.equal("said of the run");
  });

  it("previews a mark, then makes it with all it reaches", async () => {
    const body = { new_state: "success", include_downstream: true };
    const preview = await ok(site.ask("PATCH", `${of("bad")}/load/dry_run`, { body }));
    expect(names(preview)).to.deep.equal(["load", "report"]);
    expect(preview.task_instances[0].state).to.equal("failed");
    const marked = await ok(site.ask("PATCH", `${of("bad")}/load`, { body: { ...body, note: "fixed by hand" } }));
    expect(marked.task_instances.map((each: { state: string }) => each.state)).to.deep.equal(["success", "success"]);
    expect(marked.task_instances[0].note).to.equal("fixed by hand");
    const again = await ok(
      site.ask("PATCH", `${of("bad")}/load?update_mask=note`, { body: { new_state: "failed", note: null } }),
    );
    expect(again.task_instances[0]).to.include({ state: "success", note: null });
    await refused(site.ask("PATCH", `${of("bad")}/none`, { body }), 404);
    await refused(site.ask("PATCH", `${of("bad")}/load/dry_run`, { body: { new_state: "running" } }), 422);
  });

  describe("in bulk", () => {
    const send = (path: string, entities: object[], more: object = {}) =>
      site.ask("PATCH", path, { body: { actions: [{ action: "update", entities, ...more }] } });

    it("are marked and noted, each for itself", async () => {
      const entities = [
        { task_id: "extract", note: "checked" },
        { task_id: "none", new_state: "success" },
        { task_id: "load", map_index: -1, new_state: "skipped", note: null },
      ];
      const { update } = await ok(send(of("good"), entities));
      expect(update.success).to.deep.equal(["etl.good.extract[-1]", "etl.good.load[-1]"]);
      expect(update.errors.map((error: { status_code: number }) => error.status_code)).to.deep.equal([404]);
      expect((await ok(site.ask("GET", `${of("good")}/load`))).state).to.equal("skipped");
      expect((await ok(site.ask("GET", `${of("good")}/extract`))).note).to.equal("checked");
      const skipped = await ok(send(of("good"), [{ task_id: "none" }], { action_on_non_existence: "skip" }));
      expect(skipped.update).to.deep.equal({ success: [], errors: [] });
      await ok(send(of("good"), [{ task_id: "load", new_state: "success" }]));
      await ok(site.ask("PATCH", "/v2/dags/etl/dagRuns/good", { body: { state: "success" } }));
    });

    it("lie within the path, or nothing is changed", async () => {
      const foreign = [
        { task_id: "extract", note: "first" },
        { dag_id: "quiet", task_id: "only", note: "foreign" },
      ];
      expect(await refused(send(of("good"), foreign), 422)).to.contain("lies outside the path");
      await refused(send("/v2/dags/~/dagRuns/~/taskInstances", [{ task_id: "extract" }]), 422);
      expect((await ok(site.ask("GET", `${of("good")}/extract`))).note).to.equal("checked");
      const named = [{ dag_id: "etl", dag_run_id: "bad", task_id: "extract", note: "by ~" }];
      const { update } = await ok(send("/v2/dags/~/dagRuns/~/taskInstances", named));
      expect(update.success).to.deep.equal(["etl.bad.extract[-1]"]);
    });
  });

  it("clears with a preview, neighbours and other runs", async () => {
    const path = "/v2/dags/etl/clearTaskInstances";
    const body = { dag_run_id: "good", task_ids: ["load"], only_failed: false, include_downstream: true };
    const preview = await ok(site.ask("POST", path, { body }));
    expect(names(preview)).to.deep.equal(["load", "report"]);
    expect(
      names(await ok(site.as("viewer")("POST", "/sluice/v1/dags/etl/clearTaskInstances/preview", { body }))),
    ).to.deep.equal(names(preview));
    const future = await ok(site.ask("POST", path, { body: { ...body, include_future: true } }));
    expect(new Set(future.task_instances.map((each: { dag_run_id: string }) => each.dag_run_id))).to.deep.equal(
      new Set(["good", "bad"]),
    );
    expect((await ok(site.ask("GET", "/v2/dags/etl/dagRuns/good"))).state).to.equal("success");
    const cleared = await ok(site.ask("POST", path, { body: { ...body, dry_run: false } }));
    expect(cleared.task_instances.map((each: { state: null }) => each.state)).to.deep.equal([null, null]);
    expect((await ok(site.ask("GET", "/v2/dags/etl/dagRuns/good"))).state).to.equal("queued");
    await refused(site.ask("POST", path, { body: { ...body, task_ids: ["none"] } }), 404);
    await refused(
      site.ask("POST", path, {
        body: {
          ...body,
          task_ids: [
            ["load", 1],
            ["load", 2],
          ],
        },
      }),
      422,
    );
  });

  describe("logs", () => {
    it("come by pages with a token, until the try has ended", async () => {
      const first = await ok(site.ask("GET", `${of("open")}/extract/logs/1`));
      expect(first.content).to.have.length(1_000);
      expect(first.content[0]).to.deep.include({ event: "line 0", level: "info", logger: "stdout" });
      const rest = await ok(site.ask("GET", `${of("open")}/extract/logs/1?token=${first.continuation_token}`));
      expect([rest.content.length, rest.continuation_token]).to.deep.equal([500, null]);
      const all = await ok(site.ask("GET", `${of("open")}/extract/-1/logs/1?full_content=true`));
      expect(all.content).to.have.length(1_500);
    });

    it("keep the token while the try may still write", async () => {
      const { content, continuation_token: token } = await ok(site.ask("GET", `${of("open")}/load/logs/1`));
      expect([content, token]).to.deep.equal([[], "0"]);
    });

    it("come whole as text and as NDJSON", async () => {
      const text = await site.ask("GET", `${of("open")}/extract/logs/1`, { headers: { accept: "text/plain" } });
      expect(text.headers.get("content-type")).to.equal("text/plain; charset=utf-8");
      expect(text.text.trim().split("\n")).to.have.length(1_500);
      const lines = await site.ask("GET", `${of("open")}/extract/logs/1`, {
        headers: { accept: "application/x-ndjson" },
      });
      expect(
        lines.text
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line).event)
          .at(-1),
      ).to.equal("line 1499");
    });

    it("are 404 for a try that never was", async () => {
      await refused(site.ask("GET", `${of("open")}/extract/logs/2`), 404);
      await refused(site.ask("GET", `${of("open")}/extract/logs/1?map_index=5`), 404);
      await refused(site.ask("GET", `${of("open")}/extract/logs/0`), 422);
    });
  });

  describe("XComs", () => {
    const entries = `${of("open")}/extract/xcomEntries`;

    it("are listed without and read with their values", async () => {
      const { xcom_entries: list } = await ok(site.ask("GET", entries));
      expect(list).to.have.length(1);
      expect(list[0]).to.include({ key: "return_value", task_id: "extract", run_id: "open", size: 10 });
      expect(list[0]).not.to.have.property("value");
      expect((await ok(site.ask("GET", `${entries}/return_value`))).value).to.deep.equal({ rows: 3 });
      expect((await ok(site.ask("GET", `${entries}/return_value?stringify=true`))).value).to.equal('{"rows":3}');
      await refused(site.ask("GET", `${entries}/none`), 404);
      const run = await ok(site.ask("GET", `${of("open")}/~/xcomEntries?xcom_key=return_value`));
      expect(run.total_entries).to.equal(1);
    });

    it("are added once, changed and deleted", async () => {
      const added = await ok(site.ask("POST", entries, { body: { key: "by hand", value: [1, { a: null }] } }), 201);
      expect(added.value).to.deep.equal([1, { a: null }]);
      await refused(site.ask("POST", entries, { body: { key: "by hand", value: 2 } }), 409);
      const path = `${entries}/by%20hand`;
      expect((await ok(site.ask("PATCH", path, { body: { value: false } }))).value).to.equal(false);
      expect((await site.ask("DELETE", path)).status).to.equal(204);
      await refused(site.ask("DELETE", path), 404);
      await refused(site.ask("PATCH", path, { body: { value: 1 } }), 404);
    });

    it("are not kept under a key that the database would change", async () => {
      for (const key of ["\ud800", "a\u0000", "a\nb", ""])
        await refused(site.ask("POST", entries, { body: { key, value: 1 } }), 422);
    });

    it("may not be larger than the limit", async () => {
      const body = { key: "big", value: "x".repeat(262_144) };
      expect(await refused(site.ask("POST", entries, { body }), 422)).to.contain("262144 bytes");
    });
  });

  it("lists mapped instances by index", async () => {
    const run = await site.web.store.runs.find("etl", "open");
    await commit(site.web.store, [
      {
        kind: "task.append",
        runKey: run?.runKey ?? 0,
        tasks: [0, 1].map((mapIndex) => ({
          tiNo: 3 + mapIndex,
          taskId: "load",
          mapIndex,
          operator: "ts",
          pool: "default_pool",
          poolSlots: 1,
          queue: "default",
          executor: null,
          priorityWeight: 1,
          maxTries: 1,
        })),
      },
    ]);
    const mapped = await ok(site.ask("GET", `${of("open")}/load/listMapped?limit=1&offset=1`));
    expect([mapped.total_entries, mapped.task_instances[0].map_index]).to.deep.equal([2, 1]);
    expect((await ok(site.ask("GET", `${of("open")}/load/1`))).map_index).to.equal(1);
  });
});
