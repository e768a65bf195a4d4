import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import type { JsonObject } from "../../core/json.ts";
import { type ClientCallOptions, storeClientCalls } from "../../executor/client-calls.ts";
import { SecretMasker } from "../../executor/logs/masker.ts";
import { storeTrigger } from "../../executor/trigger-run.ts";
import { openStore } from "../../store/open.ts";
import type { RunKey } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { attemptOf, commit, launch, newRun, newTasks, putDag, secretKey, startRun, to } from "../store/fixtures.ts";
import { tempFolders } from "../support/temp.ts";

describe("storeClientCalls", () => {
  const newFolder = tempFolders("suite");
  let store: Store;
  let runKey: RunKey;
  const masker = new SecretMasker();

  before(async () => {
    store = await openStore({ url: `sqlite:${newFolder().file("calls.db")}`, secretKey });
    runKey = await startRun(store, "orders");
    await commit(store, launch(runKey, 0));
  });
  after(() => store.close());

  const call = (
    method: string,
    args: JsonObject,
    options: Partial<ClientCallOptions> = {},
    attempt = attemptOf(runKey, 0),
  ) =>
    storeClientCalls(store, { trigger: storeTrigger(store, systemClock), masker, env: {}, ...options }).call(
      attempt,
      method,
      args,
    );

  /** The code of the error that the call is refused with. */
  const refusal = (...args: Parameters<typeof call>) =>
    call(...args).then(
      () => "accepted",
      (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
    );

  it("refuses everything to an attempt that is not the current one", async () => {
    for (const attempt of [
      attemptOf(runKey, 0, 1, 2),
      attemptOf(runKey, 0, 2),
      attemptOf(runKey, 1),
      attemptOf(999, 0),
    ])
      expect(await refusal("setVariable", { key: "k", value: "v" }, {}, attempt)).to.match(/^stale_attempt/);
    expect(await store.admin.variable("k")).to.equal(undefined);
  });

  it("refuses it once the attempt has ended", async () => {
    const other = await startRun(store, "ended");
    await commit(store, launch(other, 0));
    expect(await call("getVariable", { key: "none" }, {}, attemptOf(other, 0))).to.equal(null);
    await commit(store, [
      { kind: "attempt.finish", attempt: attemptOf(other, 0), state: "success" },
      { kind: "task.transitions", runKey: other, transitions: [to("success", 0, "running", 1)] },
    ]);
    expect(await refusal("getVariable", { key: "none" }, {}, attemptOf(other, 0))).to.match(/^stale_attempt/);
  });

  it("refuses methods and arguments that do not exist", async () => {
    expect(await refusal("constructor", {})).to.match(/^invalid_input: There is no client call "constructor"/);
    expect(await refusal("getVariable", { key: 5 })).to.match(/^invalid_input: getVariable/);
    expect(await refusal("getVariable", {})).to.match(/^invalid_input: getVariable/);
  });

  it("sets, gets and deletes variables", async () => {
    await call("setVariable", { key: "colour", value: "green", description: "of the house" });
    await call("setVariable", { key: "colour", value: "blue", description: null });
    expect(await call("getVariable", { key: "colour" })).to.equal("blue");
    expect(await store.admin.variable("colour")).to.deep.include({ description: "of the house" });
    await call("deleteVariable", { key: "colour" });
    expect(await call("getVariable", { key: "colour" })).to.equal(null);
    expect(await call("deleteVariable", { key: "colour" })).to.equal(null);
  });

  it("prefers variables from the environment", async () => {
    await call("setVariable", { key: "day.start", value: "stored" });
    expect(await call("getVariable", { key: "day.start" }, { env: { SLUICE_VAR_DAY_START: "given" } })).to.equal(
      "given",
    );
  });

  it("masks variables that are secrets by their name", async () => {
    await call("setVariable", { key: "smtp_password", value: "kestrel-42" });
    expect(masker.mask("it is kestrel-42")).to.equal("it is ***");
  });

  it("gives stored connections, and masks their secrets", async () => {
    const connection = {
      connectionId: "warehouse",
      connType: "postgres",
      description: null,
      host: "db",
      schema: "main",
      login: "etl",
      password: "heron-77",
      port: 5432,
      extra: '{"api_key":"osprey-88","sslmode":"require"}',
    };
    await commit(store, [{ kind: "connection.put", mode: "create", connection }]);
    expect(await call("getConnection", { connId: "warehouse" })).to.deep.equal({
      id: "warehouse",
      type: "postgres",
      host: "db",
      schema: "main",
      login: "etl",
      password: "heron-77",
      port: 5432,
      extra: '{"api_key":"osprey-88","sslmode":"require"}',
    });
    expect(masker.mask("heron-77 osprey-88 require")).to.equal("*** *** require");
    expect(await call("getConnection", { connId: "nowhere" })).to.equal(null);
  });

  it("reads connections from the environment, as URI or JSON", async () => {
    const env = {
      SLUICE_CONN_MAIN_DB: "postgres://etl:p%40ss%2Fword@db.local:5432/sales?sslmode=require",
      SLUICE_CONN_API: '{"conn_type":"http","host":"example.org","extra":{"token":"ibis-99"}}',
      SLUICE_CONN_BAD: "pass-in-a-broken-uri",
      SLUICE_CONN_IPV6: "redis://[::1]:6379",
    };
    expect(await call("getConnection", { connId: "main-db" }, { env })).to.deep.equal({
      id: "main-db",
      type: "postgres",
      host: "db.local",
      schema: "sales",
      login: "etl",
      password: "p@ss/word",
      port: 5432,
      extra: '{"sslmode":"require"}',
    });
    expect(await call("getConnection", { connId: "api" }, { env })).to.deep.include({
      type: "http",
      extra: '{"token":"ibis-99"}',
    });
    expect(await call("getConnection", { connId: "ipv6" }, { env })).to.deep.include({ host: "[::1]", port: 6379 });
    expect(masker.mask("ibis-99")).to.equal("***");
    const refused = await refusal("getConnection", { connId: "bad" }, { env });
    expect(refused)
      .to.match(/^invalid_input/)
      .and.not.contain("pass-in-a-broken-uri");
  });

  it("sets and gets XComs in the task's own run", async () => {
    const address = { dagId: "orders", runId: "run", taskId: "t0", mapIndex: -1, key: "rows" };
    expect(await call("getXCom", address)).to.equal(null);
    await call("setXCom", { ...address, value: { n: [1, 2], __proto__: null } as unknown as JsonObject });
    expect(await call("getXCom", address)).to.deep.equal({ n: [1, 2] });
    expect(await store.tasks.xcomJson(runKey, 0, "rows")).to.equal('{"n":[1,2]}');
    expect(await refusal("setXCom", { ...address, taskId: "nobody", value: 1 })).to.match(/^not_found/);
    expect(await refusal("setXCom", { ...address, value: "x".repeat(2_000) }, { xcomMaxBytes: 1_000 })).to.match(
      /too large: 2002 bytes/,
    );
    expect(await refusal("getXCom", { ...address, runId: "nothing" })).to.match(/^not_found/);
  });

  it("does not let a task write into another run", async () => {
    await startRun(store, "foreign");
    const address = { dagId: "foreign", runId: "run", taskId: "t0", mapIndex: -1, key: "rows" };
    expect(await refusal("setXCom", { ...address, value: 1 })).to.match(/^not_found/);
  });

  it("finds the newest XCom of earlier runs when it is asked to", async () => {
    const versionId = await putDag(store, "daily");
    const keys: RunKey[] = [];
    for (const day of [1, 2, 3]) {
      const run = newRun("daily", `r${day}`, versionId, { logicalDate: Date.UTC(2026, 0, day) });
      const result = await store.commit([{ kind: "run.create", run, tasks: newTasks(1) }], "test");
      if (result.ok) keys.push(result.results[0]?.runKey ?? 0);
    }
    await commit(store, [{ kind: "xcom.set", runKey: keys[0]!, tiNo: 0, key: "k", json: '"first"', attempt: null }]);
    const address = { dagId: "daily", runId: "r3", taskId: "t0", mapIndex: -1, key: "k" };
    expect(await call("getXCom", address)).to.equal(null);
    expect(await call("getXCom", { ...address, includePriorDates: true })).to.equal("first");
  });

  describe("triggerDagRun", () => {
    const request = {
      dagId: "target",
      runId: "from-task",
      conf: { n: 1 },
      note: null,
      ifExists: "fail",
      failWhenPaused: false,
    };
    before(() => putDag(store, "target"));

    it("creates a run that names the task as its cause", async () => {
      expect(await call("triggerDagRun", request)).to.deep.equal({ runId: "from-task", created: true });
      const run = await store.runs.find("target", "from-task");
      expect(run).to.deep.include({ triggeredBy: "operator", conf: { n: 1 }, triggeringUser: `task:${runKey}/0/1` });
      expect(await call("getDagRunState", { dagId: "target", runId: "from-task" })).to.deep.equal({ state: "queued" });
    });

    it("does what the task says when the run exists", async () => {
      expect(await refusal("triggerDagRun", request)).to.match(/^conflict/);
      for (const ifExists of ["skip", "reuse", "reset"])
        expect(await call("triggerDagRun", { ...request, ifExists })).to.deep.equal({
          runId: "from-task",
          created: false,
        });
    });

    it("creates one run when several tasks ask at once", async () => {
      const asked = [1, 2, 3, 4].map(() => call("triggerDagRun", { ...request, runId: "at-once", ifExists: "reuse" }));
      const answers = (await Promise.all(asked)) as { created: boolean }[];
      expect(answers.filter(({ created }) => created)).to.have.length(1);
    });

    it("refuses a paused DAG when it should", async () => {
      await commit(store, [{ kind: "dag.pause", dagId: "target", isPaused: true }]);
      const paused = { ...request, runId: "paused", failWhenPaused: true };
      expect(await refusal("triggerDagRun", paused)).to.match(/^conflict: DAG "target" is paused/);
      expect(await refusal("triggerDagRun", { ...paused, dagId: "no_such" })).to.match(/^not_found/);
    });
  });

  it("tells the state of a run or task by its logical date", async () => {
    const logicalDate = new Date(Date.UTC(2026, 0, 2)).toISOString();
    expect(await call("getTaskState", { dagId: "daily", taskId: null, logicalDate })).to.deep.equal({
      state: "queued",
    });
    expect(await call("getTaskState", { dagId: "daily", taskId: "t0", logicalDate })).to.deep.equal({ state: "none" });
    expect(await call("getTaskState", { dagId: "daily", taskId: "t9", logicalDate })).to.equal(null);
    expect(await call("getTaskState", { dagId: "daily", taskId: "t0", logicalDate: "2020-01-01T00:00:00Z" })).to.equal(
      null,
    );
  });
});
