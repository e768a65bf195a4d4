import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { cron, dagOf } from "../../scheduler/definitions.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { putDag, putRun } from "./seed.ts";
import { NOW, openSite, type Site } from "./site.ts";

const HOUR = 3_600_000;

describe("pages of an installation without DAGs", () => {
  let folder: TempFolder;
  let site: Site;
  before(async () => {
    folder = tempFolder("pages");
    site = await openSite(folder);
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("shows newcomers the three steps, with the watched folder and a file to begin with", async () => {
    for (const path of ["/", "/dags"]) {
      const page = await site.get(path);
      expect(page.status).to.equal(200);
      expect(page.text).to.contain("Start here").and.to.contain("/srv/dags").and.to.contain('new Dag("hello"');
    }
  });

  for (const [path, text] of [
    ["/runs", "No runs yet"],
    ["/backfills", "No backfills yet"],
    ["/admin/import-errors", "Every file loads"],
    ["/admin/variables", "None yet"],
    ["/admin/connections", "None yet"],
    ["/admin/tokens", "No tokens yet"],
    ["/admin/audit?dag=none", "No event matches"],
    ["/dags?q=none", "No DAG matches"],
    ["/runs?state=failed", "No run matches"],
  ] as const) {
    it(`says on ${path} that there is nothing, and what to do`, async () => {
      const page = await site.get(path);
      expect(page.status).to.equal(200);
      expect(page.text).to.contain(text);
    });
  }

  it("sends whoever is not logged in to the login, and back afterwards", async () => {
    const page = await site.get("/admin/pools?edit=x", { cookie: "" });
    expect(page.status).to.equal(303);
    expect(page.location).to.equal("/login?next=%2Fadmin%2Fpools%3Fedit%3Dx");
  });
});

describe("home and lists", () => {
  let folder: TempFolder;
  let site: Site;
  before(async () => {
    folder = tempFolder("pages");
    site = await openSite(folder, {
      explain: { explain: async () => "pool db is full: 4/4, 2nd in line", explainRun: async () => "" },
    });
    const { store } = site;
    await putDag(
      store,
      dagOf("sales", { extract: [], load: ["extract"] }, { timetable: cron("0 6 * * *"), tags: ["etl"] }),
    );
    await putDag(store, dagOf("orders", { fetch: [] }, { timetable: cron("*/15 * * * *"), description: "All orders" }));
    await putDag(store, dagOf("manual", { make: [] }));
    const error = { extract: { error: "no such file\nat line 3" }, load: "upstream_failed" } as const;
    await putRun(store, { dagId: "sales", logicalDate: NOW - 48 * HOUR });
    await putRun(store, { dagId: "sales", logicalDate: NOW - 24 * HOUR, state: "failed", tasks: error });
    await putRun(store, { dagId: "sales", logicalDate: NOW - HOUR, state: "failed", tasks: error });
    await putRun(store, {
      dagId: "orders",
      logicalDate: NOW - 2 * HOUR,
      state: "failed",
      tasks: { fetch: { error: "x" } },
    });
    await putRun(store, { dagId: "orders", logicalDate: NOW - HOUR });
    await putRun(store, { dagId: "orders", logicalDate: NOW, state: "running", tasks: { fetch: "queued" } });
    const schedule = (dagId: string, nextRunAt: number) =>
      store.commit(
        [
          {
            kind: "dag.schedule",
            dagId,
            expectedLastLogicalDate: null,
            lastLogicalDate: NOW - HOUR,
            nextRunAt,
            nextLogicalDate: nextRunAt,
          },
        ],
        "scheduler",
      );
    await schedule("sales", NOW + 18 * HOUR);
    await schedule("orders", NOW + 15 * 60_000);
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("puts the DAG that fails first, with its streak, the task, the error's first line and the ways on", async () => {
    const { text } = await site.get("/");
    const card = /<li id="failing-[^"]*" class="card s-failed"[\s\S]*?<\/li>/.exec(text)?.[0] ?? "";
    expect(card).to.contain("sales").and.to.contain("failed 2 times in a row");
    expect(card).to.contain("TypeError: no such file").and.not.to.contain("at line 3");
    expect(card).to.match(/href="\/dags\/sales\/runs\/[^"]+\/tasks\/extract"/);
    expect(card).to.match(/href="\/dags\/sales\/runs\/[^"]+\/clear\?only_failed=1"/);
  });

  it("leaves out a DAG that failed once and has succeeded since", async () => {
    const { text } = await site.get("/");
    expect(text.match(/<li id="failing-/g)).to.have.length(1);
  });

  it("lists what runs now and what comes within the hour", async () => {
    const { text } = await site.get("/");
    const running = /<section class="panel" id="running"[\s\S]*?<\/section>/.exec(text)?.[0] ?? "";
    expect(running).to.contain("orders").and.to.contain("0 of 1 task");
    const upcoming = /<section class="panel" id="upcoming"[\s\S]*?<\/section>/.exec(text)?.[0] ?? "";
    expect(upcoming).to.contain("orders").and.to.contain("in 15 min").and.to.contain("2026-03-10 12:15 UTC");
    expect(upcoming).not.to.contain("sales");
  });

  it("reports a task that waits longer than it should with the reason, and a due DAG without its run", async () => {
    site.clock.advance(20 * 60_000);
    try {
      const { text } = await site.get("/");
      expect(text).to.contain("orders: fetch waits").and.to.contain("pool db is full: 4/4, 2nd in line");
      expect(text).to.contain("orders: its next run is due and has not begun");
    } finally {
      site.clock.jumpTo(NOW);
    }
  });

  it("says so when an import error is the only trouble", async () => {
    const put = {
      kind: "importError.put",
      file: "a/b.ts",
      message: "Boom <b>",
      stack: null,
      line: 7,
      column: 2,
    } as const;
    await site.store.commit([put], "loader");
    const home = await site.get("/");
    expect(home.text).to.contain("a/b.ts:7").and.to.contain("Boom &lt;b&gt;");
    const list = await site.get("/dags");
    expect(list.text).to.contain("1 DAG file does not load");
    const errors = await site.get("/admin/import-errors");
    expect(errors.text).to.contain("a/b.ts:7:2").and.to.contain("no version of it is in service");
    await site.store.commit([{ kind: "importError.clear", file: "a/b.ts" }], "loader");
  });

  it("lists DAGs with schedule in words, next run and recent runs as links", async () => {
    const { text } = await site.get("/dags");
    const row = /<tr id="row-sales"[\s\S]*?<\/tr>/.exec(text)?.[0] ?? "";
    expect(row).to.contain("At 06:00 every day").and.to.contain("in 18 h");
    expect(row.match(/aria-label="Run: [^"]*"/g)).to.have.length(3);
    expect(text.indexOf("row-manual")).to.be.lessThan(text.indexOf("row-orders"));
  });

  it("narrows the list by search, tag, last state and pause, and keeps the choice in the form", async () => {
    const only = async (query: string) => {
      const { text } = await site.get(`/dags?${query}`);
      return [...text.matchAll(/<tr id="row-([^"]+)"/g)].map((match) => match[1]);
    };
    expect(await only("q=ord")).to.deep.equal(["orders"]);
    expect(await only("tag=etl")).to.deep.equal(["sales"]);
    expect(await only("state=failed")).to.deep.equal(["sales"]);
    expect(await only("paused=paused")).to.deep.equal([]);
    expect(await only("sort=next")).to.deep.equal(["orders", "sales", "manual"]);
    expect((await site.get("/dags?tag=etl")).text).to.contain('<option value="etl" selected>');
  });

  it("pauses and unpauses, comes back to the same list and says who paused", async () => {
    const done = await site.post("/dags/sales/pause", { paused: "1", next: "/dags?tag=etl" });
    expect(done.status).to.equal(303);
    const back = new URL(done.location, site.url);
    expect(back.pathname + back.searchParams.get("tag")).to.equal("/dagsetl");
    const page = await site.get(done.location);
    expect(page.text).to.contain("Paused by admin").and.to.contain("sales is paused");
    await site.post("/dags/sales/pause", { paused: "0", next: "/dags" });
    expect((await site.store.dags.get("sales"))?.isPaused).to.equal(false);
  });

  it("goes back to our own pages only", async () => {
    const done = await site.post("/dags/sales/pause", { paused: "0", next: "https://evil.example/" });
    expect(done.location).to.match(/^\/\?flash=/);
  });

  it("refuses a form without the session's token and changes nothing", async () => {
    const done = await site.post("/dags/sales/pause", { paused: "1", _csrf: "made-up" });
    expect(done.status).to.equal(403);
    expect((await site.store.dags.get("sales"))?.isPaused).to.equal(false);
  });

  it("says that a DAG does not exist where it is asked for", async () => {
    const done = await site.post("/dags/nope/pause", { paused: "1", next: "/dags" });
    expect(new URL(done.location, site.url).searchParams.get("flash")).to.contain('There is no DAG "nope"');
  });

  it("lists runs of all DAGs, narrowed by state, DAG, run id and date", async () => {
    const rows = async (query: string) =>
      (await site.get(`/runs?${query}`)).text.match(/<tr id="run-\d+" data-row>/g)?.length ?? 0;
    expect(await rows("")).to.equal(6);
    expect(await rows("state=failed")).to.equal(3);
    expect(await rows("state=failed&state=running")).to.equal(4);
    expect(await rows("dag=sales")).to.equal(3);
    expect(await rows("run_id=2026-03-08")).to.equal(1);
    expect(await rows("from=2026-03-10&to=2026-03-10")).to.equal(4);
    expect(await rows("type=manual")).to.equal(0);
  });

  it("shows counts by state that stay within the DAG asked for", async () => {
    const { text } = await site.get("/runs?dag=sales");
    expect(text).to.contain("2 failed").and.to.contain("1 success").and.to.contain("0 running");
  });

  it("takes nonsense in the address for no filter", async () => {
    for (const query of [
      "page=-1",
      "page=x",
      "state=__proto__",
      "from=never",
      "sort=constructor",
      "page=999999999999",
    ]) {
      expect((await site.get(`/runs?${query}`)).status, query).to.equal(200);
      expect((await site.get(`/dags?${query}`)).status, query).to.equal(200);
    }
  });
});
