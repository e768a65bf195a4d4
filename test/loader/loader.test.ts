import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { NotFoundError, SluiceError } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import { DagFileError, type FileOutcome, Loader } from "../../loader/loader.ts";
import type { Store } from "../../store/store.ts";
import { within } from "../support/processes.ts";
import { dagSource, type LoaderBench, loaderBenches, write } from "./support.ts";

describe("Loader", () => {
  const newBench = loaderBenches();

  const activeDags = async ({ store }: LoaderBench) =>
    (await store.dags.files()).map(({ dagId, file }) => `${dagId} ${file}`).sort();
  const versions = async ({ store }: LoaderBench, dagId: string) => (await store.dags.versions(dagId)).length;
  const errors = async ({ store }: LoaderBench) =>
    (await store.dags.importErrors()).map(({ file, line }) => `${file} ${line}`).sort();
  const kinds = (outcomes: readonly FileOutcome[]) => outcomes.map(({ file, kind }) => `${file} ${kind}`).sort();

  it("stores what it finds: definition, code, source map, sources", async () => {
    const bench = await newBench();
    bench.save("team/a.ts", dagSource("a"));
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal(["a team/a.ts"]);
    const dag = await bench.store.dags.get("a");
    expect(dag).to.include({ isActive: true, isPaused: false, scheduleSummary: "@daily" });
    const version = await bench.store.dags.version(dag?.currentVersionId ?? 0);
    expect(version?.definition.tasks.map(({ taskId }) => taskId)).to.deep.equal(["first"]);
    const bundle = await bench.store.dags.bundle(version?.bundleHash ?? "");
    expect(bundle?.code).to.contain('new Dag("a"');
    expect(bundle?.sources).to.deep.equal([{ path: "team/a.ts", text: dagSource("a") }]);
    expect(JSON.parse(bundle?.sourceMap ?? "{}").sources).to.deep.equal(["team/a.ts"]);
  });

  it("loads what is saved while it runs, within two seconds", async () => {
    const bench = await newBench();
    await bench.loader.idle();
    for (const [name, text] of [
      ["a.ts", dagSource("a")],
      ["a.ts", dagSource("a", "new Dag('b');")],
    ] as const) {
      const loaded = bench.next("a.ts", "loaded");
      const started = performance.now();
      bench.save(name, text);
      await loaded;
      expect(performance.now() - started).to.be.lessThan(2_000);
    }
    expect(await activeDags(bench)).to.deep.equal(["a a.ts", "b a.ts"]);
  });

  it("makes one version of the same content, however often and wherever it is saved", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    bench.save("a.ts", `// a comment\n${dagSource("a").replaceAll(";", ";\n\n")}`);
    await bench.loader.idle();
    await bench.loader.reparse("a.ts");
    await bench.loader.reparse();
    await (await bench.restart()).idle();
    rmSync(bench.folder.file("cache"), { recursive: true });
    await (await bench.restart()).idle();
    await bench.loader.reparse();
    renameSync(bench.dags("a.ts"), bench.dags("b.ts"));
    await bench.loader.idle();
    expect(await versions(bench, "a")).to.equal(1);
    expect(await activeDags(bench)).to.deep.equal(["a b.ts"]);
  });

  it("makes a new version when the code changes, and when it changes back", async () => {
    const bench = await newBench();
    for (const [at, extra] of ["", "console.log(1);", ""].entries()) {
      bench.save("a.ts", dagSource("a", extra));
      await bench.loader.idle();
      expect(await versions(bench, "a")).to.equal(at + 1);
    }
  });

  it("loads a file again when an imported helper changes, inside or outside the folder", async () => {
    const bench = await newBench();
    bench.save("a.ts", `import { h } from "./_h.ts"; import { o } from "../lib/o.ts";\n${dagSource("a", "h(o);")}`);
    bench.save("_h.ts", "export const h = (x: number) => x;");
    write(bench.folder.file("lib", "o.ts"), "export const o = 1;");
    await bench.loader.idle();
    let loaded = bench.next("a.ts", "loaded");
    bench.save("_h.ts", "export const h = (x: number) => x + 1;");
    await loaded;
    loaded = bench.next("a.ts", "loaded");
    write(bench.folder.file("lib", "o.ts"), "export const o = 2;");
    await loaded;
    expect(await versions(bench, "a")).to.equal(3);
  });

  it("loads a file again when a path alias of its tsconfig changes", async () => {
    const bench = await newBench();
    const alias = (target: string) => JSON.stringify({ compilerOptions: { paths: { "@lib/*": [`./${target}/*`] } } });
    write(bench.folder.file("tsconfig.json"), alias("one"));
    write(bench.folder.file("one", "x.ts"), "export const x = 1;");
    write(bench.folder.file("two", "x.ts"), "export const x = 2;");
    bench.save("a.ts", `import { x } from "@lib/x.ts";\n${dagSource("a", "console.log(x);")}`);
    await bench.loader.idle();
    write(bench.folder.file("tsconfig.json"), alias("two"));
    await bench.loader.idle();
    expect(await versions(bench, "a")).to.equal(2);
    expect(await errors(bench)).to.deep.equal([]);
  });

  it("keeps the last good version of a broken file in service, and clears the error when it is repaired", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    bench.save("a.ts", "const x = ;");
    await bench.loader.idle();
    expect(await errors(bench)).to.deep.equal(["a.ts 1"]);
    expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
    await (await bench.restart()).idle();
    expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    expect(await errors(bench)).to.deep.equal([]);
    expect(await versions(bench, "a")).to.equal(1);
  });

  it("loads a file as soon as what it imports is there", async () => {
    const bench = await newBench();
    bench.save("a.ts", `import { h } from "./_h.ts";\n${dagSource("a", "h();")}`);
    await bench.loader.idle();
    expect(await errors(bench)).to.deep.equal(["a.ts 1"]);
    const loaded = bench.next("a.ts", "loaded");
    bench.save("_h.ts", "export const h = () => 1;");
    await loaded;
    expect(await errors(bench)).to.deep.equal([]);
  });

  it("makes an import error of each kind of bad file, and loads the others", async () => {
    const bench = await newBench({ evaluateTimeoutMs: 3_000 });
    const begin = 'import { Dag } from "sluice";\nnew Dag("x");\n';
    bench.save("nul.ts", `${dagSource("n")}\0`);
    bench.save("latin1.ts", Buffer.from("// caf\u00e9\n", "latin1"));
    bench.save("utf16.ts", Buffer.from("\ufeffexport {}", "utf16le"));
    bench.save("large.ts", `//${"x".repeat(5 * 1024 * 1024)}`);
    bench.save("half.ts", dagSource("h").slice(0, 60));
    bench.save("loop.ts", `${begin}for (;;) {}`);
    bench.save("exit.ts", `${begin}process.exit(0);`);
    bench.save("throws.ts", `${begin}throw new Error("no");`);
    bench.save(
      "cycle.ts",
      `${begin}const d = new Dag("c");
const a = d.task("a", async () => 1)(); const b = d.task("b", async () => 1)(); a.before(b); b.before(a);`,
    );
    symlinkSync("circle.ts", bench.dags("circle.ts"));
    bench.save("good.ts", dagSource("good"));
    for (const name of ["notes.py", "empty.ts", "_private.ts", "types.d.ts"]) bench.save(name, "");
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal(["good good.ts"]);
    expect((await errors(bench)).map((error) => error.split(" ")[0])).to.deep.equal([
      "circle.ts",
      "cycle.ts",
      "exit.ts",
      "half.ts",
      "large.ts",
      "latin1.ts",
      "loop.ts",
      "nul.ts",
      "throws.ts",
      "utf16.ts",
    ]);
    expect(await errors(bench)).to.include.members([
      "nul.ts 4",
      "latin1.ts 1",
      "loop.ts 3",
      "exit.ts 3",
      "throws.ts 3",
    ]);
  });

  it("takes the DAGs of a deleted file out of service, and back with the file", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    bench.save("b.ts", "const x = ;");
    await bench.loader.idle();
    unlinkSync(bench.dags("a.ts"));
    unlinkSync(bench.dags("b.ts"));
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal([]);
    expect(await errors(bench)).to.deep.equal([]);
    expect(await bench.store.dags.get("a")).to.include({ isActive: false });
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
    expect(await versions(bench, "a")).to.equal(1);
  });

  it("finds at its start what was deleted, changed and added meanwhile", async () => {
    const bench = await newBench();
    for (const name of ["a", "b", "c"]) bench.save(`${name}.ts`, dagSource(name));
    bench.save("bad.ts", "const x = ;");
    await bench.loader.idle();
    await bench.loader.stop();
    unlinkSync(bench.dags("a.ts"));
    unlinkSync(bench.dags("bad.ts"));
    bench.save("b.ts", dagSource("b", "console.log(1);"));
    bench.save("d.ts", dagSource("d"));
    await (await bench.restart()).idle();
    expect(await activeDags(bench)).to.deep.equal(["b b.ts", "c c.ts", "d d.ts"]);
    expect(await errors(bench)).to.deep.equal([]);
    expect(kinds(bench.outcomes)).to.deep.equal([
      "a.ts removed",
      "b.ts loaded",
      "bad.ts removed",
      "c.ts unchanged",
      "d.ts loaded",
    ]);
  });

  it("does not take a save by delete and create for a delete", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    const loaded = bench.next("a.ts", "loaded");
    unlinkSync(bench.dags("a.ts"));
    await bench.loader.reparse().catch(() => undefined); // looks while the file is away
    bench.save("a.ts", dagSource("a", "console.log(1);"));
    await loaded;
    await bench.loader.idle();
    expect(kinds(bench.outcomes)).not.to.include("a.ts removed");
    const events = await bench.store.events.list({ dagId: "a" });
    expect(events.rows.map(({ kind }) => kind)).not.to.include("dag.deactivated");
  });

  it("leaves everything in service when the whole folder is away", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    renameSync(bench.dags(), bench.folder.file("away"));
    await bench.loader.idle();
    await (await bench.restart()).idle();
    expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
    mkdirSync(bench.dags());
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal([]);
  });

  it("drops a DAG that a file no longer defines", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a", "new Dag('b');"));
    await bench.loader.idle();
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
    bench.save("a.ts", "export const nothing = 1;");
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal([]);
  });

  it("leaves a DAG id with the file that had it first, and hands it over when that lets go", async () => {
    const bench = await newBench();
    bench.save("z.ts", dagSource("same"));
    await bench.loader.idle();
    bench.save("a.ts", dagSource("same", "console.log('a');"));
    await bench.loader.idle();
    const [error] = await bench.store.dags.importErrors();
    expect(error?.file).to.equal("a.ts");
    expect(error?.message).to.contain('a.ts defines the DAG "same", which z.ts has defined before; z.ts keeps it');
    expect(await activeDags(bench)).to.deep.equal(["same z.ts"]);
    await (await bench.restart()).idle();
    expect(await activeDags(bench)).to.deep.equal(["same z.ts"]);
    bench.save("z.ts", dagSource("other"));
    await bench.loader.idle();
    expect(await activeDags(bench)).to.deep.equal(["other z.ts", "same a.ts"]);
    expect(await errors(bench)).to.deep.equal([]);
    const events = await bench.store.events.list({ dagId: "same" });
    expect(events.rows.map(({ kind }) => kind)).not.to.include("dag.deactivated");
  });

  it("gives one of two new files with one DAG id an error, and the other the DAG", async () => {
    const bench = await newBench();
    bench.save("one.ts", dagSource("same", "console.log(1);"));
    bench.save("two.ts", dagSource("same", "console.log(2);"));
    await bench.loader.idle();
    expect(await activeDags(bench)).to.have.length(1);
    expect(await errors(bench)).to.have.length(1);
  });

  it("makes few versions of a file that is rewritten all the time, and ends with the last content", async () => {
    const bench = await newBench();
    await bench.loader.idle();
    for (let at = 0; at < 30; at++) {
      const seen = at < 11 ? bench.next("a.ts") : undefined;
      bench.save("a.ts", dagSource("a", `console.log(${at});`));
      // As soon as one is loaded the next is written; in the end faster than anything could be loaded.
      await seen;
    }
    await bench.loader.idle();
    expect(await versions(bench, "a")).to.be.within(2, 12);
    const { bundleHash = "" } = (await bench.store.dags.versionOf("a")) ?? {};
    expect((await bench.store.dags.bundle(bundleHash))?.code).to.contain("console.log(29)");
  });

  it("lets a repaired file overtake its own endless loop", async () => {
    const bench = await newBench();
    await bench.loader.idle();
    const other = bench.next("b.ts", "loaded");
    bench.save("a.ts", `${dagSource("a")}for (;;);`);
    bench.save("b.ts", dagSource("b"));
    await other; // by then the loop is under way
    const loaded = bench.next("a.ts", "loaded");
    const started = performance.now();
    bench.save("a.ts", dagSource("a"));
    await loaded;
    expect(performance.now() - started).to.be.lessThan(2_000);
    expect(await errors(bench)).to.deep.equal([]);
  });

  it("brings back a DAG that was deleted while its file stays", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    await bench.loader.idle();
    const loaded = bench.next("a.ts", "loaded");
    await bench.store.commit([{ kind: "dag.delete", dagId: "a" }], "user:admin");
    await loaded;
    expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
  });

  it("does not evaluate unchanged files at its next start, nor bundle them", async () => {
    const bench = await newBench();
    bench.save("a.ts", `import { h } from "./_h.ts";\n${dagSource("a", "h();")}`);
    bench.save("_h.ts", "export const h = () => 1;");
    bench.save("no_dag.ts", 'import { Dag } from "sluice"; export const make = () => new Dag("x");');
    await bench.loader.idle();
    await (await bench.restart()).idle();
    expect(kinds(bench.outcomes)).to.deep.equal(["a.ts unchanged", "no_dag.ts unchanged"]);
    await bench.loader.stop();
    bench.save("_h.ts", "export const h = () => 2;");
    await (await bench.restart()).idle();
    expect(kinds(bench.outcomes)).to.deep.equal(["a.ts loaded", "no_dag.ts unchanged"]);
  });

  it("parses a file without storing it, inside the folder or anywhere", async () => {
    const bench = await newBench();
    bench.save("a.ts", dagSource("a"));
    const inside = await bench.loader.parseFile(bench.dags("a.ts"));
    expect(inside.definitions.map(({ dagId }) => dagId)).to.deep.equal(["a"]);
    expect(inside.bundle.file).to.equal("a.ts");
    writeFileSync(bench.folder.file("b.ts"), dagSource("b"));
    expect((await bench.loader.parseFile(bench.folder.file("b.ts"))).definitions).to.have.length(1);
    expect(await activeDags(bench)).to.deep.equal([]);
    const missing = await bench.loader.parseFile(bench.dags("none.ts")).catch((error: unknown) => error);
    expect(missing).to.be.instanceOf(NotFoundError);
    bench.save("a.ts", "const x = ;");
    const broken = await bench.loader.parseFile(bench.dags("a.ts")).catch((error: unknown) => error);
    expect(broken).to.be.instanceOf(DagFileError);
  });

  it("refuses to parse again what is not there", async () => {
    const bench = await newBench();
    const error = await bench.loader.reparse("../etc/passwd").catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(NotFoundError);
  });

  it("tries again when the store is away for a moment", async () => {
    const bench = await newBench();
    let refusals = 2;
    const commit: Store["commit"] = (changes, actor) =>
      refusals-- > 0
        ? Promise.reject(new SluiceError("store_unavailable", "The disk is full"))
        : bench.store.commit(changes, actor);
    const store = new Proxy(bench.store, {
      get(target, key) {
        const value: unknown = key === "commit" ? commit : Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const loader = new Loader({
      store,
      dagsFolder: bench.dags(),
      home: bench.folder.path,
      clock: systemClock,
      logger: silentLogger,
      isPausedByDefault: true,
    });
    try {
      const kindsSeen: string[] = [];
      const loaded = new Promise<void>((resolve) => {
        loader.onLoaded(({ file, kind }) => {
          kindsSeen.push(`${file} ${kind}`);
          if (kindsSeen.includes("a.ts loaded") && kindsSeen.includes("b.ts failed")) resolve();
        });
      });
      bench.save("a.ts", dagSource("a"));
      bench.save("b.ts", "const x = ;");
      await loader.start();
      await within(loaded, 10_000, () => `seen: ${kindsSeen}`);
      await loader.reparse("b.ts");
      expect(await activeDags(bench)).to.deep.equal(["a a.ts"]);
      expect(await errors(bench)).to.deep.equal(["b.ts 1"]);
      expect(await bench.store.dags.get("a")).to.include({ isPaused: true });
    } finally {
      await loader.stop();
    }
  });

  it("stops in the middle of a load, and starts where it was", async () => {
    const bench = await newBench();
    for (let at = 0; at < 8; at++) bench.save(`d${at}.ts`, dagSource(`d${at}`));
    const first = bench.next("d0.ts", "loaded");
    await bench.loader.start();
    await first;
    await (await bench.restart()).idle();
    expect(await activeDags(bench)).to.have.length(8);
  });
});
