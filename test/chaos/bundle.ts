import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { projectRoot } from "../support/processes.ts";

/** The engine as one file, so that a boot costs what the engine costs and not what finding 200 modules does. */
export interface EngineBundle extends Disposable {
  readonly file: string;
}

/** Modules keep the address they have in the project: the executor finds its runner by it. */
const keepAddress: Plugin = {
  name: "keep-address",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const contents = text
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)));
      return { contents, loader: "ts" };
    });
  },
};

/** Bundles `test/chaos/engine.ts` into a new folder below `node_modules`, from where packages are found. */
export async function bundleEngine(): Promise<EngineBundle> {
  const cache = join(projectRoot, "node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  const outdir = mkdtempSync(join(cache, "chaos-"));
  await build({
    entryPoints: [join(projectRoot, "test", "chaos", "engine.ts")],
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node24",
    external: ["knex", "esbuild"],
    plugins: [keepAddress],
    logLevel: "error",
  });
  return {
    file: join(outdir, "engine.mjs"),
    [Symbol.dispose]: () => rmSync(outdir, { recursive: true, force: true }),
  };
}
