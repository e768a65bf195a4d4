import { SluiceError } from "../core/errors.ts";
import type { SourceLocation } from "../sdk/location.ts";

/** Why a DAG file could not be loaded. */
export type DagFileErrorCode =
  | "dag_file_unreadable"
  | "dag_file_syntax"
  | "dag_file_unresolved"
  | "dag_file_threw"
  | "dag_file_timeout"
  | "dag_file_exited"
  | "dag_file_memory"
  | "dag_file_output"
  | "dag_file_invalid"
  | "dag_file_conflict";

/**
 * A DAG file that cannot be loaded; becomes its import error. `message` is what a page shows in one line, `detail` the
 * rest: the source line, the mapped stack, what the file printed.
 */
export class DagFileError extends SluiceError {
  readonly file: string;
  /** In the author's source; `file` is below the DAG folder, with `/`. */
  readonly location: SourceLocation | undefined;
  readonly detail: string | undefined;

  constructor(
    code: DagFileErrorCode,
    file: string,
    message: string,
    extra: { readonly location?: SourceLocation | undefined; readonly detail?: string | undefined } = {},
  ) {
    super(code, message);
    this.file = file;
    this.location = extra.location;
    this.detail = extra.detail;
  }
}
