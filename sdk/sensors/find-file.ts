import { glob, stat } from "node:fs/promises";

/** The first existing path that matches, or undefined. @throws what the file system says, unless it is "not there". */
export async function findFile(pattern: string, nonEmpty: boolean): Promise<string | undefined> {
  for (const path of await candidates(pattern)) {
    if (await isThere(path, nonEmpty)) return path;
  }
  return undefined;
}

async function candidates(pattern: string): Promise<readonly string[]> {
  if (!/[*?[\]{}]/.test(pattern)) return [pattern];
  const paths: string[] = [];
  for await (const path of glob(pattern)) paths.push(path);
  // A file whose name only looks like a pattern is found as well.
  return [...paths.sort(), pattern];
}

async function isThere(path: string, nonEmpty: boolean): Promise<boolean> {
  try {
    const found = await stat(path);
    return !nonEmpty || found.isDirectory() || found.size > 0;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}
