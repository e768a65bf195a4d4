import { type Request, type Response, Router } from "express";
import { ConflictError, InvalidInputError, NotFoundError } from "../../core/errors.ts";
import type { Change } from "../../store/changes.ts";
import { requires } from "../auth/authenticate.ts";
import { allow, type ResourceKind } from "../auth/policy.ts";
import type { WebDeps } from "../deps.ts";
import type { FieldView } from "../forms/field.ts";
import { type FormInput, formOf, rawTextOf, textOf } from "../forms/input.ts";
import { outcomeOf } from "../forms/outcome.ts";
import { commandContext } from "./context.ts";
import { type NavKey, redirectWithFlash, sendPage } from "./page.ts";
import { withQuery } from "./paths.ts";

type Issues = readonly { readonly path: string; readonly message: string }[];

/** One kind of thing that administrators keep by name: pools, variables, connections. */
export interface NamedKind<Row> {
  /** Address of its list; `?new=1`, `?edit=<key>` and `?delete=<key>` open a form above it. */
  readonly path: string;
  readonly resource: ResourceKind;
  readonly noun: string;
  readonly title: string;
  readonly nav: NavKey;
  readonly about: string;
  readonly columns: readonly string[];
  readonly emptyText: string;
  rows(): Promise<readonly Row[]>;
  /** Those that the environment gives, cells as of `rows`; nobody can change them here. Default none. */
  readonly fixed?: () => readonly (readonly Cell[])[];
  keyOf(row: Row): string;
  cells(row: Row): readonly Cell[];
  /** Why it may not be deleted; "" when it may. */
  deleteRefusal(row: Row): string;
  /** What stands in the form at first. */
  texts(row: Row | undefined): FormInput;
  fields(typed: FormInput, row: Row | undefined, issues: Issues): readonly FieldView[];
  /** The change that a form means; throws `InvalidInputError` with the fields' issues. */
  change(form: FormInput, row: Row | undefined): Change;
  remove(key: string): Change;
}

/** One cell of the list. `max` of 0 = no meter. */
export interface Cell {
  readonly text: string;
  readonly kind: "name" | "text" | "code" | "muted" | "meter";
  readonly value: number;
  readonly max: number;
  readonly isFull: boolean;
}

/** A cell without a meter. */
export function cell(text: string, kind: Exclude<Cell["kind"], "meter"> = "text"): Cell {
  return { text, kind, value: 0, max: 0, isFull: false };
}

interface NamedView {
  readonly title: string;
  readonly noun: string;
  readonly about: string;
  readonly newHref: string;
  readonly columns: readonly string[];
  readonly rows: readonly {
    readonly key: string;
    readonly cells: readonly Cell[];
    readonly editHref: string;
    readonly deleteHref: string;
    readonly deleteRefusal: string;
  }[];
  readonly emptyText: string;
  readonly fixed: readonly (readonly Cell[])[];
  /** Why the reader may not change anything; "" when they may. */
  readonly refusal: string;
  readonly form: FormPanel | undefined;
  readonly removal: { readonly key: string; readonly action: string; readonly cancelHref: string } | undefined;
}

interface FormPanel {
  readonly title: string;
  readonly action: string;
  /** Key of the thing that is edited; "" for a new one. */
  readonly original: string;
  readonly fields: readonly FieldView[];
  readonly problem: string;
  readonly submit: string;
  readonly cancelHref: string;
}

