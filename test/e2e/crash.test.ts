import { expect } from "chai";
import { describe, it } from "mocha";
import { isRunning } from "../support/processes.ts";
import { GATES, House } from "./house.ts";

const DAGS = `
import { appendFileSync } from "node:fs";
import { bash, Dag, getContext, sensor } from "sluice";
import { gate } from "./lib/gates.ts";

const dag = new Dag("work", { schedule: null });
const first = dag.task("first", async () => {
  for (let line = 0; line < 50; line++) console.log("line " + line);
  return [1, 2, 3];
})();
const middle = dag.task("middle", async ({ rows }: { rows: number[] }) => {
  const { tryNumber, signal } = getContext();
  console.log("try " + tryNumber + " has begun");
  appendFileSync(process.env.GATES + "/pids", process.pid + "\\n");
  await gate("go", signal);
  return rows.length;
}, { retries: 0 })({ rows: first });
const shell = dag.task("shell", bash({ command: "echo $$ >> $GATES/pids; while [ ! -e $GATES/go ]; do sleep 0.05; done", env: { GATES: process.env.GATES as string } }))();
const wait = dag.task("wait", sensor(async () => { const { existsSync } = await import("node:fs"); return existsSync(process.env.GATES + "/go"); }, { every: 0.2, timeout: 600 }))();
dag.task("last", async ({ count }: { count: number }) => count)({ count: middle }).after(shell, wait);

const queue = new Dag("queue", { schedule: null, maxActiveRuns: 1 });
queue.task("only", async () => gate("go", getContext().signal))();
`;

describe("losing power in the middle of runs", function () {
  this.timeout(90_000);

  it("goes on with everything after the next start, loses nothing that was acknowledged, and leaves no process", async () => {
    await using house = await House.open({ "lib/gates.ts": GATES, ".sluiceignore": "lib/\n", "dags.ts": DAGS });
    await house.until("the DAGs are there", () => house.store.dags.get("queue"));
    await house.cli("dags", "trigger", "work", "--run-id", "w");
    for (const runId of ["q1", "q2", "q3"]) await house.cli("dags", "trigger", "queue", "--run-id", runId);
    const first = await house.task("work", "w", "first", "success");
    const middle = await house.task("work", "w", "middle", "running");
    await house.task("work", "w", "shell", "running");
    await house.task("work", "w", "wait", "up_for_reschedule");
    await house.task("queue", "q1", "only", "running");
    const pids = () => house.read("gates", "pids").trim().split("\n").map(Number);
    await house.until("both have begun", async () => pids().length === 2);
    const said = await house.until("its line is stored", async () => {
      const lines = await house.log(middle);
      return lines.includes("try 1 has begun") && lines;
    });
    const lines = await house.log(first);
    expect(lines.filter((line) => line.startsWith("line "))).to.have.lengthOf(50);
    const before = await house.store.events.lastId();
    const doomed = pids();

    await house.losePower();
    await house.up();
    const { runKey } = first;
    // What the dead worker ran is taken up again, at no cost to its tries.
    await house.until("a second try", async () => (await house.store.tasks.attempts(runKey, middle.tiNo)).length === 2);
    await house.until("the old processes are gone", async () => !doomed.some(isRunning));
    house.openGate("go");
    await house.run("work", "w", "success");
    for (const runId of ["q1", "q2", "q3"]) await house.run("queue", runId, "success");
    expect(await house.log(first)).to.deep.equal(lines);
    expect((await house.log(middle)).slice(0, said.length)).to.deep.equal(said);
    const attempts = await house.store.tasks.attempts(runKey, middle.tiNo);
    expect(attempts.map(({ state }) => state)).to.deep.equal(["lost", "success"]);
    expect((await house.store.tasks.attempts(runKey, first.tiNo)).length).to.equal(1);
    const events = await house.store.events.after(0, 1_000);
    expect(events.filter(({ id }) => id <= before).length).to.equal(before);
    expect(await house.cli("verify")).to.deep.equal([]);
  });
});
