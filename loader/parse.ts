import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DagDefinition } from "../core/definition.ts";
import { type Bundle, bundleDagFile } from "./bundle.ts";
import type { EsbuildService } from "./esbuild-service.ts";
import { inputStamp, MISSING, stampOf } from "./scan.ts";
import { checkSource } from "./source-check.ts";
import { CLOCK_TICK_MS } from "./watcher.ts";

/** A DAG file read and bundled. */
export interface BundledFile {
  readonly bundle: Bundle;
  /** Stamps by real path of what it imports (and of the tsconfig.json that holds for it) as it was bundled. */
  readonly inputs: ReadonlyMap<string, string>;
  /** An input was changed while it was read: bundle again to be sure. */
  readonly isUncertain: boolean;
}

/** A DAG file as `dags test` needs it: nothing of it is stored. */
export interface ParsedFile {
  readonly bundle: Bundle;
  readonly definitions: readonly DagDefinition[];
  /** How long reading, bundling and evaluating took. */
  readonly parseMs: number;
}

/** Checks and bundles a file. Throws `DagFileError`; rejects with ENOENT when it is gone. */
export async function bundleFile(
  esbuild: EsbuildService,
  request: { readonly root: string; readonly file: string; readonly realPath: string },
): Promise<BundledFile> {
  // Compared with times that the file system gives.
  const started = Date.now();
  await checkSource(request.file, request.realPath);
  const bundle = await bundleDagFile(esbuild.build, request);
  const settings = await nearestTsconfig(dirname(request.realPath));
  const imported = [...bundle.inputs.filter((path) => path !== request.realPath), ...settings];
  let isUncertain = false;
  const inputs = await Promise.all(
    imported.map(async (path): Promise<[string, string]> => {
      const stats = await stat(path, { bigint: true }).catch(() => undefined);
      if (stats !== undefined && Number(stats.mtimeMs) > started - CLOCK_TICK_MS) isUncertain = true;
      return [path, stats === undefined ? MISSING : stampOf(stats)];
    }),
  );
  return { bundle, inputs: new Map(inputs), isUncertain };
}

/** The settings that esbuild reads for files in a folder: path aliases and how TypeScript is meant. */
async function nearestTsconfig(folder: string): Promise<string[]> {
  const candidate = join(folder, "tsconfig.json");
  if ((await inputStamp(candidate)) !== MISSING) return [candidate];
  const parent = dirname(folder);
  return parent === folder ? [] : nearestTsconfig(parent);
}
