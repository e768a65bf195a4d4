import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { SessionRow, UserRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";

/** A one-time login link lives this long. */
export const LOGIN_LINK_MS = 15 * 60_000;

/** SHA-256 of a secret, hex: the only form in which tokens are stored. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** A new secret of 32 random bytes, URL-safe. `prefix` tells people and secret scanners what it is. */
export function newToken(prefix = ""): string {
  return prefix + randomBytes(32).toString("base64url");
}

/** The CSRF token of a session; the same for all its forms, worthless in any other session. */
export function csrfToken(session: SessionRow): string {
  return createHmac("sha256", session.csrfSecret).update("csrf").digest("base64url");
}

/** Compares in constant time. */
export function isCsrfToken(session: SessionRow, given: unknown): boolean {
  if (typeof given !== "string") return false;
  const expected = Buffer.from(csrfToken(session));
  const actual = Buffer.from(given);
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** Makes the first administrator if there is none yet, and a link that logs in once. Returns the link's path. */
export async function createLoginLink(store: Store, clock: Clock, username = "admin"): Promise<string> {
  const user = (await store.access.user(username)) ?? (await store.access.createUser(username, "admin"));
  const token = newToken();
  await store.access.createLoginLink(hashToken(token), user.userId, clock.now() + LOGIN_LINK_MS);
  return `/login/${token}`;
}

/** Uses up a login link and opens a session. Returns the cookie's value, or undefined when the link is spent, expired or made up. */
export async function redeemLoginLink(
  store: Store,
  clock: Clock,
  token: string,
  sessionMs: number,
): Promise<{ cookie: string; user: UserRow } | undefined> {
  const taken = await store.access.takeLoginLink(hashToken(token));
  const user = taken && (await store.access.userById(taken.userId));
  if (!user?.isActive) return undefined;
  const cookie = newToken();
  const now = clock.now();
  await store.access.createSession({
    tokenHash: hashToken(cookie),
    userId: user.userId,
    csrfSecret: randomBytes(32).toString("hex"),
    createdAt: now,
    expiresAt: now + sessionMs,
  });
  return { cookie, user };
}
