import { expect } from "chai";
import { describe, it } from "mocha";
import { failure, run } from "./harness.ts";

describe("an XCom", () => {
  const bad: { [what: string]: [() => unknown, RegExp] } = {
    "a BigInt": [() => ({ rows: [{ id: 1n }] }), /\$\.rows\[0\]\.id is a BigInt/],
    "a function": [() => ({ a: function f() {} }), /\$\.a is a function \(f\)/],
    "a symbol": [() => [Symbol("x")], /\$\[0\] is a symbol/],
    NaN: [() => ({ "a b": Number.NaN }), /\$\["a b"\] is NaN/],
    Infinity: [() => [[Infinity]], /\$\[0\]\[0\] is Infinity/],
    "a Map": [() => new Map(), /it is an instance of Map.*Object\.fromEntries/],
    "a Set": [() => ({ s: new Set() }), /\$\.s is an instance of Set.*\[\.\.\.set\]/],
    "an Error": [() => new Error("x"), /instance of Error.*message/],
    bytes: [() => Buffer.from("x"), /instance of Buffer.*base64/],
    "an instance of a class": [
      () =>
        new (class Order {
          id = 1;
        })(),
      /instance of Order.*\{ \.\.\.value \}/,
    ],
    "a promise": [() => ({ p: Promise.resolve(1) }), /\$\.p is a Promise; await it/],
    "a hole": [() => [1, undefined], /\$\[1\] is undefined/],
    "an invalid Date": [() => ({ d: new Date(Number.NaN) }), /\$\.d is an invalid Date/],
    "a circle": [
      () => {
        const a: { b: { a?: unknown } } = { b: {} };
        a.b.a = a;
        return a;
      },
      /\$\.b\.a refers back/,
    ],
    "a getter that throws": [
      () => ({
        get x(): never {
          throw new Error("trap");
        },
      }),
      /\$\.x could not be read: trap/,
    ],
    "nesting without end": [
      () => {
        let value: unknown = 1;
        for (let i = 0; i < 100_000; i++) value = [value];
        return value;
      },
      /nested deeper than 500/,
    ],
  };
  for (const [what, [make, message]] of Object.entries(bad)) {
    it(`cannot hold ${what}, and says where`, async () => {
      const end = failure(await run(make));
      expect(end.message)
        .to.match(/The XCom of task "t" cannot be stored: /)
        .and.match(message);
      expect(end).to.deep.include({ name: "XComValueError", retryable: false });
    });
  }

  const good: { [what: string]: [unknown, string] } = {
    "a Date as ISO text": [{ d: new Date(0) }, '{"d":"1970-01-01T00:00:00.000Z"}'],
    "an object without prototype": [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    "an undefined property, left out": [{ a: undefined, b: 1 }, '{"b":1}'],
    "what has toJSON": [{ u: new URL("http://x.example/") }, '{"u":"http://x.example/"}'],
    "one object twice": [((o) => [o, o])({ a: 1 }), '[{"a":1},{"a":1}]'],
    "an own __proto__": [JSON.parse('{"__proto__":{"x":1}}'), '{"__proto__":{"x":1}}'],
    "minus zero": [-0, "0"],
    "half a surrogate": ["\ud800", '"\\ud800"'],
    "an empty text": ["", '""'],
  };
  for (const [what, [value, json]] of Object.entries(good)) {
    it(`holds ${what}`, async () => expect((await run(() => value)).returnValueJson).to.equal(json));
  }

  it("may have up to the limit, and an error names task, size and limit", async () => {
    expect((await run(() => "x".repeat(98), { xcomMaxBytes: 100 })).returnValueJson).to.have.length(100);
    const end = failure(await run(() => "ü".repeat(98), { xcomMaxBytes: 100 }));
    expect(end.message).to.match(/The XCom of task "t" is too large: 198 bytes of JSON, the limit is 100\./);
    const large = failure(await run(() => "x".repeat(10_000_000)));
    expect(large.message).to.match(/10,000,002 bytes of JSON, the limit is 1,048,576/);
  });
});
