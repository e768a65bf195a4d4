import { expect } from "chai";
import { describe, it } from "mocha";
import type { OpenedStore } from "../conformance.ts";

/** Users, sessions, links and tokens. */
export function accessConformance(opened: OpenedStore): void {
  describe("access", () => {
    it("creates a user once", async () => {
      const { access } = opened();
      const user = await access.createUser("eva", "admin");
      expect(user).to.deep.include({ username: "eva", role: "admin", isActive: true, settings: {} });
      expect(await access.user("eva")).to.deep.equal(user);
      expect(await access.user("EVA")).to.equal(undefined);
      const again = await access.createUser("eva", "viewer").then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(again).to.have.property("code", "conflict");
      await access.saveSettings(user.userId, { theme: "dark" });
      expect((await access.userById(user.userId))?.settings).to.deep.equal({ theme: "dark" });
    });

    it("keeps sessions until they are deleted or replaced after their end", async () => {
      const { access } = opened();
      const session = { tokenHash: "a".repeat(64), userId: 1, csrfSecret: "c", createdAt: 1, expiresAt: 4e12 };
      await access.createSession(session);
      expect(await access.session(session.tokenHash)).to.deep.equal(session);
      await access.createSession({ ...session, tokenHash: "old", expiresAt: 5 });
      await access.createSession({ ...session, tokenHash: "new" });
      expect(await access.session("old")).to.equal(undefined);
      await access.deleteSession(session.tokenHash);
      expect(await access.session(session.tokenHash)).to.equal(undefined);
    });

    it("takes a login link once and only in time", async () => {
      const { access } = opened();
      await access.createLoginLink("link", 7, 4e12);
      const taken = await Promise.all([1, 2, 3].map(() => access.takeLoginLink("link")));
      expect(taken).to.deep.equal([{ userId: 7 }, undefined, undefined]);
      await access.createLoginLink("late", 7, 1);
      expect(await access.takeLoginLink("late")).to.equal(undefined);
    });

    it("revokes tokens for good", async () => {
      const { access, events } = opened();
      const token = await access.createToken({ name: "ci", tokenHash: "hash", role: "op", createdBy: "cli" });
      expect(await access.token("hash")).to.deep.equal(token);
      await access.touchToken(token.id);
      expect((await access.token("hash"))?.lastUsedAt).to.be.a("number");
      expect(await access.revokeToken(token.id)).to.equal(true);
      expect(await access.revokeToken(token.id)).to.equal(false);
      expect((await access.token("hash"))?.revokedAt).to.be.a("number");
      expect(await access.tokens()).to.have.length(1);
      expect(JSON.stringify((await events.list({})).rows)).not.to.contain("hash");
    });
  });
}
