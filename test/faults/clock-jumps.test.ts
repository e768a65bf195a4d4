import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { verify } from "../../store/verify.ts";
import { cron, dagOf } from "../scheduler/definitions.ts";
import { harnesses } from "../scheduler/harness.ts";
import { success } from "../scheduler/scripted-executor.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;

describe("a clock that jumps", () => {
  const boot = harnesses();

  it("forward by hours: the newest date runs without catch-up, every date once with it, never too many at once", async () => {
    const h = await boot({ now: "2026-03-01T00:00:30Z" });
    const hourly = { timetable: cron("0 * * * *"), maxActiveRuns: 2 };
    await h.put(dagOf("latest", { t: {} }, hourly), dagOf("all", { t: {} }, { ...hourly, catchup: true }));
    await h.pass(2 * HOUR);
    const before = Object.keys(await h.runStates("all")).length;
    h.executor.script = () => "hold";
    await h.jump("2026-03-01T12:00:30Z");
    const running = h.executor.running.filter(({ dagId }) => dagId === "all");
    expect(running.length).to.be.at.most(2);
    h.executor.script = () => success;
    for (let turn = 0; turn < 20; turn++) {
      h.executor.finishAll();
      await h.pass(MINUTE);
    }
    const all = Object.keys(await h.runStates("all"));
    expect(new Set(all).size).to.equal(all.length);
    expect(all.length - before).to.equal(10);
    expect(Object.values(await h.runStates("all"))).to.satisfy((states: string[]) =>
      states.every((state) => state === "success"),
    );
  });

  it("back by hours: nothing runs twice, and what comes next is not due before its time", async () => {
    const h = await boot({ now: "2026-03-01T10:00:30Z" });
    await h.put(dagOf("d", { t: {} }, { timetable: cron("0 * * * *") }));
    await h.pass(2 * HOUR);
    const before = await h.runStates("d");
    await h.jump("2026-03-01T09:30:00Z");
    await h.pass(2 * HOUR);
    expect(await h.runStates("d")).to.deep.equal(before);
    await h.pass(2 * HOUR);
    expect(Object.keys(await h.runStates("d")).length).to.equal(Object.keys(before).length + 1);
  });

  it("back while a retry waits: it is tried once, and not never", async () => {
    const h = await boot({ now: "2026-03-01T10:00:00Z" });
    await h.put(dagOf("d", { t: { retries: 1, retryDelayMs: 10 * MINUTE } }));
    h.executor.script = ({ attempt }) =>
      attempt.tryNumber === 1 ? { kind: "failed", error: { name: "E", message: "" }, retryable: true } : success;
    const { runKey } = await h.trigger("d");
    expect(await h.tasks(runKey)).to.deep.equal({ t: "up_for_retry" });
    await h.jump("2026-03-01T09:55:00Z");
    await h.pass(14 * MINUTE);
    expect(await h.tasks(runKey)).to.deep.equal({ t: "up_for_retry" });
    await h.pass(2 * MINUTE);
    expect(await h.tasks(runKey)).to.deep.equal({ t: "success" });
    expect(h.started).to.deep.equal(["t", "t"]);
  });

  it("by ten years and back: one run without catch-up, and the schedule goes on", async () => {
    const h = await boot({ now: "2026-03-01T00:00:30Z" });
    await h.put(dagOf("d", { t: {} }, { timetable: cron("0 0 * * *") }));
    await h.pass(25 * HOUR);
    const before = Object.keys(await h.runStates("d")).length;
    await h.jump(new Date(Date.parse("2026-03-02T01:00:30Z") + 10 * YEAR).toISOString());
    const after = Object.keys(await h.runStates("d")).length;
    expect(after - before).to.be.within(1, 2);
    await h.jump("2026-03-02T02:00:00Z");
    await h.pass(72 * HOUR);
    const dates = (await h.store.runs.list({ dagId: "d", limit: 100 })).rows.map(({ logicalDate }) => logicalDate);
    expect(new Set(dates).size).to.equal(dates.length);
  });

  it("keeps every promise whatever jumps come (50 random walks)", async function () {
    this.timeout(120_000);
    const jumps = fc.array(fc.integer({ min: -26 * HOUR, max: 26 * HOUR }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(jumps, fc.boolean(), async (offsets, catchup) => {
        const h = await boot({ now: "2026-03-28T00:00:10Z" });
        const more = { timetable: cron("0 */3 * * *", "Europe/Berlin"), maxActiveRuns: 3, catchup };
        await h.put(dagOf("d", { a: {}, b: { after: ["a"], retries: 1, retryDelayMs: HOUR } }, more));
        h.executor.script = ({ taskId, attempt }) =>
          taskId === "b" && attempt.tryNumber === 1
            ? { kind: "failed", error: { name: "E", message: "" }, retryable: true }
            : success;
        for (const offset of offsets) {
          await h.jump(new Date(h.clock.now() + offset).toISOString());
          await h.pass(HOUR);
        }
        expect(await verify(h.store)).to.deep.equal([]);
        const { rows } = await h.store.runs.list({ dagId: "d", limit: 1_000 });
        const dates = rows.map(({ logicalDate }) => logicalDate);
        expect(new Set(dates).size).to.equal(dates.length);
      }),
      { numRuns: 50, seed: 20261122 },
    );
  });
});
