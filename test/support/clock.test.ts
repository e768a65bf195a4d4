import { expect } from "chai";
import { describe, it } from "mocha";
import { FakeClock } from "./clock.ts";

describe("FakeClock", () => {
  it("fires timers at their instants, in order, also those set on the way", () => {
    const clock = new FakeClock(1_000);
    const fired: [string, number][] = [];
    clock.setTimer(3_000, () => fired.push(["late", clock.now()]));
    clock.setTimer(2_000, () => {
      fired.push(["early", clock.now()]);
      clock.setTimer(2_500, () => fired.push(["between", clock.now()]));
    });
    clock.setTimer(3_000, () => fired.push(["late, set second", clock.now()]));
    clock.advanceTo(3_000);
    expect(fired).to.deep.equal([
      ["early", 2_000],
      ["between", 2_500],
      ["late", 3_000],
      ["late, set second", 3_000],
    ]);
    expect(clock.now()).to.equal(3_000);
    expect(clock.pending).to.equal(0);
  });

  it("does not fire a cancelled timer, nor one that is not due", () => {
    const clock = new FakeClock(0);
    const fired: string[] = [];
    clock.setTimer(10, () => fired.push("cancelled")).cancel();
    clock.setTimer(20, () => fired.push("later"));
    clock.advance(19);
    expect(fired).to.deep.equal([]);
    expect(clock.nextAt).to.equal(20);
  });

  it("lets promises settle between timers when it moves on asynchronously", async () => {
    const clock = new FakeClock(0);
    const ticks: number[] = [];
    const everySecond = async () => {
      for (let n = 0; n < 3; n++) {
        await new Promise<void>((wake) => clock.setTimer(clock.now() + 1_000, wake));
        ticks.push(clock.now());
      }
    };
    const done = everySecond();
    await clock.advanceAsync(3_000);
    await done;
    expect(ticks).to.deep.equal([1_000, 2_000, 3_000]);
  });

  it("jumps without firing, and then fires what is overdue without going back", () => {
    const clock = new FakeClock(0);
    const fired: number[] = [];
    clock.setTimer(1_000, () => fired.push(clock.now()));
    clock.jumpTo(5_000);
    expect(fired).to.deep.equal([]);
    clock.advance(0);
    expect(fired).to.deep.equal([5_000]);
  });
});
