import { type Request, type Response, Router } from "express";
import type { ApiTokenRow, UserRow } from "../../store/rows.ts";
import { requires } from "../auth/authenticate.ts";
import { hashToken, newToken } from "../auth/sessions.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldView, field, options } from "../forms/field.ts";
import { choiceOf, type FormInput, formOf, textOf, wholeNumberOf } from "../forms/input.ts";
import { commandContext } from "./context.ts";
import { redirectWithFlash, sendPage } from "./page.ts";
import { shellQuoted } from "./snippets.ts";
import { type TimeView, timeView } from "./time.ts";

const ROLES: readonly UserRow["role"][] = ["viewer", "user", "op", "admin"];

const ROLE_WORDS: Readonly<Record<UserRow["role"], string>> = {
  viewer: "viewer: reads DAGs, runs and logs",
  user: "user: also triggers, clears, marks and backfills",
  op: "op: also manages pools, variables and connections",
  admin: "admin: everything",
};

/** `/admin/tokens`: bearer tokens for the API. A new one is shown once, in the answer to the form that made it. */
export function tokensRouter(deps: WebDeps): Router {
  const router = Router();
  router.get("/admin/tokens", requires("read", "token"), async (request, response) => {
    await send(deps, request, response, {}, "", undefined);
  });
  router.post("/admin/tokens", requires("write", "token"), async (request, response) => {
    const form = formOf(request.body);
    const name = textOf(form, "name");
    const known = await deps.store.access.tokens();
    const error = nameError(name, known);
    if (error !== "") return send(deps, request, response.status(422), form, error, undefined);
    const secret = newToken("sluice_");
    const { actor } = commandContext(deps, request);
    const role = choiceOf(form, "role", ROLES, "user");
    const token = await deps.store.access.createToken({ name, role, tokenHash: hashToken(secret), createdBy: actor });
    await deps.store.commit([{ kind: "event", name: "token.created", detail: { name, role, id: token.id } }], actor);
    await send(deps, request, response, {}, "", secret);
  });
  router.post("/admin/tokens/revoke", requires("write", "token"), async (request, response) => {
    const id = wholeNumberOf(formOf(request.body), "id", 1, Number.MAX_SAFE_INTEGER) ?? -1;
    const isRevoked = await deps.store.access.revokeToken(id);
    if (isRevoked)
      await deps.store.commit(
        [{ kind: "event", name: "token.revoked", detail: { id } }],
        commandContext(deps, request).actor,
      );
    if (isRevoked) redirectWithFlash(response, "/admin/tokens", "The token is revoked; it opens nothing any more.");
    else redirectWithFlash(response, "/admin/tokens", "There is no such token, or it is revoked already.", "failed");
  });
  return router;
}

function nameError(name: string, known: readonly ApiTokenRow[]): string {
  if (name === "" || name.length > 100) return "must have 1 to 100 characters";
  const isTaken = known.some((token) => token.name === name && token.revokedAt === null);
  return isTaken ? "is taken by a token that is in use" : "";
}

interface TokensView {
  readonly fields: readonly FieldView[];
  /** The new token, only in the answer that made it. */
  readonly secret: string;
  readonly curl: string;
  readonly tokens: readonly {
    readonly id: number;
    readonly name: string;
    readonly role: string;
    readonly createdBy: string;
    readonly created: TimeView;
    readonly lastUsed: TimeView;
    readonly isRevoked: boolean;
  }[];
}

async function send(
  deps: WebDeps,
  request: Request,
  response: Response,
  typed: FormInput,
  error: string,
  secret: string | undefined,
): Promise<void> {
  const now = deps.clock.now();
  const tokens = await deps.store.access.tokens();
  const url = shellQuoted(`${deps.baseUrl()}/api/v2/dags`);
  const model: TokensView = {
    fields: [
      field({
        kind: "text",
        name: "name",
        label: "Name",
        hint: "Who or what uses it; the audit log shows it.",
        value: textOf(typed, "name"),
        isRequired: true,
        error,
      }),
      field({
        kind: "select",
        name: "role",
        label: "Role",
        options: options(
          ROLES.map((role) => [role, ROLE_WORDS[role]] as const),
          choiceOf(typed, "role", ROLES, "user"),
        ),
      }),
    ],
    secret: secret ?? "",
    curl: secret === undefined ? "" : `curl -H ${shellQuoted(`Authorization: Bearer ${secret}`)} ${url}`,
    tokens: tokens.map((token) => ({
      id: token.id,
      name: token.name,
      role: token.role,
      createdBy: token.createdBy.replace(/^user:/, ""),
      created: timeView(token.createdAt, now),
      lastUsed: timeView(token.lastUsedAt, now),
      isRevoked: token.revokedAt !== null,
    })),
  };
  const frame = { title: "API tokens", page: "tokens", nav: "config" as const, crumbs: [{ label: "Admin" }] };
  await sendPage(deps, request, response, frame, "tokens", model);
}
