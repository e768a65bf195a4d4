import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { type ApiSite, ok, openApiSite, refused } from "./site.ts";

describe("API: the installation", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite({
      settings: () => [
        { name: "SLUICE_PORT", value: "8080", origin: "default", about: "Port of the pages." },
        { name: "SLUICE_SECRET_KEY", value: "forgot to mask", origin: "environment", about: "Encrypts." },
      ],
    });
  });
  after(() => site[Symbol.asyncDispose]());

  it("tells version and health", async () => {
    expect(await ok(site.ask("GET", "/v2/version"))).to.deep.equal({ version: "0.0.0-test", git_version: null });
    expect((await ok(site.ask("GET", "/v2/monitor/health"))).scheduler).to.include({ status: "healthy" });
  });

  it("tells its settings to admins, never a secret", async () => {
    const config = await site.ask("GET", "/v2/config?section=sluice");
    expect(config.body.sections[0].options).to.deep.equal([
      { key: "SLUICE_PORT", value: "8080", source: "default" },
      { key: "SLUICE_SECRET_KEY", value: "***", source: "environment" },
    ]);
    const one = await ok(site.ask("GET", "/v2/config/section/sluice/option/SLUICE_SECRET_KEY"));
    expect(one.sections[0].options[0].value).to.equal("***");
    await refused(site.ask("GET", "/v2/config/section/sluice/option/NONE"), 404);
    await refused(site.ask("GET", "/v2/config?section=core"), 404);
    expect((await ok(site.ask("GET", "/sluice/v1/settings"))).settings[0].about).to.equal("Port of the pages.");
    for (const path of ["/v2/config", "/v2/config/section/sluice/option/SLUICE_PORT", "/sluice/v1/settings"])
      await refused(site.as("op")("GET", path), 403);
  });

  it("lists its processes", async () => {
    const worker = { workerId: "w1", kind: "up", hostname: "h", pid: 7, version: "1", startedAt: 1 } as const;
    await site.web.store.commit(
      [{ kind: "worker.put", worker: { ...worker, slots: 4, queues: ["default"], state: "active" }, leaseMs: 1_000 }],
      "w1",
    );
    const { jobs } = await ok(site.ask("GET", "/v2/jobs?job_type=up&order_by=-start_date"));
    expect(jobs[0]).to.deep.include({ id: "w1", job_type: "up", pid: 7, slots: 4, queues: ["default"] });
    expect((await ok(site.ask("GET", "/v2/jobs?hostname=other"))).total_entries).to.equal(0);
  });

  describe("the audit log", () => {
    it("is filtered, newest first, and read by id", async () => {
      await ok(site.ask("PATCH", "/v2/dags/etl", { body: { is_paused: true } }));
      const { event_logs: events } = await ok(site.ask("GET", "/v2/eventLogs?dag_id=etl&owner=token:admin"));
      expect(events[0]).to.include({ event: "dag.paused", owner: "token:admin", dag_id: "etl" });
      expect(await ok(site.ask("GET", `/v2/eventLogs/${events[0].event_log_id}`))).to.deep.equal(events[0]);
      const path = "/v2/eventLogs?run_id=bad&task_id=load&included_events=task.state&order_by=event_log_id&limit=1";
      const first = await ok(site.ask("GET", path));
      expect(first.event_logs[0]).to.include({ event: "task.state", from_state: "none", to_state: "scheduled" });
      const before = encodeURIComponent(new Date(0).toISOString());
      expect((await ok(site.ask("GET", `/v2/eventLogs?before=${before}`))).total_entries).to.equal(0);
      expect((await ok(site.ask("GET", `/v2/eventLogs?when_lte=${before}`))).total_entries).to.equal(0);
      await refused(site.ask("GET", "/v2/eventLogs/999999"), 404);
    });

    it("is followed from an id on", async () => {
      const start = await ok(site.ask("GET", "/sluice/v1/events?limit=2"));
      expect(start.events).to.have.length(2);
      const next = await ok(site.ask("GET", `/sluice/v1/events?after=${start.last_id}&limit=1`));
      expect(next.events[0].event_log_id).to.be.greaterThan(start.last_id);
      const last = await site.web.store.events.lastId();
      expect(await ok(site.ask("GET", `/sluice/v1/events?after=${last}`))).to.deep.equal({ events: [], last_id: last });
    });
  });

  describe("tokens", () => {
    it("are shown once, work, and end when revoked", async () => {
      const made = await ok(site.ask("POST", "/sluice/v1/tokens", { body: { name: "ci", role: "viewer" } }), 201);
      expect(made.token).to.match(/^slc_/);
      const list = await site.ask("GET", "/sluice/v1/tokens?limit=100");
      expect(list.text).not.to.contain(made.token);
      const headers = { authorization: `Bearer ${made.token}` };
      expect(await ok(site.stranger("GET", "/sluice/v1/me", { headers }))).to.deep.equal({
        name: "ci",
        role: "viewer",
        via: "token",
        settings: null,
      });
      expect((await site.ask("DELETE", `/sluice/v1/tokens/${made.id}`)).status).to.equal(204);
      const { rows } = await site.web.store.events.list({ kinds: ["token.revoked"] });
      expect(rows.map((event) => event.actor)).to.deep.equal(["token:admin"]);
      await refused(site.stranger("GET", "/sluice/v1/me", { headers }), 401);
      await refused(site.ask("DELETE", `/sluice/v1/tokens/${made.id}`), 404);
    });

    it("know when they were used last", async () => {
      const used = (body: { tokens: { name: string; last_used_at: string | null }[] }) =>
        body.tokens.find((token) => token.name === "user")?.last_used_at;
      expect(used(await ok(site.ask("GET", "/sluice/v1/tokens?limit=100")))).to.equal(null);
      await ok(site.as("user")("GET", "/v2/version"));
      for (let tries = 0; tries < 100 && !used(await ok(site.ask("GET", "/sluice/v1/tokens?limit=100"))); tries++);
      expect(used(await ok(site.ask("GET", "/sluice/v1/tokens?limit=100")))).to.match(/Z$/);
    });
  });

  it("knows people with their settings", async () => {
    const browser = await site.inBrowser();
    expect(await ok(browser("GET", "/sluice/v1/me"))).to.deep.equal({
      name: "admin",
      role: "admin",
      via: "session",
      settings: { theme: "system" },
    });
    expect((await ok(browser("PATCH", "/sluice/v1/me", { body: { theme: "dark" } }))).settings.theme).to.equal("dark");
    expect((await ok(browser("GET", "/sluice/v1/me"))).settings.theme).to.equal("dark");
    expect((await site.web.get("/api/docs")).html).to.contain('data-theme="dark"');
    await refused(site.ask("PATCH", "/sluice/v1/me", { body: { theme: "dark" } }), 409);
  });
});
