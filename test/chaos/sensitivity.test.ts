import { appendFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { describe, it } from "mocha";
import type { AttemptWork } from "../../executor/executor.ts";
import type { Change, CommitResult } from "../../store/changes.ts";
import { clearTasks, markTask, triggerRun } from "../../store/commands/index.ts";
import type { Store } from "../../store/store.ts";
import { cron, dagOf } from "../scheduler/definitions.ts";
import { Harness, wrapStore } from "../scheduler/harness.ts";
import { failure, success } from "../scheduler/scripted-executor.ts";
import { tempFolders } from "../support/temp.ts";
import { check } from "./check.ts";
import type { Issued } from "./client.ts";

/** A bug that somebody might put into the engine. */
interface Bug {
  /** Changes what the scheduler writes. */
  readonly write?: (changes: readonly Change[]) => readonly Change[];
  /** Stands in the place of the commit itself. */
  readonly commit?: (store: Store, changes: readonly Change[], actor: string) => Promise<CommitResult>;
  /** Changes what the scheduler reads. */
  readonly reads?: (store: Store) => Partial<Store>;
  /** Done to the database afterwards, as a bug inside of the store would have. */
  readonly sql?: string;
  /** What tasks do to the ledger at each start; default: one effect. */
  readonly effect?: (write: (mark: "begin" | "end") => void) => void;
  /** The client's commands are acknowledged without a commit. */
  readonly acksEarly?: boolean;
}

const each = (change: (one: Change) => Change | undefined) => (changes: readonly Change[]) =>
  changes.flatMap((one) => change(one) ?? []);

/** What each bug must be found by. */
const BUGS: readonly (readonly [string, RegExp, Bug])[] = [
  [
    "a dead worker's attempt is not ended before the next begins",
    /"I5"/,
    { write: each((change) => (change.kind === "attempt.finish" && change.state === "lost" ? undefined : change)) },
  ],
  [
    "the epoch does not grow from start to start",
    /"I8"/,
    {
      sql: "update event set epoch = 1 where kind in ('attempt.started', 'task.state') and epoch > 1",
    },
  ],
  ["a stale write is repeated with the epoch of the row (read-modify-write)", /"I11"/, { commit: overwriting }],
  [
    "a change of state writes no event",
    /"I36"/,
    { sql: "delete from event where id = (select max(id) from event where kind = 'task.state')" },
  ],
  [
    "a run is ended without an event",
    /"I36"/,
    { sql: "delete from event where id = (select max(id) from event where kind = 'run.state')" },
  ],
  [
    "a pool is taken for larger than it is",
    /"I18"/,
    {
      reads: (store) => ({
        admin: wrapReads(store.admin, {
          pools: async () => (await store.admin.pools()).map((pool) => ({ ...pool, slots: pool.slots + 3 })),
        }),
      }),
    },
  ],
  [
    "maxActiveRuns is not looked at",
    /"I19"/,
    { reads: (store) => ({ dags: wrapReads(store.dags, unlimited(store)) }) },
  ],
  [
    "a task does not wait for what lies above it",
    /"I30"/,
    { reads: (store) => ({ dags: wrapReads(store.dags, careless(store)) }) },
  ],
  [
    "a lost try is not added to the tries allowed",
    /"I32"/,
    {
      write: each((change) =>
        change.kind === "task.transitions"
          ? { ...change, transitions: change.transitions.map(({ maxTries: _, ...rest }) => rest) }
          : change,
      ),
    },
  ],
  [
    "a run ends while a task of it runs",
    /"I17"/,
    {
      write: (changes) => {
        const started = changes.find((change) => change.kind === "attempt.start");
        if (started?.kind !== "attempt.start" || started.attempt.tryNumber !== 2) return changes;
        return [...changes, { kind: "run.state", runKey: started.attempt.runKey, from: ["running"], to: "success" }];
      },
    },
  ],
  [
    "a run goes over to another version",
    /"I16"/,
    { sql: "update dag_run set version_id = version_id + 1 where id = 1" },
  ],
  ["a logical date happens twice", /"I12"/, { sql: secondRunOfADate() }],
  ["an XCom is lost", /"I39"/, { sql: "delete from xcom where run_key = 1" }],
  ["a counter is not kept", /"I28"/, { sql: "update run_count set n_success = n_success + 1 where run_key = 1" }],
  ["an acknowledgement goes out before the commit", /Acknowledged and lost/, { acksEarly: true }],
  [
    "an attempt is handed out twice",
    /had its effect 2 times/,
    {
      effect: (write) => {
        write("begin");
        write("begin");
        write("end");
      },
    },
  ],
  ["a task is taken for done that never ran", /recorded as a success and left no effect/, { effect: () => undefined }],
  [
    "a task runs at a try that nobody recorded",
    /never recorded as started/,
    { sql: "delete from attempt where try_number = 2" },
  ],
];

/** Applies what was refused once more, with the states and epochs that the rows have now. */
async function overwriting(store: Store, changes: readonly Change[], actor: string): Promise<CommitResult> {
  const result = await store.commit(changes, actor);
  if (result.ok || result.reason !== "stale") return result;
  const again: Change[] = [];
  for (const change of changes) {
    if (change.kind !== "task.transitions") {
      if (change.kind !== "attempt.finish" && change.kind !== "xcom.set") again.push(change);
      continue;
    }
    const rows = await store.tasks.ofRun(change.runKey);
    const transitions = change.transitions.flatMap((transition) => {
      const row = rows[transition.tiNo];
      if (row === undefined || row.state === transition.to) return [];
      return [{ ...transition, from: row.state, epoch: row.epoch, newEpoch: undefined }];
    });
    again.push({ ...change, transitions, fence: undefined });
  }
  return store.commit(again, actor);
}

function secondRunOfADate(): string {
  return (
    "update event set detail = json_set(detail, '$.logicalDate', (select json_extract(detail, '$.logicalDate') from event " +
    "where kind = 'run.created' and dag_id = 'sched' limit 1)) where kind = 'run.created' and dag_id = 'sched'"
  );
}

function wrapReads<T extends object>(reads: T, replaced: Partial<T>): T {
  return new Proxy(reads, {
    get(target, key) {
      const value: unknown = Reflect.get(key in replaced ? replaced : target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function unlimited(store: Store): Partial<Store["dags"]> {
  return {
    version: async (versionId) => {
      const row = await store.dags.version(versionId);
      return row && { ...row, definition: { ...row.definition, maxActiveRuns: 100 } };
    },
    all: async () => (await store.dags.all()).map((row) => ({ ...row, maxActiveRuns: 100 })),
    get: async (dagId) => {
      const row = await store.dags.get(dagId);
      return row && { ...row, maxActiveRuns: 100 };
    },
  };
}

function careless(store: Store): Partial<Store["dags"]> {
  return {
    version: async (versionId) => {
      const row = await store.dags.version(versionId);
      if (row === undefined) return undefined;
      const tasks = row.definition.tasks.map((task) => ({ ...task, upstream: [] }));
      return { ...row, definition: { ...row.definition, tasks } };
    },
  };
}

/** These wait for the test to end them, at their first try. */
const HELD: ReadonlySet<string> = new Set(["long", "l2", "l3", "l4"]);

/** A person decides that a task has failed in the very turn in which it succeeds. */
async function race(h: Harness): Promise<void> {
  const { runKey } = await triggerRun({ ...h.command, actor: "chaos:5." }, { dagId: "race", runId: "three" });
  await h.pass(1_000);
  const work = h.executor.running.find(({ runId, taskId }) => runId === "three" && taskId === "long");
  if (work === undefined) throw new Error("nothing to race for");
  const { attempt } = work;
  const { tiNo, epoch } = attempt;
  const error = { name: "Cancelled", message: "" };
  const marked = h.store.commit(
    [
      { kind: "attempt.finish", attempt, state: "cancelled", error },
      {
        kind: "task.transitions",
        runKey,
        transitions: [{ tiNo, from: "running", to: "failed", epoch, newEpoch: epoch + 1 }],
        bumpRevision: true,
      },
    ],
    "chaos:6.",
  );
  h.executor.end(work, success);
  await marked;
  await h.idle();
}

describe("the checks of the kill harness", function () {
  this.timeout(30_000);
  const newFolder = tempFolders();

  /** A small life with everything in it: retries, a pool, a crash, a clear, a mark, a schedule. Gives what the checks find. */
  async function live(bug: Bug): Promise<readonly string[]> {
    const folder = newFolder("sensitivity");
    const ledger = folder.file("ledger.jsonl");
    const wrap = (store: Store) =>
      wrapStore(store, {
        ...bug.reads?.(store),
        commit: async (changes, actor) => {
          const written = bug.write?.(changes) ?? changes;
          return bug.commit === undefined ? store.commit(written, actor) : bug.commit(store, written, actor);
        },
      });
    const h = new Harness(folder.file("sluice.db"), { wrap, now: "2026-01-01T00:00:30Z" });
    const writerOf =
      ({ dagId, runId, taskId, attempt }: AttemptWork) =>
      (mark: "begin" | "end") =>
        appendFileSync(
          ledger,
          `${JSON.stringify({ key: `${dagId}/${runId}/${taskId}`, try: attempt.tryNumber, mark, pid: 1 })}\n`,
        );
    const script = () => {
      h.executor.script = (work) => {
        const write = writerOf(work);
        const isFirst = work.attempt.tryNumber === 1;
        const act = HELD.has(work.taskId) && isFirst ? "hold" : work.taskId === "bad" && isFirst ? failure : undefined;
        if (act !== undefined || bug.effect === undefined) write("begin");
        else bug.effect(write);
        if (act === undefined && bug.effect === undefined) write("end");
        return act ?? { outcome: success, returnValueJson: '"v"' };
      };
    };
    const endHeld = async () => {
      for (let turn = 0; turn < 5; turn++) {
        for (const work of h.executor.running) {
          writerOf(work)("end");
          h.executor.end(work, success);
        }
        await h.pass(1_000);
      }
    };
    await h.boot();
    try {
      script();
      const pool = { name: "tight", slots: 2, description: null, includeDeferred: false };
      await h.commit({ kind: "pool.put", mode: "create", pool });
      await h.put(
        dagOf(
          "mix",
          {
            first: {},
            bad: { after: ["first"], retries: 1, retryDelayMs: 1_000 },
            long: { after: ["first"], pool: "tight" },
            l2: { pool: "tight" },
            l3: { pool: "tight" },
            l4: { pool: "tight" },
            last: { after: ["bad", "long"] },
          },
          { maxActiveRuns: 1 },
        ),
        dagOf("race", { long: {} }),
        dagOf("sched", { only: {} }, { timetable: cron("* * * * *") }),
      );
      const issued: Issued[] = [];
      const told = async (actor: string, give: (context: Harness["command"]) => Promise<unknown>) => {
        const early = wrapStore(h.store, { commit: async () => ({ ok: true, results: [{}], lastEventId: 0 }) });
        await give({ ...h.command, actor, store: bug.acksEarly ? early : h.store });
        const command = { actor, kind: "variable", key: "-", value: "" } as const;
        issued.push({
          command: { ...command, kind: "note", dagId: "", runId: "", note: "" },
          outcome: "ok",
          affected: 1,
          givenAt: 0,
          answeredAt: 1,
        });
      };
      await triggerRun({ ...h.command, actor: "chaos:1." }, { dagId: "mix", runId: "one" });
      await triggerRun({ ...h.command, actor: "chaos:2." }, { dagId: "mix", runId: "two" });
      await h.pass(5_000);
      // The worker dies under the long task.
      await h.crash();
      await h.openOnly();
      const starting = h.startWithoutWaiting();
      script();
      await h.clock.advanceAsync(1_000);
      await starting;
      await h.pass(60_000);
      await endHeld();
      await h.pass(60_000);
      await told("chaos:3.", (context) => clearTasks(context, { dagId: "mix", runId: "one", taskIds: ["last"] }));
      await told("chaos:4.", (context) =>
        markTask(context, { dagId: "mix", runId: "two", taskId: "l4", newState: "failed" }),
      );
      await h.pass(10_000);
      await race(h);
      await h.pass(10_000);
      await endHeld();
      if (bug.sql !== undefined) {
        const database = new DatabaseSync(h.path);
        database.exec(bug.sql);
        database.close();
      }
      return (await check(h.store, ledger, issued)).problems;
    } finally {
      await h.crash();
    }
  }

  it("find nothing in an engine without bugs", async () => {
    expect(await live({})).to.deep.equal([]);
  });

  for (const [what, found, bug] of BUGS) {
    it(`find it when ${what}`, async () => {
      const problems = await live(bug);
      expect(problems.join("\n")).to.match(found);
    });
  }
});
