import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Json, JsonObject } from "../../core/json.ts";
import { type Logger, silentLogger } from "../../core/logger.ts";
import type { AttemptId } from "../../store/rows.ts";
import type { LogKey, LogLine, LogPage, LogStore } from "../executor.ts";
import { LogReader } from "./log-reader.ts";
import { diskFiles, type LogFiles, LogWriter } from "./log-writer.ts";

export interface FolderLogOptions {
  /** Replaces registered secrets in text before it is written. */
  readonly mask?: (text: string) => string;
  readonly logger?: Logger;
  /** For tests: the file operations. */
  readonly files?: LogFiles;
}

/** Log files that stay open; the one used longest ago is closed first. */
const OPEN_FILES = 64;
const REMEMBERED_READERS = 64;
/** How often a disk that refused is tried again, ms. */
const RETRY_MS = 2_000;
const STREAM_PAGE = 5_000;

/** Lines of one `read` at most. */
export const MAX_READ_LINES = 10_000;

/**
 * Logs as files: `<folder>/<runKey>/<tiNo>-<tryNumber>.ndjson`, one JSON line each, append-only, readable by their owner alone. When
 * the disk refuses, lines are left out behind a remark, and it goes on by itself once there is space again.
 */
export class FolderLogStore implements LogStore {
  readonly #folder: string;
  readonly #options: FolderLogOptions;
  /** By path, the one used last at the end. */
  readonly #writers = new Map<string, LogWriter>();
  readonly #readers = new Map<string, LogReader>();
  readonly #watchers = new Map<string, Set<() => void>>();
  readonly #dirty = new Set<LogWriter>();
  #isFlushPlanned = false;
  #retryTimer: NodeJS.Timeout | undefined;

  /** `folder`: absolute; made when first needed. */
  constructor(folder: string, options: FolderLogOptions = {}) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Why log lines are being lost at this moment ("ENOSPC …"), for the health page; undefined when none are. */
  get failure(): string | undefined {
    for (const writer of this.#dirty) if (writer.failure !== undefined) return writer.failure.message;
    return undefined;
  }

  append(attempt: AttemptId, lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    const writer = this.#writer(this.#path(attempt));
    writer.push(this.#options.mask === undefined ? lines : lines.map((line) => masked(line, this.#options.mask)));
    this.#dirty.add(writer);
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      for (const each of [...this.#dirty]) void this.#write(each);
    });
  }

  flush(attempt: AttemptId): Promise<void> | undefined {
    const writer = this.#writers.get(this.#path(attempt));
    return writer?.isDirty ? this.#write(writer) : undefined;
  }

  async read(key: LogKey, fromLine: number, limit: number): Promise<LogPage> {
    const path = this.#path(key);
    const writer = this.#writers.get(path);
    if (writer?.isDirty) await this.#write(writer);
    const from = Math.max(0, Math.trunc(fromLine) || 0);
    return this.#reader(path).read(from, Math.min(Math.max(0, Math.trunc(limit) || 0), MAX_READ_LINES));
  }

  watch(key: LogKey, listener: () => void): () => void {
    const path = this.#path(key);
    const listeners = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#watchers.get(path) === listeners) this.#watchers.delete(path);
    };
  }

  stream(key: LogKey): NodeJS.ReadableStream {
    return Readable.from(this.#text(key), { objectMode: false });
  }

  async deleteRun(runKey: number): Promise<void> {
    const folder = this.#runFolder(runKey);
    for (const [path, writer] of this.#writers) {
      if (!path.startsWith(`${folder}/`)) continue;
      writer.discard();
      await writer.flush();
      this.#forget(path, writer);
    }
    await rm(folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    clearTimeout(this.#retryTimer);
    for (const [path, writer] of this.#writers) {
      while (writer.isDirty && writer.failure === undefined) await writer.flush();
      this.#forget(path, writer);
    }
  }

  async *#text(key: LogKey): AsyncGenerator<string> {
    for (let from = 0; ; ) {
      const { lines, nextLine, isEnd } = await this.read(key, from, STREAM_PAGE);
      if (lines.length > 0) yield lines.map(asText).join("");
      if (isEnd) return;
      from = nextLine;
    }
  }

  /** Writes and tells the watchers; a refusing disk is tried again later. */
  #write(writer: LogWriter): Promise<void> | undefined {
    const before = writer.failure;
    const writing = writer.flush();
    if (writing !== undefined) return writing.then(() => this.#written(writer, before));
    this.#written(writer, before);
    return undefined;
  }

  #written(writer: LogWriter, before: NodeJS.ErrnoException | undefined): void {
    if (!writer.isDirty) this.#dirty.delete(writer);
    this.#closeOldest();
    if (writer.failure === undefined) {
      if (before !== undefined) this.#logger.info({ path: writer.path }, "The log folder can be written again");
      for (const listener of this.#watchers.get(writer.path) ?? []) listener();
      return;
    }
    if (before === undefined)
      this.#logger.error({ err: writer.failure, path: writer.path }, "Log lines are being lost");
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      for (const each of [...this.#dirty]) void this.#write(each);
    }, RETRY_MS).unref();
  }

  #writer(path: string): LogWriter {
    const writer = this.#writers.get(path) ?? new LogWriter(path, this.#options.files ?? diskFiles);
    this.#writers.delete(path);
    this.#writers.set(path, writer);
    return writer;
  }

  #closeOldest(): void {
    if (this.#writers.size <= OPEN_FILES) return;
    for (const [path, writer] of this.#writers) {
      if (this.#writers.size <= OPEN_FILES) return;
      if (!writer.isDirty) this.#forget(path, writer);
    }
  }

  #forget(path: string, writer: LogWriter): void {
    writer.close();
    this.#writers.delete(path);
    this.#dirty.delete(writer);
  }

  #reader(path: string): LogReader {
    const reader = this.#readers.get(path) ?? new LogReader(path);
    this.#readers.delete(path);
    this.#readers.set(path, reader);
    for (const oldest of this.#readers.keys()) {
      if (this.#readers.size <= REMEMBERED_READERS) break;
      this.#readers.delete(oldest);
    }
    return reader;
  }

  #path({ runKey, tiNo, tryNumber }: LogKey): string {
    return join(this.#runFolder(runKey), `${whole(tiNo)}-${whole(tryNumber)}.ndjson`);
  }

  #runFolder(runKey: number): string {
    return join(this.#folder, String(whole(runKey)));
  }

  get #logger(): Logger {
    return this.#options.logger ?? silentLogger;
  }
}

/** Keys come from requests too; anything but a plain number must not become part of a path. */
function whole(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${String(value)} cannot be part of a log's key.`);
  return value;
}

function asText({ at, level, message, fields }: LogLine): string {
  const rest = fields === undefined ? "" : ` ${JSON.stringify(fields)}`;
  return `${new Date(at).toISOString()} ${level.toUpperCase().padEnd(7)} ${message}${rest}\n`;
}

function masked(line: LogLine, mask: FolderLogOptions["mask"]): LogLine {
  if (mask === undefined) return line;
  const message = mask(line.message);
  return line.fields === undefined
    ? { ...line, message }
    : { ...line, message, fields: maskedJson(line.fields, mask) as JsonObject };
}

function maskedJson(value: Json, mask: (text: string) => string): Json {
  if (typeof value === "string") return mask(value);
  if (Array.isArray(value)) return value.map((item: Json) => maskedJson(item, mask));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [mask(key), maskedJson(item, mask)]));
}
