import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { UserRow } from "../../store/rows.ts";
import { createLoginLink, redeemLoginLink } from "../../webserver/auth/sessions.ts";
import { commit } from "../store/fixtures.ts";
import { withBrowser } from "../support/browser.ts";
import { FakeClock } from "../support/clock.ts";
import { seedAll } from "./seed-all.ts";
import { startWeb, type TestWeb } from "./support.ts";

/** What a page must never show: values that no view made words of. Code, logs and JSON are left out before the look. */
const SLIPS: readonly (readonly [string, RegExp])[] = [
  ["a missing value", /\b(undefined|NaN|Invalid Date)\b|\[object \w+\]/],
  ["a null", /(^|[\s>])null([\s<.,]|$)/],
  ["an instant in milliseconds", /(?<![\w.:-])1[5-9]\d{11}(?![\w.])/],
  ["a state's code", /\b(upstream_failed|up_for_retry|up_for_reschedule|awaiting_input)\b/],
];

/** More pages than this are not walked: those of one shape differ little. */
const PAGES_OF_A_SHAPE = 4;

interface Visit {
  readonly path: string;
  readonly from: string;
  readonly status: number;
  readonly html: string;
}

describe("every page that a link leads to", function () {
  this.timeout(180_000);
  const browser = withBrowser();
  const clock = new FakeClock("2026-11-01T00:00:00Z");
  let web: TestWeb;
  const walked: Record<string, readonly Visit[]> = {};

  before(async () => {
    web = await startWeb({
      clock,
      storeClock: clock,
      env: {
        SLUICE_VAR_WAREHOUSE: "http://w.test",
        SLUICE_VAR_API_TOKEN: "canary-71",
        SLUICE_CONN_DB: "pg://a:canary-71@h/d",
      },
      settings: () => [{ name: "SLUICE_PORT", value: "8080", origin: "default", about: "Port of the pages." }],
    });
    await seedAll(web, clock);
    await commit(web.store, [
      { kind: "variable.put", mode: "create", variable: { key: "region", value: "eu", description: null } },
      { kind: "pool.put", mode: "create", pool: { name: "db", slots: 4, description: null, includeDeferred: false } },
    ]);
    walked.admin = await walk(web, web.cookie);
    walked.viewer = await walk(web, await sessionOf("viewer"));
  });
  after(async () => web?.[Symbol.asyncDispose]());

  async function sessionOf(role: UserRow["role"]): Promise<string> {
    await web.store.access.createUser(role, role);
    const link = await createLoginLink(web.store, clock, role);
    const session = await redeemLoginLink(web.store, clock, link.split("/").at(-1) ?? "", 86_400_000);
    return session?.cookie ?? "";
  }

  for (const role of ["admin", "viewer"])
    it(`opens for a reader who is ${role}`, () => {
      const visits = walked[role] ?? [];
      expect(visits.length).to.be.greaterThan(60);
      expect(visits.filter(({ status }) => status !== 200).map(told)).to.deep.equal([]);
    });

  for (const role of ["admin", "viewer"])
    it(`shows words only to a reader who is ${role}`, () => {
      const slips = (walked[role] ?? []).flatMap((visit) =>
        SLIPS.flatMap(([what, pattern]) => {
          const found = pattern.exec(wordsOf(visit.html));
          return found
            ? [`${visit.path}: ${what}: …${found.input.slice(Math.max(0, found.index - 60), found.index + 40)}…`]
            : [];
        }),
      );
      expect([...new Set(slips)]).to.deep.equal([]);
    });

  it("never holds a secret of the environment", () => {
    const visits = Object.values(walked).flat();
    expect(visits.some(({ html }) => html.includes("SLUICE_CONN_DB"))).to.equal(true);
    expect(visits.filter(({ html }) => html.includes("canary-71")).map(told)).to.deep.equal([]);
  });

  it("leads a viewer to nothing that viewers may not do", () => {
    const links = (walked.viewer ?? []).flatMap(({ html, path }) => linksOf(html, path));
    expect(
      links.filter((link) => /\/(trigger|backfill|clear|mark|note|cancel)(\?|$)|[?&](new|edit|delete)=/.test(link)),
    ).to.deep.equal([]);
    expect(links.filter((link) => /^\/admin\/(variables|connections|config|tokens)/.test(link))).to.deep.equal([]);
  });

  it("answers 403 and 404 in words, with a way on", async () => {
    const cookie = await sessionOf("user");
    for (const path of ["/admin/variables", "/admin/connections", "/admin/config", "/admin/tokens"]) {
      const { status, html } = await web.get(path, { headers: { cookie: `sluice_session=${cookie}` } });
      expect(status, path).to.equal(403);
      expect(html).to.include("This needs the role").and.include('href="/dags"');
    }
    for (const path of [
      "/nothing",
      "/dags/none",
      "/dags/etl/runs/none",
      "/dags/etl/runs/manual__now/tasks/none",
      "/backfills/99",
    ]) {
      const { status, html } = await web.get(path);
      expect(status, path).to.equal(404);
      expect(html).to.include("Not found").and.include('href="/dags"');
    }
  });

  it("keeps the console of the browser silent, and fits a telephone", async () => {
    const complaints: string[] = [];
    const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
    await context.addCookies([{ name: "sluice_session", value: web.cookie, url: web.url }]);
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(`${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
    const seen = new Set<string>();
    for (const { path } of walked.admin ?? []) {
      if (seen.has(shapeOf(path))) continue;
      seen.add(shapeOf(path));
      await page.goto(web.url + path, { waitUntil: "load" });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > 390) complaints.push(`${path} is ${width} px wide`);
    }
    await context.close();
    expect(seen.size).to.be.greaterThan(25);
    expect(complaints).to.deep.equal([]);
  });
});

/** Follows every link of the site from its home page. */
async function walk(web: TestWeb, cookie: string): Promise<readonly Visit[]> {
  const visits: Visit[] = [];
  const ofShape = new Map<string, number>();
  const known = new Set(["/"]);
  const todo: { readonly path: string; readonly from: string }[] = [{ path: "/", from: "" }];
  for (let next = todo.shift(); next; next = todo.shift()) {
    const { path, from } = next;
    const { status, html, headers } = await web.get(path, { headers: { cookie: `sluice_session=${cookie}` } });
    visits.push({ path, from, status, html });
    if (!headers.get("content-type")?.startsWith("text/html")) continue;
    for (const link of linksOf(html, path)) {
      const count = ofShape.get(shapeOf(link)) ?? 0;
      if (known.has(link) || count >= PAGES_OF_A_SHAPE) continue;
      known.add(link);
      ofShape.set(shapeOf(link), count + 1);
      todo.push({ path: link, from: path });
    }
  }
  return visits;
}

/** Links of a page to other pages of the site. */
function linksOf(html: string, base: string): readonly string[] {
  return [...html.matchAll(/<a\b[^>]*?\shref="([^"]+)"/g)]
    .map(([, href = ""]) => new URL(href.replaceAll("&amp;", "&"), `http://site.test${base}`))
    .filter((url) => url.host === "site.test" && !/^\/(static|assets|api|logout)\b|\/raw$/.test(url.pathname))
    .map((url) => url.pathname + url.search);
}

/** The address without what it is about: pages of one shape are made by the same code. */
function shapeOf(path: string): string {
  const url = new URL(path, "http://site.test");
  const steps = url.pathname
    .split("/")
    .map((step, at) => (at % 2 === 0 && at > 0 && !/^\/admin/.test(url.pathname) ? "*" : step));
  const query = [...url.searchParams].map(([key, value]) =>
    /^(tab|view|state|type|q)$/.test(key) ? `${key}=${value}` : key,
  );
  return `${steps.join("/")}?${[...new Set(query)].sort().join("&")}`;
}

/** What a reader sees and hears of a page: its text and its labels, without code, logs and JSON. */
function wordsOf(html: string): string {
  const shown = html.replace(/<(script|style|pre|code|textarea|option)\b[\s\S]*?<\/\1>/g, " ");
  const labels = [...shown.matchAll(/\s(?:title|aria-label|placeholder)="([^"]*)"/g)].map(([, text]) => text);
  return `${shown.replace(/<[^>]*>/g, " ")} ${labels.join(" ")}`.replace(/\s+/g, " ");
}

function told({ path, from, status }: Visit): string {
  return `${status} ${path} (from ${from})`;
}
