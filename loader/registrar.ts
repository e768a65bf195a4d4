import type { DagDefinition } from "../core/definition.ts";
import { ConflictError } from "../core/errors.ts";
import { timetableFromSpec } from "../core/timetable.ts";
import type { Change } from "../store/changes.ts";
import type { Store } from "../store/store.ts";
import type { Bundle } from "./bundle.ts";
import { DagFileError } from "./dag-file-error.ts";
import { definitionHash, sha256 } from "./hash.ts";
import { Ownership } from "./ownership.ts";

/** A DAG as it was stored. */
export interface StoredDag {
  readonly dagId: string;
  readonly versionId: number;
  /** Whether this made a new version. */
  readonly isNew: boolean;
}

/** What a file's last good load gave. */
export interface GoodLoad {
  readonly bundleHash: string;
  readonly dagIds: readonly string[];
}

export interface RegistrarOptions {
  readonly store: Store;
  readonly isPausedByDefault: boolean;
  /** Whether a file is still there; the DAGs of one that is not may be taken over. */
  readonly isPresent: (file: string) => boolean;
}

const ACTOR = "loader";
const LONGEST_MESSAGE = 10_000;
const LONGEST_DETAIL = 200_000;

/** Writes what was loaded into the store: bundles, versions, import errors, and which file owns which DAG. */
export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #owners = new Ownership();
  readonly #good = new Map<string, GoodLoad>();
  readonly #errors = new Map<string, string>();
  readonly #orphans = new Set<string>();

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** Learns what the store knows from former times. */
  async read(): Promise<void> {
    const [rows, errors] = await Promise.all([
      this.#options.store.dags.files(),
      this.#options.store.dags.importErrors(),
    ]);
    const byFile = Map.groupBy(rows, (row) => row.file);
    for (const [file, dags] of byFile) {
      const hashes = new Set(dags.map((dag) => dag.bundleHash));
      for (const { dagId } of dags) this.#owners.take(dagId, file);
      const [bundleHash] = hashes;
      // DAGs of one file at different bundles: one was taken over since; only a look at the file tells.
      if (hashes.size === 1 && bundleHash !== undefined) {
        this.#good.set(file, { bundleHash, dagIds: dags.map((dag) => dag.dagId).sort() });
      }
    }
    for (const error of errors) this.#errors.set(error.file, signature(error.message, error.stack));
  }

  /** Every file that the store has DAGs or an import error of. */
  files(): ReadonlySet<string> {
    return new Set([...this.#good.keys(), ...this.#errors.keys(), ...this.#owners.files()]);
  }

  goodLoad(file: string): GoodLoad | undefined {
    return this.#good.get(file);
  }

  hasError(file: string): boolean {
    return this.#errors.has(file);
  }

  ownerOf(dagId: string): string | undefined {
    return this.#owners.ownerOf(dagId);
  }

  /** Takes a former load of a file without DAGs for granted; one with DAGs is known from the store or not at all. */
  assumeWithoutDags(file: string, bundleHash: string): void {
    this.#good.set(file, { bundleHash, dagIds: [] });
  }

  /** The DAG was deleted by an operator: what is known of its file no longer holds. */
  forgetDag(dagId: string): string | undefined {
    const file = this.#owners.ownerOf(dagId);
    if (file !== undefined) this.#good.delete(file);
    return file;
  }

  /** The file is as it was when it was last loaded. */
  async confirm(file: string): Promise<void> {
    this.#owners.forgetRefusals(file);
    if (!this.#errors.has(file)) return;
    await this.#commit([{ kind: "importError.clear", file }]);
    this.#errors.delete(file);
  }

  /**
   * Stores a loaded file in one atom. Gives its DAGs, and the files that were waiting for a DAG this one no longer
   * defines. Throws `DagFileError` when another file has one of its DAGs.
   */
  async put(
    bundle: Bundle,
    definitions: readonly DagDefinition[],
    parseMs: number,
  ): Promise<{ dags: StoredDag[]; waiting: string[] }> {
    const { file } = bundle;
    this.#owners.forgetRefusals(file);
    for (const { dagId } of definitions) this.#refuseForeign(dagId, file);
    const before = new Map(definitions.map(({ dagId }) => [dagId, this.#owners.ownerOf(dagId)]));
    // Taken before the commit, so that of two files loaded at once only one gets it.
    for (const dagId of before.keys()) this.#owners.take(dagId, file);
    try {
      const dags = await this.#write(bundle, definitions, parseMs);
      const dagIds = [...before.keys()].sort();
      for (const dagId of dagIds) this.#orphans.delete(dagId);
      this.#good.set(file, { bundleHash: bundle.hash, dagIds });
      this.#errors.delete(file);
      const dropped = this.#owners.dagsOf(file).filter((dagId) => !before.has(dagId));
      return { dags, waiting: this.#release(dropped) };
    } catch (error) {
      for (const [dagId, owner] of before) {
        if (owner === undefined) this.#owners.release(dagId);
        else this.#owners.take(dagId, owner);
      }
      throw error;
    }
  }

  /** Stores why a file cannot be loaded; its DAGs stay as they are. False when that is stored already. */
  async fail(error: DagFileError): Promise<boolean> {
    const { file, location } = error;
    const message = error.message.slice(0, LONGEST_MESSAGE);
    const stack = error.detail?.slice(0, LONGEST_DETAIL) ?? null;
    if (this.#errors.get(file) === signature(message, stack)) return false;
    const [line, column] = [location?.line ?? null, location?.column ?? null];
    await this.#commit([{ kind: "importError.put", file, message, stack, line, column }]);
    this.#errors.set(file, signature(message, stack));
    return true;
  }

  /** The file is gone. Gives its DAGs, and the files that were waiting for one of them. */
  async remove(file: string): Promise<{ dagIds: string[]; waiting: string[] }> {
    await this.confirm(file);
    const dagIds = this.#owners.dagsOf(file);
    this.#good.delete(file);
    return { dagIds, waiting: this.#release(dagIds) };
  }

  get hasOrphans(): boolean {
    return this.#orphans.size > 0;
  }

  /** Deactivates the DAGs that no file has taken over. */
  async deactivateOrphans(): Promise<void> {
    const dagIds = [...this.#orphans].filter((dagId) => this.#owners.ownerOf(dagId) === undefined);
    for (const dagId of dagIds) {
      // "missing": deleted by an operator in the meantime.
      await this.#options.store.commit([{ kind: "dag.deactivate", dagId }], ACTOR);
      this.#orphans.delete(dagId);
    }
  }

  #release(dagIds: readonly string[]): string[] {
    return dagIds.flatMap((dagId) => {
      this.#orphans.add(dagId);
      return this.#owners.release(dagId);
    });
  }

  #refuseForeign(dagId: string, file: string): void {
    const owner = this.#owners.ownerOf(dagId);
    if (owner === undefined || owner === file || !this.#options.isPresent(owner)) return;
    this.#owners.refuse(dagId, file);
    throw new DagFileError(
      "dag_file_conflict",
      file,
      `${file} defines the DAG "${dagId}", which ${owner} has defined before; ${owner} keeps it. Rename one of the two. ` +
        `If ${file} imports ${owner}, move what they share into a file whose name begins with "_".`,
    );
  }

  async #write(bundle: Bundle, definitions: readonly DagDefinition[], parseMs: number): Promise<StoredDag[]> {
    const { file, hash, code, sourceMap, sources } = bundle;
    const changes: Change[] = definitions.map((definition) => ({
      kind: "dag.put",
      file,
      definition,
      definitionHash: definitionHash(definition, hash),
      bundleHash: hash,
      parseMs,
      isPausedByDefault: definition.isPausedUponCreation ?? this.#options.isPausedByDefault,
      scheduleSummary: timetableFromSpec(definition.timetable).summary,
    }));
    if (definitions.length > 0) changes.unshift({ kind: "bundle.put", hash, file, code, sourceMap, sources });
    if (this.#errors.has(file)) changes.push({ kind: "importError.clear", file });
    if (changes.length === 0) return [];
    const results = await this.#commit(changes);
    return definitions.map(({ dagId }, at) => {
      const { versionId = 0, isNew = false } = results[at + 1] ?? {};
      return { dagId, versionId, isNew };
    });
  }

  async #commit(changes: readonly Change[]) {
    const result = await this.#options.store.commit(changes, ACTOR);
    if (!result.ok) throw new ConflictError(`The store refused what was loaded: ${result.message}`);
    return result.results;
  }
}

function signature(message: string, stack: string | null): string {
  return sha256(`${message}\n${stack ?? ""}`);
}
