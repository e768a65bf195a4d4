import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { exclusiveReason, selectTests } from "../../scripts/test-files.ts";
import { nodeCommand, projectRoot, runProcess } from "../support/processes.ts";

const fixture = (name: string) => `test/scripts/fixtures/${name}.test.ts`;

/** Runs `npm test` on fixtures; the last line comes back apart. */
async function runTests(names: readonly string[], env: Record<string, string> = {}, args: readonly string[] = []) {
  const command = [...nodeCommand, "scripts/test.ts", ...args, ...names.map(fixture)];
  const { code, stdout, stderr } = await runProcess(command, { env });
  const lines = stdout.trimEnd().split("\n");
  return { code, stdout, stderr, closing: lines.at(-1) };
}

describe("npm test", () => {
  it("ends with the counts of all files, and with exit code 0 when nothing failed", async () => {
    const run = await runTests(["passing", "alone"], { SLUICE_HOME: "/nowhere" });
    expect(run).to.include({ code: 0, closing: "2 passed, 0 failed, 0 skipped" });
  });

  it("shows a failure with its difference and what the file printed, and counts what is skipped", async () => {
    const run = await runTests(["mixed", "passing"]);
    expect(run).to.include({ code: 1, closing: "2 passed, 1 failed, 1 skipped" });
    expect(run.stdout)
      .to.include("printed by the test")
      .and.match(/-.*"a"/)
      .and.match(/\+.*"b"/);
    expect(run.stdout)
      .to.include("Skipped: mixed waits to be written")
      .and.include(`Failed: ${fixture("mixed")}`);
  });

  it("passes options on to mocha", async () => {
    const run = await runTests(["mixed", "alone"], {}, ["--grep", "mixed passes"]);
    expect(run).to.include({ code: 0, closing: "1 passed, 0 failed, 0 skipped" });
  });

  it("counts a file that ends in the middle as a failure", async () => {
    const run = await runTests(["exits", "passing"]);
    expect(run).to.include({ code: 1, closing: "1 passed, 1 failed, 0 skipped" });
    expect(run.stdout).to.include("ended without a result");
  });

  it("ends a file that is stuck, and counts it as a failure", async () => {
    const run = await runTests(["hangs", "passing"], { SLUICE_TEST_FILE_LIMIT_MS: "1500" });
    expect(run.code).to.equal(1);
    expect(run.closing).to.match(/^1 passed, [12] failed, 0 skipped$/);
    expect(run.stdout).to.include("did not end within 1.5 s");
  });

  it("counts something left open as a failure", async () => {
    const run = await runTests(["open"], { SLUICE_TEST_LINGER_MS: "100" });
    expect(run).to.include({ code: 1, closing: "1 passed, 1 failed, 0 skipped" });
    expect(run.stdout).to.match(/still open: .*TCPServerWrap/);
  });

  it("ends processes that a file left behind, and counts them as a failure", async () => {
    const run = await runTests(["leftover"]);
    expect(run).to.include({ code: 1, closing: "1 passed, 1 failed, 0 skipped" });
    expect(run.stdout).to.match(/left processes behind: \d+ \(sleep 600\)/);
  });

  it("skips a suite whose browser is missing, and says so", async () => {
    const run = await runTests(["browser", "passing"], { SLUICE_TEST_CHROMIUM: "/nowhere", CI: "" });
    expect(run).to.include({ code: 0, closing: "1 passed, 0 failed, 1 skipped" });
    expect(run.stdout).to.match(/^Skips test\/scripts\/fixtures\/browser.test.ts: Chromium is not installed: apt-get/m);
  });

  it("fails that suite with CI=true", async () => {
    const run = await runTests(["browser", "passing"], { SLUICE_TEST_CHROMIUM: "/nowhere", CI: "true" });
    expect(run).to.include({ code: 1, closing: "1 passed, 1 failed, 0 skipped" });
    expect(run.stdout).to.match(/^Fails test/m);
  });

  it("fails when there is no such file", async () => {
    const run = await runTests(["no-such-file"]);
    expect(run.code).to.equal(1);
    expect(run.stderr).to.include("No test file at test/scripts/fixtures/no-such-file.test.ts");
  });
});

describe("selectTests", () => {
  it("takes all of test/ by default, without fixtures", () => {
    const { files } = selectTests([], projectRoot);
    expect(files).to.include("test/scripts/test.test.ts").and.to.include("test/repo.test.ts");
    expect(files.filter((file) => file.includes("fixtures"))).to.deep.equal([]);
  });

  it("takes folders, files and globs, each file once, and leaves options with their values to mocha", () => {
    const args = ["test/scripts", "test/scripts/*.test.ts", "-g", "test/support", "--bail", "test/repo.test.ts"];
    const { files, options } = selectTests(args, projectRoot);
    expect(options).to.deep.equal(["-g", "test/support", "--bail"]);
    expect(files).to.include("test/repo.test.ts").and.to.include("test/scripts/test.test.ts");
    expect(files.filter((file) => file.startsWith("test/support"))).to.deep.equal([]);
    expect(new Set(files).size).to.equal(files.length);
  });
});

describe("exclusiveReason", () => {
  it("reads why a file wants to run alone", () => {
    expect(exclusiveReason(join(projectRoot, fixture("alone")))).to.equal("an example");
    expect(exclusiveReason(join(projectRoot, fixture("passing")))).to.equal(undefined);
  });
});
