import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { ROUTES } from "../../../webserver/api/router.ts";
import { type ApiSite, ok, openApiSite } from "../api/site.ts";
import { bodySample, PATH_SAMPLES, pathSample, seedSamples } from "./samples.ts";

const CANARY = "canary-7f3a9c";
/** What a template, a page or a log must never run. */
const SCRIPTS = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "javascript:alert(1)",
  "</script><svg onload=alert(1)>",
  "\u2028\u2029]]>",
];

describe("security: what answers of the API hold", function () {
  this.timeout(60_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite({
      settings: () => [{ name: "SLUICE_DATABASE_PASSWORD", value: CANARY, origin: "environment", about: "" }],
    });
    await seedSamples(site);
    const { ask } = site;
    const nested = { host: "h", auth: [{ client_secret: CANARY }], password: { old: CANARY } };
    for (const [key, value] of [
      ["shop_password", CANARY],
      ["apiKey", JSON.stringify({ any: CANARY })],
      ["settings", JSON.stringify(nested)],
      ["pretty", JSON.stringify(nested, null, 2)],
    ])
      await ok(ask("POST", "/v2/variables", { body: { key, value } }), 201);
    for (const [at, extra] of [
      JSON.stringify(nested),
      JSON.stringify([CANARY]),
      CANARY,
      `{"broken": "${CANARY}`,
    ].entries()) {
      const body = { connection_id: `c${at}`, conn_type: "http", password: CANARY, extra };
      await ok(ask("POST", "/v2/connections", { body }), 201);
    }
    await ok(ask("PATCH", "/v2/connections/shop", { body: { password: CANARY, extra: JSON.stringify(nested) } }));
    const conf = { limit: 1, db_password: CANARY, nested };
    await ok(ask("POST", "/v2/dags/etl/dagRuns", { body: { dag_run_id: "secretive", conf } }), 201);
    await ok(ask("PUT", "/v2/backfills/1/cancel"));
    const dates = { from_date: "2026-02-01T00:00:00Z", to_date: "2026-02-03T00:00:00Z" };
    await ok(ask("POST", "/v2/backfills", { body: { dag_id: "nightly", ...dates, dag_run_conf: conf } }));
  });
  after(() => site[Symbol.asyncDispose]());

  it("hold no secret that was given to it, whatever is asked for", async () => {
    const tokens = Object.values(site.tokens);
    const changes = [
      {},
      { variable_key: "shop_password", connection_id: "c0", dag_run_id: "secretive", backfill_id: "2" },
      { variable_key: "apiKey", connection_id: "c1", option: "SLUICE_DATABASE_PASSWORD" },
      { variable_key: "settings", connection_id: "c2" },
      { variable_key: "pretty", connection_id: "c3" },
      { dag_id: "nightly", dag_run_id: "none" },
    ];
    const { event_logs: events } = await ok(site.ask("GET", "/v2/eventLogs?limit=1000"));
    const ids = events.map((event: { event_log_id: number }) => ({ event_log_id: String(event.event_log_id) }));
    let answers = 0;
    for (const route of ROUTES.filter((each) => each.method === "get" || each.verb === "read"))
      for (const change of route.path.includes("event_log_id") ? ids : changes) {
        // Waiting for a run that never ends would be a test that never ends.
        const path = pathSample(route, route.path.endsWith("/wait") ? {} : change);
        const { text } = await site.ask(route.method.toUpperCase(), path, {
          body: bodySample(route),
        });
        expect(text, `${route.method} ${path}`).not.to.contain(CANARY);
        for (const token of [...tokens, site.web.cookie]) expect(text.includes(token), path).to.equal(false);
        answers++;
      }
    expect(answers).to.be.greaterThan(300);
  });

  it("hold no secret either when a write answers, fails or is refused", async () => {
    const secret = { connection_id: "c0", conn_type: "http", password: CANARY, extra: CANARY };
    const answers = [
      await site.ask("POST", "/v2/connections", { body: secret }),
      await site.ask("PATCH", "/v2/connections/c0", { body: { password: CANARY } }),
      await site.ask("PATCH", "/v2/connections/none", { body: { password: CANARY } }),
      await site.ask("PATCH", "/v2/connections/c0", { body: { password: [CANARY] } }),
      await site.ask("POST", "/v2/variables", { body: { key: "shop_password", value: CANARY } }),
      await site.ask("PATCH", "/v2/variables", {
        body: { actions: [{ action: "create", entities: [{ key: "shop_password", value: CANARY }] }] },
      }),
      await site.ask("POST", "/v2/dags/etl/dagRuns", { body: { conf: { limit: "no", password: CANARY } } }),
    ];
    for (const { text, status } of answers) expect(text, String(status)).not.to.contain(CANARY);
    expect(answers.map(({ status }) => status)).to.deep.equal([409, 200, 404, 422, 409, 200, 422]);
  });

  it("hold hostile texts as data only", async () => {
    for (const [at, script] of SCRIPTS.entries()) {
      const run = `hostile-${at}`;
      const body = { dag_run_id: run, note: script, conf: { limit: 1, text: script } };
      const made = await site.ask("POST", "/v2/dags/etl/dagRuns", { body });
      expect([made.status, made.body.note, made.body.conf.text]).to.deep.equal([201, script, script]);
      const xcom = { key: script.replace(/[\u2028\u2029]/g, " "), value: script };
      const path = `/v2/dags/etl/dagRuns/${run}/taskInstances/extract/xcomEntries`;
      const added = await site.ask("POST", path, { body: xcom });
      expect([added.status, added.body.value]).to.deep.equal([201, script]);
      for (const answer of [made, added]) {
        expect(answer.headers.get("content-type")).to.match(/^application\/json/);
        expect(answer.headers.get("x-content-type-options")).to.equal("nosniff");
      }
    }
  });

  it("are JSON even when an error repeats what was asked, and pages escape it", async () => {
    const script = SCRIPTS[0] ?? "";
    for (const path of [
      `/v2/dags/${encodeURIComponent(script)}`,
      `/v2/variables/${encodeURIComponent(script)}`,
      `/v2/dags?order_by=${encodeURIComponent(script)}`,
      `/v2/${encodeURIComponent(script)}`,
    ]) {
      const answer = await site.ask("GET", path, { headers: { accept: "text/html" } });
      expect(answer.status, path).to.be.within(400, 499);
      expect(answer.headers.get("content-type"), path).to.match(/^application\/json/);
    }
    const { html } = await site.web.get(`/api/docs?${encodeURIComponent(script)}`);
    expect(html).not.to.contain(script);
  });

  it("that refuse tell nothing of the inside", async () => {
    for (const route of ROUTES) {
      const path = pathSample(route, { ...PATH_SAMPLES, dag_id: "none", dag_run_id: "none", variable_key: "none" });
      const { text } = await site.ask(route.method.toUpperCase(), path, {
        body: route.method === "get" ? undefined : { nonsense: "\u0000" },
      });
      expect(text, path).not.to.match(/\n\s+at |node:internal|\/work\/|sqlite|select |ZodError/i);
    }
  });
});
