import { readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { ImportErrorRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";

/** Why a DAG file does not load, with the lines around the place. */
export interface ImportErrorView {
  /** "etl.ts:12:5" */
  readonly where: string;
  readonly message: string;
  readonly stack: string;
  readonly lines: readonly { readonly number: number; readonly text: string; readonly isCulprit: boolean }[];
}

/** Larger files are not shown. */
const FILE_LIMIT = 1_048_576;
const LINES_AROUND = 2;

/** The view of an import error; the lines come from the file as it is now. */
export async function importErrorView(deps: WebDeps, error: ImportErrorRow): Promise<ImportErrorView> {
  const { file, line, column } = error;
  return {
    where: [file, line, line === null ? null : column].filter((part) => part !== null).join(":"),
    message: error.message,
    stack: error.stack ?? "",
    lines: line === null ? [] : await linesAround(deps.dagsFolder, file, line),
  };
}

async function linesAround(folder: string, file: string, line: number): Promise<ImportErrorView["lines"]> {
  const path = join(folder, file);
  if (relative(folder, path).split(sep)[0] === "..") return [];
  try {
    if ((await stat(path)).size > FILE_LIMIT) return [];
    const lines = (await readFile(path, "utf8")).split("\n");
    const from = Math.max(0, line - 1 - LINES_AROUND);
    return lines
      .slice(from, line + LINES_AROUND)
      .map((text, index) => ({ number: from + index + 1, text, isCulprit: from + index + 1 === line }));
  } catch {
    // The file is gone by now, or not readable; the message stands for itself.
    return [];
  }
}
