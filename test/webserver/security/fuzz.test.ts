import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { z } from "zod";
import type { AnyRoute } from "../../../webserver/api/route.ts";
import { ROUTES } from "../../../webserver/api/router.ts";
import { type ApiSite, openApiSite } from "../api/site.ts";
import { BODIES, TEXTS, VALUES } from "./corpus.ts";
import { type RawAnswer, RawClient, wire } from "./raw.ts";
import { bodySample, pathSample, seedSamples, snapshot } from "./samples.ts";

const HOUR = 3_600_000;

const ODD_QUERIES = ["__proto__=1", "constructor=1", "_method=DELETE", "%00=1", "=", "&&&", "a=1&".repeat(1_500)];

/** Each third value, another third each time; all of them with SLUICE_FUZZ_ALL=1. */
function thinned(values: readonly string[]): readonly string[] {
  if (process.env.SLUICE_FUZZ_ALL === "1") return values;
  turn++;
  return values.filter((_, at) => (at + turn) % 3 === 0);
}
let turn = 0;

describe("security: bad input to every route of the API", function () {
  this.timeout(600_000);
  let site: ApiSite;
  let client: RawClient;
  let lastEvent = 0;
  const statuses = new Map<number, number>();
  before(async () => {
    site = await openApiSite({
      reparse: async () => {},
      settings: () => [{ name: "SLUICE_PORT", value: "8080", origin: "default", about: "" }],
    });
    await seedSamples(site);
    lastEvent = await site.web.store.events.lastId();
    client = new RawClient(site.web.url, { authorization: `Bearer ${site.tokens.admin}` });
  });
  after(async () => {
    client.close();
    await site[Symbol.asyncDispose]();
  });

  const keysOf = (schema: z.ZodType | undefined): string[] =>
    Object.keys(
      (schema && (z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }).properties as object)) ?? {},
    );
  const name = (route: AnyRoute) => `${route.method} ${route.path}`;

  /** Sends it, and insists on an answer that is no failure of ours, tells nothing and, when it refuses, has changed nothing. */
  async function attempt(
    route: AnyRoute,
    path: string,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RawAnswer> {
    const what = `${name(route)} ${path.slice(0, 200)} ${String(body ?? "").slice(0, 200)}`;
    const before = lastEvent;
    let answer = await client.send(route.method.toUpperCase(), `/api${path}`, body, headers);
    if (answer.status === 429) {
      site.clock.advance(HOUR);
      answer = await client.send(route.method.toUpperCase(), `/api${path}`, body, headers);
    }
    expect(answer.status, `${what}: ${answer.text.slice(0, 300)}`).to.be.within(200, 499);
    expect(answer.headers["x-evil"], what).to.equal(undefined);
    if (answer.status >= 400) {
      expect(answer.text, what).not.to.match(/\n\s+at |node:internal|SQLITE|ZodError/);
      if (answer.status !== 431) expect(JSON.parse(answer.text).detail, what).to.be.a("string");
    }
    lastEvent = await site.web.store.events.lastId();
    if (answer.status >= 400 || route.method === "get")
      expect(lastEvent, `${what}: ${answer.status} and yet a change`).to.equal(before);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    return answer;
  }

  it("in the parameters of paths", async () => {
    for (const route of ROUTES) {
      const body = bodySample(route);
      for (const [, parameter] of route.path.matchAll(/:(\w+)/g))
        for (const text of thinned(TEXTS)) {
          const marked = pathSample(route, { [parameter ?? ""]: "MARK" });
          await attempt(route, marked.replace("MARK", text), body && JSON.stringify(body));
        }
    }
  });

  it("in queries", async () => {
    for (const route of ROUTES.filter((each) => !each.path.endsWith("/wait"))) {
      const path = pathSample(route);
      const body = bodySample(route);
      const queries = keysOf(route.query).flatMap((key) => [
        ...thinned(TEXTS).map((text) => `${key}=${text}`),
        `${key}=1&${key}=2`,
        `${key}[]=1`,
        `${key}[$ne]=1`,
        key,
      ]);
      for (const query of [...queries, ...ODD_QUERIES]) {
        // What a deletion would take for no query at all would delete.
        if (route.method === "delete" && !/__proto__|constructor|a=1/.test(query)) continue;
        await attempt(route, `${path}?${query}`, body && JSON.stringify(body));
      }
    }
  });

  it("in the fields of bodies", async () => {
    for (const route of ROUTES.filter((each) => each.body)) {
      const path = pathSample(route);
      const sample = bodySample(route) ?? {};
      for (const key of keysOf(route.body))
        for (const value of thinned(VALUES)) {
          const rest = Object.entries(sample).filter(([other]) => other !== key);
          const text = `{${[...rest.map(([other, each]) => `${JSON.stringify(other)}:${JSON.stringify(each)}`), `${JSON.stringify(key)}:${value}`].join(",")}}`;
          await attempt(route, path, text);
        }
      for (const key of ["state", "role", "epoch", "created_at", "id", "__proto__", "owner_id"]) {
        if (keysOf(route.body).includes(key)) continue;
        const text = JSON.stringify(sample).replace(/^\{/, `{"${key}":1${Object.keys(sample).length > 0 ? "," : ""}`);
        expect((await attempt(route, path, text)).status, `${name(route)} takes "${key}"`).to.equal(422);
      }
    }
  });

  it("as whole bodies", async () => {
    for (const route of ROUTES.filter((each) => each.method !== "get" && each.method !== "delete"))
      for (const [body, type] of BODIES) {
        const { status } = await attempt(route, pathSample(route), body, { "content-type": type });
        if (!type.startsWith("application/json")) expect(status, `${name(route)} ${type}`).to.equal(415);
      }
  });

  it("leaves no trace in the objects of the process", () => {
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
  });

  it("as HTTP that is none", async () => {
    const before = await snapshot(site);
    const auth = `Authorization: Bearer ${site.tokens.admin}\r\n`;
    const start = `PATCH /api/v2/dags/etl HTTP/1.1\r\nHost: x\r\n${auth}Content-Type: application/json\r\n`;
    const body = '{"is_paused":true}';
    const bad = [
      `${start}Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
      `${start}Content-Length: ${body.length}\r\nContent-Length: 5\r\n\r\n${body}`,
      `${start}Content-Length: -1\r\n\r\n${body}`,
      `${start}Transfer-Encoding: chunked\r\n\r\nzz\r\n${body}`,
      `${start}X: a\r\n b\r\nContent-Length : 3\r\n\r\n{}`,
      `FROB /api/v2/dags HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      `GET /api/v2/dags HTTP/9.9\r\nHost: x\r\n${auth}\r\n`,
      `GET /api/v2/dags HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(70_000)}\r\n\r\n`,
      `GET /api/v2/dags HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 3_000 }, (_, at) => `H${at}: 1\r\n`).join("")}\r\n`,
      `GET /api/v2/dags/${"a".repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `TRACE /api/v2/dags HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
      "\u0000\u0001\u0002\r\n\r\n",
    ];
    for (const bytes of bad) {
      const text = await wire(site.web.url, bytes);
      if (text !== "") expect(text, bytes.slice(0, 100)).to.match(/^HTTP\/1\.1 4\d\d /);
    }
    expect(await snapshot(site)).to.equal(before);
  });

  it("and serves on, having seen refusals of each kind and acceptance", async () => {
    for (const status of [200, 201, 400, 404, 409, 415, 422])
      expect(statuses.get(status), `answers ${status}`).to.be.greaterThan(5);
    expect((await site.ask("GET", "/v2/dags")).status).to.equal(200);
    expect(await site.web.store.admin.integrity()).to.deep.equal([]);
  });
});
