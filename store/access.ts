import type { JsonObject } from "../core/json.ts";
import { GuardFailure, type Scope } from "./apply/scope.ts";
import { count, firstOf, json, listOf, numberOrNull, type Reader, text } from "./reads/reader.ts";
import type { ApiTokenRow, SessionRow, UserRow } from "./rows.ts";
import { first, insertSql, run, type SqlRow, type Step } from "./statements.ts";
import type { AccessStore } from "./store.ts";

/** Runs a piece of writing logic in the next transaction and settles after its commit. */
export type Write = <T>(actor: string, work: (scope: Scope) => Step<T>) => Promise<T>;

const SELECT_USER = "select id, username, role, created_at, is_active, settings from app_user";
const SELECT_TOKEN =
  "select id, name, token_hash, role, created_by, created_at, last_used_at, revoked_at from api_token";

/** Users, sessions, login links and tokens. Who did it is told by the audit events of the callers; here it is "access". */
export function accessStore(reader: Reader, write: Write): AccessStore {
  return {
    user: (username) => firstOf(reader, decodeUser, `${SELECT_USER} where username = ?`, [username]),
    userById: (userId) => firstOf(reader, decodeUser, `${SELECT_USER} where id = ?`, [userId]),
    createUser: (username, role) => write(ACTOR, (scope) => createUser(scope, username, role)),
    saveSettings: (userId, settings) => write(ACTOR, () => saveSettings(userId, settings)),
    createSession: (session) => write(ACTOR, (scope) => createSession(scope, session)),
    session: (tokenHash) =>
      firstOf(
        reader,
        decodeSession,
        "select token_hash, user_id, csrf_secret, created_at, expires_at from session where token_hash = ?",
        [tokenHash],
      ),
    deleteSession: (tokenHash) =>
      write(ACTOR, function* () {
        yield* run("delete from session where token_hash = ?", tokenHash);
      }),
    createLoginLink: (tokenHash, userId, expiresAt) =>
      write(ACTOR, function* (scope) {
        yield* run("delete from login_link where expires_at <= ?", scope.now);
        yield* run(insertSql("login_link", ["token_hash", "user_id", "expires_at"]), tokenHash, userId, expiresAt);
      }),
    takeLoginLink: (tokenHash) => write(ACTOR, (scope) => takeLoginLink(scope, tokenHash)),
    createToken: (token) => write(token.createdBy, (scope) => createToken(scope, token)),
    token: (tokenHash) => firstOf(reader, decodeToken, `${SELECT_TOKEN} where token_hash = ?`, [tokenHash]),
    tokens: () => listOf(reader, decodeToken, `${SELECT_TOKEN} order by id`),
    revokeToken: (id, actor = ACTOR) => write(actor, (scope) => revokeToken(scope, id)),
    touchToken: (id) =>
      write(ACTOR, function* (scope) {
        yield* run("update api_token set last_used_at = ? where id = ?", scope.now, id);
      }),
  };
}

const ACTOR = "access";

function* createUser(scope: Scope, username: string, role: UserRow["role"]): Step<UserRow> {
  if ((yield* first("select 1 from app_user where username = ?", username)) !== undefined)
    throw new GuardFailure("duplicate", `There is already a user "${username}".`);
  const { insertId } = yield* run(
    insertSql("app_user", ["username", "role", "created_at", "is_active", "settings"]),
    username,
    role,
    scope.now,
    true,
    "{}",
  );
  scope.event({ kind: "user.created", detail: { userId: insertId, username, role } });
  return { userId: insertId, username, role, createdAt: scope.now, isActive: true, settings: {} };
}

function* saveSettings(userId: number, settings: JsonObject): Step<void> {
  const { changes } = yield* run("update app_user set settings = ? where id = ?", JSON.stringify(settings), userId);
  if (changes !== 1) throw new GuardFailure("missing", `There is no user ${userId}.`);
}

function* createSession(scope: Scope, session: SessionRow): Step<void> {
  yield* run("delete from session where expires_at <= ?", scope.now);
  yield* run(
    insertSql("session", ["token_hash", "user_id", "csrf_secret", "created_at", "expires_at"]),
    session.tokenHash,
    session.userId,
    session.csrfSecret,
    session.createdAt,
    session.expiresAt,
  );
}

function* takeLoginLink(scope: Scope, tokenHash: string): Step<{ readonly userId: number } | undefined> {
  const row = yield* first("select user_id, expires_at from login_link where token_hash = ?", tokenHash);
  const { changes } = yield* run("delete from login_link where token_hash = ?", tokenHash);
  if (row === undefined || changes !== 1 || (row[1] as number) <= scope.now) return undefined;
  return { userId: row[0] as number };
}

function* createToken(
  scope: Scope,
  token: Omit<ApiTokenRow, "id" | "createdAt" | "lastUsedAt" | "revokedAt">,
): Step<ApiTokenRow> {
  const { name, tokenHash, role, createdBy } = token;
  const { insertId } = yield* run(
    insertSql("api_token", ["name", "token_hash", "role", "created_by", "created_at"]),
    name,
    tokenHash,
    role,
    createdBy,
    scope.now,
  );
  scope.event({ kind: "token.created", detail: { tokenId: insertId, name, role } });
  return { id: insertId, name, tokenHash, role, createdBy, createdAt: scope.now, lastUsedAt: null, revokedAt: null };
}

function* revokeToken(scope: Scope, id: number): Step<boolean> {
  const { changes } = yield* run(
    "update api_token set revoked_at = ? where id = ? and revoked_at is null",
    scope.now,
    id,
  );
  if (changes === 1) scope.event({ kind: "token.revoked", detail: { tokenId: id } });
  return changes === 1;
}

function decodeUser(row: SqlRow): UserRow {
  return {
    userId: count(row[0]),
    username: text(row[1]),
    role: row[2] as UserRow["role"],
    createdAt: count(row[3]),
    isActive: Boolean(row[4]),
    settings: json(row[5]),
  };
}

function decodeSession(row: SqlRow): SessionRow {
  return {
    tokenHash: text(row[0]),
    userId: count(row[1]),
    csrfSecret: text(row[2]),
    createdAt: count(row[3]),
    expiresAt: count(row[4]),
  };
}

function decodeToken(row: SqlRow): ApiTokenRow {
  return {
    id: count(row[0]),
    name: text(row[1]),
    tokenHash: text(row[2]),
    role: row[3] as ApiTokenRow["role"],
    createdBy: text(row[4]),
    createdAt: count(row[5]),
    lastUsedAt: numberOrNull(row[6]),
    revokedAt: numberOrNull(row[7]),
  };
}
