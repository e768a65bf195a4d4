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
  readonly #loaded = new Map<string, ReadonlyMap<string, Dag<unknown>>>();
  readonly #loading = new Map<string, Promise<ReadonlyMap<string, Dag<unknown>>>>();

  constructor(folder: string) {
    this.#folder = folder;
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
    const url = pathToFileURL(join(this.#folder, `${hash}.mjs`)).href;
    const dags = await collectDags(() => import(url));
    const byId = new Map(dags.map((dag) => [dag.dagId, dag]));
    this.#loaded.set(hash, byId);
    return byId;
  }
}
