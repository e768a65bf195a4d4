import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import { Loader } from "../../loader/loader.ts";
import { openStore } from "../../store/open.ts";
import { projectRoot } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";
import { asFile, documents, snippetsOf } from "./snippets.ts";

const typescript = documents()
  .flatMap(snippetsOf)
  .filter(({ language }) => language === "ts");

describe("the documents", () => {
  const folder = tempFolders();

  it("hold TypeScript that compiles", function () {
    this.timeout(120_000);
    const { path, file } = folder();
    for (const [index, snippet] of typescript.entries())
      writeFileSync(file(`snippet${index}.ts`), asFile(snippet, index));
    writeFileSync(file("package.json"), '{"type":"module"}');
    writeFileSync(file("tsconfig.json"), JSON.stringify(configFor()));
    try {
      const tsc = join(projectRoot, "node_modules/typescript/bin/tsc");
      execFileSync(process.execPath, [tsc, "--noEmit", "--pretty", "false", "-p", path], {
        encoding: "utf8",
        cwd: path,
      });
    } catch (error) {
      const output = String((error as { stdout?: string }).stdout);
      expect.fail(output.replaceAll(/snippet(\d+)\.ts/g, (_, index) => typescript[Number(index)]?.place ?? path));
    }
  });

  it("hold DAGs that Sluice takes", async function () {
    this.timeout(120_000);
    const { file } = folder();
    mkdirSync(file("dags"));
    for (const [index, snippet] of typescript.entries())
      writeFileSync(file("dags", `snippet${index}.ts`), asFile(snippet, index));
    const store = await openStore({ url: `sqlite:${file("sluice.db")}`, secretKey: new Uint8Array(32) });
    const loader = new Loader({
      store,
      dagsFolder: file("dags"),
      home: file("home"),
      clock: systemClock,
      logger: silentLogger,
      isPausedByDefault: true,
    });
    try {
      await loader.start();
      await loader.idle();
      const errors = (await store.dags.importErrors()).map((error) => JSON.stringify(error));
      const readable = errors.map((text) =>
        text.replaceAll(/snippet(\d+)\.ts/g, (_, index) => typescript[Number(index)]?.place ?? ""),
      );
      expect(readable).to.deep.equal([]);
      expect((await store.dags.all()).length).to.be.at.least(typescript.length / 2);
    } finally {
      await loader.stop();
      await store.close();
    }
  });

  it("link to files and headings that exist", () => {
    const broken = documents().flatMap((document) => {
      const text = readFileSync(join(projectRoot, document), "utf8");
      return [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)]
        .map((match) => match[1] ?? "")
        .filter((target) => !isThere(document, target))
        .map((target) => `${document} → ${target}`);
    });
    expect(broken).to.deep.equal([]);
  });
});

function isThere(document: string, target: string): boolean {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? join(projectRoot, document) : join(projectRoot, dirname(document), path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map((match) => slug(match[1] ?? ""));
  return headings.includes(anchor);
}

/** As GitHub makes anchors of headings. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

function configFor() {
  const sdk = (name: string) => [join(projectRoot, "sdk", name)];
  return {
    extends: join(projectRoot, "tsconfig.json"),
    compilerOptions: {
      rootDir: "/",
      noUnusedLocals: false,
      typeRoots: [join(projectRoot, "node_modules/@types")],
      types: ["node"],
      paths: {
        sluice: sdk("index.ts"),
        "sluice/operators": sdk("operators/index.ts"),
        "sluice/testing": sdk("testing/index.ts"),
        "sluice/client": sdk("client/index.ts"),
        zod: [join(projectRoot, "node_modules/zod/index.d.ts")],
      },
    },
    include: ["*.ts"],
    exclude: [],
  };
}
