import { mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { type Bundle, bundleDagFile } from "../../loader/bundle.ts";
import { DagFileError } from "../../loader/dag-file-error.ts";
import { EsbuildService } from "../../loader/esbuild-service.ts";
import { projectRoot } from "../support/processes.ts";
import { type TempFolder, tempFolders } from "../support/temp.ts";
import { dagSource, write } from "./support.ts";

describe("bundleDagFile", () => {
  const folder = tempFolders();
  const esbuild = new EsbuildService(systemClock);
  after(() => esbuild.stop());

  const bundle = (root: TempFolder, file = "a.ts"): Promise<Bundle> =>
    bundleDagFile(esbuild.build, { root: root.path, file, realPath: realpathSync(root.file(file)) });

  const refused = async (root: TempFolder, file = "a.ts"): Promise<DagFileError> => {
    const error = await bundle(root, file).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).to.be.instanceOf(DagFileError);
    return error as DagFileError;
  };

  const withSources = (sources: Record<string, string>) => {
    const root = folder();
    for (const [name, text] of Object.entries(sources)) write(root.file(name), text);
    return root;
  };

  it("gives the same code and hash in any folder, and no path of this machine", async () => {
    const sources = {
      "team/a.ts": `import { helper } from "./lib/helper.ts"; import cjs from "pack";\n${dagSource("a", "helper(cjs);")}`,
      "team/lib/helper.ts": "export function helper(x: unknown): unknown { return x; }",
      "node_modules/pack/package.json": '{"name":"pack","main":"i.js"}',
      "node_modules/pack/i.js": "module.exports = require('path').sep;",
    };
    const [one, other] = [withSources(sources), withSources(sources)];
    const first = await bundle(one, "team/a.ts");
    const second = await bundle(other, "team/a.ts");
    expect(second.code).to.equal(first.code);
    expect(second.hash).to.equal(first.hash);
    expect(second.sourceMap).to.equal(first.sourceMap);
    expect(first.code).not.to.contain(one.path);
    expect(first.sourceMap).not.to.contain(one.path);
  });

  it("keeps its hash when only comments, types or formatting change, and changes it with the code", async () => {
    const root = withSources({ "a.ts": dagSource("a") });
    const { hash } = await bundle(root);
    write(root.file("a.ts"), `// new\n/** new */\ntype New = string;\n\n${dagSource("a").replaceAll(", ", ",\n  ")}`);
    expect((await bundle(root)).hash).to.equal(hash);
    write(root.file("a.ts"), dagSource("a", "console.log(1);"));
    expect((await bundle(root)).hash).not.to.equal(hash);
  });

  it("names its inputs and shows the author's sources, the DAG file first", async () => {
    const root = withSources({
      "a.ts": `import { x } from "./lib/x.ts";\n${dagSource("a", "x();")}`,
      "lib/x.ts": 'import { y } from "pack/y.js";\nexport const x = () => y;',
      "node_modules/pack/package.json": '{"name":"pack","type":"module"}',
      "node_modules/pack/y.js": "export const y = 1;",
    });
    const { inputs, sources } = await bundle(root);
    expect([...inputs].sort()).to.deep.equal([
      root.file("a.ts"),
      root.file("lib/x.ts"),
      root.file("node_modules/pack/package.json"),
    ]);
    expect(sources.map(({ path }) => path)).to.deep.equal(["a.ts", "lib/x.ts"]);
    expect(sources[0]?.text).to.equal(`import { x } from "./lib/x.ts";\n${dagSource("a", "x();")}`);
  });

  it("calls a symlinked file by its own name", async () => {
    const elsewhere = withSources({ "real.ts": dagSource("a") });
    const root = folder();
    symlinkSync(elsewhere.file("real.ts"), root.file("a.ts"));
    const { sources } = await bundle(root);
    expect(sources.map(({ path }) => path)).to.deep.equal(["a.ts"]);
  });

  it("knows which files use the SDK, under any of its names", async () => {
    const root = withSources({
      "a.ts": dagSource("a"),
      "b.ts": 'import { Dag } from "@apache-airflow/ts-sdk"; new Dag("b");',
      "c.ts": 'import { Dag } from "apache-airflow-ts-sdk"; new Dag("c");',
      "d.ts": "export const x = 1;",
      "e.ts": 'import type { Dag } from "sluice"; export const x: Dag[] = [];',
    });
    const uses = await Promise.all(
      ["a", "b", "c", "d", "e"].map(async (name) => (await bundle(root, `${name}.ts`)).usesSdk),
    );
    expect(uses).to.deep.equal([true, true, true, false, false]);
  });

  it("leaves zod to this installation, unless the author has an own one", async () => {
    const source = 'import { z } from "zod"; console.log(z.string());';
    const without = withSources({ "a.ts": source });
    expect((await bundle(without)).code).to.contain('from"zod"');
    const own = withSources({
      "a.ts": source,
      "node_modules/zod/package.json": '{"name":"zod","type":"module","main":"i.js"}',
      "node_modules/zod/i.js": "export const z = { string: () => 'own' };",
    });
    expect((await bundle(own)).code)
      .to.contain('"own"')
      .and.not.to.contain('from"zod"');
    const linked = withSources({ "a.ts": source });
    mkdirSync(linked.file("node_modules"));
    symlinkSync(join(projectRoot, "node_modules", "zod"), linked.file("node_modules", "zod"));
    expect((await bundle(linked)).code).to.contain('from"zod"');
  });

  it("lets CommonJS packages have Node's modules, beside an author's own require", async () => {
    const root = withSources({
      "a.ts": `import { createRequire } from "node:module";
        import cjs from "pack";
        const require = createRequire(import.meta.url);
        export const found = [cjs, require("node:path").sep];`,
      "node_modules/pack/package.json": '{"name":"pack"}',
      "node_modules/pack/index.js": "module.exports = require('os').EOL;",
    });
    const { code } = await bundle(root);
    write(root.file("out.mjs"), code);
    expect((await import(root.file("out.mjs"))).found).to.deep.equal(["\n", "/"]);
  });

  it("brings a query along as text, and JSON as data", async () => {
    const root = withSources({
      "a.ts": 'import sql from "./q.sql"; import data from "./d.json"; console.log(sql, data.x);',
      "q.sql": "select 1",
      "d.json": '{"x": 42}',
    });
    const { code } = await bundle(root);
    expect(code).to.contain("select 1").and.to.contain("42");
  });

  it("says where the syntax is wrong, with the line", async () => {
    const error = await refused(withSources({ "a.ts": "const a = 1;\nconst b = ;\n" }));
    expect(error.code).to.equal("dag_file_syntax");
    expect(error.location).to.deep.equal({ file: "a.ts", line: 2, column: 11 });
    expect(error.message).to.equal('a.ts:2:11: Unexpected ";"');
    expect(error.detail).to.contain("const b = ;\n            ^");
  });

  it("names the helper that is wrong", async () => {
    const error = await refused(withSources({ "a.ts": 'import "./lib/h.ts";', "lib/h.ts": "\n\nlet = = 1;" }));
    expect(error.file).to.equal("a.ts");
    expect(error.location).to.include({ file: "lib/h.ts", line: 3 });
  });

  it("says what to install, or that a file is not there", async () => {
    const root = withSources({ "a.ts": 'import "@scope/pack/x";', "b.ts": '\nimport "./missing.ts";' });
    const missing = await refused(root);
    expect(missing.code).to.equal("dag_file_unresolved");
    expect(missing.message).to.contain('Cannot find "@scope/pack/x". Install it with "npm install @scope/pack"');
    expect((await refused(root, "b.ts")).message).to.contain('b.ts:2:8: Cannot find "./missing.ts". Is it misspelt?');
  });

  it("refuses native add-ons and imports from the web", async () => {
    const root = withSources({
      "a.ts": 'import pack from "native-pack"; console.log(pack);',
      "node_modules/native-pack/package.json": '{"name":"native-pack"}',
      "node_modules/native-pack/index.js": "module.exports = require('./build/x.node');",
      "node_modules/native-pack/build/x.node": "",
      "b.ts": 'import "https://example.org/x.js";',
    });
    expect((await refused(root)).message).to.contain("The native add-on native-pack cannot be bundled");
    expect((await refused(root, "b.ts")).message).to.contain('Cannot import "https://example.org/x.js"');
  });
});
