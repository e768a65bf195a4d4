/**
 * Base of every error that Sluice raises on purpose. `code` is stable and machine-readable;
 * `message` says what happened, to what, and what to do about it.
 */
export class SluiceError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The named thing does not exist (HTTP 404). */
export class NotFoundError extends SluiceError {
  constructor(message: string) {
    super("not_found", message);
  }
}

/** The request contradicts the present state: a duplicate, or a change that somebody else made first (HTTP 409). */
export class ConflictError extends SluiceError {
  constructor(message: string) {
    super("conflict", message);
  }
}

/** The input is not acceptable (HTTP 422). `issues` names each offending field. */
export class InvalidInputError extends SluiceError {
  readonly issues: readonly { readonly path: string; readonly message: string }[];

  constructor(message: string, issues: readonly { readonly path: string; readonly message: string }[] = []) {
    super("invalid_input", message);
    this.issues = issues;
  }
}
