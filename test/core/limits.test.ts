import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { type Occupant, pick, ReadyQueue, type ReadyTask, Usage } from "../../core/limits.ts";
import { explain } from "../../core/reason.ts";

function ready(tiNo: number, extra: Partial<ReadyTask> = {}): ReadyTask {
  return {
    runKey: 1,
    tiNo,
    dagId: "d",
    taskId: `t${tiNo}`,
    pool: "p",
    poolSlots: 1,
    priorityWeight: 1,
    runAge: 0,
    queue: "default",
    executor: "local",
    isolation: "process",
    maxActiveTasks: 100,
    ...extra,
  };
}

function usageWith(pools: Record<string, number> = { p: -1 }): Usage {
  const usage = new Usage();
  usage.setPools(Object.entries(pools).map(([name, slots]) => ({ name, slots })));
  return usage;
}

/** One pick: what it took, and the sentence for each that it did not. */
function pickFrom(tasks: readonly ReadyTask[], usage: Usage, freeSlots = 100, place?: (task: ReadyTask) => boolean) {
  const { picked, refused } = pick(tasks, usage.view({ now: 0, freeSlots, ...(place ? { place } : {}) }));
  return {
    picked: picked.map((task) => task.tiNo),
    refused: Object.fromEntries(refused.map(({ task, reason }) => [task.tiNo, reason])),
  };
}

describe("pick: order", () => {
  it("takes higher weights first, then older runs, then lower numbers", () => {
    const tasks = [
      ready(1),
      ready(2, { runKey: 2, runAge: -5 }),
      ready(3, { priorityWeight: 9, runAge: 7, runKey: 3 }),
      ready(0),
    ];
    expect(pickFrom(tasks, usageWith()).picked).to.deep.equal([3, 2, 0, 1]);
  });

  it("stops at the free slots and says who is next in line", () => {
    const { picked, refused } = pickFrom([ready(0), ready(1), ready(2)], usageWith(), 1);
    expect(picked).to.deep.equal([0]);
    expect(refused).to.deep.equal({
      1: { code: "noSlot", place: 1, queue: "default" },
      2: { code: "noSlot", place: 2, queue: "default" },
    });
  });

  it("lets DAGs of equal weight take turns, over picks as well", () => {
    const queue = new ReadyQueue();
    const usage = usageWith();
    for (let tiNo = 0; tiNo < 1000; tiNo++) queue.add(ready(tiNo, { dagId: "hog", maxActiveTasks: 9999 }), 0);
    for (let tiNo = 0; tiNo < 10; tiNo++) queue.add(ready(tiNo, { dagId: `small${tiNo}`, runKey: 100 + tiNo }), 0);
    const served: string[] = [];
    for (let round = 0; round < 12; round++) {
      served.push(...queue.pick(usage.view({ now: 0, freeSlots: 1 })).map((task) => task.dagId));
    }
    expect(served.slice(0, 11)).to.have.members(["hog", ...Array.from({ length: 10 }, (_, n) => `small${n}`)]);
    expect(served[11]).to.equal("hog");
  });

  it("does not put a DAG first because its tasks come one by one", () => {
    const queue = new ReadyQueue();
    const usage = usageWith();
    for (let tiNo = 0; tiNo < 100; tiNo++) queue.add(ready(tiNo, { dagId: "many" }), 0);
    const served: string[] = [];
    for (let round = 0; round < 10; round++) {
      if (!queue.has(2, 0)) queue.add(ready(0, { runKey: 2, dagId: "trickle" }), 0);
      served.push(...queue.pick(usage.view({ now: 0, freeSlots: 1 })).map((task) => task.dagId));
    }
    expect(served.filter((dagId) => dagId === "trickle")).to.have.length(5);
  });

  it("serves a DAG that got nothing for ten seconds, whatever its weights", () => {
    const queue = new ReadyQueue();
    const usage = usageWith();
    for (let tiNo = 0; tiNo < 100; tiNo++) queue.add(ready(tiNo, { dagId: "heavy", priorityWeight: 9 }), 0);
    for (let tiNo = 0; tiNo < 3; tiNo++) queue.add(ready(tiNo, { dagId: "light", runKey: 2 }), 0);
    const serve = (now: number) => queue.pick(usage.view({ now, freeSlots: 1 }))[0]?.dagId;
    expect([serve(0), serve(9_999), serve(10_000), serve(10_001), serve(20_001)]).to.deep.equal([
      "heavy",
      "heavy",
      "light",
      "heavy",
      "light",
    ]);
  });
});

