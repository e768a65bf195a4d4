import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { before, describe, it } from "mocha";
import { projectRoot } from "./support/processes.ts";
import {
  committedFiles,
  type ImportOf,
  importsOf,
  linesMatching,
  type SourceFile,
  withoutComments,
} from "./support/sources.ts";

/**
 * The stairs of the house: what each top-level folder may import, beside itself. A folder name allows all of it, a file
 * only that file, `types of <folder>` only `import type`. Folders that are not named here may import everything.
 */
const stairs: Record<string, readonly string[]> = {
  core: [],
  sdk: ["core"],
  workflow: ["core", "sdk"],
  statemachine: ["core", "sdk", "workflow"],
  migrations: [],
  store: ["core", "migrations"],
  loader: ["core", "sdk", "store"],
  scheduler: ["core", "store", "executor/executor.ts"],
  executor: ["core", "sdk", "workflow", "statemachine", "store"],
  webserver: ["core", "store", "types of loader"],
  dags: ["sdk"],
  plugins: ["sdk"],
};

/** Files that are one thing although they are longer than `longestFile` lines, each with the reason. */
const longFiles: Record<string, string> = {};
const longestFile = 420;

/** Hosts of package registries and their mirrors, written so that this file does not name them either. */
const registryHosts = [
  ["registry", "npmjs"],
  ["registry", "yarnpkg"],
  ["registry", "npmmirror"],
  ["npm", "pkg", "github"],
  ["npm", "jsr", "io"],
  ["pypi", "org"],
  ["files", "pythonhosted"],
  ["proxy", "golang"],
  ["static", "crates"],
].map((parts) => parts.join("."));

const isOurTest = (path: string) => /^(test|bench)\//.test(path) || path.includes("/fixtures/");
const isVendored = (path: string) => /\.min\.(js|css)$/.test(path) || path.includes("/vendor/");
const isData = (path: string) => /\.(csv|json|ndjson|svg|md|lock)$/.test(path) || path === "LICENSE";

describe("the repository", () => {
  let files: SourceFile[] = [];
  let typescript: SourceFile[] = [];
  before(() => {
    files = committedFiles();
    typescript = files.filter(({ path }) => path.endsWith(".ts") && !path.includes("/fixtures/"));
  });

  it("names no package registry", () => {
    const named = files.flatMap((file) =>
      registryHosts.filter((host) => file.text.includes(host)).map(() => `${file.path} names the host of a registry`),
    );
    expect(named).to.deep.equal([]);
  });

  it("imports only down the stairs", () => {
    const wrong = typescript.flatMap(importsOf).filter((one) => !isDownstairs(one));
    expect(wrong.map(({ from, line, to }) => `${from}:${line} imports ${to}`)).to.deep.equal([]);
  });

  it("tells down from up and sideways", () => {
    const goes = (from: string, to: string, typeOnly = false) => isDownstairs({ from, to, typeOnly, line: 1 });
    expect(goes("core/a.ts", "sdk/b.ts"), "up").to.equal(false);
    expect(goes("scheduler/a.ts", "webserver/b.ts", true), "sideways").to.equal(false);
    expect(goes("scheduler/a.ts", "executor/local.ts"), "an implementation").to.equal(false);
    expect(goes("scheduler/a.ts", "executor/executor.ts"), "the contract").to.equal(true);
    expect(goes("webserver/a.ts", "loader/b.ts"), "a value of the loader").to.equal(false);
    expect(goes("webserver/a.ts", "loader/b.ts", true), "a type of the loader").to.equal(true);
    expect(goes("dags/a.ts", "sluice/operators"), "the SDK by its name").to.equal(true);
    expect(goes("core/a.ts", "sluice"), "the SDK by its name, from below").to.equal(false);
    expect(goes("core/a.ts", "cron-parser"), "a package").to.equal(true);
    expect(goes("sdk/a.ts", "core/b.ts"), "down").to.equal(true);
    expect(goes("executor/a.ts", "test/support/b.ts"), "tests").to.equal(false);
  });

  it("keeps a file one thing", () => {
    const ours = files.filter(({ path }) => !isOurTest(path) && !isVendored(path) && !isData(path));
    const long = ours.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
    const tooLong = long.filter(({ path, lines }) => lines > longestFile && !(path in longFiles));
    expect(tooLong.map(({ path, lines }) => `${path} has ${lines} lines`)).to.deep.equal([]);
    const excused = Object.keys(longFiles).filter(
      (path) => !long.some((one) => one.path === path && one.lines > longestFile),
    );
    expect(excused, "files listed as long that are not").to.deep.equal([]);
  });

  it("has no any and no silenced compiler outside tests", () => {
    const ours = typescript.filter(({ path }) => !isOurTest(path));
    const anys = ours.flatMap((file) =>
      linesMatching({ ...file, text: withoutComments(file.text) }, /(:|\bas|<|\||&)\s*any\s*([,;)=\]}>|&[{]|$)/),
    );
    const silenced = ours.flatMap((file) => linesMatching(file, /@ts-(ignore|nocheck|expect-error)/));
    expect([...anys, ...silenced]).to.deep.equal([]);
  });

  it("escapes what templates print, except includes and values named …Html", () => {
    const allowed = /^<%-\s*((?:it\.)?include\(|[\w.]*Html\b(\([^%]*\))?\s*[-_]?%>)/;
    const raw = files
      .filter(({ path }) => path.endsWith(".ejs"))
      .flatMap(({ path, text }) => Array.from(text.matchAll(/<%-[^%]*%?>?/g), ([tag]) => ({ path, tag })))
      .filter(({ tag }) => !allowed.test(tag));
    expect(raw.map(({ path, tag }) => `${path}: ${tag}`)).to.deep.equal([]);
  });

  it("keeps its programs executable", () => {
    const listed = execFileSync("git", ["ls-files", "-s"], { cwd: projectRoot, encoding: "utf8" }).trim().split("\n");
    const modes = new Map(listed.map((line) => [line.split("\t")[1], line.split(" ")[0]]));
    const programs = [...modes.keys()].filter((path) => /^scripts\/.*\.sh$|^\.ci\/run$|^cli\/sluice$/.test(path ?? ""));
    expect(programs).to.include.members([".ci/run", "cli/sluice", "scripts/node.sh"]);
    expect(programs.filter((path) => modes.get(path) !== "100755")).to.deep.equal([]);
  });
});

