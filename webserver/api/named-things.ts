import { z } from "zod";
import { ConflictError, InvalidInputError, NotFoundError } from "../../core/errors.ts";
import type { Change, PutMode } from "../../store/changes.ts";
import type { Store } from "../../store/store.ts";
import { bulkRoute } from "./bulk.ts";
import {
  collection,
  maskQuery,
  matches,
  orderQuery,
  pageQuery,
  pattern,
  slice,
  sorted,
  thingName,
  unmasked,
} from "./conventions.ts";
import { type AnyRoute, type Call, defineRoute } from "./route.ts";

/** A kind of thing that people keep by name: pools, variables, connections. */
export interface NamedKind<B extends z.ZodObject, A extends z.ZodObject> {
  /** Path of the collection. */
  readonly path: string;
  /** Name of the path's parameter. */
  readonly idName: string;
  /** Key of the list in answers, and of the id in things. */
  readonly listKey: string;
  readonly idKey: string;
  readonly kind: "pool" | "variable" | "connection";
  readonly tag: string;
  readonly body: B;
  readonly answer: A;
  /** As people may see them: secrets masked. */
  readonly list: (store: Store) => Promise<z.input<A>[]>;
  readonly exists: (store: Store, id: string) => Promise<boolean>;
  /** What stores it; masks that came back stand for what is stored. */
  readonly put: (store: Store, body: z.output<B>, mode: PutMode) => Promise<Change>;
  readonly remove: (id: string) => Change;
  /** Throws when this one may not be deleted. */
  readonly checkRemoval?: (id: string) => void;
}

/** The routes that these kinds share: list, create, bulk, get, change, delete. Creating never overwrites. */
export function namedRoutes<B extends z.ZodObject, A extends z.ZodObject>(kind: NamedKind<B, A>): AnyRoute[] {
  const { path, tag, idName, idKey, listKey } = kind;
  const one = z.object({ [idName]: thingName });
  const idIn = (params: object) => String((params as Record<string, unknown>)[idName]);
  const save = saverOf(kind);
  const order = Object.fromEntries(
    [idKey, "id"].map((name) => [name, (each: z.input<A>) => idOf(kind, each)]),
  ) as Record<string, (each: z.input<A>) => string>;
  return [
    defineRoute({
      method: "get",
      path,
      verb: "read",
      kind: kind.kind,
      tag,
      summary: `List ${listKey}`,
      query: z.strictObject({
        ...pageQuery,
        order_by: orderQuery([idKey, "id"]),
        [`${idName}_pattern`]: pattern.optional(),
      }),
      response: collection(listKey, kind.answer),
      async handler({ store, query }) {
        const wanted = (query as Record<string, unknown>)[`${idName}_pattern`] as string | undefined;
        const found = (await kind.list(store)).filter((each) => matches(idOf(kind, each), wanted));
        const rows = sorted(found, query.order_by as string | undefined, order);
        return { [listKey]: slice(rows, query), total_entries: rows.length } as never;
      },
    }),
    defineRoute({
      method: "post",
      path,
      verb: "write",
      kind: kind.kind,
      tag,
      summary: `Create a ${kind.kind}`,
      body: kind.body,
      response: kind.answer,
      status: 201,
      handler: (call) => save(call, call.body as z.output<B>, "create") as never,
    }),
    bulkRoute({
      ...kind,
      save,
      idOf: (body) => idOf(kind, body),
    }),
    defineRoute({
      method: "get",
      path: `${path}/:${idName}`,
      verb: "read",
      kind: kind.kind,
      tag,
      summary: `One ${kind.kind}`,
      params: one,
      response: kind.answer,
      handler: ({ store, path: params }) => find(kind, store, idIn(params)) as never,
    }),
    defineRoute({
      method: "patch",
      path: `${path}/:${idName}`,
      verb: "write",
      kind: kind.kind,
      tag,
      summary: `Change a ${kind.kind}`,
      about: "Only what the body names is changed, with `update_mask` only what that names.",
      params: one,
      query: maskQuery(Object.keys(kind.body.shape) as [string, ...string[]]),
      body: kind.body.partial(),
      response: kind.answer,
      async handler(call) {
        const id = idIn(call.path);
        const old = await find(kind, call.store, id);
        const given = unmasked(call.body as object, call.query.update_mask);
        const known = Object.entries(old).filter(([key]) => key in kind.body.shape);
        const merged = kind.body.parse({ ...Object.fromEntries(known), ...given });
        if (idOf(kind, merged) !== id)
          throw new InvalidInputError(`A ${kind.kind} cannot be renamed: the path says "${id}", the body another.`, [
            { path: `body.${idKey}`, message: "differs from the path" },
          ]);
        return (await save(call, merged, "update")) as never;
      },
    }),
    defineRoute({
      method: "delete",
      path: `${path}/:${idName}`,
      verb: "write",
      kind: kind.kind,
      tag,
      summary: `Delete a ${kind.kind}`,
      params: one,
      async handler({ store, path: params, commands }) {
        const id = idIn(params);
        await find(kind, store, id);
        kind.checkRemoval?.(id);
        const result = await store.commit([kind.remove(id)], commands.actor);
        if (!result.ok) throw new NotFoundError(result.message);
        return undefined;
      },
    }),
  ];
}

function idOf(kind: { readonly idKey: string }, thing: object): string {
  return String((thing as Record<string, unknown>)[kind.idKey]);
}

async function find<B extends z.ZodObject, A extends z.ZodObject>(
  kind: NamedKind<B, A>,
  store: Store,
  id: string,
): Promise<z.input<A>> {
  const found = (await kind.list(store)).find((each) => idOf(kind, each) === id);
  if (!found) throw new NotFoundError(`There is no ${kind.kind} "${id}".`);
  return found;
}

function saverOf<B extends z.ZodObject, A extends z.ZodObject>(kind: NamedKind<B, A>) {
  return async (
    { store, commands }: Pick<Call<unknown, unknown, unknown>, "store" | "commands">,
    body: z.output<B>,
    mode: PutMode,
  ): Promise<z.input<A>> => {
    const id = idOf(kind, body);
    const result = await store.commit([await kind.put(store, body, mode)], commands.actor);
    if (!result.ok && result.reason === "missing") throw new NotFoundError(`There is no ${kind.kind} "${id}".`);
    if (!result.ok)
      throw new ConflictError(
        result.reason === "duplicate"
          ? `There is a ${kind.kind} "${id}" already. Use PATCH to change it.`
          : result.message,
      );
    return find(kind, store, id);
  };
}
