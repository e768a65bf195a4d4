import { expect } from "chai";
import { describe, it } from "mocha";
import type { Change } from "../../../store/changes.ts";
import type { ConnectionRow } from "../../../store/rows.ts";
import type { OpenedStore } from "../conformance.ts";
import { commit, refused } from "../fixtures.ts";

const connection: ConnectionRow = {
  connectionId: "warehouse",
  connType: "postgres",
  description: "main",
  host: "db.example",
  schema: "public",
  login: "eva",
  password: "s3cret-canary",
  port: 5432,
  extra: '{"token":"extra-canary"}',
};

/** Pools, variables, connections, workers. */
export function adminConformance(opened: OpenedStore): void {
  describe("administration", () => {
    it("puts pools as the mode says and never overwrites by accident", async () => {
      const store = opened();
      const pool = (mode: "create" | "update" | "upsert", slots: number): Change => ({
        kind: "pool.put",
        mode,
        pool: { name: "db", slots, description: "d", includeDeferred: true },
      });
      expect((await refused(store, [pool("update", 1)])).reason).to.equal("missing");
      await commit(store, [pool("create", 2)]);
      expect((await refused(store, [pool("create", 3)])).reason).to.equal("duplicate");
      await commit(store, [pool("upsert", 4)]);
      await commit(store, [pool("update", 5)]);
      expect(await store.admin.pool("db")).to.deep.equal({
        name: "db",
        slots: 5,
        description: "d",
        includeDeferred: true,
      });
      expect((await store.admin.pools()).map((row) => row.name)).to.deep.equal(["db", "default_pool"]);
      await commit(store, [{ kind: "pool.delete", name: "db" }]);
      expect((await refused(store, [{ kind: "pool.delete", name: "db" }])).reason).to.equal("missing");
      expect((await store.events.list({ kinds: ["pool.updated"] })).rows.at(-1)?.detail).to.deep.equal({
        name: "db",
        slots: 5,
        includeDeferred: true,
      });
    });

    it("gives variables back and keeps their values out of the history", async () => {
      const store = opened();
      const put = (key: string, value: string): Change => ({
        kind: "variable.put",
        mode: "upsert",
        variable: { key, value, description: null },
      });
      await commit(store, [
        put("a", "value-canary"),
        put("__proto__", "p"),
        put("A", "other case"),
        put("a", "value-canary-2"),
      ]);
      expect(await store.admin.variable("a")).to.deep.equal({
        key: "a",
        value: "value-canary-2",
        description: null,
        isEncrypted: true,
      });
      expect((await store.admin.variables()).map((variable) => variable.key)).to.deep.equal(["A", "__proto__", "a"]);
      await commit(store, [{ kind: "variable.delete", key: "a" }]);
      expect(await store.admin.variable("a")).to.equal(undefined);
      expect(JSON.stringify((await store.events.list({})).rows)).not.to.contain("canary");
    });

    it("gives connections back and keeps their secrets out of the history", async () => {
      const store = opened();
      await commit(store, [{ kind: "connection.put", mode: "create", connection }]);
      expect(await store.admin.connection("warehouse")).to.deep.equal(connection);
      const bare = { ...connection, connectionId: "bare", password: null, extra: null, port: null };
      await commit(store, [{ kind: "connection.put", mode: "upsert", connection: bare }]);
      expect(await store.admin.connections()).to.deep.equal([bare, connection]);
      expect(JSON.stringify((await store.events.list({})).rows)).not.to.contain("canary");
      await commit(store, [{ kind: "connection.delete", connectionId: "bare" }]);
      expect((await refused(store, [{ kind: "connection.put", mode: "update", connection: bare }])).reason).to.equal(
        "missing",
      );
    });

    it("knows its workers and takes no heartbeat of a lost one", async () => {
      const store = opened();
      const worker = {
        workerId: "w1",
        kind: "up" as const,
        hostname: "h",
        pid: 1,
        version: "1",
        startedAt: 5,
        slots: 4,
        queues: ["default"],
        state: "active" as const,
      };
      await commit(store, [{ kind: "worker.put", worker, leaseMs: 1000 }]);
      const events = await store.events.lastId();
      const [row] = await store.admin.workers();
      expect(row).to.deep.include(worker);
      expect(row!.leaseUntil - row!.heartbeatAt).to.equal(1000);
      await commit(store, [{ kind: "worker.heartbeat", workerId: "w1", leaseMs: 2000 }]);
      expect(await store.events.lastId()).to.equal(events);
      await commit(store, [{ kind: "worker.state", workerId: "w1", state: "lost" }]);
      expect((await refused(store, [{ kind: "worker.heartbeat", workerId: "w1", leaseMs: 1 }])).message).to.contain(
        "lost",
      );
      expect((await refused(store, [{ kind: "worker.heartbeat", workerId: "w9", leaseMs: 1 }])).reason).to.equal(
        "missing",
      );
      await commit(store, [{ kind: "worker.put", worker: { ...worker, pid: 2 }, leaseMs: 1000 }]);
      expect(await store.admin.workers()).to.have.length(1);
      expect(await store.admin.schemaVersion()).to.match(/^\d{4}_/);
    });
  });
}
