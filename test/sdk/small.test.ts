import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { durationMs } from "../../sdk/durations.ts";
import { Dag } from "../../sdk/index.ts";
import { nearest } from "../../sdk/keys.ts";
import { LineSplitter } from "../../sdk/lines.ts";

describe("a duration", () => {
  const good: { [text: string]: number } = {
    "500ms": 500,
    "30s": 30_000,
    "10m": 600_000,
    "1h30m": 5_400_000,
    "1h 30m": 5_400_000,
    "1.5 h": 5_400_000,
    "2d": 172_800_000,
    "1w": 604_800_000,
    "0s": 0,
  };
  for (const [text, ms] of Object.entries(good)) it(`may be ${text}`, () => expect(durationMs(text)).to.equal(ms));
  it("may be a number of seconds", () =>
    expect([durationMs(90), durationMs(0.25), durationMs(0)]).to.deep.equal([90_000, 250, 0]));
  for (const bad of [
    "",
    "  ",
    "10",
    "m",
    "10 minutes",
    "-5s",
    "1h30",
    "5s!",
    -1,
    Number.NaN,
    Infinity,
    1e15,
    "9999999w",
    null,
    undefined,
    {},
    true,
  ]) {
    it(`may not be ${JSON.stringify(bad) ?? String(bad)}`, () =>
      expect(() => durationMs(bad)).to.throw(TypeError, /must be a duration/));
  }
});

describe("the nearest word", () => {
  const known = ["schedule", "startDate", "maxActiveRuns", "retries", "retryDelay"];
  const pairs: [string, string | undefined][] = [
    ["shedule", "schedule"],
    ["SCHEDULE", "schedule"],
    ["start_date", "startDate"],
    ["max_active_runs", "maxActiveRuns"],
    ["retires", "retries"],
    ["delay", "retryDelay"],
    ["x", undefined],
    ["completely", undefined],
    ["", undefined],
  ];
  for (const [word, expected] of pairs)
    it(`to "${word}" is ${expected}`, () => expect(nearest(word, known)).to.equal(expected));
  it("is found in little time whatever was written", () =>
    expect(nearest("x".repeat(1_000_000), known)).to.equal(undefined));
});

describe("lines", () => {
  it("are the same however the text arrives", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "€", "😀", "\n", "\r\n") });
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 6 })), (whole, cuts) => {
        const lines: string[] = [];
        const splitter = new LineSplitter((line) => lines.push(line));
        let rest: Buffer = Buffer.from(whole);
        for (const cut of cuts) {
          splitter.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        splitter.push(rest);
        splitter.end();
        const expected = whole.split(/\r?\n/);
        if (expected.at(-1) === "") expected.pop();
        expect(lines).to.deep.equal(expected);
      }),
    );
  });
});

describe("text that comes letter by letter", () => {
  it("costs time in proportion to its length", () => {
    let characters = 0;
    const splitter = new LineSplitter((line) => {
      characters += line.length;
    });
    for (let i = 0; i < 2_000_000; i++) splitter.push("x");
    splitter.end();
    expect(characters).to.equal(2_000_000);
  });
});

describe("Dag", () => {
  it("needs new, is frozen, and is called Dag", () => {
    expect(() => (Dag as unknown as (id: string) => unknown)("x")).to.throw(
      TypeError,
      /Dag cannot be invoked without 'new'/,
    );
    expect(new Dag("x")).to.be.frozen;
  });
});
