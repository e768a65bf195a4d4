import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { type ApiSite, ok, openApiSite, refused } from "./site.ts";

describe("API: pools, variables and connections", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site[Symbol.asyncDispose]());

  describe("pools", () => {
    it("are created once, changed in part and deleted", async () => {
      const body = { name: "db", slots: 4, description: "one database" };
      expect(await ok(site.ask("POST", "/v2/pools", { body }), 201)).to.include({ ...body, open_slots: 4 });
      expect(await refused(site.ask("POST", "/v2/pools", { body: { name: "db", slots: 1 } }), 409)).to.contain("PATCH");
      const changed = await ok(site.ask("PATCH", "/v2/pools/db", { body: { slots: 8 } }));
      expect(changed).to.include({ slots: 8, description: "one database" });
      const masked = await ok(
        site.ask("PATCH", "/v2/pools/db?update_mask=description", { body: { slots: 1, description: "d" } }),
      );
      expect(masked).to.include({ slots: 8, description: "d" });
      expect((await site.ask("DELETE", "/v2/pools/db")).status).to.equal(204);
      await refused(site.ask("GET", "/v2/pools/db"), 404);
      await refused(site.ask("DELETE", "/v2/pools/db"), 404);
    });

    it("keep the default pool, and count what occupies it", async () => {
      const pool = await ok(site.ask("GET", "/v2/pools/default_pool"));
      expect(pool).to.include({ running_slots: 1, occupied_slots: 1, open_slots: pool.slots - 1 });
      expect(await refused(site.ask("DELETE", "/v2/pools/default_pool"), 409)).to.contain("default pool");
    });

    it("are filtered, ordered and paged", async () => {
      for (const name of ["zz1", "zz2", "b1"])
        await ok(site.ask("POST", "/v2/pools", { body: { name, slots: 1 } }), 201);
      const found = await ok(site.ask("GET", "/v2/pools?pool_name_pattern=ZZ&order_by=-name&limit=1"));
      expect([found.pools[0].name, found.total_entries]).to.deep.equal(["zz2", 2]);
      await refused(site.ask("GET", "/v2/pools?order_by=slots;drop"), 422);
    });

    it("cannot be renamed, nor lose what they must have", async () => {
      await refused(site.ask("PATCH", "/v2/pools/zz1", { body: { name: "a9" } }), 422);
      await refused(site.ask("PATCH", "/v2/pools/zz1", { body: { slots: null } }), 422);
      await refused(site.ask("PATCH", "/v2/pools/zz1", { body: { slots: -2 } }), 422);
    });
  });

  describe("variables", () => {
    const stored = async (key: string) => (await site.web.store.admin.variable(key))?.value;

    it("are shown, unless key or content look secret", async () => {
      const plain = await ok(site.ask("POST", "/v2/variables", { body: { key: "region", value: "eu" } }), 201);
      expect(plain).to.deep.include({ key: "region", value: "eu", description: null });
      await ok(site.ask("POST", "/v2/variables", { body: { key: "api_key", value: "canary" } }), 201);
      const json = '{"host":"h","password":"canary"}';
      await ok(site.ask("POST", "/v2/variables", { body: { key: "settings", value: json } }), 201);
      const list = await site.ask("GET", "/v2/variables");
      expect(list.text).not.to.contain("canary");
      expect(
        JSON.parse(list.body.variables.find((each: { key: string }) => each.key === "settings").value),
      ).to.deep.equal({
        host: "h",
        password: "***",
      });
      expect((await ok(site.ask("GET", "/v2/variables/api_key"))).value).to.equal("***");
    });

    it("keep what is stored behind a mask, byte for byte where nothing changed", async () => {
      await ok(site.ask("PATCH", "/v2/variables/api_key", { body: { description: "of the shop" } }));
      await ok(site.ask("PATCH", "/v2/variables/settings", { body: { description: "of the shop" } }));
      expect([await stored("api_key"), await stored("settings")]).to.deep.equal([
        "canary",
        '{"host":"h","password":"canary"}',
      ]);
      await ok(site.ask("PATCH", "/v2/variables/settings", { body: { value: '{"host":"other","password":"***"}' } }));
      expect(JSON.parse((await stored("settings")) ?? "")).to.deep.equal({ host: "other", password: "canary" });
      await ok(site.ask("PATCH", "/v2/variables/api_key", { body: { value: "fresh" } }));
      expect(await stored("api_key")).to.equal("fresh");
    });

    it("may have any visible name", async () => {
      for (const key of ["a/b", "über größe", "x?y#z%20"]) {
        await ok(site.ask("POST", "/v2/variables", { body: { key, value: "1" } }), 201);
        expect((await ok(site.ask("GET", `/v2/variables/${encodeURIComponent(key)}`))).key).to.equal(key);
        expect((await site.ask("DELETE", `/v2/variables/${encodeURIComponent(key)}`)).status).to.equal(204);
      }
      for (const key of ["", " x", "x\u0000", "x\u202e", "..", "x\n"])
        await refused(site.ask("POST", "/v2/variables", { body: { key, value: "1" } }), 422);
    });
  });

  describe("connections", () => {
    const body = {
      connection_id: "shop",
      conn_type: "postgres",
      host: "db.example.test",
      login: "reader",
      password: "canary-1",
      extra: '{"sslmode":"require","token":"canary-2","retries":3,"keepalive":true}',
    };

    it("never give back password and extra", async () => {
      const answers = [
        await site.ask("POST", "/v2/connections", { body }),
        await site.ask("GET", "/v2/connections"),
        await site.ask("GET", "/v2/connections/shop"),
        await site.ask("PATCH", "/v2/connections/shop", { body: { port: 5432 } }),
        await site.ask("GET", "/v2/eventLogs?limit=100"),
      ];
      for (const answer of answers) {
        expect(answer.status).to.be.lessThan(300);
        expect(answer.text).not.to.contain("canary").and.not.to.contain("require");
      }
      expect(answers[2]?.body).to.include({ password: "***", host: "db.example.test" });
      expect(JSON.parse(answers[2]?.body.extra)).to.deep.equal({
        sslmode: "***",
        token: "***",
        retries: 3,
        keepalive: true,
      });
    });

    it("keep what is stored behind a mask", async () => {
      const shown = await ok(site.ask("GET", "/v2/connections/shop"));
      await ok(site.ask("PATCH", "/v2/connections/shop", { body: { ...shown, login: "writer" } }));
      expect(await site.web.store.admin.connection("shop")).to.include({
        login: "writer",
        password: "canary-1",
        extra: body.extra,
      });
      await ok(site.ask("PATCH", "/v2/connections/shop", { body: { extra: '{"token":"***","new":1}' } }));
      const extra = (await site.web.store.admin.connection("shop"))?.extra;
      expect(JSON.parse(extra ?? "")).to.deep.equal({ token: "canary-2", new: 1 });
      await ok(site.ask("PATCH", "/v2/connections/shop", { body: { password: null } }));
      expect((await ok(site.ask("GET", "/v2/connections/shop"))).password).to.equal(null);
    });

    it("are not for users without the role op", async () => {
      await refused(site.as("user")("GET", "/v2/connections"), 403);
      await refused(site.as("user")("GET", "/v2/connections/shop"), 403);
    });
  });

  describe("bulk", () => {
    const bulk = (actions: object[]) => ok(site.ask("PATCH", "/v2/variables", { body: { actions } }));

    it("creates, changes and deletes, and says of each how it went", async () => {
      await ok(site.ask("POST", "/v2/variables", { body: { key: "old", value: "kept" } }), 201);
      const answer = await bulk([
        {
          action: "create",
          entities: [
            { key: "n1", value: "1" },
            { key: "old", value: "overwritten" },
          ],
        },
        {
          action: "update",
          entities: [
            { key: "n1", value: "2" },
            { key: "none", value: "2" },
          ],
        },
        { action: "delete", entities: ["n1", "none"], action_on_non_existence: "skip" },
      ]);
      expect(answer.create.success).to.deep.equal(["n1"]);
      expect(answer.create.errors).to.deep.equal([{ error: 'There is a variable "old" already.', status_code: 409 }]);
      expect(answer.update.errors[0].status_code).to.equal(404);
      expect(answer.delete).to.deep.equal({ success: ["n1"], errors: [] });
      expect((await site.web.store.admin.variable("old"))?.value, "create never overwrites").to.equal("kept");
    });

    it("overwrites or skips only when told", async () => {
      const create = (value: string, action_on_existence: string) =>
        bulk([{ action: "create", action_on_existence, entities: [{ key: "old", value }] }]);
      expect((await create("skipped", "skip")).create).to.deep.equal({ success: [], errors: [] });
      expect((await site.web.store.admin.variable("old"))?.value).to.equal("kept");
      expect((await create("new", "overwrite")).create.success).to.deep.equal(["old"]);
      expect((await site.web.store.admin.variable("old"))?.value).to.equal("new");
    });

    it("protects the default pool", async () => {
      const actions = [{ action: "delete", entities: ["default_pool"] }];
      const answer = await ok(site.ask("PATCH", "/v2/pools", { body: { actions } }));
      expect(answer.delete.errors[0].status_code).to.equal(409);
      expect(await site.web.store.admin.pool("default_pool")).not.to.equal(undefined);
    });

    it("changes nothing when any entity is malformed", async () => {
      const actions = [
        {
          action: "create",
          entities: [
            { key: "fine", value: "1" },
            { key: "bad", value: 1 },
          ],
        },
      ];
      await refused(site.ask("PATCH", "/v2/variables", { body: { actions } }), 422);
      expect(await site.web.store.admin.variable("fine")).to.equal(undefined);
    });
  });
});
