import { type FileHandle, open } from "node:fs/promises";
import type { LogLine, LogPage } from "../executor.ts";
import { remark } from "./budget.ts";

/** Every so many lines the place in the file is remembered. */
const STRIDE = 1_000;
const CHUNK = 1_048_576;

/**
 * Reads windows of one append-only file of lines. It remembers where every 1,000th line begins, as far as it has read, so that the
 * end of a log of 100 MB is found by one scan and then without any.
 */
export class LogReader {
  readonly #path: string;
  /** Offset of line `index * STRIDE`. */
  #marks = [0];
  /** Lines before `#scanned`, which is the beginning of a line. */
  #lines = 0;
  #scanned = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Lines from `fromLine`, at most `limit`. A last line that is still being written does not count yet. */
  async read(fromLine: number, limit: number): Promise<LogPage> {
    let file: FileHandle;
    try {
      file = await open(this.#path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return { lines: [], nextLine: 0, isEnd: true };
      throw error;
    }
    try {
      if ((await file.stat()).size < this.#scanned) this.#forget();
      await this.#scanTo(file, fromLine);
      if (fromLine > this.#lines) return { lines: [], nextLine: this.#lines, isEnd: true };
      return await this.#window(file, fromLine, limit);
    } finally {
      await file.close();
    }
  }

  async #window(file: FileHandle, fromLine: number, limit: number): Promise<LogPage> {
    const mark = Math.min(Math.floor(fromLine / STRIDE), this.#marks.length - 1);
    const lines: LogLine[] = [];
    let skip = fromLine - mark * STRIDE;
    for await (const text of linesOf(file, this.#marks[mark] ?? 0)) {
      if (skip-- > 0) continue;
      if (lines.length === limit) return { lines, nextLine: fromLine + limit, isEnd: false };
      lines.push(parse(text));
    }
    return { lines, nextLine: fromLine + lines.length, isEnd: true };
  }

  /** Counts lines until `line` is known or the file ends. */
  async #scanTo(file: FileHandle, line: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(CHUNK);
    let position = this.#scanned;
    while (this.#lines < line) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) return;
      const chunk = buffer.subarray(0, bytesRead);
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) {
        this.#lines++;
        this.#scanned = position + at + 1;
        if (this.#lines % STRIDE === 0) this.#marks.push(this.#scanned);
      }
      position += bytesRead;
    }
  }

  #forget(): void {
    this.#marks = [0];
    this.#lines = 0;
    this.#scanned = 0;
  }
}

/** The complete lines from an offset on. */
async function* linesOf(file: FileHandle, offset: number): AsyncGenerator<string> {
  const buffer = Buffer.allocUnsafe(65_536);
  let pieces: Buffer[] = [];
  for (let position = offset; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    const chunk = Buffer.from(buffer.subarray(0, bytesRead));
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, at));
      yield Buffer.concat(pieces).toString("utf8");
      pieces = [];
      from = at + 1;
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from));
  }
}

/** A line that a crash tore is shown as it is, so that line numbers stay what they were. */
function parse(text: string): LogLine {
  try {
    const line = JSON.parse(text) as LogLine;
    if (typeof line === "object" && line !== null && typeof line.message === "string") return line;
  } catch {
    // Falls through to the remark.
  }
  return remark(0, `(damaged line) ${text.slice(0, 1_000)}`);
}
