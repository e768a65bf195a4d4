import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { MAX_RETRY_DELAY_MS, retryDelayMs } from "../../core/retry.ts";
import { task } from "./support.ts";

const failed = { dagId: "d", runId: "r", mapIndex: -1, tryNumber: 1, maxTries: 4 };
const retrying = (extra: object) => task("t", [], { retries: 3, retryDelayMs: 10_000, ...extra });

describe("retryDelayMs", () => {
  it("is constant, and not spread, unless the factor is over 1", () => {
    for (const retryFactor of [0, 0.5, 1]) {
      for (const tryNumber of [1, 2, 3]) {
        expect(retryDelayMs(retrying({ retryFactor }), { ...failed, tryNumber })).to.equal(10_000);
      }
    }
  });

  it("grows by the factor, spread between once and twice the delay, the same each time", () => {
    for (const tryNumber of [1, 2, 3]) {
      const base = 10_000 * 3 ** (tryNumber - 1);
      const delay = retryDelayMs(retrying({ retryFactor: 3 }), { ...failed, tryNumber });
      expect(delay).to.be.within(base, 2 * base);
      expect(retryDelayMs(retrying({ retryFactor: 3 }), { ...failed, tryNumber })).to.equal(delay);
    }
  });

  it("spreads runs that fail together", () => {
    const delays = Array.from({ length: 100 }, (_, run) =>
      retryDelayMs(retrying({ retryFactor: 2 }), { ...failed, runId: `r${run}` }),
    );
    expect(new Set(delays).size).to.be.greaterThan(95);
    expect(Math.min(...delays)).to.be.lessThan(11_000);
    expect(Math.max(...delays)).to.be.greaterThan(19_000);
  });

  it("stays within policy and caps, whatever the numbers", () => {
    fc.assert(
      fc.property(
        fc.record({
          retryDelayMs: fc.nat(10 ** 9),
          retryFactor: fc.double({ min: 0, max: 1e6, noNaN: true }),
          maxRetryDelayMs: fc.option(fc.nat(10 ** 9), { nil: undefined }),
        }),
        fc.integer({ min: 1, max: 2000 }),
        (policy, tryNumber) => {
          const delay = retryDelayMs(retrying(policy), { ...failed, tryNumber, maxTries: 4 });
          const cap = Math.min(policy.maxRetryDelayMs ?? MAX_RETRY_DELAY_MS, MAX_RETRY_DELAY_MS);
          expect(delay).to.be.within(Math.min(policy.retryDelayMs, cap), cap);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("counts tries from the last clear, and not the lost ones", () => {
    const again = { ...failed, tryNumber: 6, maxTries: 9 };
    expect(retryDelayMs(retrying({ retryFactor: 10 }), again)).to.be.within(10_000, 20_000);
    expect(retryDelayMs(retrying({ retryFactor: 10 }), { ...again, tryNumber: 7 })).to.be.within(100_000, 200_000);
  });

  it("does what the author said, up to 24 hours", () => {
    const ask = (retryAfterMs: number) =>
      retryDelayMs(retrying({ maxRetryDelayMs: 1000 }), { ...failed, retryAfterMs });
    expect(ask(5000)).to.equal(5000);
    expect(ask(0)).to.equal(0);
    expect(ask(10 ** 12)).to.equal(MAX_RETRY_DELAY_MS);
    expect(ask(-1)).to.equal(0);
    expect(ask(Number.NaN)).to.equal(0);
  });
});