describe("pick: limits", () => {
  it("fills pools by slots; a large task is not overtaken in its pool, but in others", () => {
    const usage = usageWith({ p: 4, q: 1 });
    usage.add({ runKey: 9, tiNo: 0, dagId: "x", taskId: "x", pool: "p", poolSlots: 2 });
    const tasks = [ready(0, { poolSlots: 3, priorityWeight: 5 }), ready(1), ready(2, { pool: "q" })];
    const { picked, refused } = pickFrom(tasks, usage);
    expect(picked).to.deep.equal([2]);
    expect(refused).to.deep.equal({
      0: { code: "poolFull", pool: "p", needs: 3, used: 2, slots: 4, place: 1 },
      1: { code: "poolFull", pool: "p", needs: 1, used: 2, slots: 4, place: 2 },
    });
    usage.remove(9, 0);
    expect(pickFrom(tasks, usage).picked).to.include.members([0, 1]);
  });

  it("names pools that do not exist or can never hold a task, without blocking others", () => {
    const tasks = [
      ready(0, { pool: "nope" }),
      ready(1, { poolSlots: 9, priorityWeight: 99 }),
      ready(2),
      ready(3, { pool: "closed" }),
    ];
    const { picked, refused } = pickFrom(tasks, usageWith({ p: 4, closed: 0 }));
    expect(picked).to.deep.equal([2]);
    expect(refused).to.deep.equal({
      0: { code: "poolMissing", pool: "nope" },
      1: { code: "poolTooSmall", pool: "p", needs: 9, slots: 4 },
      3: { code: "poolTooSmall", pool: "closed", needs: 1, slots: 0 },
    });
  });

  it("treats −1 slots as unlimited", () => {
    const tasks = Array.from({ length: 50 }, (_, tiNo) => ready(tiNo, { poolSlots: 1000 }));
    expect(pickFrom(tasks, usageWith()).picked).to.have.length(50);
  });

  it("fills a pool that was made smaller only below its new size", () => {
    const usage = usageWith({ p: 4 });
    expect(pickFrom([ready(0), ready(1), ready(2)], usage).picked).to.have.length(3);
    usage.setPools([{ name: "p", slots: 2 }]);
    expect(pickFrom([ready(3)], usage).refused[3]).to.include({ code: "poolFull", used: 3, slots: 2 });
    usage.remove(1, 0);
    usage.remove(1, 1);
    expect(pickFrom([ready(3)], usage).picked).to.deep.equal([3]);
  });

  it("keeps to maxActiveTasks per run, and goes on with other runs", () => {
    const limited = { maxActiveTasks: 2, priorityWeight: 5 };
    const tasks = [ready(0, limited), ready(1, limited), ready(2, limited), ready(3, { runKey: 2 })];
    const { picked, refused } = pickFrom(tasks, usageWith());
    expect(picked).to.deep.equal([0, 1, 3]);
    expect(refused).to.deep.equal({ 2: { code: "runFull", active: 2, limit: 2 } });
  });

  it("keeps to the limits of one task over all runs and in one run", () => {
    const perDag = { taskId: "t", maxActiveTisPerDag: 2 };
    const overRuns = [1, 2, 3].map((runKey) => ready(0, { ...perDag, runKey, runAge: runKey }));
    const first = pick(overRuns, usageWith().view({ now: 0, freeSlots: 9 }));
    expect(first.picked.map((task) => task.runKey)).to.deep.equal([1, 2]);
    expect(first.refused[0]?.reason).to.deep.equal({
      code: "taskFull",
      scope: "dag",
      taskId: "t",
      active: 2,
      limit: 2,
    });
    const inRun = [0, 1, 2].map((tiNo) => ready(tiNo, { taskId: "m", maxActiveTisPerDagrun: 1 }));
    const { picked, refused } = pickFrom([...inRun, ready(3)], usageWith());
    expect(picked).to.deep.equal([0, 3]);
    expect(refused[1]).to.deep.equal({ code: "taskFull", scope: "run", taskId: "m", active: 1, limit: 1 });
  });

  it("starts nothing of a paused DAG", () => {
    const usage = usageWith();
    usage.setPaused("d", true);
    expect(pickFrom([ready(0), ready(1, { dagId: "e", runKey: 2 })], usage)).to.deep.equal({
      picked: [1],
      refused: { 0: { code: "dagPaused" } },
    });
    usage.setPaused("d", false);
    expect(pickFrom([ready(0)], usage).picked).to.deep.equal([0]);
  });

  it("asks for a place last and once for each kind that is taken", () => {
    const asked: number[] = [];
    const place = (task: ReadyTask) => {
      asked.push(task.tiNo);
      return task.isolation === "shared";
    };
    const usage = usageWith({ p: 2 });
    const shared = { isolation: "shared" as const };
    const tasks = [ready(0), ready(1), ready(2, shared), ready(3, shared), ready(4, shared)];
    expect(pickFrom(tasks, usage, 100, place).picked).to.deep.equal([2, 3]);
    expect(asked).to.deep.equal([0, 2, 3]);
  });
});

