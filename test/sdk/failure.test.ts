import { expect } from "chai";
import { describe, it } from "mocha";
import { FailFast, RetryAfter, Skip } from "../../sdk/index.ts";
import { failure, printed, run } from "./harness.ts";

describe("a failure", () => {
  it("is retried, with its message, class and the author's lines", async () => {
    const end = failure(
      await run(() => {
        throw new RangeError("too far", { cause: new Error("the wind") });
      }),
    );
    expect(end).to.deep.include({ name: "RangeError", message: "too far", retryable: true });
    expect(end.stack)
      .to.match(/failure\.test\.ts/)
      .and.match(/Caused by: Error: the wind/);
  });

  it("shows no frames of Sluice itself", async () => {
    const end = failure(await run(() => Promise.reject(new Error("x"))));
    expect(end.stack)
      .to.match(/^Error: x\n/)
      .and.not.match(/sdk\/(runtime|operators)|node:internal\/process/);
    const own = failure(await run(() => 1n));
    expect(own.stack)
      .to.match(/^XComValueError: /)
      .and.not.match(/sdk\/(runtime|xcom)/);
  });

  it("is final for FailFast", async () => {
    const end = failure(await run(() => Promise.reject(new FailFast("no hope"))));
    expect(end).to.deep.include({ name: "FailFast", message: "no hope", retryable: false });
  });

  it("waits as long as RetryAfter says", async () => {
    const now = () => Date.parse("2026-01-01T00:00:00Z");
    const outcomeFor = async (delay: number | string | Date) =>
      (
        await run(
          () => {
            throw new RetryAfter(delay);
          },
          { now },
        )
      ).outcome;
    expect(await outcomeFor("1h")).to.deep.include({ retryable: true, retryAfterMs: 3_600_000 });
    expect(await outcomeFor(90)).to.deep.include({ retryAfterMs: 90_000 });
    expect(await outcomeFor(new Date("2026-01-01T00:00:05Z"))).to.deep.include({ retryAfterMs: 5000 });
    expect(await outcomeFor(new Date("2020-01-01T00:00:05Z"))).to.deep.include({ retryAfterMs: 0 });
    expect(() => new RetryAfter("soon")).to.throw(/must be a duration/);
  });

  it("is a skip for Skip", async () => {
    const end = await run(() => {
      throw new Skip("nothing new");
    });
    expect(end.outcome).to.deep.equal({ kind: "skipped", message: "nothing new" });
  });

  it("is retried by cause when the task says so", async () => {
    const fail = (error: unknown, on: (error: unknown) => boolean) =>
      run(
        () => {
          throw error;
        },
        {},
        { retry: { attempts: 3, on } },
      );
    const onlyRange = (error: unknown) => error instanceof RangeError;
    expect(failure(await fail(new RangeError("x"), onlyRange)).retryable).to.equal(true);
    expect(failure(await fail(new TypeError("x"), onlyRange)).retryable).to.equal(false);
    const broken = await fail(new TypeError("x"), () => {
      throw new Error("bad policy");
    });
    expect(failure(broken)).to.deep.include({ message: "x", retryable: true });
    expect(printed(broken, "sluice")[0]).to.match(/retry\.on threw.*bad policy/);
  });

  const strange: { [what: string]: [unknown, RegExp] } = {
    null: [null, /thrown was null, not an Error/],
    undefined: [undefined, /thrown was undefined/],
    "a text": ["broken", /thrown was "broken"/],
    "a number": [42, /thrown was 42/],
    "a symbol": [Symbol("s"), /thrown was Symbol\(s\)/],
    "an object": [{ code: 1 }, /thrown was an object/],
    "a function": [function oops() {}, /thrown was the function oops/],
    "an object without prototype": [Object.create(null), /thrown was an object/],
    "a proxy that throws": [
      new Proxy(
        {},
        {
          get() {
            throw new Error("no");
          },
          getPrototypeOf() {
            throw new Error("no");
          },
        },
      ),
      /something that cannot be shown/,
    ],
  };
  for (const [what, [thrown, message]] of Object.entries(strange)) {
    it(`may be ${what}`, async () => {
      const end = failure(
        await run(() => {
          throw thrown;
        }),
      );
      expect(end.message).to.match(message);
      expect(end.name).to.equal("Error");
    });
  }

  it("may be an error whose properties throw", async () => {
    const error = new Error("x");
    for (const key of ["message", "stack", "name", "cause"]) {
      Object.defineProperty(error, key, {
        get() {
          throw new Error("trap");
        },
      });
    }
    expect(failure(await run(() => Promise.reject(error)))).to.deep.include({
      name: "Error",
      message: "(the error's message cannot be read)",
    });
  });

  it("may have a message that is no text, or a circle of causes", async () => {
    const odd = Object.assign(new Error("x"), { message: { a: 1 }, name: 5 });
    expect(failure(await run(() => Promise.reject(odd)))).to.deep.include({ name: "5", message: "[object Object]" });
    const circle = new Error("circle");
    circle.cause = circle;
    expect(failure(await run(() => Promise.reject(circle))).message).to.equal("circle");
    const many = new AggregateError([new Error("first"), "second"], "both");
    expect(failure(await run(() => Promise.reject(many))).stack).to.match(/\[0\]: Error: first[\s\S]*\[1\]: "second"/);
  });

  it("is cut to 8 KB of message and 16 KB of stack, the frames kept", async () => {
    const end = failure(await run(() => Promise.reject(new Error("ü".repeat(10_000_000)))));
    expect(Buffer.byteLength(end.message)).to.be.at.most(8192);
    expect(end.message).to.match(/^ü+… \(cut, 10000000 characters in all\)$/);
    expect(Buffer.byteLength(end.stack ?? "")).to.be.at.most(16_384);
    expect(end.stack).to.match(/failure\.test\.ts/);
  });
});
