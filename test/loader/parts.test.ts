import { expect } from "chai";
import { describe, it } from "mocha";
import type { DagDefinition } from "../../core/definition.ts";
import { checkDefinitions, MAX_TASKS } from "../../loader/definition-schema.ts";
import { FileQueue, type FileTask } from "../../loader/file-queue.ts";
import { canonicalJson, definitionHash } from "../../loader/hash.ts";
import { Pace } from "../../loader/pace.ts";
import { Slots } from "../../loader/slots.ts";
import { Dag } from "../../sdk/index.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { FakeClock, settle } from "../support/clock.ts";

const definition = (): DagDefinition => {
  const dag = new Dag("a", { schedule: "@daily" });
  dag.task("first", async () => 1)();
  return serializeDag(dag);
};

describe("checkDefinitions", () => {
  const refused = (change: object) => {
    try {
      checkDefinitions("a.ts", [{ ...definition(), ...change }]);
    } catch (error) {
      return (error as Error).message;
    }
    return expect.fail("was accepted");
  };

  it("takes what the SDK makes as it is", () => {
    expect(checkDefinitions("a.ts", [definition()])).to.deep.equal([definition()]);
  });

  it("refuses unknown keys, wrong types, impossible schedules, zones, cycles and too many tasks", () => {
    const [task] = definition().tasks;
    expect(refused({ extra: 1 }))
      .to.contain('a.ts: DAG "a" cannot be loaded')
      .and.to.contain("extra");
    expect(refused({ maxActiveRuns: "16" })).to.contain("maxActiveRuns");
    expect(refused({ timezone: "Mars/Base" })).to.contain("IANA");
    expect(
      refused({ timetable: { kind: "cron", expressions: ["61 * * * *"], timezone: "UTC", intervals: false } }),
    ).to.contain("61");
    expect(refused({ tasks: [{ ...task, upstream: ["first"] }] })).to.match(/first/);
    expect(refused({ tasks: [{ ...task, upstream: ["none"] }] })).to.contain("none");
    expect(refused({ tasks: [task, task] })).to.contain("two tasks");
    expect(refused({ tasks: new Array(MAX_TASKS + 1).fill(task) })).to.contain("50000 tasks");
    expect(() => checkDefinitions("a.ts", [null])).to.throw('DAG "without an id"');
  });
});

describe("definitionHash", () => {
  it("depends on content, not on the order of keys", () => {
    expect(canonicalJson({ b: [{ y: 1, x: undefined, a: 2 }], a: null })).to.equal('{"a":null,"b":[{"a":2,"y":1}]}');
    const reversed = Object.fromEntries(Object.entries(definition()).reverse()) as unknown as DagDefinition;
    expect(definitionHash(reversed, "h")).to.equal(definitionHash(definition(), "h"));
    expect(definitionHash({ ...definition(), catchup: true }, "h")).not.to.equal(definitionHash(definition(), "h"));
    expect(definitionHash(definition(), "g")).not.to.equal(definitionHash(definition(), "h"));
    expect(canonicalJson(JSON.parse('{"__proto__":1}'))).to.equal('{"__proto__":1}');
  });
});

describe("Pace", () => {
  it("loads at once until a file changes all the time, then in its pauses, and at last every half minute", () => {
    const pace = new Pace();
    let now = 0;
    const changeAfter = (ms: number) => {
      now += ms;
      return pace.changed(now);
    };
    for (let at = 0; at < 10; at++) expect(changeAfter(500)).to.equal(now);
    expect(changeAfter(500)).to.equal(now + 1_200);
    const held = now;
    while (now < held + 29_500) changeAfter(500);
    expect(changeAfter(0)).to.equal(held + 30_000);
    pace.loaded();
    expect(pace.changed(now)).to.equal(now + 1_200);
    expect(pace.changed(now + 60_000)).to.equal(now + 60_000);
  });
});

describe("Slots", () => {
  it("lets so many run at once, urgent ones first", async () => {
    const slots = new Slots(1);
    const order: string[] = [];
    const first = await slots.acquire(false);
    const take = async (name: string, isUrgent: boolean) => {
      const slot = await slots.acquire(isUrgent);
      order.push(name);
      slot.release();
      slot.release();
    };
    const all = [take("patient", false), take("urgent", true), take("urgent 2", true), take("patient 2", false)];
    await settle();
    expect(order).to.deep.equal([]);
    first.release();
    await Promise.all(all);
    expect(order).to.deep.equal(["urgent", "urgent 2", "patient", "patient 2"]);
  });

  it("lets a few slow ones go on beside", async () => {
    const slots = new Slots(1, 1);
    const slow = await slots.acquire(false);
    slow.stepAside();
    const second = await slots.acquire(false);
    second.stepAside();
    let isThird = false;
    const third = slots.acquire(false).then(() => {
      isThird = true;
    });
    await settle();
    expect(isThird).to.equal(false);
    slow.release();
    await settle();
    expect(isThird).to.equal(false);
    second.release();
    await third;
  });
});

describe("FileQueue", () => {
  const queueOf = (clock = new FakeClock()) => {
    const tasks: FileTask[] = [];
    const ends: (() => void)[] = [];
    const queue = new FileQueue(clock, (task) => {
      tasks.push(task);
      return new Promise((resolve) => ends.push(resolve));
    });
    return { clock, queue, tasks, ends };
  };

  it("works on a file once at a time, and again when it changed under way", async () => {
    const { queue, tasks, ends } = queueOf();
    queue.add("a", { isUrgent: true, isForced: true });
    queue.add("a", { isUrgent: true });
    expect(tasks).to.have.length(1);
    expect(tasks[0]?.signal.aborted).to.equal(true);
    ends[0]?.();
    await settle();
    expect(tasks).to.have.length(2);
    expect(tasks[1]).to.include({ path: "a", isForced: true });
    ends[1]?.();
    await queue.until(() => !queue.isPending());
    expect(tasks).to.have.length(2);
  });

  it("begins with urgent files although patient ones fill their places", () => {
    const { queue, tasks } = queueOf();
    for (let at = 0; at < 10; at++) queue.add(`patient${at}`, { isUrgent: false });
    queue.add("urgent", { isUrgent: true });
    expect(tasks.map(({ path }) => path))
      .to.include("urgent")
      .and.to.have.length(5);
    queue.add("patient9", { isUrgent: true });
    expect(tasks.at(-1)?.path).to.equal("patient9");
  });

  it("tries again after a while, unless the file is gone", () => {
    const { clock, queue, tasks } = queueOf();
    queue.retryLater("a", 1_000, true);
    queue.retryLater("b", 1_000, true);
    expect(queue.isPending()).to.equal(false);
    void queue.forget("b");
    clock.advance(1_000);
    expect(tasks.map(({ path, isForced }) => [path, isForced])).to.deep.equal([["a", true]]);
  });

  it("forgets a file when its work has ended, and does not begin it anew", async () => {
    const { queue, tasks, ends } = queueOf();
    queue.add("a", { isUrgent: true });
    queue.add("a", { isUrgent: true });
    const forgotten = queue.forget("a");
    ends[0]?.();
    await forgotten;
    await settle();
    expect(tasks).to.have.length(1);
    expect(queue.isPending()).to.equal(false);
  });
});
