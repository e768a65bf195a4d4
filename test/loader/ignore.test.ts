import { expect } from "chai";
import { describe, it } from "mocha";
import { isIgnored, parseIgnoreFile } from "../../loader/ignore.ts";

describe("ignore files", () => {
  const ignores = (text: string, path: string, isFolder = false, base = "") =>
    isIgnored(parseIgnoreFile(text, base), path, isFolder);

  it("match a name at any depth, a path with a slash only from their own folder", () => {
    expect(ignores("old.ts", "old.ts")).to.equal(true);
    expect(ignores("old.ts", "a/b/old.ts")).to.equal(true);
    expect(ignores("a/old.ts", "a/old.ts")).to.equal(true);
    expect(ignores("a/old.ts", "b/a/old.ts")).to.equal(false);
    expect(ignores("/old.ts", "a/old.ts")).to.equal(false);
  });

  it("know *, ?, ** and sets", () => {
    expect(ignores("*_old.ts", "sales_old.ts")).to.equal(true);
    expect(ignores("a/*.ts", "a/b/x.ts")).to.equal(false);
    expect(ignores("a/**/x.ts", "a/x.ts")).to.equal(true);
    expect(ignores("a/**/x.ts", "a/b/c/x.ts")).to.equal(true);
    expect(ignores("**/tmp", "a/tmp", true)).to.equal(true);
    expect(ignores("v?.ts", "v1.ts")).to.equal(true);
    expect(ignores("v[12].ts", "v3.ts")).to.equal(false);
    expect(ignores("v[!12].ts", "v3.ts")).to.equal(true);
    expect(ignores("a.b.ts", "aXb.ts")).to.equal(false);
  });

  it("leave out comments and blank lines, and take a later ! back", () => {
    expect(ignores("# old.ts\n\n", "old.ts")).to.equal(false);
    expect(ignores("*.ts\n!keep.ts", "keep.ts")).to.equal(false);
    expect(ignores("*.ts\n!keep.ts", "other.ts")).to.equal(true);
  });

  it("distinguish folders, and hold below their own folder only", () => {
    expect(ignores("drafts/", "drafts", true)).to.equal(true);
    expect(ignores("drafts/", "drafts")).to.equal(false);
    expect(ignores("x.ts", "team/x.ts", false, "team")).to.equal(true);
    expect(ignores("x.ts", "other/x.ts", false, "team")).to.equal(false);
  });

  it("survive a pattern that is none", () => {
    expect(ignores("[\n(\nx.ts", "x.ts")).to.equal(true);
  });
});
