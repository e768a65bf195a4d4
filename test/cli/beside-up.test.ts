import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import type { TestProcess } from "../support/processes.ts";
import { startProcess } from "../support/processes.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { CliBench, GATED, SUMS } from "./support.ts";

interface Run {
  readonly dag_run_id: string;
  readonly state: string;
  readonly run_type: string;
  readonly task_instances: readonly { readonly task_id: string; readonly state: string }[];
}

const DAILY = `import { Dag, bash } from "sluice";
const dag = new Dag("daily", { schedule: "0 6 * * *", startDate: "2026-01-01", catchup: false });
dag.task("hello", bash({ command: "echo hello" }))();
`;

describe("sluice commands beside a running installation", function () {
  this.timeout(90_000);
  let folder: TempFolder;
  let bench: CliBench;
  let up: TestProcess;
  before(async () => {
    folder = tempFolder("cli");
    bench = new CliBench(folder);
    bench.dag("sums.ts", SUMS);
    bench.dag("gated.ts", GATED(folder.file("gate")));
    bench.dag("daily.ts", DAILY);
    up = (await bench.up()).process;
    await bench.until<object[]>((dags) => dags.length === 3, "dags", "list");
  });
  after(async () => {
    await up[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("triggers a run and shows its tasks and logs", async () => {
    const { dag_run_id } = await bench.json<Run>("dags", "trigger", "sums", "--conf", '{"add":2}', "--note", "by hand");
    const run = await bench.until<Run>(({ state }) => state === "success", "runs", "show", "sums", dag_run_id);
    expect(run.task_instances.map(({ task_id, state }) => [task_id, state])).to.deep.equal([
      ["first", "success"],
      ["total", "success"],
    ]);
    const lines = await bench.json<{ message: string }[]>("tasks", "logs", "sums", dag_run_id, "first");
    expect(lines.map(({ message }) => message)).to.include("counting");
    const text = await bench.run(["tasks", "logs", "sums", dag_run_id, "first"]);
    expect(text.stdout).to.match(/^\d{4}-\S+Z INFO +counting$/m);
    const other = await bench.run(["tasks", "logs", "sums", dag_run_id, "first", "--try", "7"]);
    expect(other.code).to.equal(3);
    expect(other.stderr).to.include("no try 7").and.include("It has: 1");
  });

  it("refuses params that do not fit, naming each", async () => {
    const ran = await bench.run(["dags", "trigger", "sums", "--conf", '{"add":"much"}', "--json"]);
    expect(ran.code).to.equal(2);
    const { error } = JSON.parse(ran.stdout);
    expect(error.code).to.equal("invalid_input");
    expect(error.issues[0].path).to.include("add");
    expect(ran.stderr).to.include("add");
  });

  it("follows a log to its end, says why others wait, clears and cancels", async () => {
    await bench.json("dags", "trigger", "gated", "--run-id", "one");
    await using follower = startProcess([...bench.command, "tasks", "logs", "gated", "one", "wait", "--follow"], {
      env: bench.env(),
    });
    await follower.line("waiting at the gate");
    const refused = await bench.run(["dags", "trigger", "gated", "--run-id", "one"]);
    expect(refused.code, "a run of that id exists").to.equal(4);
    expect((await bench.run(["runs", "delete", "gated", "one"])).code, "it is running").to.equal(4);
    const why = await bench.json<{ state: string; reason: string }>("tasks", "why", "gated", "one", "wait");
    expect(why.reason).to.be.a("string").and.not.equal("");

    expect((await bench.run(["runs", "cancel", "gated", "one"])).code).to.equal(0);
    expect((await follower.ended).code).to.equal(0);
    const again = await bench.run(["runs", "cancel", "gated", "one"]);
    expect(again.code).to.equal(4);

    writeFileSync(folder.file("gate"), "");
    const dry = await bench.json<{ task_id: string }[]>("tasks", "clear", "gated", "one", "wait", "--dry-run");
    expect(dry.map(({ task_id }) => task_id)).to.deep.equal(["wait"]);
    expect((await bench.json<Run>("runs", "show", "gated", "one")).state, "a preview changes nothing").to.equal(
      "failed",
    );
    await bench.json("runs", "clear", "gated", "one");
    await bench.until<Run>(({ state }) => state === "success", "runs", "show", "gated", "one");
    expect((await bench.run(["runs", "delete", "gated", "one"])).code, "not without --yes").to.equal(4);
    expect((await bench.run(["runs", "delete", "gated", "one", "--yes"])).code).to.equal(0);
    expect((await bench.run(["runs", "show", "gated", "one"])).code).to.equal(3);
  });

  it("names the nearest DAG, run and task", async () => {
    await bench.json("dags", "trigger", "sums", "--run-id", "monday");
    const dag = await bench.run(["dags", "show", "sumz"]);
    expect([dag.code, dag.stderr]).to.deep.equal([
      3,
      'There is no DAG "sumz". Did you mean "sums"? `sluice dags list` shows them.\n',
    ]);
    for (const verb of ["show", "clear", "cancel"])
      expect((await bench.run(["runs", verb, "sums", "mondy"])).stderr, verb).to.include('Did you mean "monday"?');
    const task = await bench.run(["tasks", "why", "sums", "monday", "frist"]);
    expect(task.stderr).to.include('no task "frist"').and.include('Did you mean "first"?');
  });

  it("reads files again, also one that is broken", async () => {
    const rows = await bench.json<{ file: string; dag_ids: string[]; error: null }[]>("dags", "reparse", "sums");
    expect(rows).to.deep.equal([{ file: "sums.ts", dag_ids: ["sums"], error: null }]);
    bench.dag("broken.ts", 'import { Dag } from "sluice";\nnew Dag("b");\nthrow new Error("not today");\n');
    await bench.until<object[]>((errors) => errors.length === 1, "import-errors", "list");
    const broken = await bench.run(["dags", "reparse", "broken.ts"]);
    expect(broken.code).to.equal(1);
    expect(broken.stdout).to.include("line 3").and.include("not today");
    expect((await bench.run(["dags", "reparse", "nothing.ts"])).code).to.equal(3);
  });

  it("previews and creates a backfill", async () => {
    const range = ["daily", "--from", "2026-02-01", "--to", "2026-02-04"];
    const dates = await bench.json<{ action: string }[]>("backfill", "preview", ...range);
    expect(dates.map(({ action }) => action)).to.deep.equal(["create", "create", "create", "create"]);
    const backfill = await bench.json<{ id: number; state: string }>("backfill", "create", ...range);
    await bench.until<{ state: string }>(({ state }) => state === "completed", "backfill", "show", String(backfill.id));
    const runs = await bench.json<Run[]>("runs", "list", "daily", "--state", "success");
    expect(runs.filter(({ run_type }) => run_type === "backfill")).to.have.length(4);
    expect((await bench.run(["backfill", "cancel", String(backfill.id)])).code, "it has ended").to.equal(4);
    expect((await bench.run(["backfill", "create", ...range])).code, "nothing to do").to.equal(4);
  });

  it("pauses, and says so to whoever triggers", async () => {
    await bench.json("dags", "pause", "sums");
    const ran = await bench.run(["dags", "trigger", "sums", "--run-id", "held", "--json"]);
    expect(JSON.parse(ran.stdout)).to.include({ dag_run_id: "held", state: "queued" });
    expect(ran.stderr).to.include("is paused").and.include("sluice dags unpause sums");
    await bench.json("dags", "unpause", "sums");
    await bench.until<Run>(({ state }) => state === "success", "runs", "show", "sums", "held");
  });

  it("lets a new token in, and a login link once", async () => {
    const { loginUrl } = await bench.json<{ loginUrl: string }>("login");
    const { token } = await bench.json<{ token: string }>("tokens", "create", "--name", "t");
    const api = new URL("/api/v2/dags", loginUrl);
    expect((await fetch(api)).status).to.equal(401);
    expect((await fetch(api, { headers: { authorization: `Bearer ${token}` } })).status).to.equal(200);
  });

  it("tests a DAG and a task from their file, without a trace", async () => {
    const before = await bench.json<Run[]>("runs", "list", "sums");
    const run = await bench.run(["dags", "test", "sums", "--json"]);
    expect(run.code).to.equal(0);
    expect(JSON.parse(run.stdout)).to.include({ dag_id: "sums", state: "success" });
    expect(run.stderr).to.include("first info counting");
    const task = await bench.run(["tasks", "test", "sums", "total", "--inputs", '{"value":5}', "--json"]);
    expect(JSON.parse(task.stdout)).to.include({ task_id: "total", value: 6 });
    expect(await bench.json<Run[]>("runs", "list", "sums")).to.have.length(before.length);
  });
});
