import { expect } from "chai";
import { describe, it } from "mocha";
import { cron, dagOf } from "./definitions.ts";
import { harnesses } from "./harness.ts";

describe("an idle scheduler", () => {
  const boot = harnesses();

  it("asks the database less than once a second, whatever waits", async () => {
    const h = await boot({ now: "2026-01-01T12:00:00Z" });
    const dags = Array.from({ length: 50 }, (_, index) =>
      dagOf(`dag${index}`, { a: [] }, { timetable: cron("0 0 * * *") }),
    );
    await h.put(...dags);
    await h.put(dagOf("flaky", { a: { retries: 1, retryDelayMs: 3_600_000 } }), dagOf("long", { a: [] }));
    h.executor.script = ({ dagId }) =>
      dagId === "long" ? "hold" : { kind: "failed", error: { name: "E", message: "" }, retryable: true };
    await h.trigger("flaky");
    await h.trigger("long");
    const before = h.store.statementCount;
    await h.pass(600_000);
    expect((h.store.statementCount - before) / 600).to.be.below(1);
  });

  it("waits with two timers: the next due instant, and the sweep", async () => {
    const h = await boot({ now: "2026-01-01T12:00:00Z" });
    await h.put(dagOf("a", { a: [] }, { timetable: cron("0 0 * * *") }));
    await h.put(dagOf("b", { a: [] }, { timetable: cron("0 1 * * *") }));
    expect(h.clock.pending).to.equal(2);
  });

  it("leaves no timer behind when it is stopped", async () => {
    const h = await boot();
    await h.put(dagOf("a", { a: [] }, { timetable: cron("0 0 * * *") }));
    await h.scheduler.stop();
    expect(h.clock.pending).to.equal(0);
  });
});
