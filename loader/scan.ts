import type { BigIntStats, Dirent } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { IGNORE_FILES, type IgnoreRule, isIgnored, parseIgnoreFile } from "./ignore.ts";

/** A file that may define DAGs. */
export interface SourceFile {
  /** Below the DAG folder, with `/`; through symlinks as the author sees it. */
  readonly path: string;
  /** Where its bytes really are. */
  readonly realPath: string;
  /** Differs whenever the content may differ: change times, size, inode. */
  readonly stamp: string;
  /** Last change of the content, epoch ms. */
  readonly mtimeMs: number;
}

/** What a look at the whole DAG folder found. */
export interface FolderScan {
  /** False when the DAG folder itself cannot be read, or is too large: then nothing that is missing counts as deleted. */
  readonly isReadable: boolean;
  readonly files: ReadonlyMap<string, SourceFile>;
  /** Real paths of all folders looked into: what has to be watched. */
  readonly folders: ReadonlySet<string>;
  /** Paths (of folders or files, below the DAG folder) that exist and could not be read, with the reason. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** More entries than this are taken for a mistake (the DAG folder set to `/`, say); the rest is left out. */
export const MAX_ENTRIES = 100_000;

const SOURCE_NAME = /^(?!.*\.(?:d|test|spec)\.[cm]?[jt]s$)[^_.].*\.m?[jt]s$/u;
const NEVER_ENTERED = new Set(["node_modules", "__pycache__"]);

/** Whether a file of this name may define DAGs: `.ts .mts .js .mjs`, not hidden, not `_private`, no tests, no typings. */
export function isSourceName(name: string): boolean {
  return SOURCE_NAME.test(name);
}

/** The stamp of a file's state on disk. */
export function stampOf(stats: BigIntStats): string {
  return `${stats.mtimeNs}:${stats.ctimeNs}:${stats.size}:${stats.ino}`;
}

/** The stamp of an input that is not there. */
export const MISSING = "missing";

/** The stamp of a file by its path, `MISSING` when it cannot be read. */
export async function inputStamp(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(stampOf, () => MISSING);
}

/**
 * Looks at the DAG folder and everything below. Symlinks are followed; what is reachable by several ways counts once,
 * by its own name if it has one below the folder, so that neither a loop of symlinks nor a link beside its target
 * makes a file appear twice.
 */
export async function scanFolder(root: string): Promise<FolderScan> {
  return new Scan(root).run();
}

interface Folder {
  readonly path: string;
  readonly rules: readonly IgnoreRule[];
}

interface Link {
  readonly path: string;
  readonly name: string;
  readonly rules: readonly IgnoreRule[];
}

class Scan {
  readonly #root: string;
  readonly #files = new Map<string, SourceFile>();
  readonly #folders = new Set<string>();
  readonly #unreadable = new Map<string, string>();
  readonly #seen = new Set<string>();
  #entries = 0;
  #isReadable = true;

  constructor(root: string) {
    this.#root = root;
  }

  async run(): Promise<FolderScan> {
    let links = await this.#walk([{ path: "", rules: [] }]);
    while (links.length > 0) {
      links.sort((a, b) => (a.path < b.path ? -1 : 1));
      const folders: Folder[] = [];
      for (const link of links) folders.push(...(await this.#follow(link)));
      links = await this.#walk(folders);
    }
    return { isReadable: this.#isReadable, files: this.#files, folders: this.#folders, unreadable: this.#unreadable };
  }

  /** Walks real folders, breadth first; gives back the symlinks it met, to be followed after everything real. */
  async #walk(start: readonly Folder[]): Promise<Link[]> {
    const links: Link[] = [];
    let level = start;
    while (level.length > 0) {
      const found = await Promise.all(level.map((folder) => this.#readFolder(folder)));
      links.push(...found.flatMap((result) => result.links));
      level = found.flatMap((result) => result.folders);
    }
    return links;
  }

  async #readFolder(folder: Folder): Promise<{ folders: Folder[]; links: Link[] }> {
    const absolute = join(this.#root, folder.path);
    let entries: Dirent[];
    let real: string;
    try {
      const stats = await stat(absolute, { bigint: true });
      if (!this.#isNew(stats)) return { folders: [], links: [] };
      real = await realpath(absolute);
      this.#folders.add(real);
      entries = await readdir(absolute, { withFileTypes: true });
    } catch (error) {
      if (folder.path === "") this.#isReadable = false;
      this.#fail(folder.path, error);
      return { folders: [], links: [] };
    }
    this.#entries += entries.length;
    if (this.#entries > MAX_ENTRIES) {
      this.#isReadable = false;
      return { folders: [], links: [] };
    }
    const rules = [...folder.rules, ...(await this.#rulesOf(folder, entries))];
    const folders: Folder[] = [];
    const links: Link[] = [];
    const sources: string[] = [];
    for (const entry of entries) {
      const path = folder.path === "" ? entry.name : `${folder.path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (mayEnter(entry.name) && !isIgnored(rules, path, true)) folders.push({ path, rules });
      } else if (entry.isSymbolicLink()) {
        if (mayEnter(entry.name)) links.push({ path, name: entry.name, rules });
      } else if (isSourceName(entry.name) && !isIgnored(rules, path, false)) {
        sources.push(path);
      }
    }
    await Promise.all(sources.map((path) => this.#addFile(path, join(real, basename(path)))));
    return { folders, links };
  }

  async #follow(link: Link): Promise<Folder[]> {
    try {
      const stats = await stat(join(this.#root, link.path), { bigint: true });
      if (stats.isDirectory()) return isIgnored(link.rules, link.path, true) ? [] : [link];
      if (isSourceName(link.name) && !isIgnored(link.rules, link.path, false) && !this.#seen.has(identity(stats))) {
        await this.#addFile(link.path, await realpath(join(this.#root, link.path)));
      }
    } catch (error) {
      if (isSourceName(link.name)) this.#fail(link.path, error);
    }
    return [];
  }

  async #addFile(path: string, realPath: string): Promise<void> {
    try {
      const stats = await stat(realPath, { bigint: true });
      if (!stats.isFile()) return;
      this.#seen.add(identity(stats));
      this.#files.set(path, { path, realPath, stamp: stampOf(stats), mtimeMs: Number(stats.mtimeMs) });
    } catch (error) {
      this.#fail(path, error);
    }
  }

  async #rulesOf(folder: Folder, entries: readonly Dirent[]): Promise<IgnoreRule[]> {
    const names = entries.map((entry) => entry.name).filter((name) => IGNORE_FILES.includes(name));
    const texts = await Promise.all(
      names.map((name) => readFile(join(this.#root, folder.path, name), "utf8").catch(() => "")),
    );
    return texts.flatMap((text) => parseIgnoreFile(text, folder.path));
  }

  #isNew(stats: BigIntStats): boolean {
    const id = identity(stats);
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    return true;
  }

  /** Gone meanwhile is simply gone; a broken symlink is as good as no file. */
  #fail(path: string, error: unknown): void {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    if (code !== "ENOENT") this.#unreadable.set(path, code);
  }
}

function mayEnter(name: string): boolean {
  return !name.startsWith(".") && !name.startsWith("_") && !NEVER_ENTERED.has(name);
}

function identity(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}