/** List, create, edit and delete of one kind of named thing. */
export function namedThingsRouter<Row>(deps: WebDeps, kindOf: () => NamedKind<Row>): Router {
  const router = Router();
  const { path, resource, noun } = kindOf();

  router.get(path, requires("read", resource), async (request, response) => {
    const kind = kindOf();
    const rows = await kind.rows();
    const edited = textOf(request.query, "edit");
    const doomed = textOf(request.query, "delete");
    if (doomed !== "") mustFind(kind, rows, doomed);
    const row = edited === "" ? undefined : mustFind(kind, rows, edited);
    const isOpen = row !== undefined || textOf(request.query, "new") !== "";
    const form = isOpen ? panel(kind, row, kind.texts(row), [], "") : undefined;
    await send(deps, request, response, kind, rows, form, doomed);
  });

  router.post(`${path}/save`, requires("write", resource), async (request, response) => {
    const kind = kindOf();
    const form = formOf(request.body);
    const rows = await kind.rows();
    const original = rawTextOf(form, "original");
    const row = original === "" ? undefined : mustFind(kind, rows, original);
    const done = await outcomeOf(async () => {
      const change = kind.change(form, row);
      await commit(deps, request, change);
    });
    if (done.ok) {
      redirectWithFlash(response, path, `The ${noun} is saved.`);
      return;
    }
    const shown = panel(kind, row, form, done.issues, done.message);
    await send(deps, request, response.status(done.status), kind, rows, shown, "");
  });

  router.post(`${path}/delete`, requires("write", resource), async (request, response) => {
    const kind = kindOf();
    const key = rawTextOf(formOf(request.body), "key");
    const row = mustFind(kind, await kind.rows(), key);
    const done = await outcomeOf(async () => {
      const refusal = kind.deleteRefusal(row);
      if (refusal !== "") throw new ConflictError(refusal);
      await commit(deps, request, kind.remove(key));
    });
    redirectWithFlash(
      response,
      path,
      done.ok ? `The ${noun} "${key}" is deleted.` : done.message,
      done.ok ? "success" : "failed",
    );
  });
  return router;
}

function mustFind<Row>(kind: NamedKind<Row>, rows: readonly Row[], key: string): Row {
  const row = rows.find((each) => kind.keyOf(each) === key);
  if (row === undefined) throw new NotFoundError(`There is no ${kind.noun} "${key}".`);
  return row;
}

async function commit(deps: WebDeps, request: Request, change: Change): Promise<void> {
  const result = await deps.store.commit([change], commandContext(deps, request).actor);
  if (!result.ok) throw new ConflictError(result.message);
}

/** Throws when there are issues; for `NamedKind.change`. */
export function rejectIssues(noun: string, issues: Issues): void {
  if (issues.length > 0)
    throw new InvalidInputError(`The ${noun} was not saved: some values are not acceptable yet.`, issues);
}

function panel<Row>(
  kind: NamedKind<Row>,
  row: Row | undefined,
  typed: FormInput,
  issues: Issues,
  problem: string,
): FormPanel {
  return {
    title: row === undefined ? `New ${kind.noun}` : `Edit ${kind.noun} ${kind.keyOf(row)}`,
    action: `${kind.path}/save`,
    original: row === undefined ? "" : kind.keyOf(row),
    fields: kind.fields(typed, row, issues),
    problem,
    submit: row === undefined ? `Create ${kind.noun}` : "Save",
    cancelHref: kind.path,
  };
}

async function send<Row>(
  deps: WebDeps,
  request: Request,
  response: Response,
  kind: NamedKind<Row>,
  rows: readonly Row[],
  form: FormPanel | undefined,
  doomed: string,
): Promise<void> {
  const principal = request.access?.principal;
  const model: NamedView = {
    title: kind.title,
    noun: kind.noun,
    about: kind.about,
    newHref: withQuery(kind.path, { new: true }),
    columns: kind.columns,
    rows: rows.map((row) => ({
      key: kind.keyOf(row),
      cells: kind.cells(row),
      editHref: withQuery(kind.path, { edit: kind.keyOf(row) }),
      deleteHref: withQuery(kind.path, { delete: kind.keyOf(row) }),
      deleteRefusal: kind.deleteRefusal(row),
    })),
    emptyText: kind.emptyText,
    fixed: kind.fixed?.() ?? [],
    refusal: principal ? allow(principal, "write", kind.resource).reason : "Log in first.",
    form,
    removal: doomed === "" ? undefined : { key: doomed, action: `${kind.path}/delete`, cancelHref: kind.path },
  };
  const frame = { title: kind.title, page: kind.nav, nav: kind.nav, crumbs: [{ label: "Admin" }] };
  await sendPage(deps, request, response, frame, "named-things", model);
}
