import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { commit } from "../store/fixtures.ts";
import { FakeClock } from "../support/clock.ts";
import { failure, playRun, putDag, task } from "./seed.ts";
import { seedAll } from "./seed-all.ts";
import { startWeb, type TestWeb } from "./support.ts";

describe("the pages of a DAG, its runs and tasks", function () {
  this.timeout(60_000);
  let web: TestWeb;
  let paths: Readonly<Record<string, string>>;
  const clock = new FakeClock("2026-11-01T00:00:00Z");
  const dev = process.env.SLUICE_DEV;

  before(async () => {
    // Templates then refuse fields that their models lack.
    process.env.SLUICE_DEV = "1";
    web = await startWeb({ clock, storeClock: clock });
    paths = await seedAll(web, clock);
  });
  after(async () => {
    if (dev === undefined) delete process.env.SLUICE_DEV;
    else process.env.SLUICE_DEV = dev;
    await web?.[Symbol.asyncDispose]();
  });

  const main = async (path: string) => {
    const { status, html } = await web.get(path);
    expect(status, path).to.equal(200);
    return html.slice(html.indexOf("<main"));
  };

  it("renders every page and tab without inline style or script", async () => {
    for (const path of Object.values(paths)) {
      const html = await main(path);
      expect(html, path).to.not.match(/\sstyle=|<style|<script|\son[a-z]+=/);
    }
  });

  it("answers 404 for what does not exist", async () => {
    for (const path of [
      "/dags/nothing",
      "/dags/nothing/grid",
      "/dags/etl/runs/nothing",
      "/dags/etl/runs/manual__now/tasks/nothing",
      "/dags/etl/runs/manual__now/tasks/extract?map_index=3",
      "/dags/etl/code?v=99",
      "/dags/etl/graph?run=nothing",
    ])
      expect((await web.get(path)).status, path).to.equal(404);
  });

  it("asks for a login on each", async () => {
    for (const path of [...Object.values(paths), "/dags/etl/runs/manual__now/tasks/extract/log/stream"]) {
      const { status, headers } = await web.get(path, { headers: { cookie: "" } });
      expect(status, path).to.equal(303);
      expect(headers.get("location")).to.contain("/login?next=");
    }
  });

  describe("overview", () => {
    it("says in one sentence how the DAG is", async () => {
      expect(await main("/dags/etl")).to.contain("The last 7 runs succeeded, the newest 2 h ago. One is running now.");
      expect(await main("/dags/brand_new")).to.contain("It has not run yet.");
    });

    it("lists what fails with its last error", async () => {
      const html = await main("/dags/etl");
      expect(html).to.contain("failed 3 times").and.contain("connect ECONNREFUSED 10.0.0.7:5432");
    });

    it("shows an import error with the line, and who paused the DAG", async () => {
      const html = await main("/dags/broken");
      expect(html).to.contain("broken.ts:3:26").and.contain("Expected &#34;)&#34; but found");
      expect(html).to.match(/excerpt__culprit">\s*3 {2}dag\.task\(&#34;one&#34;, asinc/);
      expect(html).to.contain("Paused by ann");
    });

    it("reads no file outside the DAG folder for an excerpt", async () => {
      const error = { message: "x", stack: null, line: 1, column: 1 };
      await putDag(web.store, { dagId: "outside", tasks: [task("t")] });
      const version = (await web.store.dags.versionOf("outside"))!;
      await commit(web.store, [
        {
          kind: "dag.put",
          file: "../../../../../../../../etc/passwd",
          definition: version.definition,
          definitionHash: "other",
          bundleHash: version.bundleHash,
          parseMs: 1,
          isPausedByDefault: false,
          scheduleSummary: "none",
        },
        { kind: "importError.put", file: "../../../../../../../../etc/passwd", ...error },
      ]);
      expect(await main("/dags/outside")).to.not.contain("root:");
      await commit(web.store, [{ kind: "importError.clear", file: "../../../../../../../../etc/passwd" }]);
    });
  });

  describe("grid", () => {
    const cells = (html: string, row: string) => {
      const tr = html.slice(html.indexOf(`<tr id="row-${row}"`));
      return [...tr.slice(0, tr.indexOf("</tr>")).matchAll(/class="cell s-(\w+)"[^>]*aria-label="([^"]*)"/g)];
    };

    it("has a row per task and a column per run, named by task, run and state", async () => {
      const found = cells(await main("/dags/etl/grid"), "load.orders");
      expect(found).to.have.length(25);
      expect(found.at(-1)?.[2]).to.equal("load.orders, manual__now: running");
      expect(found.map((cell) => cell[1])).to.include.members(["success", "failed", "running"]);
      expect(found.find((cell) => cell[1] === "failed")?.[2]).to.match(/^load\.orders, scheduled__.*, try 2: failed$/);
    });

    it("folds groups by address, showing the state that needs attention", async () => {
      const html = await main("/dags/etl/grid?open=none");
      expect(html).to.not.contain('id="row-load.orders"');
      expect(cells(html, "load").at(-1)?.[2]).to.equal("load, manual__now, 2 of 4: running");
      expect(await main("/dags/etl/grid?open=load"))
        .to.contain('id="row-load.orders"')
        .and.contain('id="row-load.marts"');
    });

    it("goes back in time 25 runs at a time, and filters", async () => {
      expect(await main("/dags/etl/grid?page=2")).to.contain("Runs 26–31 of 31");
      const failed = await main("/dags/etl/grid?state=failed");
      expect(failed.match(/data-run=/g)).to.have.length(3);
      expect(await main("/dags/etl/grid?state=queued")).to.contain("No run fits these filters");
    });

    it("shows 50 rows of a large DAG at a time", async () => {
      const first = await main("/dags/forecast/grid?open=all");
      expect(first.match(/<tr id="row-/g)).to.have.length(50);
      const rest = await main("/dags/forecast/grid?open=all&from=50");
      expect(rest.match(/<tr id="row-/g)).to.have.length(15);
      expect(rest).to.contain("rows 51–65 of 65");
    });

    it("keeps the rows of tasks that only earlier versions had", async () => {
      const first = await putDag(web.store, { dagId: "shrinking", tasks: [task("stays"), task("goes")] });
      await playRun(web.store, clock, first, { dagId: "shrinking", runId: "old" });
      clock.advance(1_000);
      const second = await putDag(web.store, { dagId: "shrinking", tasks: [task("stays")] });
      await playRun(web.store, clock, second, { dagId: "shrinking", runId: "new" });
      const html = await main("/dags/shrinking/grid");
      expect(cells(html, "stays").map((cell) => cell[2])).to.deep.equal(["stays, old: success", "stays, new: success"]);
      expect(cells(html, "goes").map((cell) => cell[2])).to.deep.equal(["goes, old: success"]);
    });

    it("offers to trigger a DAG that has no runs", async () => {
      expect(await main("/dags/brand_new/grid"))
        .to.contain("No runs yet")
        .and.contain("Trigger a run");
    });
  });

  describe("graph", () => {
    it("draws the newest run's states, or another run's, or none", async () => {
      const states = (html: string) =>
        [...html.matchAll(/<a class="node node--\w+ s-(\w+)"/g)].map((match) => match[1]);
      expect(states(await main("/dags/etl/graph"))).to.include.members(["success", "running", "none"]);
      expect(states(await main(`/dags/etl/graph?run=${encodeURIComponent(await failedRun())}`))).to.include(
        "upstream_failed",
      );
      expect(new Set(states(await main("/dags/etl/graph?run=none")))).to.deep.equal(new Set(["plain"]));
    });

    it("opens and closes groups by address", async () => {
      expect((await main("/dags/forecast/graph?open=none")).match(/class="node /g)).to.have.length(10);
      expect((await main("/dags/forecast/graph?open=all")).match(/class="node /g)).to.have.length(60);
      expect((await main("/dags/forecast/graph?open=region_2")).match(/class="node /g)).to.have.length(20);
    });

    it("has a list twin with the same states", async () => {
      const html = await main("/dags/etl/graph?view=list");
      expect(html).to.contain('id="graph-row-load.orders"').and.not.contain('<svg class="graph');
    });
  });

  const failedRun = async () =>
    (await web.store.runs.list({ dagId: "etl", states: ["failed"], limit: 1 })).rows[0]?.runId ?? "";

  describe("run", () => {
    it("says why each task waits, and why the run failed", async () => {
      const html = await main("/dags/etl/runs/manual__now");
      expect(html).to.contain("waits for load.orders and load.customers").and.contain("waits for quality");
      const failed = await main(`/dags/etl/runs/${encodeURIComponent(await failedRun())}`);
      expect(failed).to.match(/class="reason">load\.orders failed/);
      expect(failed).to.contain("Error: connect ECONNREFUSED").and.contain("Clear failed");
    });

    it("filters its tasks by state and name", async () => {
      const rows = (html: string) => [...html.matchAll(/<tr id="ti-(\d+)"/g)].length;
      expect(rows(await main("/dags/etl/runs/manual__now?state=running"))).to.equal(2);
      expect(rows(await main("/dags/etl/runs/manual__now?q=MARTS"))).to.equal(2);
    });

    it("draws every try in its Gantt chart", async () => {
      const html = await main(`/dags/etl/runs/${encodeURIComponent(await failedRun())}?tab=gantt`);
      expect(html.match(/<rect class="ran s-failed"/g)).to.have.length(2);
      for (const [, x, width] of html.matchAll(/<rect class="\w+ s-\w+" x="([\d.]+)%" width="([\d.]+)%"/g))
        expect(Number(x) + Number(width)).to.be.below(100.3);
    });

    it("renders its note as markdown", async () => {
      expect(await main("/dags/etl/runs/manual__now")).to.contain("Checked by <strong>hand</strong>");
    });

    it("asks the scheduler beside it, where there is one", async () => {
      const explain = {
        explain: async (_: number, tiNo: number) => `pool db is full: 4/4, ${tiNo}th in line`,
        explainRun: async () => "waits: 16 of 16 runs",
      };
      await using other = await startWeb({ clock, storeClock: clock, explain });
      const version = await putDag(other.store, { dagId: "d", tasks: [task("a"), task("b", ["a"])] });
      await playRun(other.store, clock, version, { dagId: "d", runId: "r" }, { stopAfter: 0 });
      expect((await other.get("/dags/d/runs/r")).html).to.contain("pool db is full: 4/4, 1th in line");
      expect((await other.get("/dags/d/runs/r/tasks/b")).html).to.contain("pool db is full: 4/4, 1th in line");
    });
  });

  describe("task", () => {
    it("shows the log of the newest try, others by address", async () => {
      const failed = await main(paths["task-failed"]!);
      expect(failed).to.contain("Try 2 of 2 begins").and.contain("First error in the log");
      const first = await main(`${paths["task-failed"]}?try=1`);
      expect(first).to.contain("Try 1 of 2 begins").and.not.contain("Try 2 of 2 begins");
    });

    it("filters by level and text, and shows what a terminal would colour", async () => {
      const log = await main(paths.task!);
      expect(log).to.contain('<span class="a-f2">ok</span> loaded <span class="a-b">1,204</span> rows');
      const warnings = await main(`${paths.task}?level=warning`);
      expect(warnings.match(/class="line /g)).to.have.length(2);
      expect(await main(`${paths.task}?q=batch+17`))
        .to.contain('id="L18"')
        .and.contain("1 matching line");
    });

    it("says what a task waits for that has not begun", async () => {
      const html = await main(paths["task-waiting"]!);
      expect(html).to.contain("Not started").and.contain("waits for quality").and.not.contain('class="log');
    });

    it("shows inputs with the values of this run", async () => {
      expect(await main("/dags/etl/runs/manual__now/tasks/load.orders?tab=inputs"))
        .to.contain("return_value of extract")
        .and.contain("&#34;rows&#34;: 1204")
        .and.contain("&#34;orders&#34;");
    });

    it("gives the raw log as a file", async () => {
      const { html, headers } = await web.get(`${paths["task-failed"]}/log/raw?try=1`);
      expect(headers.get("content-disposition")).to.equal('attachment; filename="etl-load.orders-1.log"');
      expect(headers.get("content-type")).to.contain("text/plain");
      expect(html.split("\n")[1]).to.match(/INFO\s+connecting to 10\.0\.0\.7:5432$/);
    });

    it("streams the rest of a finished log, then ends", async () => {
      const { html } = await web.get(`${paths["task-failed"]}/log/stream?try=2&from=2`);
      expect(html).to.contain('id=\\"L3\\"').and.not.contain('id=\\"L2\\"');
      expect(html.trimEnd()).to.match(/event: end\ndata: \{\}$/);
    });

    it("links to the same task in the runs before and after", async () => {
      const html = await main(paths["task-failed"]!);
      expect(html)
        .to.match(/data-key="\[">← previous run/)
        .and.to.match(/data-key="\]">next run →/);
    });
  });

  describe("code", () => {
    it("highlights the source of any version and compares two", async () => {
      await putDag(web.store, { dagId: "changing", tasks: [task("a")] }, "const a = 1;\nkeep();\n");
      await putDag(web.store, { dagId: "changing", tasks: [task("a"), task("b")] }, "const a = 2;\nkeep();\nmore();\n");
      expect(await main("/dags/changing/code")).to.contain(
        '<span class="hljs-keyword">const</span> a = <span class="hljs-number">2',
      );
      expect(await main("/dags/changing/code?v=1")).to.contain('<span class="hljs-number">1');
      const html = await main("/dags/changing/code?v=2&diff=1");
      expect(html.match(/class="diff-(added|removed)"/g)).to.have.length(3);
      expect(html).to.contain("version 1 → 2");
    });
  });

  it("shows hostile names, notes, logs and values as text everywhere", async () => {
    const evil = `<img src=x onerror=alert(1)>"'</script>`;
    const version = await putDag(
      web.store,
      {
        dagId: `evil ${evil}`,
        description: evil,
        docMd: evil,
        displayName: evil,
        tags: [evil],
        groups: [{ groupId: "g", label: evil, tooltip: evil }],
        tasks: [
          task(`t ${evil}`, [], {
            operator: evil,
            operatorSummary: evil,
            docMd: evil,
            inputs: { [evil]: { kind: "literal", value: evil } },
          }),
          task("b", [`t ${evil}`], { groupId: "g", edgeLabels: { [`t ${evil}`]: evil } }),
        ],
      },
      `const x = "${evil}";\n`,
    );
    const run = { dagId: `evil ${evil}`, runId: `run ${evil}` };
    const runKey = await playRun(web.store, clock, version, run, { outcome: () => failure(evil) });
    await commit(web.store, [
      { kind: "run.note", runKey, note: evil },
      { kind: "task.note", runKey, tiNo: 0, note: evil },
      { kind: "xcom.set", runKey, tiNo: 0, key: evil, json: JSON.stringify(evil), attempt: null },
    ]);
    web.logs.append({ runKey, tiNo: 0, tryNumber: 1, epoch: 1 }, [
      { at: 1, level: "error", source: evil, message: evil, fields: { [evil]: evil } },
    ]);
    const dag = `/dags/${encodeURIComponent(run.dagId)}`;
    const runs = `${dag}/runs/${encodeURIComponent(run.runId)}`;
    const tasks = `${runs}/tasks/${encodeURIComponent(`t ${evil}`)}`;
    const pages = [
      ...["", "/grid", "/graph", "/graph?view=list", "/graph?open=none", "/runs", "/tasks", "/code", "/details"].map(
        (rest) => dag + rest,
      ),
      ...["", "?tab=gantt", "?tab=graph", "?tab=events", "?tab=xcom", "?tab=details"].map((rest) => runs + rest),
      ...["", "?tab=inputs", "?tab=xcom", "?tab=events", "?tab=attempts", "?tab=details"].map((rest) => tasks + rest),
      `${tasks}?q=${encodeURIComponent(evil)}`,
    ];
    for (const path of pages) {
      const html = await main(path);
      expect(html, path).to.not.contain("<img").and.not.contain('</script>"');
    }
  });
});
