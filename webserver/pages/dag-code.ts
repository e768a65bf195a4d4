import { Router } from "express";
import { NotFoundError } from "../../core/errors.ts";
import type { BundleRow, DagVersionRow } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import type { WebDeps } from "../deps.ts";
import { type DiffLine, diffLines } from "../diff.ts";
import { type FieldOption, options } from "../forms/field.ts";
import { textOf, wholeNumberOf } from "../forms/input.ts";
import { highlightedLines } from "../highlight.ts";
import { type DagHead, dagContext, dagFrame } from "./dag-context.ts";
import { sendPage } from "./page.ts";
import { urlWith } from "./paging.ts";
import { absoluteTime, type TimeView, timeView } from "./time.ts";

/** `/dags/:dag/code`: the source of a version, or what changed between two. */
export function dagCodeRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/dags/:dag/code", requires("read", "code"), async (request, response) => {
    const context = await dagContext(deps, request, "code");
    const { dag } = context;
    const { query } = request;
    const url = urlWith(request.originalUrl, {});
    const versions = await deps.store.dags.versions(dag.dagId);
    const version = await chosen(deps, dag.dagId, wholeNumberOf(query, "v", 1, 1_000_000), context.version);
    const other = wholeNumberOf(query, "diff", 1, 1_000_000);
    const bundle = await deps.store.dags.bundle(version.bundleHash);
    const files = bundle?.sources ?? [];
    const file = files.find((each) => each.path === textOf(query, "file")) ?? mainFile(bundle);
    const base = other === undefined ? undefined : await chosen(deps, dag.dagId, other, version);
    const label = (each: { versionNumber: number; createdAt: number }) =>
      `Version ${each.versionNumber}, ${absoluteTime(each.createdAt, dag.timezone)}${each.versionNumber === context.version.versionNumber ? " (in service)" : ""}`;
    const model: CodeView = {
      head: context.head,
      here: url,
      versionOptions: options(
        versions.map((each) => [String(each.versionNumber), label(each)] as const),
        String(version.versionNumber),
      ),
      diffOptions: options(
        [["", "Compare with …"], ...versions.map((each) => [String(each.versionNumber), label(each)] as const)],
        other === undefined ? "" : String(other),
      ),
      versionNumber: version.versionNumber,
      baseNumber: base?.versionNumber ?? 0,
      readAt: timeView(version.createdAt, deps.clock.now()),
      hash: version.bundleHash.slice(0, 12),
      files: files.map((each) => ({
        path: each.path,
        href: urlWith(url, { file: each.path }),
        isCurrent: each.path === file?.path,
      })),
      shownPath: file?.path ?? "",
      linesHtml:
        file && !base ? await highlightedLines(`${version.bundleHash}/${file.path}`, file.path, file.text) : [],
      diff: base && file ? await comparison(deps, base, file) : [],
    };
    await sendPage(deps, request, response, dagFrame(context, "dag-code", "Code"), "dag-code", model);
  });
  return router;
}

interface CodeView {
  readonly head: DagHead;
  readonly here: string;
  readonly versionOptions: readonly FieldOption[];
  readonly diffOptions: readonly FieldOption[];
  readonly versionNumber: number;
  /** Version that is compared with; 0 = none. */
  readonly baseNumber: number;
  readonly readAt: TimeView;
  readonly hash: string;
  readonly files: readonly { readonly path: string; readonly href: string; readonly isCurrent: boolean }[];
  readonly shownPath: string;
  readonly linesHtml: readonly string[];
  readonly diff: readonly DiffRow[];
}

interface DiffRow extends DiffLine {
  readonly sign: string;
}

async function chosen(
  deps: WebDeps,
  dagId: string,
  number: number | undefined,
  fallback: DagVersionRow,
): Promise<DagVersionRow> {
  if (number === undefined || number === fallback.versionNumber) return fallback;
  const version = await deps.store.dags.versionOf(dagId, number);
  if (!version) throw new NotFoundError(`DAG "${dagId}" has no version ${number}.`);
  return version;
}

function mainFile(bundle: BundleRow | undefined): BundleRow["sources"][number] | undefined {
  return bundle?.sources.find((each) => each.path === bundle.file) ?? bundle?.sources[0];
}

async function comparison(
  deps: WebDeps,
  base: DagVersionRow,
  file: BundleRow["sources"][number],
): Promise<readonly DiffRow[]> {
  const bundle = await deps.store.dags.bundle(base.bundleHash);
  const before = bundle?.sources.find((each) => each.path === file.path)?.text ?? "";
  return diffLines(before, file.text).map((line) => ({ ...line, sign: SIGNS[line.kind] }));
}

const SIGNS = { same: " ", added: "+", removed: "−" } as const;
