import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { describe, it } from "mocha";
import { tempFolders } from "../support/temp.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The examples in the SDK's doc comments, by the place they stand at. */
function examples(): { readonly place: string; readonly code: string }[] {
  const files = readdirSync(join(root, "sdk"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return files.flatMap((file) => {
    const text = readFileSync(join(root, "sdk", file), "utf8");
    return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => ({
      place: `sdk/${file}:${text.slice(0, match.index).split("\n").length}`,
      code: (match[1] ?? "").replaceAll(/^ *\* ?/gm, ""),
    }));
  });
}

describe("the examples in doc comments", () => {
  const folder = tempFolders();

  it("compile", function () {
    this.timeout(120_000);
    const found = examples();
    expect(found.length).to.be.greaterThan(12);
    const { path, file } = folder();
    for (const [index, { code }] of found.entries()) writeFileSync(file(`example${index}.ts`), `${code}\nexport {};\n`);
    writeFileSync(file("package.json"), '{"type":"module"}');
    const target = (name: string) => [join(root, "sdk", name)];
    writeFileSync(
      file("tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          rootDir: "/",
          noUnusedLocals: false,
          typeRoots: [join(root, "node_modules/@types")],
          types: ["node"],
          paths: {
            sluice: target("index.ts"),
            "sluice/operators": target("operators/index.ts"),
            "sluice/testing": target("testing/index.ts"),
            "sluice/client": target("client/index.ts"),
            zod: [join(root, "node_modules/zod/index.d.ts")],
          },
        },
        include: ["*.ts"],
        exclude: [],
      }),
    );
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    try {
      execFileSync(process.execPath, [tsc, "--noEmit", "--pretty", "false", "-p", path], {
        encoding: "utf8",
        cwd: path,
      });
    } catch (error) {
      const output = String((error as { stdout?: string }).stdout);
      const readable = output.replaceAll(
        /example(\d+)\.ts/g,
        (_, index) => found[Number(index)]?.place ?? relative(root, path),
      );
      expect.fail(readable);
    }
  });
});
