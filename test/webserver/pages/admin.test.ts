import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { hashToken } from "../../../webserver/auth/sessions.ts";
import { dagOf } from "../../scheduler/definitions.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { putDag, putRun } from "./seed.ts";
import { NOW, openSite, type Site } from "./site.ts";

describe("the pages of the administration", () => {
  let folder: TempFolder;
  let site: Site;
  const reparsed: (string | undefined)[] = [];
  before(async () => {
    folder = tempFolder("pages");
    site = await openSite(folder, { reparse: async (file) => void reparsed.push(file) });
    await putDag(site.store, dagOf("etl", { a: { pool: "db" }, b: { after: ["a"], pool: "db" } }));
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  describe("pools", () => {
    it("creates, edits and deletes one", async () => {
      const made = await site.post("/admin/pools/save", { name: "db", slots: "4", description: "warehouse" });
      expect(made.status).to.equal(303);
      expect(await site.store.admin.pool("db")).to.deep.equal({
        name: "db",
        slots: 4,
        description: "warehouse",
        includeDeferred: false,
      });
      expect((await site.get("/admin/pools?edit=db")).text)
        .to.contain('value="4"')
        .and.to.contain('value="warehouse"');
      await site.post("/admin/pools/save", { original: "db", slots: "-1", include_deferred: "1" });
      expect(await site.store.admin.pool("db")).to.include({ slots: -1, includeDeferred: true });
      await site.post("/admin/pools/save", { name: "gone", slots: "1" });
      expect((await site.get("/admin/pools?delete=gone")).text).to.contain("Delete the pool");
      await site.post("/admin/pools/delete", { key: "gone" });
      expect(await site.store.admin.pool("gone")).to.equal(undefined);
    });

    it("shows what uses the slots and what waits for them", async () => {
      await site.post("/admin/pools/save", { original: "db", slots: "1" });
      await putRun(site.store, {
        dagId: "etl",
        logicalDate: NOW,
        state: "running",
        tasks: { a: "running", b: "scheduled" },
      });
      const { text } = await site.get("/admin/pools");
      expect(text).to.contain('<meter min="0" max="1" value="1" class="is-full" aria-label="1 of 1 in use">');
      expect((await site.get("/")).text)
        .to.contain("1 of 1 in use")
        .and.to.contain("1 waiting");
    });

    it("refuses numbers that are none, a taken name and the end of the default pool", async () => {
      for (const slots of ["", "x", "-2", "1.5", "1e3"]) {
        const page = await site.post("/admin/pools/save", { name: "new", slots, description: "typed" });
        expect(page.status, slots).to.equal(422);
        expect(page.text).to.contain("f-slots-error").and.to.contain('value="typed"');
      }
      expect((await site.post("/admin/pools/save", { name: "db", slots: "1" })).status).to.equal(409);
      expect((await site.post("/admin/pools/save", { name: "", slots: "1" })).status).to.equal(422);
      const kept = await site.post("/admin/pools/delete", { key: "default_pool" });
      expect(new URL(kept.location, site.url).searchParams.get("flash_state")).to.equal("failed");
      expect(await site.store.admin.pool("default_pool")).not.to.equal(undefined);
      expect((await site.post("/admin/pools/save", { original: "nope", slots: "1" })).status).to.equal(404);
    });
  });

  describe("variables", () => {
    it("creates, edits and deletes one", async () => {
      await site.post("/admin/variables/save", { key: "url", value: "https://a\r\nb", description: "where" });
      expect(await site.store.admin.variable("url")).to.include({ value: "https://a\nb", description: "where" });
      await site.post("/admin/variables/save", { original: "url", value: "other" });
      expect(await site.store.admin.variable("url")).to.include({ value: "other", description: null });
      await site.post("/admin/variables/delete", { key: "url" });
      expect(await site.store.admin.variable("url")).to.equal(undefined);
    });

    it("never shows a value whose key looks secret, and keeps it behind the mask", async () => {
      await site.post("/admin/variables/save", { key: "mail_api_key", value: "sk-123456" });
      for (const path of ["/admin/variables", "/admin/variables?edit=mail_api_key", "/admin/audit"])
        expect((await site.get(path)).text, path).not.to.contain("sk-123456");
      await site.post("/admin/variables/save", { original: "mail_api_key", value: "***", description: "new" });
      expect(await site.store.admin.variable("mail_api_key")).to.include({ value: "sk-123456", description: "new" });
      await site.post("/admin/variables/save", { original: "mail_api_key", value: "sk-new" });
      expect((await site.store.admin.variable("mail_api_key"))?.value).to.equal("sk-new");
    });

    it("masks secrets inside JSON and keeps them when the rest is edited", async () => {
      await site.post("/admin/variables/save", { key: "settings", value: '{"host":"a","password":"hunter2"}' });
      const page = await site.get("/admin/variables?edit=settings");
      expect(page.text).not.to.contain("hunter2");
      await site.post("/admin/variables/save", { original: "settings", value: '{"host":"b","password":"***"}' });
      expect(JSON.parse((await site.store.admin.variable("settings"))!.value)).to.deep.equal({
        host: "b",
        password: "hunter2",
      });
    });

    it("refuses an empty key, a taken key and a value that is too long", async () => {
      expect((await site.post("/admin/variables/save", { key: " ", value: "x" })).status).to.equal(422);
      expect((await site.post("/admin/variables/save", { key: "settings", value: "x" })).status).to.equal(409);
      const long = await site.post("/admin/variables/save", { key: "long", value: "x".repeat(100_001) });
      expect(long.status).to.equal(422);
    });
  });

  describe("connections", () => {
    const warehouse = {
      connection_id: "warehouse",
      conn_type: "postgres",
      host: "db.example",
      port: "5432",
      schema: "public",
      login: "loader",
      password: "hunter2",
      extra: '{"sslmode":"require","token":"abcdef"}',
      description: "Main",
    };

    it("stores password and extra, and never shows them again", async () => {
      expect((await site.post("/admin/connections/save", warehouse)).status).to.equal(303);
      expect(await site.store.admin.connection("warehouse")).to.include({
        password: "hunter2",
        port: 5432,
        schema: "public",
      });
      for (const path of ["/admin/connections", "/admin/connections?edit=warehouse", "/admin/audit"]) {
        const { text } = await site.get(path);
        expect(text, path).not.to.contain("hunter2").and.not.to.contain("abcdef");
      }
    });

    it("keeps the password behind the mask, replaces it by a new one, and takes it away when emptied", async () => {
      const { connection_id: original, ...rest } = warehouse;
      const save = (more: object) => site.post("/admin/connections/save", { ...rest, original, ...more });
      await save({ password: "***", extra: '{"sslmode":"off","token":"***"}', host: "other" });
      const kept = await site.store.admin.connection("warehouse");
      expect(kept).to.include({ password: "hunter2", host: "other" });
      expect(JSON.parse(kept!.extra!)).to.deep.equal({ sslmode: "off", token: "abcdef" });
      await save({ password: "new" });
      expect((await site.store.admin.connection("warehouse"))?.password).to.equal("new");
      await save({ password: "", extra: "" });
      expect(await site.store.admin.connection("warehouse")).to.include({ password: null, extra: null });
    });

    it("hides an extra that is no JSON object, wherever it came from", async () => {
      const connection = (await site.store.admin.connection("warehouse"))!;
      const put = {
        kind: "connection.put",
        mode: "update",
        connection: { ...connection, extra: "Bearer abc" },
      } as const;
      await site.store.commit([put], "token:ci");
      expect((await site.get("/admin/connections?edit=warehouse")).text).not.to.contain("Bearer abc");
    });

    it("says at each field what is wrong and keeps what was typed", async () => {
      const page = await site.post("/admin/connections/save", {
        ...warehouse,
        connection_id: "a b",
        port: "99999",
        extra: "[1]",
        conn_type: "",
      });
      expect(page.status).to.equal(422);
      for (const name of ["connection_id", "port", "extra"]) expect(page.text).to.contain(`id="f-${name}-error"`);
      expect(page.text).to.contain('value="a b"').and.to.contain('value="99999"');
    });
  });

  describe("tokens", () => {
    it("shows a new token once; it works, and not after it is revoked", async () => {
      const made = await site.post("/admin/tokens", { name: "ci", role: "viewer" });
      const secret = /id="token">([^<]+)</.exec(made.text)?.[1] ?? "";
      expect(secret).to.match(/^sluice_[\w-]{43}$/);
      expect((await site.get("/admin/tokens")).text).not.to.contain(secret);
      const token = await site.store.access.token(hashToken(secret));
      expect(token).to.include({ name: "ci", role: "viewer", createdBy: "user:admin", revokedAt: null });
      const asProgram = { cookie: "", authorization: `Bearer ${secret}` };
      expect((await site.get("/dags", asProgram)).status).to.equal(200);
      expect((await site.get("/admin/tokens", asProgram)).status).to.equal(403);
      await site.post("/admin/tokens/revoke", { id: String(token!.id) });
      expect((await site.get("/dags", asProgram)).status).to.equal(303);
      const again = await site.post("/admin/tokens/revoke", { id: String(token!.id) });
      expect(again.location).to.contain("flash_state=failed");
    });

    it("refuses a token without a name, or with one in use", async () => {
      expect((await site.post("/admin/tokens", { name: "", role: "viewer" })).status).to.equal(422);
      await site.post("/admin/tokens", { name: "twice", role: "viewer" });
      expect((await site.post("/admin/tokens", { name: "twice", role: "viewer" })).status).to.equal(422);
    });
  });

  describe("the audit log", () => {
    it("lists who did what, narrowed by what the address says", async () => {
      const rows = async (query: string) =>
        (await site.get(`/admin/audit?${query}`)).text.match(/<tr data-row>/g)?.length ?? 0;
      expect(await rows("kind=pool.created")).to.equal(2);
      expect(await rows("kind=pool.created,pool.deleted")).to.equal(3);
      expect(await rows("actor=user:admin&kind=variable.deleted")).to.equal(1);
      expect(await rows("dag=etl&task=a")).to.be.greaterThan(1);
      expect(await rows("from=2030-01-01")).to.equal(0);
      expect((await site.get("/admin/audit?page=2")).status).to.equal(200);
    });
  });

  it("shows the settings with their origin", async () => {
    const { text } = await site.get("/admin/config");
    expect(text).to.contain("SLUICE_PORT").and.to.contain("default").and.to.contain("0.0.0-test");
  });

  it("reads files again when asked: one, or all", async () => {
    await site.post("/admin/import-errors/reparse", { file: "a.ts" });
    await site.post("/admin/import-errors/reparse");
    expect(reparsed).to.deep.equal(["a.ts", undefined]);
  });

  it("remembers the theme of a person on the server, and leads back", async () => {
    const done = await site.post("/settings/theme", { theme: "dark", next: "/runs?state=failed" });
    expect(done.location).to.equal("/runs?state=failed");
    expect((await site.get("/runs")).text).to.contain('data-theme="dark"');
    await site.post("/settings/theme", { theme: "nonsense", next: "//evil.example" });
    expect((await site.get("/runs")).text).not.to.contain("data-theme");
  });
});
