import { SluiceError } from "../../core/errors.ts";

/** SQLite's primary result codes (the low byte of `errcode`). */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** The primary result code of an error that node:sqlite threw, or undefined. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** Another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === BUSY || code === LOCKED;
}

/** The disk has no room or refuses to write. */
export function isDiskFull(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === FULL || code === IOERR;
}

/** What callers see when the database cannot do its work; our own errors pass through. */
export function storeUnavailable(error: unknown, path: string): unknown {
  if (error instanceof SluiceError) return error;
  const code = sqliteCode(error);
  if (code === undefined) return error;
  return new SluiceError("store_unavailable", describe(code, error as Error, path), { cause: error });
}

function describe(code: number, error: Error, path: string): string {
  if (code === FULL)
    return `The disk that holds ${path} is full, nothing was changed. Free some space there; work goes on by itself.`;
  if (code === BUSY || code === LOCKED)
    return `Another process keeps ${path} locked, nothing was changed. Wait for it, or end it.`;
  if (code === READONLY || code === CANTOPEN)
    return `${path} cannot be written, nothing was changed. Check that this user may write to the file and its folder.`;
  if (code === CORRUPT || code === NOTADB)
    return `${path} is damaged or no SQLite database (${error.message}). Restore it from a backup; do not go on with it.`;
  return `The database ${path} refused its work: ${error.message}. Nothing was changed.`;
}
