import { type CompiledGraph, compileGraph } from "../core/graph.ts";
import type { Logger } from "../core/logger.ts";
import { type Timetable, timetableFromSpec } from "../core/timetable.ts";
import type { DagRow, DagVersionRow } from "../store/rows.ts";
import type { StoreGate } from "./store-gate.ts";

/** A DAG version with what the scheduler derives from it, once. */
export interface Version {
  readonly row: DagVersionRow;
  readonly graph: CompiledGraph;
  readonly timetable: Timetable;
  /** Epoch ms. */
  readonly startDate: number | undefined;
  readonly endDate: number | undefined;
}

/** Called after a DAG's row was read again; `before` is undefined for a new one. */
export type DagListener = (dag: DagRow | undefined, before: DagRow | undefined) => void;

/** Versions kept beyond those that runs hold themselves. */
const MAX_VERSIONS = 512;

/**
 * The DAGs as the scheduler knows them: rows read at the start and again after each hint, compiled versions on demand. All
 * decisions read from here, so that a task that ends costs no query.
 */
export class Catalog {
  readonly #gate: StoreGate;
  readonly #logger: Logger;
  readonly #dags = new Map<string, DagRow>();
  readonly #versions = new Map<number, Promise<Version>>();
  readonly #listeners = new Set<DagListener>();
  #stale = new Set<string>();
  #refreshing: Promise<void> | undefined;

  constructor(gate: StoreGate, logger: Logger) {
    this.#gate = gate;
    this.#logger = logger;
  }

  /** Reads every active DAG. */
  async start(): Promise<void> {
    await this.reload();
  }

  /** Reads every active DAG again and tells of each that changed; the sweep's way after a lost hint. */
  async reload(): Promise<void> {
    const rows = await this.#gate.read((store) => store.dags.all());
    const present = new Set<string>();
    for (const row of rows) {
      present.add(row.dagId);
      this.#accept(row.dagId, row);
    }
    for (const dagId of [...this.#dags.keys()]) if (!present.has(dagId)) this.#stale.add(dagId);
    await this.#refresh();
  }

  /** The DAG's row as last read; also inactive ones that runs asked for. */
  dag(dagId: string): DagRow | undefined {
    return this.#dags.get(dagId);
  }

  all(): Iterable<DagRow> {
    return this.#dags.values();
  }

  /** The row, read now when it is not known yet (a DAG whose file is gone, but whose runs go on). */
  async require(dagId: string): Promise<DagRow | undefined> {
    if (!this.#dags.has(dagId)) await this.changed([dagId]);
    return this.#dags.get(dagId);
  }

  /** Reads these DAGs again and tells the listeners. Resolves when done. */
  async changed(dagIds: Iterable<string>): Promise<void> {
    for (const dagId of dagIds) this.#stale.add(dagId);
    await this.#refresh();
  }

  onChange(listener: DagListener): void {
    this.#listeners.add(listener);
  }

  /** @throws SluiceError when the version is gone or its graph cannot be compiled. */
  version(versionId: number): Promise<Version> {
    const known = this.#versions.get(versionId);
    if (known !== undefined) return known;
    const loading = this.#load(versionId);
    this.#versions.set(versionId, loading);
    loading.catch(() => this.#versions.delete(versionId));
    for (const oldest of this.#versions.keys()) {
      if (this.#versions.size <= MAX_VERSIONS) break;
      this.#versions.delete(oldest);
    }
    return loading;
  }

  async #load(versionId: number): Promise<Version> {
    const row = await this.#gate.read((store) => store.dags.version(versionId));
    if (row === undefined) throw new RangeError(`dag version ${versionId} is not in the database`);
    const { definition } = row;
    const startDate = definition.startDate === undefined ? undefined : Date.parse(definition.startDate);
    const endDate = definition.endDate === undefined ? undefined : Date.parse(definition.endDate);
    const timetable = timetableFromSpec(definition.timetable, startDate === undefined ? {} : { startDate });
    return { row, graph: compileGraph(definition), timetable, startDate, endDate };
  }

  /** One refresh at a time; what becomes stale meanwhile is read in the next round. */
  async #refresh(): Promise<void> {
    while (this.#stale.size > 0) {
      this.#refreshing ??= this.#readStale().finally(() => {
        this.#refreshing = undefined;
      });
      await this.#refreshing;
    }
    await this.#refreshing;
  }

  async #readStale(): Promise<void> {
    const dagIds = this.#stale;
    this.#stale = new Set();
    await Promise.all(
      [...dagIds].map(async (dagId) => {
        this.#accept(dagId, await this.#gate.read((store) => store.dags.get(dagId)));
      }),
    );
  }

  #accept(dagId: string, row: DagRow | undefined): void {
    const before = this.#dags.get(dagId);
    if (row === undefined) this.#dags.delete(dagId);
    else this.#dags.set(dagId, row);
    if (row === undefined && before === undefined) return;
    for (const listener of this.#listeners) {
      try {
        listener(row, before);
      } catch (error) {
        this.#logger.error({ err: error, dagId }, "a change of a DAG could not be followed");
      }
    }
  }
}
