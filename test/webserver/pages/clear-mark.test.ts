import { expect } from "chai";
import { after, before, beforeEach, describe, it } from "mocha";
import { dagOf } from "../../scheduler/definitions.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { putDag, putRun, type TaskFate } from "./seed.ts";
import { NOW, openSite, type Site } from "./site.ts";

const HOUR = 3_600_000;
const chain = { extract: [], clean: ["extract"], load: ["clean"], side: ["extract"] } as const;
const broken: { [taskId: string]: TaskFate } = {
  extract: "success",
  clean: { error: "bad row" },
  load: "upstream_failed",
  side: "success",
};

describe("clearing, marking and cancelling", () => {
  let folder: TempFolder;
  let site: Site;
  let number = 0;
  let dag = "";
  before(async () => {
    folder = tempFolder("pages");
    site = await openSite(folder);
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  beforeEach(async () => {
    dag = `etl_${++number}`;
    await putDag(site.store, dagOf(dag, chain));
    await putRun(site.store, { dagId: dag, runId: "earlier", logicalDate: NOW - 2 * HOUR });
    await putRun(site.store, { dagId: dag, runId: "broken", logicalDate: NOW - HOUR, state: "failed", tasks: broken });
  });

  const run = (rest: string, runId = "broken") => `/dags/${dag}/runs/${runId}${rest}`;
  const touched = (text: string) =>
    [...text.matchAll(/\/tasks\/(\w+)">\w+<\/a><\/td><td><a href="\/dags\/\w+\/runs\/(\w+)"/g)].map(
      (match) => `${match[2]}.${match[1]}`,
    );
  /** The confirming form of a page, as the browser would send it. */
  const hidden = (text: string) => {
    const form = text.slice(text.indexOf('<form method="post" action="/dags/'));
    const fields = [...form.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)">/g)];
    return Object.fromEntries(fields.map((match) => [match[1], match[2]])) as Record<string, string>;
  };
  const states = async (runId = "broken") => {
    const { runKey } = (await site.store.runs.find(dag, runId))!;
    const tasks = await site.store.tasks.ofRun(runKey);
    return Object.fromEntries(tasks.map((task) => [task.taskId, task.state]));
  };
  const stateOf = async (runId = "broken") => (await site.store.runs.find(dag, runId))!.state;

  it("previews clearing a task with what follows it, and changes nothing by looking", async () => {
    const page = await site.get(run("/tasks/clean/clear"));
    expect(page.status).to.equal(200);
    expect(touched(page.text)).to.deep.equal(["broken.clean", "broken.load"]);
    expect(await states()).to.include({ clean: "failed", load: "upstream_failed" });
  });

  it("follows the options: upstream, without downstream, past runs, only failed", async () => {
    const get = async (query: string) => touched((await site.get(run(`/tasks/clean/clear?o=1&${query}`))).text);
    expect(await get("")).to.deep.equal(["broken.clean"]);
    expect(await get("upstream=1")).to.have.members(["broken.extract", "broken.clean"]);
    expect(await get("past=1")).to.have.members(["earlier.clean", "broken.clean"]);
    expect(await get("downstream=1&upstream=1&only_failed=1")).to.have.members(["broken.clean", "broken.load"]);
    expect(await get("future=1")).to.deep.equal(["broken.clean"]);
  });

  it("clears exactly what was shown and queues the run again", async () => {
    const page = await site.get(run("/tasks/clean/clear"));
    const done = await site.post(run("/tasks/clean/clear"), hidden(page.text));
    expect(done.status).to.equal(303);
    expect(new URL(done.location, site.url).searchParams.get("flash")).to.equal("Cleared 2 task instances.");
    expect(await states()).to.deep.equal({ extract: "success", clean: "none", load: "none", side: "success" });
    expect(await stateOf()).to.equal("queued");
  });

  it("does nothing when a task has changed since the preview, and shows the present set", async () => {
    const page = await site.get(run("/clear?only_failed=1"));
    expect(touched(page.text)).to.deep.equal(["broken.clean", "broken.load"]);
    await site.post(run("/tasks/clean/mark"), hidden((await site.get(run("/tasks/clean/mark?state=success"))).text));
    const done = await site.post(run("/clear"), hidden(page.text));
    expect(done.status).to.equal(409);
    expect(done.text).to.contain("have changed since you looked");
    expect(await states()).to.include({ clean: "success" });
  });

  it("clears a whole run, or the tasks named in the address", async () => {
    expect(touched((await site.get(run("/clear"))).text)).to.have.length(4);
    const some = await site.get(run("/clear?task=side&task=load"));
    expect(touched(some.text)).to.have.members(["broken.side", "broken.load"]);
  });

  it("says why there is nothing to clear", async () => {
    const page = await site.get(run("/clear?only_failed=1", "earlier"));
    expect(page.text)
      .to.contain("no task instance here has failed")
      .and.to.match(/ disabled>Clear</);
  });

  it("offers the newest version when the run began with an older one, and moves the run to it", async () => {
    const { extract: _extract, ...rest } = chain;
    await putDag(site.store, dagOf(dag, { ...rest, clean: [], side: [], extra: ["load"] }));
    const page = await site.get(run("/tasks/clean/clear?o=1&downstream=1&version=newest"));
    expect(page.text).to.contain("There is a newer version");
    await site.post(run("/tasks/clean/clear"), hidden(page.text));
    expect(await states()).to.deep.equal({
      extract: "removed",
      clean: "none",
      load: "none",
      side: "success",
      extra: "none",
    });
  });

  it("marks a task, with a preview, and lets the run go on from there", async () => {
    const page = await site.get(run("/tasks/clean/mark?state=success"));
    expect(touched(page.text)).to.deep.equal(["broken.clean"]);
    expect(page.text).to.contain("becomes success");
    await site.post(run("/tasks/clean/mark"), hidden(page.text));
    expect(await states()).to.deep.equal({ extract: "success", clean: "success", load: "none", side: "success" });
    expect(await stateOf()).to.equal("queued");
  });

  it("marks failed with what follows", async () => {
    const page = await site.get(run("/tasks/extract/mark?state=failed&downstream=1", "earlier"));
    expect(touched(page.text)).to.have.length(4);
    await site.post(run("/tasks/extract/mark", "earlier"), hidden(page.text));
    expect(await states("earlier")).to.deep.equal({
      extract: "failed",
      clean: "failed",
      load: "failed",
      side: "failed",
    });
  });

  it("marks a run, and says when it has that state already", async () => {
    const page = await site.get(run("/mark?state=success"));
    expect(touched(page.text)).to.have.members(["broken.clean", "broken.load"]);
    await site.post(run("/mark"), hidden(page.text));
    expect(await stateOf()).to.equal("success");
    expect((await site.get(run("/mark?state=success"))).text).to.contain("the run is success already");
  });

  it("cancels a run that is under way, and only such a one", async () => {
    await putRun(site.store, {
      dagId: dag,
      runId: "now",
      logicalDate: NOW,
      state: "running",
      tasks: { extract: "running" },
    });
    const page = await site.get(run("/cancel", "now"));
    expect(page.text).to.contain("is stopped and fails").and.to.contain("is skipped");
    const done = await site.post(run("/cancel", "now"), hidden(page.text));
    expect(done.status).to.equal(303);
    expect(await stateOf("now")).to.equal("failed");
    expect(await states("now")).to.deep.equal({
      extract: "failed",
      clean: "skipped",
      load: "skipped",
      side: "skipped",
    });
    const again = await site.get(run("/cancel", "now"));
    expect(again.text).to.contain("the run is over (failed)").and.to.contain("disabled>Cancel the run");
  });

  it("saves, previews and removes notes of runs and task instances", async () => {
    for (const path of [run("/note"), run("/tasks/clean/note")]) {
      const preview = await site.post(path, { note: "**look** at <b>this</b>", action: "preview" });
      expect(preview.text).to.contain("<strong>look</strong> at &lt;b&gt;this&lt;/b&gt;");
      expect((await site.get(path)).text).not.to.contain("<strong>look");
      await site.post(path, { note: "**look**\r\nagain", action: "save" });
      expect((await site.get(path)).text).to.contain("<strong>look</strong><br");
      const long = await site.post(path, { note: "x".repeat(1_001) });
      expect(long.status).to.equal(422);
      expect(long.text).to.contain("has 1,001 characters");
      await site.post(path, { note: " " });
      expect((await site.get(path)).text).to.contain("No note.");
    }
  });

  it("answers 404 for runs and tasks that do not exist", async () => {
    for (const path of [
      run("/clear", "nope"),
      run("/cancel", "nope"),
      run("/mark", "nope"),
      run("/note", "nope"),
      run("/tasks/nope/clear"),
      run("/tasks/nope/mark"),
      run("/tasks/nope/note"),
      "/dags/nope/runs/x/clear",
    ])
      expect((await site.get(path)).status, path).to.equal(404);
  });
});
