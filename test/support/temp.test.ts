import { existsSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { after, describe, it } from "mocha";
import { tempFolder, tempFolders } from "./temp.ts";

describe("tempFolder", () => {
  it("exists while it is used and is removed with its content afterwards", () => {
    let path = "";
    {
      using folder = tempFolder("example");
      path = folder.path;
      writeFileSync(folder.file("a.txt"), "a");
      expect(existsSync(folder.file("a.txt"))).to.equal(true);
    }
    expect(existsSync(path)).to.equal(false);
  });
});

describe("tempFolders", () => {
  const made: string[] = [];
  const folder = tempFolders();
  after(() => expect(made.some(existsSync)).to.equal(false));

  it("gives each caller a folder of its own", () => {
    made.push(folder().path, folder().path);
    expect(new Set(made).size).to.equal(2);
    expect(made.every(existsSync)).to.equal(true);
  });

  it("removes the folders of the test before", () => {
    expect(made).to.have.length(2);
    expect(made.some(existsSync)).to.equal(false);
  });
});