describe("ReadyQueue", () => {
  it("forgets what is removed, keeps the rest in order, replaces what is added twice", () => {
    const queue = new ReadyQueue();
    for (let tiNo = 0; tiNo < 6; tiNo++) queue.add(ready(tiNo), 0);
    queue.add(ready(5, { priorityWeight: 9 }), 0);
    queue.add(ready(0, { runKey: 2 }), 0);
    expect(queue.remove(1, 2)).to.equal(true);
    expect(queue.remove(1, 2)).to.equal(false);
    queue.removeRun(2);
    expect(queue.size).to.equal(5);
    const picked = queue.pick(usageWith().view({ now: 0, freeSlots: 99 }));
    expect(picked.map((task) => task.tiNo)).to.deep.equal([5, 0, 1, 3, 4]);
    expect(queue.size).to.equal(0);
    expect(queue.refusal(1, 0, usageWith().view({ now: 0, freeSlots: 1 }))).to.equal(undefined);
  });

  it("looks at nobody who must wait when a pool is full, however many wait", () => {
    const queue = new ReadyQueue();
    const usage = usageWith({ p: 1, q: -1 });
    usage.add({ runKey: 0, tiNo: 0, dagId: "x", taskId: "x", pool: "p", poolSlots: 1 });
    for (let tiNo = 0; tiNo < 10_000; tiNo++)
      queue.add(ready(tiNo, { priorityWeight: tiNo, maxActiveTasks: 10_000 }), 0);
    queue.add(ready(0, { runKey: 2, pool: "q" }), 0);
    let asked = 0;
    const view = usage.view({ now: 0, freeSlots: 8 });
    const counted = {
      ...view,
      activeInRun: (runKey: number) => {
        asked++;
        return view.activeInRun(runKey);
      },
    };
    expect(queue.pick(counted).map((task) => task.pool)).to.deep.equal(["q"]);
    expect(asked).to.be.lessThan(5);
    expect(queue.refusal(1, 9_998, view)).to.include({ code: "poolFull", place: 2 });
  });

  const operation = fc.record({
    kind: fc.constantFrom("add", "add", "add", "pick", "pick", "end", "end", "remove", "removeRun", "pause", "pools"),
    a: fc.nat(999),
    b: fc.nat(999),
    slots: fc.integer({ min: -1, max: 6 }),
  });

  it("never exceeds a limit, never leaves a free place to nobody, explains every refusal", () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 40, maxLength: 120 }), (operations) => {
        const queue = new ReadyQueue();
        const usage = usageWith({ p: 3, q: 2 });
        const pools: Record<string, number> = { p: 3, q: 2 };
        const active = new Map<string, ReadyTask>();
        const paused = new Set<string>();
        let now = 0;
        for (const { kind, a, b, slots } of operations) {
          now += a;
          const task = randomTask(a, b);
          const key = `${task.runKey}/${task.tiNo}`;
          if (kind === "add" && !active.has(key)) queue.add(task, now);
          if (kind === "remove") queue.remove(task.runKey, task.tiNo);
          if (kind === "removeRun") {
            queue.removeRun(task.runKey);
            usage.removeRun(task.runKey);
            for (const [one, other] of active) if (other.runKey === task.runKey) active.delete(one);
          }
          if (kind === "pause") {
            if (!paused.delete(task.dagId)) paused.add(task.dagId);
            usage.setPaused(task.dagId, paused.has(task.dagId));
          }
          if (kind === "pools") {
            pools.q = slots;
            usage.setPools([
              { name: "p", slots: 3 },
              { name: "q", slots },
            ]);
          }
          if (kind === "end") {
            const [first] = active;
            if (first) {
              active.delete(first[0]);
              usage.remove(first[1].runKey, first[1].tiNo);
            }
          }
          if (kind !== "pick") continue;
          const freeSlots = b % 5;
          const before = [...active.values()];
          const picked = queue.pick(usage.view({ now, freeSlots }));
          expect(picked.length).to.be.at.most(freeSlots);
          for (const one of picked) {
            const others = [...active.values()];
            expect(fits(one, others, pools), `${JSON.stringify(one)} beside ${before.length}`).to.equal(true);
            expect(paused.has(one.dagId)).to.equal(false);
            active.set(`${one.runKey}/${one.tiNo}`, one);
          }
          const view = usage.view({ now, freeSlots: freeSlots - picked.length });
          for (const { task: other, reason } of queue.refusals(view)) {
            expect(
              explain({ kind: "task", state: "scheduled", now, tryNumber: 0, maxTries: 1, wait: reason }),
            ).to.match(/\S/);
            expect(queue.refusal(other.runKey, other.tiNo, view)).to.deep.equal(reason);
            expect(reason.code, "a place was left to nobody").to.not.equal("next");
            const isFitting = fits(other, [...active.values()], pools) && !paused.has(other.dagId);
            const isHeldBack = reason.code === "poolFull" || reason.code === "noSlot";
            if (isFitting) expect(isHeldBack, reason.code).to.equal(true);
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});

function randomTask(a: number, b: number): ReadyTask {
  const dag = a % 3;
  return ready(b % 6, {
    dagId: `d${dag}`,
    runKey: dag * 10 + (b % 2),
    runAge: b % 2,
    taskId: `t${b % 3}`,
    pool: ["p", "q", "missing"][(a >> 2) % 7 === 0 ? 2 : a % 2]!,
    poolSlots: 1 + ((a >> 3) % 3),
    priorityWeight: (a >> 4) % 4,
    maxActiveTasks: 2 + dag,
    ...(dag === 1 ? { maxActiveTisPerDag: 2 } : {}),
    ...(dag === 2 ? { maxActiveTisPerDagrun: 1 } : {}),
  });
}

/** Whether one more active instance keeps every limit, counted from scratch. */
function fits(task: ReadyTask, active: readonly ReadyTask[], pools: Record<string, number>): boolean {
  const slots = pools[task.pool];
  if (slots === undefined) return false;
  const sameTask = active.filter((other) => other.dagId === task.dagId && other.taskId === task.taskId);
  const used = (of: readonly Occupant[]) => of.reduce((sum, other) => sum + other.poolSlots, 0);
  return (
    (slots < 0 || used(active.filter((other) => other.pool === task.pool)) + task.poolSlots <= slots) &&
    active.filter((other) => other.runKey === task.runKey).length < task.maxActiveTasks &&
    sameTask.length < (task.maxActiveTisPerDag ?? Infinity) &&
    sameTask.filter((other) => other.runKey === task.runKey).length < (task.maxActiveTisPerDagrun ?? Infinity)
  );
}
