import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { UserRow } from "../../../store/rows.ts";
import type { AnyRoute } from "../../../webserver/api/route.ts";
import { ROUTES } from "../../../webserver/api/router.ts";
import { csrfToken, hashToken } from "../../../webserver/auth/sessions.ts";
import { type ApiSite, openApiSite } from "../api/site.ts";
import { bodySample, pathSample, seedSamples, snapshot } from "./samples.ts";

type Role = UserRow["role"];
const ROLES: readonly Role[] = ["viewer", "user", "op", "admin"];

/** Requests that are no GET and yet change nothing: lists with a long filter, and previews. */
const READING = [
  "post /v2/dags/:dag_id/dagRuns/list",
  "post /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/list",
  "patch /sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/dry_run",
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/dry_run",
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/:map_index/dry_run",
  "post /sluice/v1/dags/:dag_id/clearTaskInstances/preview",
  "post /v2/backfills/dry_run",
];
/** What only some roles may do; everything else is for viewers to read and for users to change. */
const ADMIN_ONLY = /^\/sluice\/v1\/(tokens|settings)|^\/v2\/config/;
const OPS_ONLY = /^\/v2\/(variables|connections)/;
const OPS_WRITE = /^\/v2\/pools/;
const OWN = /^\/sluice\/v1\/me$/;

const name = (route: AnyRoute) => `${route.method} ${route.path}`;
const isReading = (route: AnyRoute) => route.method === "get" || READING.includes(name(route));

/** The least role, said here once more and independently of the policy. */
function leastRole(route: AnyRoute): Role {
  if (OWN.test(route.path)) return "viewer";
  if (ADMIN_ONLY.test(route.path)) return "admin";
  if (OPS_ONLY.test(route.path)) return "op";
  if (isReading(route)) return "viewer";
  return OPS_WRITE.test(route.path) ? "op" : "user";
}

