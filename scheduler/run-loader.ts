import type { PastFacts } from "../core/decide.ts";
import type { DagRunRow, RunKey, TaskInstanceRow } from "../store/rows.ts";
import type { Catalog, Version } from "./catalog.ts";
import type { Past } from "./past.ts";
import type { StoreGate } from "./store-gate.ts";

/** The rows of a run that is to be in memory. */
export interface LoadedRun {
  readonly row: DagRunRow;
  readonly tasks: readonly TaskInstanceRow[];
  readonly version: Version;
  readonly past: PastFacts | undefined;
}

/** What loading gave: the run's row alone when it is not to run now. */
export type Loading =
  | { readonly kind: "gone" }
  | { readonly kind: "row"; readonly row: DagRunRow }
  | { readonly kind: "run"; readonly loaded: LoadedRun };

/** Reads runs from their rows. `wanted` says, of a row as it is now, whether its tasks are needed. */
export class RunLoader {
  readonly #gate: StoreGate;
  readonly #catalog: Catalog;
  readonly #past: Past;

  constructor(gate: StoreGate, catalog: Catalog, past: Past) {
    this.#gate = gate;
    this.#catalog = catalog;
    this.#past = past;
  }

  async load(runKey: RunKey, wanted: (row: DagRunRow) => boolean): Promise<Loading> {
    const row = await this.#gate.read((store) => store.runs.get(runKey));
    if (row === undefined) return { kind: "gone" };
    if (!wanted(row)) return { kind: "row", row };
    await this.#catalog.require(row.dagId);
    const version = await this.#catalog.version(row.versionId);
    const tasks = await this.#gate.read((store) => store.tasks.ofRun(runKey));
    const past = version.graph.needsPast ? await this.#past.factsFor(row) : undefined;
    return { kind: "run", loaded: { row, tasks, version, past } };
  }
}
