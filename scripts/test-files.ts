import { globSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** What the command line of `npm test` asks for. */
export interface TestSelection {
  /** Test files relative to the folder of the project, sorted. */
  readonly files: readonly string[];
  /** What is passed on to mocha. */
  readonly options: readonly string[];
}

/** Mocha's options that take a value as the next argument. */
const withValue = new Set([
  "-g",
  "--grep",
  "-f",
  "--fgrep",
  "-t",
  "--timeout",
  "-s",
  "--slow",
  "--retries",
  "-r",
  "--require",
]);

/** Splits the arguments into test files (named, below a folder, matching a glob; default all of `test/`) and options. */
export function selectTests(args: readonly string[], root: string): TestSelection {
  const options: string[] = [];
  const places: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (!arg.startsWith("-")) places.push(arg);
    else options.push(arg, ...(withValue.has(arg) ? [args[++at] ?? ""] : []));
  }
  const files = (places.length === 0 ? ["test"] : places).flatMap((place) => filesAt(place, root));
  return { files: [...new Set(files)].sort(), options };
}

function filesAt(place: string, root: string): string[] {
  const path = join(root, relative(root, place.startsWith("/") ? place : join(root, place)));
  const kind = statSync(path, { throwIfNoEntry: false });
  const found = kind?.isFile()
    ? [path]
    : globSync(kind?.isDirectory() ? join(path, "**/*.test.ts") : path, { exclude: (name) => name === "fixtures" });
  if (found.length === 0) throw new Error(`No test file at ${place}`);
  return found.map((file) => relative(root, file));
}

/** Why a test file wants the machine for itself (a line `// exclusive: <why>` among its first ten), or undefined. */
export function exclusiveReason(file: string): string | undefined {
  const head = readFileSync(file, "utf8").split("\n", 10);
  return head.map((line) => /^\/\/ exclusive: (.+)$/.exec(line)?.[1]).find((reason) => reason !== undefined);
}
