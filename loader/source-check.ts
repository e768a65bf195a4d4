import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { DagFileError } from "./dag-file-error.ts";

/** A DAG file larger than this is refused. */
export const MAX_SOURCE_BYTES = 5 * 1024 * 1024;

/**
 * Refuses what no author writes on purpose: binary content, other encodings than UTF-8, huge files. Throws
 * `DagFileError`; a missing file rejects with the system's ENOENT.
 */
export async function checkSource(file: string, absolute: string): Promise<void> {
  const bytes = await readLimited(file, absolute);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) throw notUtf8(file, "It looks like UTF-16.");
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    throw new DagFileError(
      "dag_file_unreadable",
      file,
      `${file} holds a NUL byte: it is a binary file or a damaged one.`,
      {
        location: locationOf(file, bytes, zero),
      },
    );
  }
  if (!isUtf8(bytes)) throw notUtf8(file, `The first bad byte is at offset ${firstBadByte(bytes)}.`, bytes);
}

async function readLimited(file: string, absolute: string): Promise<Buffer> {
  const handle = await open(absolute, "r");
  try {
    const { size } = await handle.stat();
    if (size > MAX_SOURCE_BYTES) {
      const mb = (size / 1024 / 1024).toFixed(1);
      throw new DagFileError(
        "dag_file_unreadable",
        file,
        `${file} has ${mb} MB; a DAG file may have 5 MB. Keep data out of it and read it in a task.`,
      );
    }
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function notUtf8(file: string, hint: string, bytes?: Buffer): DagFileError {
  const location = bytes && locationOf(file, bytes, firstBadByte(bytes));
  return new DagFileError("dag_file_unreadable", file, `${file} is not UTF-8 text. ${hint} Save it as UTF-8.`, {
    location,
  });
}

function firstBadByte(bytes: Buffer): number {
  let good = 0;
  let bad = bytes.length;
  // isUtf8 of a prefix fails at a cut sequence as well, so the boundary is only exact to a character; that is enough.
  while (good < bad - 1) {
    const middle = (good + bad) >> 1;
    if (isUtf8(bytes.subarray(0, characterEnd(bytes, middle)))) good = middle;
    else bad = middle;
  }
  return good;
}

function characterEnd(bytes: Buffer, at: number): number {
  let end = at;
  while (end < bytes.length && end < at + 3 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end++;
  return end;
}

function locationOf(file: string, bytes: Buffer, at: number) {
  const before = bytes.subarray(0, at).toString("latin1");
  return { file, line: before.split("\n").length, column: at - before.lastIndexOf("\n") };
}
