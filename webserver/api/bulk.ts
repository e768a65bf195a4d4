import { z } from "zod";
import { ConflictError } from "../../core/errors.ts";
import type { Change, PutMode } from "../../store/changes.ts";
import type { Store } from "../../store/store.ts";
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
  readonly exists: (store: Store, id: string) => Promise<boolean>;
}

const outcome = z.object({
  success: z.array(z.string()),
  errors: z.array(z.object({ error: z.string(), status_code: z.number().int() })),
});

/** `PATCH` of a whole collection (Airflow's bulk): create, update and delete in one call. `create` overwrites only when it says so. */
export function bulkRoute<B extends z.ZodObject>(bulk: Bulk<B>): AnyRoute {
  const body = z.strictObject({
    actions: z
      .array(
        z.discriminatedUnion("action", [
          z.strictObject({
            action: z.literal("create"),
            entities: z.array(bulk.body).min(1).max(1_000),
            action_on_existence: z.enum(["fail", "skip", "overwrite"]).default("fail"),
          }),
          z.strictObject({
            action: z.literal("update"),
            entities: z.array(bulk.body).min(1).max(1_000),
            action_on_non_existence: z.enum(["fail", "skip"]).default("fail"),
          }),
          z.strictObject({
            action: z.literal("delete"),
            entities: z.array(z.string().min(1).max(250)).min(1).max(1_000),
            action_on_non_existence: z.enum(["fail", "skip"]).default("fail"),
          }),
        ]),
      )
      .min(1)
      .max(100),
  });
  return defineRoute({
    method: "patch",
    path: bulk.path,
    verb: "write",
    kind: bulk.kind,
    tag: bulk.tag,
    summary: `Create, change and delete several at once`,
    body,
    response: z.object({ create: outcome.optional(), update: outcome.optional(), delete: outcome.optional() }),
    async handler(call) {
      const answer: {
        [action in "create" | "update" | "delete"]?: {
          success: string[];
          errors: { error: string; status_code: number }[];
        };
      } = {};
      for (const action of call.body.actions) {
        answer[action.action] ??= { success: [], errors: [] };
        const { success, errors } = answer[action.action] ?? { success: [], errors: [] };
        for (const entity of action.entities) {
          const id = typeof entity === "string" ? entity : bulk.idOf(entity as z.output<B>);
          const exists = await bulk.exists(call.store, id);
          const problem = await apply(call, bulk, action, entity as string | z.output<B>, exists);
          if (problem === undefined) success.push(id);
          else if (problem !== "skipped") errors.push(problem);
        }
      }
      return answer;
    },
  });
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
  entity: string | z.output<B>,
  exists: boolean,
): Promise<Problem | "skipped" | undefined> {
  const id = typeof entity === "string" ? entity : bulk.idOf(entity);
  if (action.action === "create" && exists) {
    if (action.action_on_existence === "skip") return "skipped";
    if (action.action_on_existence !== "overwrite")
      return { error: `There is a ${bulk.kind} "${id}" already.`, status_code: 409 };
  }
  if (action.action !== "create" && !exists) {
    return action.action_on_non_existence === "skip"
      ? "skipped"
      : { error: `There is no ${bulk.kind} "${id}".`, status_code: 404 };
  }
  try {
    if (typeof entity === "string") {
      const result = await means.store.commit([bulk.remove(entity)], means.commands.actor);
      if (!result.ok) throw new ConflictError(result.message);
    } else await bulk.save(means, entity, action.action === "create" && !exists ? "create" : "upsert");
    return undefined;
  } catch (error) {
    if (error instanceof ConflictError) return { error: error.message, status_code: 409 };
    throw error;
  }
}