describe("security: every route of the API", function () {
  this.timeout(60_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite({
      reparse: async () => {},
      settings: () => [{ name: "SLUICE_PORT", value: "8080", origin: "default", about: "" }],
    });
    await seedSamples(site);
  });
  after(() => site[Symbol.asyncDispose]());
  const send = (ask: ApiSite["ask"], route: AnyRoute, headers: Readonly<Record<string, string>> = {}) =>
    ask(route.method.toUpperCase(), pathSample(route), { body: bodySample(route), headers });

  it("is about at least the resources of Airflow's API", () => {
    expect(ROUTES.length).to.be.greaterThan(80);
    const names = ROUTES.map(name);
    expect(new Set(names).size, "a route is declared twice").to.equal(names.length);
    expect(
      READING.filter((each) => !names.includes(each)),
      "listed as reading but gone",
    ).to.deep.equal([]);
  });

  it("is refused to strangers with 401 and a hint, changing nothing", async () => {
    const before = await snapshot(site);
    for (const route of ROUTES) {
      const answer = await send(site.stranger, route);
      expect([answer.status, answer.headers.get("www-authenticate")], name(route)).to.deep.equal([401, "Bearer"]);
    }
    for (const path of ["/openapi.json", "/docs", "/nothing", "/v2/nothing", "/v2/dags/etl/nothing", "/v3/dags"])
      for (const method of ["GET", "POST", "DELETE", "OPTIONS"])
        expect((await site.stranger(method, path)).status, `${method} ${path}`).to.equal(401);
    expect(await snapshot(site)).to.equal(before);
  });

  it("reads no body of strangers, however it is made", async () => {
    const headers = { "content-type": "application/json" };
    for (const body of ["{", "[".repeat(100_000), `{"note":"${"x".repeat(1_100_000)}"}`])
      expect((await site.stranger("PATCH", "/v2/dags/etl", { body, headers })).status).to.equal(401);
    const zipped = { ...headers, "content-encoding": "gzip" };
    expect((await site.stranger("PATCH", "/v2/dags/etl", { body: "no gzip", headers: zipped })).status).to.equal(401);
  });

  it("is refused to revoked, invented and misplaced credentials", async () => {
    const [made] = await site.web.store.access.tokens();
    const bad: Readonly<Record<string, string>>[] = [
      { authorization: `Bearer slc_${"x".repeat(43)}` },
      { authorization: "Bearer " },
      { authorization: `Basic ${Buffer.from("admin:admin").toString("base64")}` },
      { authorization: `Bearer ${made?.tokenHash}` },
      { authorization: site.tokens.admin },
      { cookie: `sluice_session=${site.tokens.admin}` },
      { cookie: "sluice_session=" },
      { "x-forwarded-user": "admin", "x-forwarded-for": "127.0.0.1" },
      { authorization: `Bearer ${site.web.cookie}` },
    ];
    for (const headers of bad)
      expect((await site.stranger("GET", "/v2/dags", { headers })).status, JSON.stringify(headers)).to.equal(401);
    expect((await site.stranger("GET", `/v2/dags?token=${site.tokens.admin}`)).status).to.equal(401);
    expect((await site.stranger("GET", `/v2/dags?access_token=${site.tokens.admin}`)).status).to.equal(401);
  });

  it("is not reached around the guard by odd paths or method overrides", async () => {
    for (const path of [
      "/v2//dags",
      "/v2/dags/",
      "/V2/DAGS",
      "/v2/dags;.css",
      "/v2/dags/.json",
      "/v2/%2e/dags",
      "//v2/dags",
    ])
      expect((await site.stranger("GET", path)).status, path).to.be.oneOf([401, 404]);
    for (const header of ["x-http-method-override", "x-http-method", "x-method-override"])
      await site.as("viewer")("GET", "/v2/dags/etl", { headers: { [header]: "DELETE" } });
    await site.as("viewer")("GET", "/v2/dags/etl/dagRuns/good?_method=DELETE");
    expect(await site.web.store.runs.find("etl", "good")).not.to.equal(undefined);
    expect(await site.web.store.dags.get("etl")).not.to.equal(undefined);
  });

  for (const role of ROLES)
    it(`lets ${role}s do what they may, and nothing else`, async () => {
      const before = await snapshot(site);
      for (const route of ROUTES) {
        const mayNot = ROLES.indexOf(role) < ROLES.indexOf(leastRole(route));
        // What may be done is done by the tests of each resource.
        if (!mayNot && !isReading(route)) continue;
        const { status, body, text } = await send(site.as(role), route);
        if (mayNot) expect([status, body.detail], name(route)).to.deep.equal([403, body.detail]);
        else expect(status, `${name(route)} ${text.slice(0, 300)}`).to.equal(200);
      }
      expect(await snapshot(site), "reads and refused writes change nothing").to.equal(before);
    });

  it("that writes from a browser needs the CSRF token, whoever it is", async () => {
    const before = await snapshot(site);
    const browser = await site.inBrowser(false);
    for (const route of ROUTES.filter((each) => each.method !== "get"))
      expect((await send(browser, route)).status, name(route)).to.equal(403);
    const withToken = await site.inBrowser();
    for (const route of ROUTES.filter((each) => each.method !== "get"))
      expect((await send(withToken, route, { "sec-fetch-site": "cross-site" })).status, name(route)).to.equal(403);
    expect(await snapshot(site)).to.equal(before);
  });

  it("answers with headers that keep a browser from making more of it", async () => {
    for (const route of ROUTES.filter((each) => each.method === "get")) {
      const { headers } = await send(site.ask, route);
      expect(headers.get("x-content-type-options"), name(route)).to.equal("nosniff");
      expect(headers.get("cache-control"), name(route)).to.contain("no-store");
      expect(headers.get("access-control-allow-origin"), name(route)).to.equal(null);
      expect(headers.get("content-security-policy"), name(route)).to.contain("default-src 'self'");
      expect(headers.get("content-type"), name(route)).to.match(/^application\/(json|x-ndjson)/);
    }
  });

  it("that writes really does so for who may: the samples are accepted", async () => {
    // Deletions last, what lies within before what holds it.
    const rank = (route: AnyRoute) => (route.method === "delete" ? 1_000 - route.path.length : 0);
    const writing = ROUTES.filter((route) => !isReading(route)).sort((a, b) => rank(a) - rank(b));
    const odd: string[] = [];
    for (const route of writing) {
      const { status, text } = await send(site.ask, route);
      if (status >= 300) odd.push(`${name(route)} ${status} ${text.slice(0, 120)}`);
    }
    // A token has no settings, a run of "etl" is running, the default pool stays, and one backfill at a time.
    const expected =
      /^(patch \/sluice\/v1\/me|delete \/v2\/dags\/:dag_id|delete \/v2\/pools\/:pool_name|post \/v2\/backfills) 409 /;
    expect(odd.filter((each) => !expected.test(each))).to.deep.equal([]);
  });

  it("is closed at once to who was logged out", async () => {
    const browser = await site.inBrowser();
    expect((await browser("GET", "/v2/dags")).status).to.equal(200);
    const session = await site.web.store.access.session(hashToken(site.web.cookie));
    const headers = { cookie: `sluice_session=${site.web.cookie}`, "x-csrf-token": session ? csrfToken(session) : "" };
    await fetch(`${site.web.url}/logout`, { method: "POST", redirect: "manual", headers });
    expect((await browser("GET", "/v2/dags")).status).to.equal(401);
  });
});
