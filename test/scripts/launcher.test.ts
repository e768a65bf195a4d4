import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { beforeEach, describe, it } from "mocha";
import { projectRoot, runProcess, startProcess } from "../support/processes.ts";
import { type TempFolder, tempFolders } from "../support/temp.ts";

/** Prints how it was run, in one line of JSON. */
const main = `console.log(JSON.stringify({
  args: process.argv.slice(2), cwd: process.cwd(), pid: process.pid, node: process.versions.node,
  cache: process.env.NODE_COMPILE_CACHE,
}));
if (process.argv.includes("--stay")) process.stdin.resume();
`;

describe("the sluice command", () => {
  const folder = tempFolders();
  let house: TempFolder;

  beforeEach(() => {
    house = folder("a house with spaces");
    for (const name of ["cli", "scripts"]) mkdirSync(house.file(name));
    for (const file of ["cli/sluice", "scripts/node.sh"]) copyFileSync(join(projectRoot, file), house.file(file));
    symlinkSync(join(projectRoot, "node_modules"), house.file("node_modules"));
    writeFileSync(house.file("cli/main.ts"), main);
  });

  it("runs on the pinned Node, in the caller's folder, with the arguments as they are", async () => {
    const args = ["runs", "list", "--json", "a b", "$HOME", "*"];
    const { stdout, stderr, code } = await runProcess([house.file("cli/sluice"), ...args], { cwd: "/" });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    const printed = JSON.parse(stdout);
    expect(printed).to.deep.include({ args, cwd: "/" });
    expect(printed.node).to.match(/^24\./);
  });

  it("finds its house through a chain of symlinks, absolute and relative", async () => {
    const bin = folder("bin");
    mkdirSync(bin.file("inner"));
    symlinkSync(house.file("cli/sluice"), bin.file("inner/sluice"));
    symlinkSync("inner/sluice", bin.file("sluice"));
    const env = { PATH: `${bin.path}:${process.env.PATH}` };
    const { stdout } = await runProcess(["sluice", "version"], { cwd: dirname(bin.path), env });
    expect(JSON.parse(stdout).args).to.deep.equal(["version"]);
  });

  it("becomes Node itself, so that a signal to its process reaches Sluice", async () => {
    await using child = startProcess([house.file("cli/sluice"), "--stay"], { input: "" });
    expect(JSON.parse(await child.line("{")).pid).to.equal(child.pid);
  });

  it("keeps compiled code below node_modules, by an absolute path that children inherit", async () => {
    const env = { NODE_COMPILE_CACHE: "" };
    const { stdout } = await runProcess([house.file("cli/sluice")], { env });
    expect(JSON.parse(stdout).cache).to.equal(house.file("node_modules/.cache/compile"));
  });
});