describe("the dependencies", () => {
  interface LockEntry {
    readonly version?: string;
    readonly resolved?: string;
    readonly dependencies?: Record<string, string>;
    readonly devDependencies?: Record<string, string>;
    readonly optionalDependencies?: Record<string, string>;
  }
  const readJson = (path: string) => JSON.parse(committedFiles().find((file) => file.path === path)?.text ?? "{}");
  let manifest: LockEntry = {};
  let locked: Record<string, LockEntry> = {};
  before(() => {
    manifest = readJson("package.json");
    locked = readJson("package-lock.json").packages;
  });

  it("are pinned to exact versions", () => {
    const asked = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(asked).to.not.have.length(0);
    expect(asked.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).to.deep.equal([]);
  });

  it("stand in the lock file as package.json asks for them", () => {
    expect(locked[""]?.dependencies).to.deep.equal(manifest.dependencies);
    expect(locked[""]?.devDependencies).to.deep.equal(manifest.devDependencies);
    const asked = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    const different = asked.filter(([name, version]) => locked[`node_modules/${name}`]?.version !== version);
    expect(different).to.deep.equal([]);
  });

  it("are locked without holes: every package has its version, and those of other platforms are there too", () => {
    const entries = Object.entries(locked).filter(([path]) => path !== "");
    expect(entries.filter(([, entry]) => entry.version === undefined).map(([path]) => path)).to.deep.equal([]);
    const optional = entries.flatMap(([, entry]) => Object.keys(entry.optionalDependencies ?? {}));
    const missing = optional.filter((name) => !entries.some(([path]) => path.endsWith(`node_modules/${name}`)));
    expect(missing, "npm ci refuses this lock file").to.deep.equal([]);
  });

  it("are fetched from whatever registry the machine uses", () => {
    expect(Object.keys(locked).filter((path) => locked[path]?.resolved?.startsWith("http"))).to.deep.equal([]);
  });
});

function folderOf(path: string): string {
  return path.split("/", 1)[0] ?? "";
}

function isDownstairs({ from, to, typeOnly }: ImportOf): boolean {
  const target = to === "sluice" || to.startsWith("sluice/") ? "sdk/" : to;
  const [here, there] = [folderOf(from), folderOf(target)];
  const allowed = stairs[here];
  if (allowed === undefined || here === there) return true;
  const isPackage = !target.includes("/") || !(there in stairs || ["cli", "test", "bench", "scripts"].includes(there));
  return (
    isPackage ||
    allowed.includes(there) ||
    allowed.includes(target) ||
    (typeOnly && allowed.includes(`types of ${there}`))
  );
}
