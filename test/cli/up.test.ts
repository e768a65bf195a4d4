import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { isRunning } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";
import { CliBench, GATED, SUMS } from "./support.ts";

interface Run {
  readonly dag_run_id: string;
  readonly state: string;
}

describe("sluice up", function () {
  this.timeout(90_000);

  it("says where it serves, for people", async () => {
    using folder = tempFolder("up");
    const bench = new CliBench(folder);
    const { startProcess } = await import("../support/processes.ts");
    await using up = startProcess([...bench.command, "up"], { env: bench.env() });
    const url = /http:\S+/.exec(await up.line(/^Sluice is ready at http/, 30_000))?.[0];
    expect(await up.line("Log in: ")).to.match(new RegExp(`^Log in: ${url}/login/[\\w-]{40,}$`));
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
    expect(await up.stop()).to.deep.equal({ code: 0, signal: null });
  });

  it("says it as one JSON line, runs what is dropped, and ends on SIGTERM with nothing left", async () => {
    using folder = tempFolder("up");
    const bench = new CliBench(folder);
    bench.dag("sums.ts", SUMS);
    const up = await bench.up();
    await using child = up.process;
    expect(up.pid).to.equal(child.pid);
    await bench.until<object[]>((dags) => dags.length === 1, "dags", "list");
    const { dag_run_id } = await bench.json<Run>("dags", "trigger", "sums");
    await bench.until<Run>((run) => run.state === "success", "runs", "show", "sums", dag_run_id);
    expect(bench.hasStateFile("up.json")).to.equal(true);

    const began = performance.now();
    expect(await child.stop()).to.deep.equal({ code: 0, signal: null });
    expect(performance.now() - began, "ms to stop").to.be.below(8_000);
    expect(isRunning(up.pid)).to.equal(false);
    expect(child.stdout().trim().split("\n")).to.have.length(1);
    expect(bench.hasStateFile("up.json"), "up.json is left").to.equal(false);
    // That no process is left, disposing of `child` insists.
  });

  it("is refused beside another one, which it names", async () => {
    using folder = tempFolder("up");
    const bench = new CliBench(folder);
    const first = await bench.up();
    await using child = first.process;
    const second = await bench.run(["up", "--json"]);
    expect(second.code).to.equal(4);
    expect(second.stderr).to.include(`process ${first.pid}`).and.include("SLUICE_HOME");
    expect(JSON.parse(second.stdout).error.code).to.equal("database_in_use");
    expect((await fetch(`${first.url}/healthz`)).status, "the first still serves").to.equal(200);
    await child.stop();
  });

  it("ends with a message when its port is taken, and leaves the state free", async () => {
    using folder = tempFolder("up");
    const bench = new CliBench(folder);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const ran = await bench.run(["up"], { env: { SLUICE_PORT: String(port) } });
      expect(ran.code).to.equal(4);
      expect(ran.stderr).to.include(`127.0.0.1:${port}`).and.include("SLUICE_PORT");
      expect(ran.stdout).to.equal("");
    } finally {
      taken.close();
    }
    const up = await bench.up();
    await using child = up.process;
    expect(await child.stop()).to.deep.equal({ code: 0, signal: null });
  });

  it("names every setting that cannot be used, and touches nothing", async () => {
    using folder = tempFolder("up");
    const bench = new CliBench(folder);
    const env = { SLUICE_PORT: "many", SLUICE_SLOTS: "0", SLUICE_SECRET_KEY: "hunter2" };
    const ran = await bench.run(["up", "--json"], { env });
    expect(ran.code).to.equal(2);
    expect(ran.stderr).to.include('SLUICE_PORT is "many"').and.include("SLUICE_SLOTS").and.include("SLUICE_SECRET_KEY");
    expect(ran.stderr + ran.stdout).not.to.include("hunter2");
    expect(JSON.parse(ran.stdout).error.code).to.equal("invalid_config");
    expect(existsSync(bench.home)).to.equal(false);
  });

  it("goes on with its runs after everything was killed", async () => {
    using folder = tempFolder("up");
    const bench = new CliBench(folder);
    const gate = folder.file("gate");
    bench.dag("gated.ts", GATED(gate));
    const before = await bench.up();
    {
      await using child = before.process;
      await bench.until<object[]>((dags) => dags.length === 1, "dags", "list");
      await bench.json("dags", "trigger", "gated", "--run-id", "once");
      await bench.until<Run>((run) => run.state === "running", "runs", "show", "gated", "once");
      await child.kill();
    }
    expect(JSON.parse(readFileSync(join(bench.home, "up.json"), "utf8")).pid, "left by the crash").to.equal(before.pid);
    const login = await bench.run(["login"]);
    expect(login.code, "an address that nobody answers at is not taken for a running one").to.equal(3);

    const after = await bench.up();
    await using child = after.process;
    writeFileSync(gate, "");
    await bench.until<Run>((run) => run.state === "success", "runs", "show", "gated", "once");
    expect(await bench.json<unknown[]>("verify")).to.deep.equal([]);
    expect(await child.stop()).to.deep.equal({ code: 0, signal: null });
  });
});
