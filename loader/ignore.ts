/** Names of the files that say what is not a DAG file; patterns as in `.gitignore`, one per line. */
export const IGNORE_FILES: readonly string[] = [".sluiceignore", ".airflowignore"];

/** One pattern of an ignore file. */
export interface IgnoreRule {
  /** Folder of the ignore file below the DAG folder; "" for the DAG folder itself. */
  readonly base: string;
  readonly pattern: RegExp;
  readonly isNegated: boolean;
  readonly foldersOnly: boolean;
}

/** Reads the text of an ignore file that lies in folder `base`. */
export function parseIgnoreFile(text: string, base: string): IgnoreRule[] {
  return text.split(/\r?\n/).flatMap((line) => parseRule(line, base));
}

/** Whether a path below the DAG folder is ignored: the last rule that matches decides. */
export function isIgnored(rules: readonly IgnoreRule[], path: string, isFolder: boolean): boolean {
  let ignored = false;
  for (const rule of rules) {
    if (rule.foldersOnly && !isFolder) continue;
    const local = below(rule.base, path);
    if (local !== undefined && rule.pattern.test(local)) ignored = !rule.isNegated;
  }
  return ignored;
}

function below(base: string, path: string): string | undefined {
  if (base === "") return path;
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined;
}

function parseRule(line: string, base: string): IgnoreRule[] {
  let glob = line.trim();
  if (glob === "" || glob.startsWith("#")) return [];
  const isNegated = glob.startsWith("!");
  if (isNegated) glob = glob.slice(1);
  const foldersOnly = glob.endsWith("/");
  if (foldersOnly) glob = glob.slice(0, -1);
  // A slash inside ties the pattern to the ignore file's folder; without one it matches at any depth.
  const isAnchored = glob.includes("/");
  if (glob.startsWith("/")) glob = glob.slice(1);
  if (glob === "") return [];
  try {
    const pattern = new RegExp(`^${isAnchored ? "" : "(?:.*/)?"}${globToRegExp(glob)}$`, "u");
    return [{ base, pattern, isNegated, foldersOnly }];
  } catch {
    // An unclosed bracket or the like: git ignores such a line too.
    return [];
  }
}

function globToRegExp(glob: string): string {
  let out = "";
  for (let at = 0; at < glob.length; at++) {
    const rest = glob.slice(at);
    const set = /^\[(!?)([^\]]+)\]/.exec(rest);
    if (rest.startsWith("**/")) {
      out += "(?:.*/)?";
      at += 2;
    } else if (rest.startsWith("**")) {
      out += ".*";
      at += 1;
    } else if (rest.startsWith("*")) {
      out += "[^/]*";
    } else if (rest.startsWith("?")) {
      out += "[^/]";
    } else if (set !== null) {
      out += `[${set[1] === "!" ? "^" : ""}${(set[2] ?? "").replace(/[\\\]^[]/g, "\\$&")}]`;
      at += set[0].length - 1;
    } else {
      if (rest.startsWith("\\") && rest.length > 1) at += 1;
      out += (glob[at] ?? "").replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    }
  }
  return out;
}
