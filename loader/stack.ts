import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { SourceLocation } from "../sdk/location.ts";
import type { Bundle } from "./bundle.ts";

const INSTALLATION = join(dirname(fileURLToPath(import.meta.url)), "..");
/** Ours and what is installed with us; the installation may hold the author's files as well. */
const OURS = ["sdk", "core", "loader", "node_modules"].map((name) => join(INSTALLATION, name) + sep);

/** A message or stack with the author's paths below the DAG folder, and without the frames that are not the author's. */
export function relativeText(text: string, root: string): string {
  const shown = text.replaceAll(`${pathToFileURL(root).href}/`, "").replaceAll(root + sep, "");
  return shown
    .split("\n")
    .filter((line) => !isForeignFrame(line))
    .join("\n");
}

/** The innermost frame of a stack (as `relativeText` gives it) that lies in one of the bundle's own sources. */
export function firstAuthorLocation(
  stack: string | undefined,
  bundle: Bundle,
  root: string,
): SourceLocation | undefined {
  const files = new Set(bundle.sources.map((source) => source.path));
  for (const line of (stack ?? "").split("\n")) {
    const [, file = "", row, column] = /^\s+at (?:.*\()?(?:async )?([^()]+):(\d+):(\d+)\)?$/.exec(line) ?? [];
    const path = isAbsolute(file) ? relative(root, file).split(sep).join("/") : file;
    if (files.has(path)) return { file: path, line: Number(row), column: Number(column) };
  }
  return undefined;
}

/** Frames of Node and of this installation tell an author nothing. */
function isForeignFrame(line: string): boolean {
  if (!/^\s+at /.test(line)) return false;
  return line.includes("node:internal/") || OURS.some((folder) => line.includes(folder));
}
