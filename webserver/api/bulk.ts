import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import type { Change, PutMode } from "../../store/changes.ts";
import type { Store } from "../../store/store.ts";
import { thingName } from "./conventions.ts";
import { type AnyRoute, type Call, defineRoute } from "./route.ts";

type Means = Pick<Call<unknown, unknown, unknown>, "store" | "commands">;

interface Bulk<B extends z.ZodObject> {
  readonly path: string;
  readonly kind: "pool" | "variable" | "connection";
  readonly tag: string;
  readonly body: B;
  readonly idOf: (body: z.output<B>) => string;
  readonly save: (means: Means, body: z.output<B>, mode: PutMode) => Promise<unknown>;
  readonly remove: (id: string) => Change;
  readonly checkRemoval?: (id: string) => void;
  readonly exists: (store: Store, id: string) => Promise<boolean>;
}

const outcome = z.object({
  success: z.array(z.string()),
  errors: z.array(z.object({ error: z.string(), status_code: z.number().int() })),
});
type Outcome = z.input<typeof outcome>;

/** `PATCH` of a whole collection (Airflow's bulk): create, update and delete in one call. `create` overwrites only when it says so. */
export function bulkRoute<B extends z.ZodObject>(bulk: Bulk<B>): AnyRoute {
  return defineRoute({
    method: "patch",
    path: bulk.path,
    verb: "write",
    kind: bulk.kind,
    tag: bulk.tag,
    summary: "Create, change and delete several at once",
    about:
      "Each entity is a change of its own: the answer says which succeeded and which did not, by action. `create` never overwrites unless `action_on_existence` is `overwrite`.",
    body: bodyOf(bulk.body),
    response: z.object({ create: outcome.optional(), update: outcome.optional(), delete: outcome.optional() }),
    async handler(call) {
      const answer: { [action in Action["action"]]?: Outcome } = {};
      for (const action of call.body.actions) {
        const found = answer[action.action] ?? { success: [], errors: [] };
        answer[action.action] = found;
        for (const entity of action.entities) {
          const id = typeof entity === "string" ? entity : bulk.idOf(entity as z.output<B>);
          const problem = await apply(call, bulk, action, id, entity as string | z.output<B>);
          if (problem === undefined) found.success.push(id);
          else if (problem !== "skipped") found.errors.push(problem);
        }
      }
      return answer;
    },
  });
}

function bodyOf<B extends z.ZodObject>(entity: B) {
  const onMissing = z.enum(["fail", "skip"]).default("fail");
  const actions = z.discriminatedUnion("action", [
    z.strictObject({
      action: z.literal("create"),
      entities: z.array(entity).min(1).max(1_000),
      action_on_existence: z.enum(["fail", "skip", "overwrite"]).default("fail"),
    }),
    z.strictObject({
      action: z.literal("update"),
      entities: z.array(entity).min(1).max(1_000),
      action_on_non_existence: onMissing,
    }),
    z.strictObject({
      action: z.literal("delete"),
      entities: z.array(thingName).min(1).max(1_000),
      action_on_non_existence: onMissing,
    }),
  ]);
  return z.strictObject({ actions: z.array(actions).min(1).max(100) });
}

type Action = {
  readonly action: "create" | "update" | "delete";
  readonly action_on_existence?: "fail" | "skip" | "overwrite";
  readonly action_on_non_existence?: "fail" | "skip";
};
type Problem = { readonly error: string; readonly status_code: number };

async function apply<B extends z.ZodObject>(
  means: Means,
  bulk: Bulk<B>,
  action: Action,
  id: string,
  entity: string | z.output<B>,
): Promise<Problem | "skipped" | undefined> {
  const exists = await bulk.exists(means.store, id);
  const isCreate = action.action === "create";
  if (exists === isCreate) {
    const answer = isCreate ? action.action_on_existence : action.action_on_non_existence;
    if (answer === "skip") return "skipped";
    if (answer === "fail")
      return isCreate
        ? { error: `There is a ${bulk.kind} "${id}" already.`, status_code: 409 }
        : { error: `There is no ${bulk.kind} "${id}".`, status_code: 404 };
  }
  try {
    if (typeof entity !== "string") await bulk.save(means, entity, isCreate && !exists ? "create" : "update");
    else await remove(means, bulk, entity);
    return undefined;
  } catch (error) {
    if (error instanceof ConflictError) return { error: error.message, status_code: 409 };
    if (error instanceof NotFoundError) return { error: error.message, status_code: 404 };
    throw error;
  }
}

async function remove<B extends z.ZodObject>(means: Means, bulk: Bulk<B>, id: string): Promise<void> {
  bulk.checkRemoval?.(id);
  const result = await means.store.commit([bulk.remove(id)], means.commands.actor);
  if (!result.ok) throw new NotFoundError(result.message);
}
