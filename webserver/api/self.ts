import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import { hashToken, newToken } from "../auth/sessions.ts";
import { collection, date, iso, isoNow, pageQuery, slice, wholeNumber } from "./conventions.ts";
import { type AnyRoute, type Call, defineRoute } from "./route.ts";

const tokenAnswer = z.object({
  id: z.number().int(),
  name: z.string(),
  role: z.string(),
  created_by: z.string(),
  created_at: date,
  last_used_at: date,
  revoked_at: date,
});

const selfAnswer = z.object({
  name: z.string(),
  role: z.enum(["viewer", "user", "op", "admin"]),
  via: z.enum(["session", "token"]),
  settings: z
    .object({ theme: z.enum(["light", "dark", "system"]) })
    .nullable()
    .describe("null for tokens"),
});

/** Making tokens is for people, now and then. */
const TOKEN_RATE = { burst: 20, perMinute: 20 };

/** Who asks, and the tokens that programs ask with. */
export const SELF_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/sluice/v1/me",
    verb: "read",
    kind: "self",
    tag: "Self",
    summary: "Who asks",
    response: selfAnswer,
    handler: me,
  }),
  defineRoute({
    method: "patch",
    path: "/sluice/v1/me",
    verb: "write",
    kind: "self",
    tag: "Self",
    summary: "Change one's own settings",
    body: z.strictObject({ theme: z.enum(["light", "dark", "system"]).optional() }),
    response: selfAnswer,
    async handler(call) {
      const { store, principal, body } = call;
      const user = principal.userId === null ? undefined : await store.access.userById(principal.userId);
      if (!user) throw new ConflictError("A token has no settings. Log in as a person to have some.");
      if (body.theme) await store.access.saveSettings(user.userId, { ...user.settings, theme: body.theme });
      return me(call);
    },
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/tokens",
    verb: "read",
    kind: "token",
    tag: "Token",
    summary: "API tokens",
    query: z.strictObject(pageQuery),
    response: collection("tokens", tokenAnswer),
    async handler({ store, query }) {
      const tokens = await store.access.tokens();
      return {
        tokens: slice(tokens, query).map((token) => ({
          id: token.id,
          name: token.name,
          role: token.role,
          created_by: token.createdBy,
          created_at: isoNow(token.createdAt),
          last_used_at: iso(token.lastUsedAt),
          revoked_at: iso(token.revokedAt),
        })),
        total_entries: tokens.length,
      };
    },
  }),
  defineRoute({
    method: "post",
    path: "/sluice/v1/tokens",
    verb: "write",
    kind: "token",
    tag: "Token",
    summary: "Create a token; its value is shown only here",
    rate: TOKEN_RATE,
    body: z.strictObject({
      name: z.string().regex(/^[\w.-]{1,100}$/, "may hold letters, digits and _ . -"),
      role: z.enum(["viewer", "user", "op", "admin"]).default("user"),
    }),
    response: z.object({ id: z.number().int(), name: z.string(), role: z.string(), token: z.string() }),
    status: 201,
    async handler({ store, body, principal }) {
      const token = newToken("slc_");
      const row = await store.access.createToken({
        name: body.name,
        role: body.role,
        tokenHash: hashToken(token),
        createdBy: principal.actor,
      });
      return { id: row.id, name: row.name, role: row.role, token };
    },
  }),
  defineRoute({
    method: "delete",
    path: "/sluice/v1/tokens/:token_id",
    verb: "write",
    kind: "token",
    tag: "Token",
    summary: "Revoke a token",
    params: z.object({ token_id: wholeNumber(1, 2_147_483_647) }),
    async handler({ store, path, principal }) {
      if (!(await store.access.revokeToken(path.token_id, principal.actor)))
        throw new NotFoundError(`There is no token ${path.token_id} in force.`);
      return undefined;
    },
  }),
];

async function me({ store, principal }: Pick<Call<unknown, unknown, unknown>, "store" | "principal">) {
  const user = principal.userId === null ? undefined : await store.access.userById(principal.userId);
  const theme = z.enum(["light", "dark", "system"]).catch("system").parse(user?.settings.theme);
  return { name: principal.name, role: principal.role, via: principal.via, settings: user ? { theme } : null };
}
