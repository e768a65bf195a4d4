import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { runProcess } from "../support/processes.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { CliBench } from "./support.ts";

describe("sluice commands on a database at rest", function () {
  this.timeout(60_000);
  let folder: TempFolder;
  let bench: CliBench;
  before(async () => {
    folder = tempFolder("cli");
    bench = new CliBench(folder);
    expect(await bench.json("db", "migrate")).to.have.property("schema_version");
  });
  after(() => folder[Symbol.dispose]());

  it("says where help is, and which command was meant, with exit code 2", async () => {
    const ran = await bench.run(["dags", "lst"]);
    expect([ran.code, ran.stdout]).to.deep.equal([2, ""]);
    expect(ran.stderr).to.include("unknown command 'lst'").and.include("Did you mean list?").and.include("--help");
    const bare = await bench.run(["runs"]);
    expect([bare.code, bare.stdout]).to.deep.equal([2, ""]);
    expect(bare.stderr).to.include("Usage: sluice runs");
    const help = await bench.run(["--help"]);
    expect([help.code, help.stderr]).to.deep.equal([0, ""]);
  });

  for (const args of [["dags", "list", "--bogus"], ["runs"], ["pools", "set", "p", "many"], ["nonsense"]]) {
    it(`answers a wrong command line with one JSON value: ${args.join(" ")}`, async () => {
      const ran = await bench.run([...args, "--json"]);
      expect(ran.code).to.equal(2);
      expect(JSON.parse(ran.stdout).error.code).to.equal("usage");
      expect(JSON.parse(ran.stdout).error.message).to.be.a("string").and.not.equal("(outputHelp)");
    });
  }

  it("does not make a database for a command that only looks", async () => {
    using empty = tempFolder("cli");
    const ran = await new CliBench(empty).run(["dags", "list", "--json"]);
    expect(ran.code).to.equal(3);
    expect(JSON.parse(ran.stdout).error).to.include({ code: "not_found" });
    expect(ran.stderr).to.include("sluice up").and.include("SLUICE_HOME");
    expect(new CliBench(empty).hasStateFile("sluice.db")).to.equal(false);
  });

  it("never shows a stack, but on demand", async () => {
    const usual = await bench.run(["variables", "get", "nothing"]);
    expect(usual.stderr).not.to.match(/\n\s+at /);
    const debug = await bench.run(["variables", "get", "nothing"], { env: { SLUICE_LOG_LEVEL: "debug" } });
    expect(debug.stderr).to.match(/\n\s+at /);
    expect([usual.code, debug.code]).to.deep.equal([3, 3]);
  });

  it("keeps variables, from an argument, stdin and a file, and hints at the nearest name", async () => {
    expect((await bench.run(["variables", "set", "colour", "red"])).code).to.equal(0);
    expect((await bench.run(["variables", "set", "shape", "-"], { input: "a\nb" })).code).to.equal(0);
    expect((await bench.run(["variables", "get", "colour"])).stdout).to.equal("red\n");
    expect(await bench.json("variables", "export")).to.deep.equal({ colour: "red", shape: "a\nb" });

    const slip = await bench.run(["variables", "get", "color"]);
    expect([slip.code, slip.stdout]).to.deep.equal([3, ""]);
    expect(slip.stderr).to.include('Did you mean "colour"?').and.include("sluice variables list");

    const input = JSON.stringify({ colour: "blue", size: 4 });
    const clash = await bench.run(["variables", "import", "-"], { input });
    expect(clash.code).to.equal(4);
    expect(clash.stderr).to.include("colour").and.include("--on-conflict");
    expect((await bench.run(["variables", "get", "size"])).code, "nothing of it was stored").to.equal(3);
    expect((await bench.run(["variables", "import", "-", "--on-conflict", "skip"], { input })).code).to.equal(0);
    expect(await bench.json("variables", "get", "colour")).to.include({ value: "red" });
    expect(await bench.json("variables", "get", "size")).to.include({ value: "4" });
    expect((await bench.run(["variables", "delete", "size"])).code).to.equal(0);
    expect((await bench.run(["variables", "delete", "size"])).code).to.equal(3);
    const junk = await bench.run(["variables", "import", "-"], { input: "[1" });
    expect(junk.code).to.equal(2);
  });

  it("shows no secret of a connection unless asked to", async () => {
    const uri = "postgres://ann:s3cr3t@db.example:5432/shop";
    expect((await bench.run(["connections", "add", "shop", "--uri", "-"], { input: uri })).code).to.equal(0);
    const again = await bench.run(["connections", "add", "shop", "--uri", uri]);
    expect(again.code).to.equal(4);
    const shown = await bench.run(["connections", "get", "shop", "--json"]);
    expect(JSON.parse(shown.stdout)).to.include({ conn_type: "postgres", host: "db.example", password: "***" });
    const exported = await bench.run(["connections", "export"]);
    expect(exported.stdout).not.to.include("s3cr3t");
    expect((await bench.run(["connections", "export", "--secrets"])).stdout).to.include("s3cr3t");
    expect((await bench.run(["connections", "get", "shopp"])).stderr).to.include('Did you mean "shop"?');
  });

  it("sets pools", async () => {
    expect((await bench.run(["pools", "set", "db", "4"])).stdout).to.equal("Pool db has 4 slots.\n");
    const pools = await bench.json<{ name: string; slots: number }[]>("pools", "list");
    expect(pools.map(({ name, slots }) => [name, slots])).to.deep.include.members([["db", 4]]);
    expect((await bench.run(["pools", "delete", "db"])).code).to.equal(0);
    expect((await bench.run(["pools", "get", "db"])).code).to.equal(3);
  });

  it("shows a token once, and on stdout alone, so that a script can keep it", async () => {
    const created = await bench.run(["tokens", "create", "--name", "ci", "--role", "admin", "--json"]);
    const { id, token, role } = JSON.parse(created.stdout);
    expect(role).to.equal("admin");
    expect(token).to.match(/^slc_[\w-]{40,}$/);
    expect(created.stderr).to.include("not shown again");
    const plain = await bench.run(["tokens", "create", "--name", "other"]);
    expect(plain.stdout).to.match(/^slc_[\w-]{40,}\n$/);
    expect(plain.stderr).to.include("role user");
    const list = await bench.run(["tokens", "list"]);
    expect(list.stdout).to.include("ci").and.not.include(token);
    expect((await bench.run(["tokens", "revoke", String(id)])).code).to.equal(0);
    expect((await bench.run(["tokens", "revoke", String(id)])).code).to.equal(3);
    expect((await bench.run(["tokens", "create", "--name", "x", "--role", "king"])).code).to.equal(2);
  });

  it("tells settings with their origin, secrets masked", async () => {
    const env = { SLUICE_SLOTS: "3", SLUICE_SECRET_KEY: "ab".repeat(32) };
    const list = await bench.run(["config", "list", "--json"], { env });
    const settings = JSON.parse(list.stdout) as { name: string; value: string; origin: string }[];
    expect(settings.find(({ name }) => name === "SLUICE_SLOTS")).to.include({ value: "3", origin: "SLUICE_SLOTS" });
    expect(list.stdout).not.to.include("abab");
    expect((await bench.run(["config", "get", "sluice_nothing"])).code).to.equal(3);
  });

  it("checks the installation and the database", async () => {
    const checks = await bench.json<{ check: string; status: string }[]>("doctor");
    expect(checks.filter(({ status }) => status === "problem")).to.deep.equal([]);
    expect(checks.map(({ check }) => check)).to.include.members([
      "node",
      "database",
      "secret key",
      "disk space",
      "port",
    ]);
    expect((await bench.run(["verify"])).stdout).to.equal("Every invariant holds.\n");
  });

  it("says that nothing is running to those who need it", async () => {
    for (const args of [["login"], ["dags", "reparse"]]) {
      const ran = await bench.run([...args, "--json"]);
      expect(ran.code).to.equal(3);
      expect(JSON.parse(ran.stdout).error.code).to.equal("not_running");
      expect(ran.stderr).to.include("sluice up");
    }
  });

  it("says what a worker would need", async () => {
    const ran = await bench.run(["worker"]);
    expect(ran.code).to.equal(4);
    expect(ran.stderr).to.include("Redis").and.include("sluice up");
  });

  it("does not mind that its reader has gone", async () => {
    const command = [...bench.command, "config", "list"].map((word) => `'${word}'`).join(" ");
    const ran = await runProcess(["bash", "-c", `${command} | true; echo "\${PIPESTATUS[0]}"`], { env: bench.env() });
    expect(ran.stdout).to.equal("0\n");
    expect(ran.stderr).to.equal("");
  });
});
