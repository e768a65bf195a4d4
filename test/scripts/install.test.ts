import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { beforeEach, describe, it } from "mocha";
import { projectRoot, runProcess } from "../support/processes.ts";
import { type TempFolder, tempFolders } from "../support/temp.ts";

/** Stands in for npm: notes how it was called, and installs a `node` that is a shell script. */
const fakeNpm = `#!/bin/sh
echo "$@" >>"$NPM_CALLS"
[ -z "$NPM_FAILS" ] || { echo "npm error: no network" >&2; exit 1; }
mkdir -p node_modules/node/bin
[ "$1" = ci ] && [ -n "$NPM_SKIPS_SCRIPTS" ] && exit 0
printf '#!/bin/sh\\n' >node_modules/node/bin/node
chmod +x node_modules/node/bin/node
`;

describe("scripts/install.sh", () => {
  const folder = tempFolders();
  let clone: TempFolder;
  let calls: () => string[];
  let install: (env?: Record<string, string>) => ReturnType<typeof runProcess>;

  beforeEach(() => {
    clone = folder("clone");
    for (const name of ["scripts", "tools"]) mkdirSync(clone.file(name));
    copyFileSync(join(projectRoot, "scripts/install.sh"), clone.file("scripts/install.sh"));
    for (const name of ["package.json", "package-lock.json"]) writeFileSync(clone.file(name), "{}\n");
    writeFileSync(clone.file("tools/npm"), fakeNpm);
    chmodSync(clone.file("tools/npm"), 0o755);
    const log = clone.file("calls");
    calls = () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
    install = (env = {}) =>
      runProcess(["sh", "scripts/install.sh"], {
        cwd: clone.path,
        env: { PATH: `${clone.file("tools")}:${process.env.PATH}`, NPM_CALLS: log, ...env },
      });
  });

  it("installs in a fresh clone, with the development dependencies, and says so in one line on standard error", async () => {
    expect(await install()).to.include({ code: 0, stdout: "" });
    expect(calls()).to.have.length(1);
    expect(calls()[0]).to.match(/^ci .*--include=dev/);
  });

  it("does nothing, silently, when nothing has changed", async () => {
    await install();
    expect(await install()).to.deep.equal({ code: 0, signal: null, stdout: "", stderr: "" });
    expect(calls()).to.have.length(1);
  });

  it("installs again when the lock file has changed", async () => {
    await install();
    writeFileSync(clone.file("package-lock.json"), '{ "changed": true }\n');
    await install();
    expect(calls()).to.have.length(2);
  });

  it("leaves alone what somebody has installed with npm since the lock file was written", async () => {
    await install();
    writeFileSync(clone.file("package-lock.json"), '{ "changed": true }\n');
    writeFileSync(clone.file("node_modules/.package-lock.json"), "{}\n");
    const later = Date.now() / 1_000 + 60;
    utimesSync(clone.file("node_modules/.package-lock.json"), later, later);
    await install();
    expect(calls()).to.have.length(1);
  });

  it("installs once when two commands begin together", async () => {
    const ends = await Promise.all([install(), install()]);
    expect(ends.map(({ code }) => code)).to.deep.equal([0, 0]);
    expect(calls()).to.have.length(1);
  });

  it("completes the packages whose install scripts npm did not run", async () => {
    expect(await install({ NPM_SKIPS_SCRIPTS: "1" })).to.include({ code: 0 });
    expect(calls()[1]).to.match(/^rebuild .*node/);
  });

  it("shows why npm failed, and what to do, and tries again the next time", async () => {
    const failed = await install({ NPM_FAILS: "1" });
    expect(failed.code).to.equal(1);
    expect(failed.stderr).to.include("no network").and.include("Run 'npm ci'");
    expect(await install()).to.include({ code: 0 });
  });

  it("says what is needed where there is no npm", async () => {
    rmSync(clone.file("tools/npm"));
    for (const tool of ["sh", "cat", "cksum", "find"]) symlinkSync(`/usr/bin/${tool}`, clone.file("tools", tool));
    const failed = await install({ PATH: clone.file("tools") });
    expect(failed.code).to.equal(1);
    expect(failed.stderr).to.include("Install Node 20 or newer with npm");
  });
});
