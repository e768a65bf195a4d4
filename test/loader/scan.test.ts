import { mkdirSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { isSourceName, scanFolder } from "../../loader/scan.ts";
import { tempFolders } from "../support/temp.ts";
import { write } from "./support.ts";

describe("scanFolder", () => {
  const folder = tempFolders();

  const pathsIn = async (root: string) => [...(await scanFolder(root)).files.keys()].sort();

  it("takes TypeScript and JavaScript modules, not what is hidden, private, a test, a typing or installed", async () => {
    const root = folder();
    const others = ["_lib.ts", ".hidden.ts", "a.test.ts", "b.spec.ts", "c.d.ts", "d.py", "e.cjs", "f.txt"];
    const inside = ["node_modules/x/i.js", ".git/h.ts", "_shared/s.ts"];
    for (const name of ["a.ts", "b.mts", "c.js", "d.mjs", "team/e.ts", ...others, ...inside]) {
      write(root.file(name), "");
    }
    expect(await pathsIn(root.path)).to.deep.equal(["a.ts", "b.mts", "c.js", "d.mjs", "team/e.ts"]);
    expect(isSourceName("x.ts~")).to.equal(false);
    expect(isSourceName("x.ts.swp")).to.equal(false);
  });

  it("obeys ignore files of the folder and of sub-folders", async () => {
    const root = folder();
    for (const name of ["a.ts", "old/b.ts", "team/c.ts", "team/d.ts"]) write(root.file(name), "");
    write(root.file(".sluiceignore"), "old/\n");
    write(root.file("team/.airflowignore"), "d.ts\n");
    expect(await pathsIn(root.path)).to.deep.equal(["a.ts", "team/c.ts"]);
  });

  it("follows symlinks to files and folders outside, and changes its stamp with the target", async () => {
    const outside = folder();
    const root = folder();
    write(outside.file("real.ts"), "1");
    write(outside.file("pack/deep/x.ts"), "1");
    symlinkSync(outside.file("real.ts"), root.file("linked.ts"));
    symlinkSync(outside.file("pack"), root.file("pack"));
    const before = await scanFolder(root.path);
    expect([...before.files.keys()].sort()).to.deep.equal(["linked.ts", "pack/deep/x.ts"]);
    expect(before.files.get("linked.ts")?.realPath).to.equal(outside.file("real.ts"));
    expect(before.folders).to.include(outside.file("pack", "deep"));
    write(outside.file("real.ts"), "22");
    const after = await scanFolder(root.path);
    expect(after.files.get("linked.ts")?.stamp).not.to.equal(before.files.get("linked.ts")?.stamp);
  });

  it("ends with symlinks in a circle, and takes a file once by its own name", async () => {
    const root = folder();
    write(root.file("team/a.ts"), "");
    symlinkSync(root.path, root.file("team/again"));
    symlinkSync(root.file("team"), root.file("another"));
    symlinkSync(root.file("team/a.ts"), root.file("alias.ts"));
    symlinkSync("loop.ts", root.file("loop.ts"));
    symlinkSync("nowhere.ts", root.file("dangling.ts"));
    const scan = await scanFolder(root.path);
    expect([...scan.files.keys()]).to.deep.equal(["team/a.ts"]);
    expect([...scan.unreadable]).to.deep.equal([["loop.ts", "ELOOP"]]);
  });

  it("finds the files of a folder of symlinks that is swapped at once, as Kubernetes mounts it", async () => {
    const root = folder();
    write(root.file("..v1/a.ts"), "");
    symlinkSync("..v1", root.file("..data"));
    symlinkSync("..data/a.ts", root.file("a.ts"));
    expect(await pathsIn(root.path)).to.deep.equal(["a.ts"]);
  });

  it("says so when the folder is not there", async () => {
    const root = folder();
    expect((await scanFolder(root.file("none"))).isReadable).to.equal(false);
    mkdirSync(root.file("none"));
    expect((await scanFolder(root.file("none"))).isReadable).to.equal(true);
  });
});
