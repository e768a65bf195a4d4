import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { TASK_STATES, type TaskState } from "../../../core/states.ts";
import type { Change } from "../../../store/changes.ts";
import type { RunKey } from "../../../store/rows.ts";
import type { Store } from "../../../store/store.ts";
import type { OpenedStore } from "../conformance.ts";
import { commit, dagPut, launch, newRun, newTasks, putDag, refused, startRun, to } from "../fixtures.ts";

/** Lists of changes are atoms, in the order of the calls, each with its own answer. */
export function atomicityConformance(opened: OpenedStore): void {
  describe("commit", () => {
    it("changes nothing when any guard of a list does not hold", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const before = await store.events.lastId();
      const refusal = await refused(store, [
        { kind: "run.note", runKey, note: "half" },
        { kind: "task.transitions", runKey, transitions: [to("scheduled", 0, "none"), to("queued", 1, "scheduled")] },
        { kind: "pool.put", mode: "create", pool: { name: "p", slots: 1, description: null, includeDeferred: false } },
      ]);
      expect(refusal.index).to.equal(1);
      expect(refusal.reason).to.equal("stale");
      expect(refusal.message).to.contain('"t1"').and.to.contain("none at epoch 0, not scheduled");
      expect((await store.runs.get(runKey))?.note).to.equal(null);
      expect(await store.tasks.countByState(runKey)).to.deep.equal({ none: 3 });
      expect(await store.admin.pool("p")).to.equal(undefined);
      expect(await store.events.lastId()).to.equal(before);
    });

    it("lets the other lists of the same turn through when one is refused", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const note = (text: string): Change => ({ kind: "run.note", runKey, note: text });
      const results = await Promise.all([
        store.commit([note("first")], "a"),
        store.commit([note("refused"), { kind: "run.state", runKey, from: ["success"], to: "queued" }], "b"),
        store.commit(launch(runKey, 0), "c"),
        store.commit([{ kind: "xcom.delete", runKey, tiNo: 0, key: "missing" }], "d"),
        store.commit([note("last")], "e"),
      ]);
      expect(results.map((result) => result.ok)).to.deep.equal([true, false, true, false, true]);
      expect((await store.runs.get(runKey))?.note).to.equal("last");
      const actors = (await store.events.ofRun(runKey)).map((event) => event.actor);
      expect(actors).to.deep.equal(["test", "a", "c", "c", "c", "e"]);
      const ids = results.map((result) => (result.ok ? result.lastEventId : undefined));
      const ofC = (await store.events.ofRun(runKey)).filter((event) => event.actor === "c");
      expect(ids[2]).to.equal(ofC.at(-1)?.id);
    });

    it("applies lists in the order of the calls", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const states: TaskState[] = ["none", "scheduled", "up_for_retry", "scheduled", "success", "none"];
      const moves = states.slice(1).map((state, index) => to(state, 0, states[index] as TaskState));
      const results = await Promise.all(
        moves.map((move) => store.commit([{ kind: "task.transitions", runKey, transitions: [move] }], "s")),
      );
      expect(results.every((result) => result.ok)).to.equal(true);
    });

    it("commits an empty list and answers the newest event", async () => {
      const store = opened();
      await putDag(store, "d");
      const result = await store.commit([], "nobody");
      expect(result).to.deep.equal({ ok: true, results: [], lastEventId: await store.events.lastId() });
    });

    it("rejects what cannot be stored without harm to its neighbours", async () => {
      const store = opened();
      const runKey = await startRun(store, "d");
      const broken = { kind: "run.note", runKey, note: { not: "text" } } as unknown as Change;
      const [bad, good] = await Promise.allSettled([
        store.commit([broken], "a"),
        store.commit([{ kind: "run.note", runKey, note: "fine" }], "b"),
      ]);
      expect(bad.status).to.equal("rejected");
      expect(good.status).to.equal("fulfilled");
      expect((await store.runs.get(runKey))?.note).to.equal("fine");
    });

    it("tells listeners once per commit what was touched", async () => {
      const store = opened();
      const notices: { runs: readonly number[]; dags: readonly string[]; kinds: string[]; last: number }[] = [];
      const stop = store.onCommit((notice) =>
        notices.push({
          runs: notice.commandedRuns,
          dags: notice.dagIds,
          kinds: [...notice.changedKinds],
          last: notice.lastEventId,
        }),
      );
      const versionId = await putDag(store, "d");
      const own: Change = { kind: "run.create", run: newRun("d", "own", versionId), tasks: [], ownerId: "me" };
      await commit(store, [own]);
      const [created] = await commit(store, [
        { kind: "run.create", run: newRun("d", "r", versionId), tasks: newTasks(1) },
      ]);
      const runKey = created!.runKey!;
      await commit(store, [
        { kind: "task.transitions", runKey, transitions: [to("success", 0, "none")], bumpRevision: true },
      ]);
      await refused(store, [{ kind: "run.state", runKey, from: ["failed"], to: "queued" }]);
      stop();
      await commit(store, [{ kind: "run.note", runKey, note: "unheard" }]);
      expect(notices).to.deep.equal([
        { runs: [], dags: ["d"], kinds: ["dag.put"], last: 1 },
        { runs: [], dags: [], kinds: ["run.create"], last: 2 },
        { runs: [runKey], dags: [], kinds: ["run.create"], last: 3 },
        { runs: [runKey], dags: [], kinds: ["task.transitions"], last: 4 },
      ]);
      expect((await store.runs.get(runKey))?.revision).to.equal(1);
    });

    it("commits and tells the others when a listener throws", async () => {
      const store = opened();
      const warnings: string[] = [];
      const warn = (warning: Error) => void warnings.push(warning.message);
      process.on("warning", warn);
      let told = 0;
      store.onCommit(() => {
        throw new Error("a broken listener");
      });
      store.onCommit(() => told++);
      const results = await Promise.all([store.commit([dagPut("a")], "x"), store.commit([dagPut("b")], "x")]);
      expect(results.map((result) => result.ok)).to.deep.equal([true, true]);
      // One notice for each transaction: a busy machine may part the two lists.
      expect(told).to.be.within(1, 2);
      await new Promise((resolve) => setImmediate(resolve));
      process.off("warning", warn);
      expect(warnings).to.include("a broken listener");
    });

    it("finishes what was asked for before it closes, and refuses what comes after", async () => {
      const store = opened();
      await putDag(store, "d");
      const late = store.commit([{ kind: "dag.pause", dagId: "d", isPaused: true }], "a");
      const closed = store.close();
      expect((await late).ok).to.equal(true);
      await closed;
      const refusal = await store.commit([], "a").then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal).to.have.property("code", "store_closed");
    });

    it("keeps rows, counters and events together under random lists from many callers", async function () {
      this.timeout(60_000);
      const store = opened();
      const versionId = await putDag(store, "d");
      let number = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(fc.array(anyMove(), { maxLength: 6 }), { maxLength: 8 }), { maxLength: 6 }),
          async (turns) => {
            const [created] = await commit(store, [
              { kind: "run.create", run: newRun("d", `r${number++}`, versionId), tasks: newTasks(TASKS) },
            ]);
            await checkAgainstModel(store, created!.runKey!, turns);
          },
        ),
        { numRuns: 60 },
      );
    });
  });
}

