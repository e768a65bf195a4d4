import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { ROUTES } from "../../../webserver/api/router.ts";
import { type ApiSite, ok, openApiSite, refused } from "./site.ts";

describe("API: HTTP", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site[Symbol.asyncDispose]());

  it("answers 405 with what a path allows", async () => {
    const answer = await site.ask("DELETE", "/v2/dags");
    expect([answer.status, answer.headers.get("allow")]).to.deep.equal([405, "GET, PATCH, HEAD"]);
    expect(answer.body.detail).to.contain("DELETE is not possible here");
    expect((await site.ask("POST", "/v2/dags/etl/dagRuns/good/wait")).status).to.equal(405);
    expect((await site.ask("PROPFIND", "/openapi.json")).status).to.equal(405);
    const options = await site.ask("OPTIONS", "/v2/dags/etl");
    expect([options.status, options.headers.get("allow")]).to.deep.equal([204, "GET, PATCH, DELETE, HEAD"]);
    expect((await site.ask("HEAD", "/v2/dags")).status).to.equal(200);
  });

  it("takes bodies as JSON only", async () => {
    const types = [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/xml",
    ];
    for (const type of types)
      await refused(
        site.ask("PATCH", "/v2/dags/etl", { body: '{"is_paused":true}', headers: { "content-type": type } }),
        415,
      );
    const charset = { "content-type": "application/json; charset=utf-8" };
    await ok(site.ask("PATCH", "/v2/dags/etl", { body: '{"is_paused":false}', headers: charset }));
    const exotic = { "content-type": "application/json; charset=utf-99" };
    await refused(site.ask("PATCH", "/v2/dags/etl", { body: '{"is_paused":false}', headers: exotic }), 415);
    expect((await site.web.store.dags.get("etl"))?.isPaused).to.equal(false);
  });

  it("refuses what is no JSON, or too much of it", async () => {
    const headers = { "content-type": "application/json" };
    for (const body of ["{", '{"is_paused":tru', "[1,]", "null", '"text"', "7", '{"a":1}x'])
      expect((await site.ask("PATCH", "/v2/dags/etl", { body, headers })).status, body).to.be.oneOf([400, 422]);
    const big = `{"note":"${"x".repeat(1_100_000)}"}`;
    expect(await refused(site.ask("PATCH", "/v2/dags/etl/dagRuns/good", { body: big, headers }), 413)).to.contain(
      "1 MB",
    );
  });

  it("refuses a compressed body that grows beyond the limit", async () => {
    const { gzipSync } = await import("node:zlib");
    const bomb = gzipSync(`{"note":"${"x".repeat(50_000_000)}"}`);
    expect(bomb.length).to.be.lessThan(100_000);
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    await refused(site.ask("PATCH", "/v2/dags/etl/dagRuns/good", { body: bomb, headers }), 413);
  });

  it("refuses unknown keys of queries and bodies, duplicates and bodies where none belong", async () => {
    const detail = await refused(site.ask("PATCH", "/v2/dags/etl", { body: { is_paused: true, owner: "me" } }), 422);
    expect(detail).to.contain("owner");
    await refused(site.ask("GET", "/v2/dags?colour=red"), 422);
    await refused(site.ask("GET", "/v2/dags/etl?limit=1"), 422);
    await refused(site.ask("GET", "/v2/dags?limit=1&limit=2"), 422);
    await refused(site.ask("PUT", "/v2/backfills/1/pause", { body: { id: 2 } }), 422);
    for (const query of [
      "limit=-1",
      "limit=1e3",
      "limit=1001",
      "limit=",
      "offset=-1",
      "limit[]=1",
      "order_by=dag_id;--",
    ])
      await refused(site.ask("GET", `/v2/dags?${query}`), 422);
  });

  it("limits how often one principal makes tokens, telling when to come back", async () => {
    const create = (n: number) => site.ask("POST", "/sluice/v1/tokens", { body: { name: `t${n}`, role: "viewer" } });
    for (let n = 0; n < 20; n++) await ok(create(n), 201);
    const answer = await create(20);
    expect([answer.status, answer.headers.get("retry-after")]).to.deep.equal([429, "3"]);
    site.clock.advance(3_000);
    await ok(create(21), 201);
    await refused(create(22), 429);
  });

  it("limits triggers and logins as well", async () => {
    const [trigger] = ROUTES.filter((route) => route.path === "/v2/dags/:dag_id/dagRuns" && route.method === "post");
    expect(trigger?.rate?.burst).to.be.greaterThan(0);
    const login = () => fetch(`${site.web.url}/login/${"x".repeat(43)}`, { redirect: "manual" });
    const statuses: number[] = [];
    for (let n = 0; n < 61; n++) statuses.push((await login()).status);
    expect(new Set(statuses.slice(0, 60))).to.deep.equal(new Set([401]));
    expect(statuses[60]).to.equal(429);
  });

  it("needs the CSRF token of the very session for writes from a browser", async () => {
    const body = { is_paused: true };
    await refused((await site.inBrowser(false))("PATCH", "/v2/dags/etl", { body }), 403);
    const browser = await site.inBrowser();
    const evil = { "sec-fetch-site": "cross-site" };
    await refused(browser("PATCH", "/v2/dags/etl", { body, headers: evil }), 403);
    await refused(browser("PATCH", "/v2/dags/etl", { body, headers: { "x-csrf-token": "of another session" } }), 403);
    expect((await site.web.store.dags.get("etl"))?.isPaused).to.equal(false);
    expect((await ok(browser("PATCH", "/v2/dags/etl", { body }))).is_paused).to.equal(true);
    await ok((await site.inBrowser(false))("GET", "/v2/dags"));
  });

  describe("the OpenAPI document", () => {
    interface Operation {
      readonly operationId: string;
      readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: object }[];
      readonly responses: Readonly<Record<string, { readonly description: string }>>;
    }
    let document: { openapi: string; paths: Record<string, Record<string, Operation>>; components: object };
    let text = "";
    before(async () => {
      const answer = await site.as("viewer")("GET", "/openapi.json");
      document = answer.body;
      text = answer.text;
    });

    it("holds every route once, with its path parameters", () => {
      expect(document.openapi).to.equal("3.1.0");
      const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
      expect(operations).to.have.length(ROUTES.length);
      expect(new Set(operations.map((each) => each.operationId)).size).to.equal(operations.length);
      for (const [path, methods] of Object.entries(document.paths))
        for (const operation of Object.values(methods)) {
          const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
          const named = operation.parameters?.filter((each) => each.in === "path").map((each) => each.name) ?? [];
          expect(named, path).to.include.members(wanted);
          expect(Object.keys(operation.responses), path).to.include.members(["401", "403", "404", "422"]);
        }
    });

    it("refers only to what it holds", () => {
      for (const [, pointer] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
        const found = (pointer ?? "")
          .split("/")
          .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
        expect(found, pointer).to.be.an("object");
      }
    });

    it("names no path parameter that the path lacks", () => {
      for (const [path, methods] of Object.entries(document.paths))
        for (const operation of Object.values(methods))
          for (const parameter of operation.parameters ?? [])
            if (parameter.in === "path") expect(path).to.contain(`{${parameter.name}}`);
    });

    it("has Airflow's paths", () => {
      for (const path of [
        "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/logs/{try_number}",
        "/api/v2/dags/{dag_id}/clearTaskInstances",
        "/api/v2/variables/{variable_key}",
        "/api/v2/connections/{connection_id}",
        "/api/v2/pools/{pool_name}",
        "/api/v2/backfills/dry_run",
        "/api/v2/monitor/health",
        "/api/v2/importErrors",
        "/api/v2/dagWarnings",
      ])
        expect(document.paths, path).to.have.property(path);
    });
  });

  it("has a page for people, without inline style or script", async () => {
    const { status, html } = await site.web.get("/api/docs");
    expect(status).to.equal(200);
    expect(html).not.to.match(/\sstyle=|<style|<script(?![^>]*\ssrc=)|\son[a-z]+=/);
    for (const route of ROUTES) expect(html).to.contain(`<code>/api${route.path.replace(/:(\w+)/g, "{$1}")}</code>`);
    expect(html).to.contain("Idempotency-Key");
  });
});
