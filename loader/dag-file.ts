import type { DagFileError } from "./dag-file-error.ts";
import type { StoredDag } from "./registrar.ts";
import type { SourceFile } from "./scan.ts";

/** What became of a DAG file; paths are below the DAG folder, with `/`. */
export type FileOutcome =
  | { readonly file: string; readonly kind: "loaded"; readonly dags: readonly StoredDag[]; readonly parseMs: number }
  /** Its code is what it was when it was last loaded. */
  | { readonly file: string; readonly kind: "unchanged" }
  /** Its DAGs, if it had any, stay in service as they were. */
  | { readonly file: string; readonly kind: "failed"; readonly error: DagFileError }
  | { readonly file: string; readonly kind: "removed"; readonly dagIds: readonly string[] };

/** What is known of a file on disk. */
export interface DagFile {
  source: SourceFile;
  /** Stamp of the file when it was last loaded without error. */
  loadedStamp: string | undefined;
  /** Stamps of what it imported then, by real path. */
  inputs: ReadonlyMap<string, string>;
  error: DagFileError | undefined;
  /** Loads that failed in a row. */
  failures: number;
}
