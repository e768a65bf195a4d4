import type { HLJSApi } from "highlight.js";
import { escapeHtml } from "./html.ts";

/** Longer texts stay plain: highlighting costs about 25 µs a line. */
const TEXT_LIMIT = 200_000;
const CACHED = 50;

const cache = new Map<string, readonly string[]>();
let loading: Promise<HLJSApi> | undefined;

/**
 * Source text as lines of safe HTML with highlight.js classes; which language follows from the name's ending. `key` names the content
 * (a hash), since the result is kept.
 */
export async function highlightedLines(key: string, name: string, text: string): Promise<readonly string[]> {
  const known = cache.get(key);
  if (known) return known;
  const lines = await highlighted(name, text);
  if (cache.size >= CACHED) cache.delete(cache.keys().next().value ?? "");
  cache.set(key, lines);
  return lines;
}

async function highlighted(name: string, text: string): Promise<readonly string[]> {
  const language = languageOf(name);
  if (language === "" || text.length > TEXT_LIMIT) return text.split("\n").map(escapeHtml);
  loading ??= load();
  const { value } = (await loading).highlight(text, { language, ignoreIllegals: true });
  return splitLines(value);
}

/** Loaded when the first code page is: most processes never show one. */
async function load(): Promise<HLJSApi> {
  const [{ default: core }, typescript, javascript, json, sql, yaml, bash, python] = await Promise.all([
    import("highlight.js/lib/core"),
    import("highlight.js/lib/languages/typescript"),
    import("highlight.js/lib/languages/javascript"),
    import("highlight.js/lib/languages/json"),
    import("highlight.js/lib/languages/sql"),
    import("highlight.js/lib/languages/yaml"),
    import("highlight.js/lib/languages/bash"),
    import("highlight.js/lib/languages/python"),
  ]);
  const languages = { typescript, javascript, json, sql, yaml, bash, python };
  for (const [name, module] of Object.entries(languages)) core.registerLanguage(name, module.default);
  return core;
}

function languageOf(name: string): string {
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return ENDINGS[ending] ?? "";
}

const ENDINGS: Readonly<Record<string, string>> = {
  ts: "typescript",
  mts: "typescript",
  cts: "typescript",
  tsx: "typescript",
  js: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  jsx: "javascript",
  json: "json",
  sql: "sql",
  yml: "yaml",
  yaml: "yaml",
  sh: "bash",
  py: "python",
};

/** Cuts highlighted HTML into lines; spans that cross a line end are closed there and opened again on the next. */
function splitLines(html: string): readonly string[] {
  const open: string[] = [];
  return html.split("\n").map((line) => {
    const before = open.join("");
    for (const [tag] of line.matchAll(/<span[^>]*>|<\/span>/g)) {
      if (tag === "</span>") open.pop();
      else open.push(tag);
    }
    return before + line + "</span>".repeat(open.length);
  });
}
