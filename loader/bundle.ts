import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildFailure, BuildOptions, BuildResult, Message, Plugin } from "esbuild";
import { z } from "zod";
import type { SourceLocation } from "../sdk/location.ts";
import { DagFileError } from "./dag-file-error.ts";
import { sha256 } from "./hash.ts";

/** A DAG file and all that it imports, as one ES module. */
export interface Bundle {
  /** The DAG file, below the DAG folder, with `/`. */
  readonly file: string;
  /** SHA-256 of `code`: the same on every machine for the same content. */
  readonly hash: string;
  /** Without comments and line breaks, names kept; holds no path of this machine. */
  readonly code: string;
  /** JSON of the source map; its sources lie relative to the DAG folder. */
  readonly sourceMap: string;
  /** The author's files (installed packages left out), the DAG file first. */
  readonly sources: readonly { readonly path: string; readonly text: string }[];
  /** Real paths of what it was made of; an installed package is represented by its `package.json`. */
  readonly inputs: readonly string[];
  /** Whether it imports the SDK. What does not cannot construct a DAG. */
  readonly usesSdk: boolean;
}

/** What to bundle. */
export interface BundleRequest {
  /** Real path of the DAG folder: what paths in the bundle are relative to. */
  readonly root: string;
  /** Path below the DAG folder, with `/`. */
  readonly file: string;
  /** Real path of the file. */
  readonly realPath: string;
}

/** Names that stand for this installation's SDK, whatever the author has installed. */
const SDK_NAMES = ["sluice", "apache-airflow-ts-sdk", "@apache-airflow/ts-sdk"];
const IS_SDK = new RegExp(`^(?:${SDK_NAMES.map((name) => name.replace("/", "\\/")).join("|")})(?:/|$)`);

/** Files that may be imported as text: a query or a mail belongs beside the DAG, and is pinned with it. */
const TEXT_FILES = [".txt", ".sql", ".csv", ".tsv", ".md", ".html", ".xml", ".yaml", ".yml", ".graphql", ".sh", ".py"];

const OPTIONS: BuildOptions = {
  bundle: true,
  write: false,
  metafile: true,
  format: "esm",
  platform: "node",
  target: "node24",
  charset: "utf8",
  sourcemap: "external",
  sourcesContent: true,
  // White space and comments only: a stack shows the author's names, and a new comment makes no new version.
  minifyWhitespace: true,
  keepNames: true,
  legalComments: "none",
  logLevel: "silent",
  logLimit: 10,
  external: SDK_NAMES.flatMap((name) => [name, `${name}/*`]),
  loader: Object.fromEntries(TEXT_FILES.map((extension) => [extension, "text" as const])),
};

/** Bundles a DAG file with `build` (esbuild's). Throws `DagFileError` with file, line and column. */
export async function bundleDagFile(
  build: (options: BuildOptions) => Promise<BuildResult>,
  request: BundleRequest,
): Promise<Bundle> {
  const options: BuildOptions = {
    ...OPTIONS,
    absWorkingDir: request.root,
    entryPoints: [request.realPath],
    outfile: join(request.root, "bundle.js"),
    plugins: [resolvePlugin],
  };
  try {
    const result = await build(options);
    // CommonJS packages ask for Node's own modules through a `require` that an ES module does not have.
    const needsRequire = outputText(result, ".js").includes("__require=");
    return toBundle(request, needsRequire ? await build({ ...options, banner: { js: REQUIRE } }) : result);
  } catch (error) {
    throw isBuildFailure(error) ? toDagFileError(request, error) : error;
  }
}

const REQUIRE =
  "var require=globalThis.require??((id)=>{const found=process.getBuiltinModule(id);" +
  "if(found===undefined)throw new Error('Cannot require '+id+': it is neither bundled nor built into Node');return found});";

/** Where packages come from: zod from here unless the author has an own one; no native add-ons; nothing from the web. */
const resolvePlugin: Plugin = {
  name: "sluice",
  setup(build) {
    build.onResolve({ filter: /^zod(?:\/|$)/ }, async (args) => {
      if (args.pluginData === IS_OWN_LOOKUP) return undefined;
      const { kind, resolveDir, importer, path } = args;
      const found = await build.resolve(path, { kind, resolveDir, importer, pluginData: IS_OWN_LOOKUP });
      const isAuthors = found.errors.length === 0 && !(await isOurs(found.path));
      return isAuthors ? found : { path, external: true };
    });
    build.onResolve({ filter: /^(?:https?|data):/ }, (args) => ({
      errors: [{ text: `Cannot import "${args.path}": a DAG file imports local files and installed packages only.` }],
    }));
    build.onLoad({ filter: /\.node$/ }, (args) => ({
      errors: [
        {
          text:
            `The native add-on ${packageOf(args.path)} cannot be bundled. Use a package without native code, ` +
            "or call it in a process of its own (bash or node operator).",
        },
      ],
    }));
  },
};

