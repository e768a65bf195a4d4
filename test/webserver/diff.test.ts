import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { diffLines } from "../../webserver/diff.ts";

const text = fc
  .array(fc.constantFrom("a", "b", "c", ""), { minLength: 1, maxLength: 30 })
  .map((lines) => lines.join("\n"));

describe("diffLines", () => {
  it("finds what was changed", () => {
    const lines = diffLines("one\ntwo\nthree\nfour", "one\n2\nthree\nfour\nfive");
    expect(lines.map(({ kind, text }) => `${kind[0]} ${text}`)).to.deep.equal([
      "s one",
      "r two",
      "a 2",
      "s three",
      "s four",
      "a five",
    ]);
    expect(lines.at(-1)).to.include({ before: 0, after: 5 });
  });

  it("holds both texts, in order and with their line numbers", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = diffLines(before, after);
        const left = lines.filter((line) => line.kind !== "added");
        const right = lines.filter((line) => line.kind !== "removed");
        expect(left.map((line) => line.text).join("\n")).to.equal(before);
        expect(right.map((line) => line.text).join("\n")).to.equal(after);
        expect(left.map((line) => line.before)).to.deep.equal(left.map((_, at) => at + 1));
        expect(right.map((line) => line.after)).to.deep.equal(right.map((_, at) => at + 1));
      }),
    );
  });

  it("is as short as can be", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const same = diffLines(before, after).filter((line) => line.kind === "same").length;
        expect(same).to.equal(longestCommon(before.split("\n"), after.split("\n")));
      }),
    );
  });
});

/** Length of the longest common subsequence, by the textbook. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const line of a) {
    const next = [0];
    for (const [at, other] of b.entries()) next.push(line === other ? row[at]! + 1 : Math.max(row[at + 1]!, next[at]!));
    row = next;
  }
  return row[b.length]!;
}