const TASKS = 4;

interface Move {
  readonly tiNo: number;
  readonly from: TaskState;
  readonly to: TaskState;
  readonly epoch: number;
  readonly newEpoch?: number;
}

/** Most of them are refused by a guard sooner or later, which is the point. */
function anyMove(): fc.Arbitrary<Move> {
  return fc.record({
    tiNo: fc.nat(TASKS - 1),
    from: fc.constantFrom<TaskState[]>("none", "none", "scheduled", "success"),
    to: fc.constantFrom<TaskState[]>("none", "scheduled", "success"),
    epoch: fc.constantFrom(0, 0, 0, 1),
    newEpoch: fc.option(fc.constant(1), { nil: undefined, freq: 6 }),
  });
}

/** Each turn's lists at once; the model applies the accepted ones and predicts the refused ones. */
async function checkAgainstModel(store: Store, runKey: RunKey, turns: readonly (readonly Move[][])[]): Promise<void> {
  let model = Array.from({ length: TASKS }, () => ({ state: "none" as TaskState, epoch: 0 }));
  let events = 1;
  for (const lists of turns) {
    const results = await Promise.all(
      lists.map((moves) => store.commit([{ kind: "task.transitions", runKey, transitions: moves }], "s")),
    );
    for (const [index, moves] of lists.entries()) {
      const next = model.map((task) => ({ ...task }));
      const holds = moves.every((move) => {
        const task = next[move.tiNo]!;
        const fits = task.state === move.from && task.epoch === move.epoch;
        task.state = move.to;
        task.epoch = move.newEpoch ?? task.epoch;
        return fits;
      });
      expect(results[index]?.ok).to.equal(holds);
      if (!holds) continue;
      model = next;
      events += moves.length;
    }
  }
  const rows = await store.tasks.ofRun(runKey);
  expect(rows.map(({ state, epoch }) => ({ state, epoch }))).to.deep.equal(model);
  const counted = Object.fromEntries(
    TASK_STATES.map((state) => [state, model.filter((task) => task.state === state).length]).filter(([, n]) => n !== 0),
  );
  expect(await store.tasks.countByState(runKey)).to.deep.equal(counted);
  const history = await store.events.ofRun(runKey);
  expect(history).to.have.length(events);
  for (const [tiNo, task] of model.entries()) {
    const last = history.findLast((event) => event.tiNo === tiNo);
    expect(last?.toState ?? "none").to.equal(task.state);
    expect(last?.epoch ?? 0).to.equal(task.epoch);
  }
}
