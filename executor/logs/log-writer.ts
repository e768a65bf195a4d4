import { closeSync, fstatSync, mkdirSync, openSync, readSync, write, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { LogLine } from "../executor.ts";
import { remark } from "./budget.ts";

/** The file operations a writer needs; a test puts a full disk in their place. */
export interface LogFiles {
  open(path: string): number;
  /** Bytes written, perhaps fewer than given. Throws as `fs.writeSync`. */
  writeSync(fd: number, bytes: Buffer): number;
  write(fd: number, bytes: Buffer): Promise<number>;
  close(fd: number): void;
}

/** The real files: created with mode 0600 in folders of mode 0700. */
export const diskFiles: LogFiles = {
  open(path) {
    try {
      return openSync(path, "a+", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return openSync(path, "a+", 0o600);
    }
  },
  writeSync: (fd, bytes) => writeSync(fd, bytes),
  write: (fd, bytes) =>
    new Promise((resolve, reject) =>
      write(fd, bytes, 0, bytes.length, null, (error, count) => (error ? reject(error) : resolve(count))),
    ),
  close: closeSync,
};

/** More than this is written off the main thread, bytes. */
const SYNC_BYTES = 262_144;

/**
 * Appends lines to one log file. Little is written at once and synchronously, which is faster than any queue (some 20 µs); a flood goes
 * through the thread pool. A disk that refuses costs lines, never the task: the next line that can be written stands behind a remark
 * that says how many are missing.
 */
export class LogWriter {
  readonly path: string;
  readonly #files: LogFiles;
  #fd: number | undefined;
  #pending: string[] = [];
  #pendingBytes = 0;
  #missing = 0;
  /** The file ends in the middle of a line: a crash, or a disk that filled up. */
  #isTorn = false;
  #writing: Promise<void> | undefined;
  /** Why the last write failed; undefined when it did not. */
  failure: NodeJS.ErrnoException | undefined;

  constructor(path: string, files: LogFiles = diskFiles) {
    this.path = path;
    this.#files = files;
  }

  /** Whether lines, or a remark about missing ones, wait to be written. */
  get isDirty(): boolean {
    return this.#pending.length > 0 || this.#missing > 0 || this.#writing !== undefined;
  }

  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  push(lines: readonly LogLine[]): void {
    for (const line of lines) {
      const text = `${JSON.stringify(line)}\n`;
      this.#pending.push(text);
      this.#pendingBytes += text.length;
    }
  }

  /** Writes what waits. Undefined = done (or refused by the disk); a promise when it is much. */
  flush(): Promise<void> | undefined {
    if (this.#writing !== undefined) return this.#writing;
    if (!this.isDirty) return undefined;
    if (this.#pendingBytes > SYNC_BYTES) {
      this.#writing = this.#writeMuch().finally(() => {
        this.#writing = undefined;
      });
      return this.#writing;
    }
    const batch = this.#take();
    try {
      const fd = this.#open();
      for (let rest = this.#encode(batch); rest.length > 0; ) {
        const count = this.#files.writeSync(fd, rest);
        rest = this.#advance(rest, count);
      }
      this.#succeeded();
    } catch (error) {
      this.#failed(error, batch.length);
    }
    return undefined;
  }

  /** Closes the file if it is open; the next write opens it again. Not while `flush` is under way. */
  close(): void {
    if (this.#fd === undefined || this.#writing !== undefined) return;
    this.#files.close(this.#fd);
    this.#fd = undefined;
  }

  /** Drops what waits; for logs that are being deleted. */
  discard(): void {
    this.#take();
    this.#missing = 0;
  }

  async #writeMuch(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#take();
      try {
        const fd = this.#open();
        for (let rest = this.#encode(batch); rest.length > 0; ) {
          const count = await this.#files.write(fd, rest);
          rest = this.#advance(rest, count);
        }
        this.#succeeded();
      } catch (error) {
        this.#failed(error, batch.length);
      }
    }
  }

  #take(): string[] {
    const batch = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    return batch;
  }

  #encode(batch: readonly string[]): Buffer {
    const torn = this.#isTorn ? "\n" : "";
    return Buffer.from(torn + this.#gapRemark() + batch.join(""));
  }

  #gapRemark(): string {
    if (this.#missing === 0) return "";
    const cause = this.failure === undefined ? "the disk refused them" : `the disk refused them: ${this.failure.code}`;
    return `${JSON.stringify(remark(Date.now(), `${this.#missing} lines are missing here (${cause}).`))}\n`;
  }

  #advance(bytes: Buffer, count: number): Buffer {
    this.#isTorn = bytes[count - 1] !== 10;
    return bytes.subarray(count);
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const fd = this.#files.open(this.path);
    this.#fd = fd;
    this.#isTorn ||= endsInsideLine(fd);
    return fd;
  }

  #succeeded(): void {
    this.#missing = 0;
    this.failure = undefined;
  }

  #failed(error: unknown, lines: number): void {
    this.#missing += lines;
    this.failure = error as NodeJS.ErrnoException;
  }
}

function endsInsideLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  readSync(fd, last, 0, 1, size - 1);
  return last[0] !== 10;
}
