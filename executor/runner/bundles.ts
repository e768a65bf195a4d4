import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Dag } from "../../sdk/dag.ts";
import { collectDags } from "../../sdk/registry.ts";

/**
 * The bundles this process has evaluated, by hash. ES modules cannot be unloaded, so a process that has seen many asks to be
 * replaced (`isFull`).
 */
export class Bundles {
  readonly #folder: string;
  readonly #dags: string | undefined;
  /** Code to be served by address, from when it is asked for until it has been imported. */
  readonly #sources = new Map<string, string>();
  readonly #loaded = new Map<string, ReadonlyMap<string, Dag<unknown>>>();
  readonly #loading = new Map<string, Promise<ReadonlyMap<string, Dag<unknown>>>>();

  /** `dags`: the DAG folder, so that `import.meta` of a bundle refers to its DAG file and not to the folder of bundles. */
  constructor(folder: string, dags?: string) {
    this.#folder = folder;
    this.#dags = dags;
    registerHooks({
      // The DAG file may be gone, or hold another version meanwhile: it is not looked for.
      resolve: (specifier, context, nextResolve) =>
        this.#sources.has(specifier)
          ? { url: specifier, format: "module", shortCircuit: true }
          : nextResolve(specifier, context),
      load: (url, context, nextLoad) => {
        const source = this.#sources.get(url);
        return source === undefined ? nextLoad(url, context) : { format: "module", source, shortCircuit: true };
      },
    });
  }

  /** Whether no further bundle should be evaluated here. */
  get isFull(): boolean {
    return this.#loaded.size >= 100;
  }

  /** The DAG if its bundle is here already; answers without a turn of the event loop. */
  ready(hash: string, dagId: string): Dag<unknown> | undefined {
    return this.#loaded.get(hash)?.get(dagId);
  }

  /** Evaluates the bundle unless it is here. Rejects with what its evaluation throws, or when it does not define the DAG. */
  async dag(hash: string, dagId: string): Promise<Dag<unknown>> {
    const dags = this.#loaded.get(hash) ?? (await this.#load(hash));
    const dag = dags.get(dagId);
    if (dag === undefined)
      throw new Error(
        `The code of this run (bundle ${hash.slice(0, 12)}) does not define DAG "${dagId}" when it is evaluated here.`,
      );
    return dag;
  }

  #load(hash: string): Promise<ReadonlyMap<string, Dag<unknown>>> {
    const loading = this.#loading.get(hash) ?? this.#evaluate(hash).finally(() => this.#loading.delete(hash));
    this.#loading.set(hash, loading);
    return loading;
  }

  async #evaluate(hash: string): Promise<ReadonlyMap<string, Dag<unknown>>> {
    const { url, source } = this.#read(hash);
    this.#sources.set(url, source);
    const dags = await collectDags(() => import(url)).finally(() => this.#sources.delete(url));
    const byId = new Map(dags.map((dag) => [dag.dagId, dag]));
    this.#loaded.set(hash, byId);
    return byId;
  }

  /** The code under the address of its DAG file; stack traces show the author's files, also when these are gone meanwhile. */
  #read(hash: string): { readonly url: string; readonly source: string } {
    const read = (name: string) => readFileSync(join(this.#folder, name), "utf8");
    const root = this.#dags ?? this.#folder;
    const map = JSON.parse(read(`${hash}.mjs.map`)) as { readonly sources: readonly string[] };
    const sources = map.sources.map((path) => pathToFileURL(join(root, path)).href);
    const inline = Buffer.from(
      JSON.stringify({ ...map, sources, sourceRoot: undefined, sourcesContent: undefined }),
    ).toString("base64");
    const code = read(`${hash}.mjs`).replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, "");
    // The hash keeps two versions of one file apart.
    const url = `${pathToFileURL(join(root, read(`${hash}.mjs.file`))).href}?bundle=${hash}`;
    return { url, source: `${code}\n//# sourceMappingURL=data:application/json;base64,${inline}\n` };
  }
}
