import { expect } from "chai";
import type { Express } from "express";
import { after, before, describe, it } from "mocha";
import { systemClock } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import { createApp } from "../../../webserver/app.ts";
import { type ApiSite, openApiSite } from "../api/site.ts";
import { PATH_SAMPLES, seedSamples, snapshot } from "./samples.ts";

/** A route as Express keeps it. */
interface Layer {
  readonly handle: {
    readonly stack?: readonly Layer[];
    readonly policy?: { readonly verb: string; readonly kind: string };
  };
  readonly route?: {
    readonly path: string | readonly string[];
    readonly methods: Readonly<Record<string, boolean>>;
    readonly stack: readonly Layer[];
  };
  readonly name: string;
}

interface PageRoute {
  readonly method: string;
  readonly path: string;
  readonly policy: { readonly verb: string; readonly kind: string } | undefined;
}

/** What strangers may reach: logging in, whether the process lives, and our own client files. */
const OPEN = [
  "get /login",
  "get /login/:token",
  "post /login/:token",
  "get /healthz",
  "get /readyz",
  "get /assets/:name",
];

/** Every route of the server outside the API, whose table has tests of its own. */
function routesOf(app: Express): PageRoute[] {
  const found: PageRoute[] = [];
  const walk = (layers: readonly Layer[]) => {
    for (const { route, handle } of layers) {
      if (!route) walk(handle.stack ?? []);
      else
        for (const path of [route.path].flat())
          for (const method of Object.keys(route.methods))
            if (!/^\/(v2|sluice)\/|^\/(docs|openapi\.json)$/.test(path))
              found.push({ method, path, policy: route.stack.map((each) => each.handle.policy).find(Boolean) });
    }
  };
  walk((app as unknown as { router: { stack: readonly Layer[] } }).router.stack);
  return found;
}

describe("security: every page", function () {
  this.timeout(60_000);
  let site: ApiSite;
  let routes: PageRoute[];
  before(async () => {
    site = await openApiSite();
    await seedSamples(site);
    routes = routesOf(
      createApp({
        store: site.web.store,
        logs: site.web.logs,
        clock: systemClock,
        logger: silentLogger,
        baseUrl: () => site.web.url,
        version: "test",
        sessionMs: 1_000,
        health: () => Promise.reject(new Error("not asked for")),
        dagsFolder: "/nowhere",
        settings: () => [],
      }),
    );
  });
  after(() => site[Symbol.asyncDispose]());

  const name = ({ method, path }: PageRoute) => `${method} ${path}`;
  const guarded = () => routes.filter((route) => !OPEN.includes(name(route)));
  const address = (path: string) =>
    path
      .replace(/\/?\{[^}]*\}/g, "")
      .replace(/[:*](\w+)/g, (_, key: string) => encodeURIComponent(SAMPLES[key] ?? PATH_SAMPLES[key] ?? "1"));
  const SAMPLES: Readonly<Record<string, string>> = {
    dagId: "etl",
    runId: "good",
    taskId: "extract",
    name: "x",
    key: "region",
  };
  const request = (route: PageRoute, headers: Readonly<Record<string, string>>, body?: URLSearchParams) =>
    fetch(site.web.url + address(route.path), {
      method: route.method.toUpperCase(),
      redirect: "manual",
      headers: { accept: "text/html", ...headers },
      body,
    });

  it("is found in the router, and open only where it says so", () => {
    expect(routes.length).to.be.greaterThan(40);
    expect(OPEN.filter((each) => !routes.some((route) => name(route) === each))).to.deep.equal([]);
    expect(
      guarded()
        .filter((route) => route.policy === undefined)
        .map(name),
    ).to.deep.equal([]);
  });

  it("sends strangers to the login and takes nothing from them", async () => {
    const before = await snapshot(site);
    for (const route of guarded()) {
      const { status, headers } = await request(route, {});
      if (route.method === "get") {
        expect(status, name(route)).to.equal(303);
        expect(headers.get("location"), name(route)).to.match(/^\/login\?next=%2F/);
      } else expect(status, name(route)).to.equal(401);
    }
    expect(await snapshot(site)).to.equal(before);
  });

  it("takes no form without the token of the session", async () => {
    const before = await snapshot(site);
    const headers = { cookie: `sluice_session=${site.web.cookie}` };
    for (const route of guarded().filter((each) => each.method !== "get")) {
      const plain = await request(route, headers, new URLSearchParams({ confirm: "1" }));
      expect(plain.status, name(route)).to.equal(403);
      const invented = await request(route, headers, new URLSearchParams({ _csrf: "x".repeat(43) }));
      expect(invented.status, name(route)).to.equal(403);
    }
    expect(await snapshot(site)).to.equal(before);
  });

  it("changes nothing when it is only looked at", async () => {
    const before = await snapshot(site);
    const headers = { authorization: `Bearer ${site.tokens.admin}` };
    for (const route of guarded().filter((each) => each.method === "get")) {
      if (/stream|events/.test(route.path)) continue; // Streams do not end by themselves.
      const { status, headers: answered } = await request(route, headers);
      expect(status, name(route)).to.be.lessThan(500);
      expect(answered.get("x-content-type-options"), name(route)).to.equal("nosniff");
    }
    expect(await snapshot(site)).to.equal(before);
  });

  it("refuses viewers what is not for viewers", async () => {
    const before = await snapshot(site);
    const headers = { authorization: `Bearer ${site.tokens.viewer}` };
    const forbidden = guarded().filter(
      ({ policy }) =>
        policy &&
        policy.kind !== "self" &&
        (policy.verb !== "read" || /config|token|variable|connection/.test(policy.kind)),
    );
    expect(forbidden.length).to.be.greaterThan(10);
    for (const route of forbidden) expect((await request(route, headers)).status, name(route)).to.equal(403);
    expect(await snapshot(site)).to.equal(before);
  });

  it("writes only behind a guard for writing", () => {
    const reading = guarded().filter((route) => route.method !== "get" && route.policy?.verb === "read");
    expect(reading.map(name).filter((each) => !/preview|dry_run/.test(each))).to.deep.equal([]);
  });
});
