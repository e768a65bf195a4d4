import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import type { ImportErrorRow } from "../../store/rows.ts";
import {
  collection,
  date,
  isoNow,
  matches,
  orderQuery,
  pageQuery,
  pattern,
  slice,
  sorted,
  wholeNumber,
} from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const importErrorAnswer = z.object({
  import_error_id: z.number().int(),
  timestamp: date,
  filename: z.string(),
  bundle_name: z.string(),
  stack_trace: z.string(),
  message: z.string(),
  line: z.number().int().nullable(),
  column: z.number().int().nullable(),
});

/** DAG files that could not be loaded, and reading a file again. */
export const IMPORT_ERROR_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/importErrors",
    verb: "read",
    kind: "import_error",
    tag: "Import error",
    summary: "DAG files that could not be loaded",
    query: z.strictObject({
      ...pageQuery,
      filename_pattern: pattern.optional(),
      order_by: orderQuery(["import_error_id", "filename", "timestamp"]),
    }),
    response: collection("import_errors", importErrorAnswer),
    async handler({ store, query }) {
      const found = (await store.dags.importErrors()).filter((error) => matches(error.file, query.filename_pattern));
      const rows = sorted(found, query.order_by, {
        import_error_id: (row) => row.id,
        filename: (row) => row.file,
        timestamp: (row) => row.createdAt,
      });
      return { import_errors: slice(rows, query).map(toImportError), total_entries: rows.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/importErrors/:import_error_id",
    verb: "read",
    kind: "import_error",
    tag: "Import error",
    summary: "One import error",
    params: z.object({ import_error_id: wholeNumber(1, 2_147_483_647) }),
    response: importErrorAnswer,
    async handler({ store, path }) {
      const error = (await store.dags.importErrors()).find((each) => each.id === path.import_error_id);
      if (!error) throw new NotFoundError(`There is no import error ${path.import_error_id}.`);
      return toImportError(error);
    },
  }),
  defineRoute({
    method: "put",
    path: "/v2/parseDagFile/:file_token",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Read a DAG file again now",
    params: z.object({ file_token: z.string().regex(/^[A-Za-z0-9_-]{1,1400}$/, "is not a file token") }),
    status: 201,
    async handler({ deps, store, path }) {
      const file = Buffer.from(path.file_token, "base64url").toString("utf8");
      const known = [...(await store.dags.files()), ...(await store.dags.importErrors())].some(
        (each) => each.file === file,
      );
      if (!known) throw new NotFoundError("There is no such DAG file.");
      if (!deps.reparse)
        throw new ConflictError("This process reads no DAG files. Ask the one that runs the scheduler.");
      await deps.reparse(file);
      return undefined;
    },
  }),
];

function toImportError(error: ImportErrorRow): z.input<typeof importErrorAnswer> {
  return {
    import_error_id: error.id,
    timestamp: isoNow(error.createdAt),
    filename: error.file,
    bundle_name: "dags",
    stack_trace: error.stack ?? error.message,
    message: error.message,
    line: error.line,
    column: error.column,
  };
}
