import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { Timers } from "../../scheduler/timers.ts";
import { FakeClock } from "../support/clock.ts";

describe("Timers", () => {
  it("fires in the order of the instants, with one timer of the clock", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 80 }), (delays) => {
        const clock = new FakeClock(0);
        const timers = new Timers(clock);
        const fired: number[] = [];
        for (const delay of delays) timers.at(delay, () => fired.push(delay));
        expect(clock.pending).to.equal(1);
        clock.advance(50);
        expect(fired).to.deep.equal([...delays].sort((a, b) => a - b));
        expect(timers.size).to.equal(0);
      }),
    );
  });

  it("does not fire what was cancelled, and forgets it", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 300 }), (kept) => {
        const clock = new FakeClock(0);
        const timers = new Timers(clock);
        const fired: number[] = [];
        const handles = kept.map((_, index) => timers.at(index, () => fired.push(index)));
        for (const [index, isKept] of kept.entries()) {
          if (isKept) continue;
          handles[index]!.cancel();
          handles[index]!.cancel();
        }
        const expected = kept.flatMap((isKept, index) => (isKept ? [index] : []));
        expect(timers.size).to.equal(expected.length);
        clock.advance(1_000);
        expect(fired).to.deep.equal(expected);
        expect(timers.size).to.equal(0);
      }),
    );
  });

  it("fires on check what a jump of the clock made due, and waits again after a jump back", () => {
    const clock = new FakeClock(1_000);
    const timers = new Timers(clock);
    const fired: string[] = [];
    timers.at(5_000, () => fired.push("a"));
    timers.at(9_000, () => fired.push("b"));
    clock.jumpTo(6_000);
    timers.check();
    expect(fired).to.deep.equal(["a"]);
    clock.jumpTo(2_000);
    timers.check();
    expect(fired).to.deep.equal(["a"]);
    clock.advanceTo(9_000);
    expect(fired).to.deep.equal(["a", "b"]);
  });

  it("re-arms when its timer fires while the wall clock was set back", () => {
    const clock = new FakeClock(1_000);
    const fired: number[] = [];
    const pending: (() => void)[] = [];
    // A machine's timer follows the time that passes, not the wall clock.
    const timers = new Timers({
      now: () => clock.now(),
      setTimer: (_at, fn) => {
        pending.push(fn);
        return { cancel: () => void pending.splice(pending.indexOf(fn), 1) };
      },
    });
    timers.at(5_000, () => fired.push(clock.now()));
    clock.jumpTo(500);
    pending.shift()!();
    expect(fired).to.deep.equal([]);
    expect(pending).to.have.lengthOf(1);
    clock.jumpTo(5_000);
    pending.shift()!();
    expect(fired).to.deep.equal([5_000]);
  });

  it("takes new instants while it fires, and stays silent after stop", () => {
    const clock = new FakeClock(0);
    const timers = new Timers(clock);
    const fired: number[] = [];
    timers.at(1, () => {
      fired.push(1);
      timers.at(1, () => fired.push(2));
      timers.at(3, () => fired.push(3));
    });
    clock.advance(1);
    expect(fired).to.deep.equal([1, 2]);
    timers.stop();
    clock.advance(10);
    expect(fired).to.deep.equal([1, 2]);
    expect(clock.pending).to.equal(0);
  });
});
