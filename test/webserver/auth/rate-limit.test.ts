import { expect } from "chai";
import { describe, it } from "mocha";
import { RateLimiter } from "../../../webserver/auth/rate-limit.ts";
import { FakeClock } from "../../support/clock.ts";

describe("RateLimiter", () => {
  const setUp = () => {
    const clock = new FakeClock();
    return { clock, limiter: new RateLimiter(clock, { burst: 3, perMinute: 6 }) };
  };
  const take = (limiter: RateLimiter, times: number, key = "a") =>
    Array.from({ length: times }, () => limiter.take(key));

  it("allows a burst, then says how long to wait", () => {
    const { limiter } = setUp();
    expect(take(limiter, 5)).to.deep.equal([0, 0, 0, 10, 10]);
  });

  it("fills up with time, never beyond the burst", () => {
    const { clock, limiter } = setUp();
    take(limiter, 3);
    clock.advance(9_000);
    expect(limiter.take("a")).to.equal(1);
    clock.advance(1_000);
    expect(take(limiter, 2)).to.deep.equal([0, 10]);
    clock.advance(3_600_000);
    expect(take(limiter, 4)).to.deep.equal([0, 0, 0, 10]);
  });

  it("counts each key for itself", () => {
    const { limiter } = setUp();
    take(limiter, 4);
    expect(limiter.take("b")).to.equal(0);
  });

  it("takes nothing away when the clock is set back", () => {
    const { clock, limiter } = setUp();
    take(limiter, 2);
    clock.jumpTo(clock.now() - 3_600_000);
    expect(take(limiter, 2)).to.deep.equal([0, 10]);
    clock.advance(10_000);
    expect(limiter.take("a")).to.equal(0);
  });

  it("forgets the oldest of very many keys", () => {
    const { limiter } = setUp();
    take(limiter, 4);
    for (let key = 0; key < 10_000; key++) limiter.take(`other ${key}`);
    expect(limiter.take("a")).to.equal(0);
  });
});
