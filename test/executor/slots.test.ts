import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { Reservation } from "../../executor/executor.ts";
import { Slots } from "../../executor/local/slots.ts";

describe("Slots", () => {
  it("never gives out more places than there are, and gets each back once", () => {
    const step = fc.record({
      isGive: fc.boolean(),
      isolation: fc.constantFrom("process" as const, "shared" as const),
      index: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const sizes = { process: 3, shared: 5 };
        const slots = new Slots({ workerId: "w", sizes, queues: ["*"] });
        const out: { reservation: Reservation; isolation: "process" | "shared" }[] = [];
        for (const { isGive, isolation, index } of steps) {
          if (isGive) {
            const reservation = slots.reserve({ isolation, queue: "any" });
            const used = out.filter((each) => each.isolation === isolation).length;
            expect(reservation !== undefined).to.equal(used < sizes[isolation]);
            if (reservation !== undefined) out.push({ reservation, isolation });
          } else {
            const [back] = out.splice(index % Math.max(1, out.length), 1);
            if (back !== undefined) {
              slots.release(back.reservation);
              slots.release(back.reservation);
            }
          }
          for (const kind of ["process", "shared"] as const)
            expect(slots.free(kind)).to.equal(sizes[kind] - out.filter((each) => each.isolation === kind).length);
        }
      }),
    );
  });

  it("takes tasks of its queues only", () => {
    const slots = new Slots({ workerId: "w", sizes: { process: 2, shared: 2 }, queues: ["gpu", "default"] });
    expect(slots.reserve({ isolation: "process", queue: "gpu" })).to.not.equal(undefined);
    expect(slots.reserve({ isolation: "process", queue: "other" })).to.equal(undefined);
  });
});
