import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { describe, it } from "mocha";
import { openStore } from "../../store/open.ts";
import type { CommitNotice, Store } from "../../store/store.ts";
import { FakeClock } from "../support/clock.ts";
import { nodeCommand, runProcess, startScript } from "../support/processes.ts";
import { tempFolders } from "../support/temp.ts";
import { commit, dagPut, launch, putDag, secretKey, startRun } from "./fixtures.ts";

/** The rejection of a promise; undefined when it was fulfilled. */
function failure(
  promise: Promise<unknown>,
): Promise<{ readonly code?: string; readonly message?: string } | undefined> {
  return promise.then(
    () => undefined,
    (error) => error,
  );
}

describe("a SQLite file", () => {
  const folder = tempFolders();
  const open = (path: string, options: Partial<Parameters<typeof openStore>[0]> = {}): Promise<Store> =>
    openStore({ url: `sqlite:${path}`, secretKey, ...options });

  it("is this user's alone and keeps what was committed", async () => {
    const path = folder().file("deep", "er", "sluice.db");
    let store = await open(path);
    await putDag(store, "d");
    const wal = statSync(`${path}-wal`).mode & 0o777;
    await store.close();
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(wal).to.equal(0o600);
    store = await open(path);
    expect((await store.dags.get("d"))?.dagId).to.equal("d");
    await store.close();
    await store.close();
  });

  it("refuses what is no SQLite database or no database URL", async () => {
    const path = folder().file("text.db");
    writeFileSync(path, "this is not a database, but long enough to look like one".repeat(10));
    const error = await failure(open(path));
    expect(error).to.have.property("code", "store_unavailable");
    expect(error?.message).to.contain("no SQLite database").and.to.contain(path);
    expect(await failure(openStore({ url: "oracle://eva:secret@x/y", secretKey })))
      .to.have.property("message")
      .that.does.not.contain("secret");
    expect(await failure(openStore({ url: "sqlite:", secretKey }))).to.have.property("code", "unsupported_database");
    expect(await failure(openStore({ url: `sqlite:${path}`, secretKey: new Uint8Array(16) }))).to.have.property(
      "code",
      "invalid_secret_key",
    );
  });

  it("does not load Knex to open a database whose schema is current", async () => {
    const path = folder().file("s.db");
    await (await open(path)).close();
    const script = `
      const { openStore } = await import(${JSON.stringify(new URL("../../store/open.ts", import.meta.url).href)});
      const store = await openStore({ url: ${JSON.stringify(`sqlite:${path}`)}, secretKey: new Uint8Array(32).fill(7) });
      const { createRequire } = await import("node:module");
      const cache = createRequire(${JSON.stringify(import.meta.url)}).cache;
      const isLoaded = () => Object.keys(cache).some((file) => file.includes("/knex/"));
      await store.runs.unfinished();
      console.log("after the boot:", isLoaded());
      await store.runs.list({});
      console.log("after a list:", isLoaded());
      await store.close();`;
    const { stdout } = await runProcess([...nodeCommand, "--input-type=module", "-e", script]);
    expect(stdout).to.equal("after the boot: false\nafter a list: true\n");
  });

  it("knows schemas that are older, newer or half made", async () => {
    const path = folder().file("s.db");
    expect(await failure(open(path, { migrate: false }))).to.have.property("code", "schema_outdated");
    await (await open(path)).close();
    await (await open(path, { migrate: false })).close();
    const database = new DatabaseSync(path);
    database.exec("insert into schema_migration values ('9999_future', 0)");
    database.close();
    const error = await failure(open(path));
    expect(error).to.have.property("code", "schema_newer");
    expect(error?.message).to.contain("9999_future");
  });

  it("is migrated once when many processes open it at the same time", async function () {
    this.timeout(60_000);
    const path = folder().file("s.db");
    const hint = folder().file("hint");
    const opened = await Promise.all(Array.from({ length: 3 }, () => open(path)));
    await putDag(opened[0]!, "d");
    const command = [...nodeCommand, "test/store/children/command.ts", path, hint, "d"];
    const ends = await Promise.all([runProcess(command), runProcess(command)]);
    expect(ends.map((end) => end.code)).to.deep.equal([0, 0]);
    expect((await opened[1]!.dags.get("d"))?.isPaused).to.equal(true);
    await Promise.all(opened.map((store) => store.close()));
  });

  it("has one up at a time, and says who it is", async function () {
    this.timeout(60_000);
    const path = folder().file("s.db");
    await using holder = startScript("test/store/children/holder.ts", [path]);
    await holder.line("holding");
    const error = await failure(open(path, { exclusive: true }));
    expect(error).to.have.property("code", "database_in_use");
    const { pid, since } = JSON.parse(readFileSync(`${path}.owner`, "utf8"));
    expect(error?.message).to.contain(`process ${pid}, since ${since}`).and.to.contain("SLUICE_HOME");
    const beside = await open(path);
    await putDag(beside, "d");
    await beside.close();
    await holder.kill();
    const next = await open(path, { exclusive: true });
    expect(await failure(open(path, { exclusive: true }))).to.have.property("code", "database_in_use");
    await next.close();
    await (await open(path, { exclusive: true })).close();
  });

  it("tells up what a command in another process committed", async function () {
    this.timeout(60_000);
    const home = folder();
    const [path, hint] = [home.file("s.db"), home.file("hint")];
    const up = await open(path, { exclusive: true, hintFile: hint });
    await commit(up, [dagPut("a"), dagPut("b")]);
    const heard = new Promise<CommitNotice>((resolve) => up.onCommit(resolve));
    await runProcess([...nodeCommand, "test/store/children/command.ts", path, hint, "a"]);
    const notice = await heard;
    expect([...notice.changedKinds]).to.deep.equal(["dag.pause"]);
    expect(notice.dagIds).to.deep.equal(["a"]);
    expect(notice.lastEventId).to.equal(await up.events.lastId());
    await up.close();
  });

  it("follows what another process commits, without hints and without commits of its own", async () => {
    const path = folder().file("s.db");
    const up = await open(path, { exclusive: true });
    await putDag(up, "d");
    const web = await open(path, { followMs: 5 });
    const heard = new Promise<CommitNotice>((resolve) => web.onCommit(resolve));
    await commit(up, [{ kind: "dag.pause", dagId: "d", isPaused: true }]);
    expect((await heard).dagIds).to.deep.equal(["d"]);
    await Promise.all([up.close(), web.close()]);
  });

  it("notices what others committed at its own next commit, without any hint", async () => {
    const path = folder().file("s.db");
    const up = await open(path, { exclusive: true });
    const runKey = await startRun(up, "d");
    const other = await open(path);
    await commit(other, launch(runKey, 1), "cli");
    const notices: CommitNotice[] = [];
    up.onCommit((notice) => notices.push(notice));
    await commit(up, [{ kind: "dag.pause", dagId: "d", isPaused: true }]);
    expect(notices.map((notice) => [[...notice.changedKinds], notice.commandedRuns])).to.deep.equal([
      [["task.transitions", "attempt.start"], [runKey]],
      [["dag.pause"], []],
    ]);
    await Promise.all([up.close(), other.close()]);
  });

  it("waits for another process's transaction without blocking the event loop", async () => {
    const path = folder().file("s.db");
    const store = await open(path);
    await putDag(store, "d");
    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    const waiting = store.commit([{ kind: "dag.pause", dagId: "d", isPaused: true }], "a");
    await new Promise<void>((resolve) => {
      const enough = setInterval(() => {
        if (turns < 5) return;
        clearInterval(enough);
        resolve();
      }, 1);
    });
    other.exec("commit");
    other.close();
    expect((await waiting).ok).to.equal(true);
    clearInterval(counting);
    await store.close();
  });

  it("keeps the events of a run in the order of time when the clock is set back", async () => {
    const path = folder().file("s.db");
    const clock = new FakeClock("2026-06-01T12:00:00Z");
    let store = await open(path, { clock });
    const runKey = await startRun(store, "d");
    clock.jumpTo(Date.parse("2036-06-01T12:00:00Z"));
    await commit(store, launch(runKey, 0));
    clock.jumpTo(Date.parse("2026-06-01T11:00:00Z"));
    await commit(store, launch(runKey, 1));
    const other = await startRun(store, "e");
    await store.close();
    store = await open(path, { clock });
    await commit(store, launch(runKey, 2));
    const times = (await store.events.ofRun(runKey)).map((event) => event.at);
    expect(times).to.have.length(10);
    expect(times).to.deep.equal([...times].sort((a, b) => a - b));
    expect((await store.events.ofRun(other))[0]?.at).to.equal(Date.parse("2026-06-01T11:00:00Z"));
    await store.close();
  });

  it("encrypts secrets, and says which one cannot be read with another key or after a change", async () => {
    const path = folder().file("s.db");
    const store = await open(path);
    const connection = { connType: "http", description: null, host: "h", schema: null, login: "l", port: null };
    await commit(store, [
      { kind: "variable.put", mode: "create", variable: { key: "token", value: "canary-1", description: null } },
      { kind: "variable.put", mode: "create", variable: { key: "other", value: "canary-1", description: null } },
      {
        kind: "connection.put",
        mode: "create",
        connection: { connectionId: "c", password: "canary-2", extra: "canary-3", ...connection },
      },
    ]);
    await store.close();
    for (const file of [path, `${path}-wal`])
      if (existsSync(file)) expect(readFileSync(file).includes("canary")).to.equal(false);

    const wrong = await open(path, { secretKey: new Uint8Array(32).fill(8) });
    const error = await failure(wrong.admin.variable("token"));
    expect(error).to.have.property("code", "secret_unreadable");
    expect(error?.message).to.contain('variable "token"').and.to.contain("another secret key");
    expect((await failure(wrong.admin.connection("c")))?.message).to.contain('connection password "c"');
    await wrong.close();

    const database = new DatabaseSync(path);
    const sealed = database.prepare("select var_key, value from variable").all();
    expect(sealed[0]?.value).not.to.equal(sealed[1]?.value);
    database.exec(
      "update variable set value = (select value from variable where var_key = 'other') where var_key = 'token'",
    );
    database.exec("update connection set extra = 'v1:' || substr(extra, 4, 20) || 'AAAA' || substr(extra, 28)");
    database.close();
    const tampered = await open(path);
    expect(await failure(tampered.admin.variable("token"))).to.have.property("code", "secret_unreadable");
    expect((await tampered.admin.variable("other"))?.value).to.equal("canary-1");
    expect((await failure(tampered.admin.connection("c")))?.message).to.contain('connection extra "c"');
    await tampered.close();
  });

  it("says that the disk is full, loses nothing, and goes on when there is room again", async function () {
    this.timeout(60_000);
    const disk = folder().path;
    if (process.getuid?.() !== 0 || spawnSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", disk]).status !== 0)
      this.skip();
    try {
      const path = `${disk}/s.db`;
      const store = await open(path);
      await putDag(store, "d");
      const put = (key: string): Promise<unknown> =>
        store.commit(
          [{ kind: "variable.put", mode: "create", variable: { key, value: "x".repeat(100_000), description: null } }],
          "a",
        );
      let acknowledged = 0;
      let error: Awaited<ReturnType<typeof failure>>;
      while (error === undefined && acknowledged < 200) {
        error = await failure(put(`v${acknowledged}`));
        if (error === undefined) acknowledged++;
      }
      expect(error).to.have.property("code", "store_unavailable");
      expect(error?.message).to.contain("is full").and.to.contain(path);
      expect(await store.admin.variables()).to.have.length(acknowledged);
      const events = await store.events.lastId();
      expect(await failure(put("again"))).to.have.property("code", "store_unavailable");
      expect(await store.events.lastId()).to.equal(events);
      expect(spawnSync("mount", ["-o", "remount,size=24m", disk]).status).to.equal(0);
      expect(await failure(put("after"))).to.equal(undefined);
      expect(await store.admin.variables()).to.have.length(acknowledged + 1);
      await store.close();
      const database = new DatabaseSync(path);
      expect(database.prepare("pragma integrity_check").get()).to.deep.equal({ integrity_check: "ok" });
      database.close();
    } finally {
      spawnSync("umount", [disk]);
    }
  });

  it("gives up its ballast for running work, and takes it back later", async function () {
    this.timeout(60_000);
    const disk = folder().path;
    if (process.getuid?.() !== 0 || spawnSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", disk]).status !== 0)
      this.skip();
    try {
      const path = `${disk}/s.db`;
      const store = await open(path, { exclusive: true });
      expect(statSync(`${path}.ballast`).size).to.equal(1 << 20);
      const runKey = await startRun(store, "d", 200);
      // Fills the disk to its last page.
      spawnSync("sh", ["-c", `cat /dev/zero >'${disk}/filler' 2>/dev/null`]);
      let error: Awaited<ReturnType<typeof failure>>;
      let moved = 0;
      for (; error === undefined && moved < 200; moved++) error = await failure(commit(store, launch(runKey, moved)));
      expect(existsSync(`${path}.ballast`)).to.equal(false);
      expect(moved).to.be.greaterThan(20);
      await store.close();
    } finally {
      spawnSync("umount", [disk]);
    }
  });

  it("loses nothing that was acknowledged to kill -9, and never half of a list", async function () {
    this.timeout(120_000);
    const path = folder().file("s.db");
    const callers = 4;
    const acknowledged = new Array<number>(callers).fill(0);
    const seed = Date.now() % 2 ** 31;
    const random = randomFrom(seed);
    for (let kill = 0; kill < 20; kill++) {
      await using child = startScript("test/store/children/committer.ts", [path, String(callers)]);
      const target = acknowledged[0]! + 1 + Math.floor(random() * 120);
      await child.line(`0 ${target}`, 30_000);
      await child.kill();
      for (const line of child.stdout().split("\n").slice(0, -1)) {
        const [caller = 0, number = 0] = line.split(" ").map(Number);
        acknowledged[caller] = Math.max(acknowledged[caller]!, number);
      }
      const store = await open(path);
      const committed = (await store.events.list({ kinds: ["committed"], limit: 0 })).total;
      let sum = 0;
      for (let caller = 0; caller < callers; caller++) {
        const name = `caller-${caller}`;
        const pool = await store.admin.pool(name);
        const message = `kill ${kill} of seed ${seed}`;
        expect(pool?.slots ?? 0, message).to.be.at.least(acknowledged[caller]!);
        expect((await store.admin.variable(name))?.value ?? "0", message).to.equal(String(pool?.slots ?? 0));
        sum += pool?.slots ?? 0;
      }
      expect(committed).to.equal(sum);
      await store.close();
    }
    expect(acknowledged[0]).to.be.greaterThan(19);
  });
});

/** mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