const IS_OWN_LOOKUP = Symbol("lookup");
const INSTALLATION = join(dirname(fileURLToPath(import.meta.url)), "..");

async function isOurs(path: string): Promise<boolean> {
  const ours = await realpath(join(INSTALLATION, "node_modules", "zod")).catch(() => undefined);
  return ours === undefined ? path.startsWith(INSTALLATION + sep) : path.startsWith(ours + sep);
}

function packageOf(path: string): string {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/").at(-1) ?? path;
}

const SourceMapSchema = z.object({
  sources: z.array(z.string()),
  sourcesContent: z.array(z.string().nullable()),
});

function toBundle(request: BundleRequest, result: BuildResult): Bundle {
  const code = outputText(result, ".js");
  const rawMap = outputText(result, ".map");
  const { inputs = {}, outputs = {} } = result.metafile ?? {};
  const output = Object.entries(outputs).find(([path]) => path.endsWith(".js"))?.[1];
  const { sources: paths, sourcesContent } = SourceMapSchema.parse(JSON.parse(rawMap));
  const entry = relative(request.root, request.realPath).split(sep).join("/");
  const sources = paths
    .map((path, at) => ({ path: path === entry ? request.file : path, text: sourcesContent[at] ?? "" }))
    .filter(({ path }) => !path.includes("node_modules/"))
    .sort((a, b) => Number(b.path === request.file) - Number(a.path === request.file));
  return {
    file: request.file,
    hash: sha256(code),
    code,
    sourceMap: JSON.stringify({
      ...JSON.parse(rawMap),
      sources: paths.map((path) => (path === entry ? request.file : path)),
    }),
    sources,
    inputs: [...new Set(Object.keys(inputs).flatMap((path) => inputPath(request.root, path)))],
    usesSdk: (output?.imports ?? []).some((imported) => imported.external === true && IS_SDK.test(imported.path)),
  };
}

function inputPath(root: string, path: string): string[] {
  // Virtual modules of esbuild ("<runtime>", "(disabled):x") are no files.
  if (/^[<(]/.test(path)) return [];
  const absolute = isAbsolute(path) ? path : resolve(root, path);
  const installed = /^(.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+)[/\\]/.exec(absolute)?.[1];
  return [installed === undefined ? absolute : join(installed, "package.json")];
}

function outputText(result: BuildResult, extension: string): string {
  return result.outputFiles?.find((file) => file.path.endsWith(extension))?.text ?? "";
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && Array.isArray((error as Partial<BuildFailure>).errors);
}

function toDagFileError(request: BundleRequest, failure: BuildFailure): DagFileError {
  const [first] = failure.errors;
  if (first === undefined) return new DagFileError("dag_file_syntax", request.file, failure.message);
  const isUnresolved = first.text.startsWith("Could not resolve");
  const location = locationOf(request, first);
  const what = isUnresolved ? explainUnresolved(first.text) : first.text;
  const where = location === undefined ? request.file : `${location.file}:${location.line}:${location.column}`;
  return new DagFileError(isUnresolved ? "dag_file_unresolved" : "dag_file_syntax", request.file, `${where}: ${what}`, {
    location,
    detail: failure.errors.map((error) => describe(request, error)).join("\n\n"),
  });
}

function locationOf(request: BundleRequest, message: Message): SourceLocation | undefined {
  if (!message.location) return undefined;
  const { file, line, column } = message.location;
  const isEntry = resolve(request.root, file) === request.realPath;
  return { file: isEntry ? request.file : file, line, column: column + 1 };
}

function describe(request: BundleRequest, message: Message): string {
  const location = locationOf(request, message);
  if (location === undefined || !message.location) return message.text;
  const { lineText, column, length } = message.location;
  const marker = " ".repeat(column) + "^".repeat(Math.max(1, Math.min(length, lineText.length - column)));
  const notes = message.notes.map((note) => `\n${note.text}`).join("");
  return `${location.file}:${location.line}:${location.column}: ${message.text}\n  ${lineText}\n  ${marker}${notes}`;
}

function explainUnresolved(text: string): string {
  const name = /^Could not resolve "([^"]+)"/.exec(text)?.[1];
  if (name === undefined) return text;
  const isPackage = !name.startsWith(".") && !name.startsWith("/");
  const hint = isPackage
    ? `Install it with "npm install ${packageName(name)}" beside the DAG folder.`
    : "Is it misspelt?";
  return `Cannot find "${name}". ${hint}`;
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
