import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { projectRoot } from "./processes.ts";

/** One file of the repository; `path` is relative to its root, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

const binary = /\.(png|jpe?g|gif|ico|webp|woff2?|gz|zip|sqlite|db|parquet)$/;

/** The committed files as they are on disk now, without binary ones. */
export function committedFiles(): SourceFile[] {
  const names = execFileSync("git", ["ls-files", "-z"], { cwd: projectRoot, encoding: "utf8" }).split("\0");
  return names
    .filter((path) => path !== "" && !binary.test(path) && existsSync(join(projectRoot, path)))
    .map((path) => ({ path, text: readFileSync(join(projectRoot, path), "utf8") }));
}

/** One import, re-export or dynamic import. */
export interface ImportOf {
  readonly from: string;
  /** The imported file relative to the root of the repository, or a package's name. */
  readonly to: string;
  readonly line: number;
  /** Only types: nothing of it is left when the program runs. */
  readonly typeOnly: boolean;
}

const statement = /^[ \t]*(?:import|export)\s+(?:(type)\s+)?(?:[^"'`;]*?\sfrom\s+)?"([^"\n]+)"/gm;
const dynamic = /\bimport\(\s*"([^"\n]+)"/g;

/** What a TypeScript file imports. `import { type A }` counts as a value, since the module is still loaded for it. */
export function importsOf({ path, text }: SourceFile): ImportOf[] {
  const found = [
    ...Array.from(text.matchAll(statement), (match) => ({ match, typeOnly: match[1] === "type", to: match[2] ?? "" })),
    ...Array.from(text.matchAll(dynamic), (match) => ({ match, typeOnly: false, to: match[1] ?? "" })),
  ];
  return found.map(({ match, typeOnly, to }) => ({
    from: path,
    to: to.startsWith(".") ? posix.normalize(posix.join(posix.dirname(path), to)) : to,
    line: text.slice(0, match.index).split("\n").length,
    typeOnly,
  }));
}

/** The text without comments; line numbers stay as they were. */
export function withoutComments(text: string): string {
  const blank = (comment: string) => comment.replace(/[^\n]/g, " ");
  return text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(?<![:"'`\\])\/\/.*$/gm, blank);
}

/** `path:line: text` of every line that the pattern matches. */
export function linesMatching({ path, text }: SourceFile, pattern: RegExp): string[] {
  return text.split("\n").flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : []));
}
