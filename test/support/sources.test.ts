import { expect } from "chai";
import { describe, it } from "mocha";
import { importsOf, linesMatching, withoutComments } from "./sources.ts";

describe("importsOf", () => {
  const read = (text: string) => importsOf({ path: "store/sql/claim.ts", text });

  it("finds every kind of import, resolved to the root", () => {
    const text = [
      'import { a } from "../../core/states.ts";',
      "import {",
      "  b,",
      '} from "../dialects/mysql.ts";',
      'import type { Clock } from "../../core/clock.ts";',
      'export * from "./rows.ts";',
      'import "./effects.ts";',
      'const late = await import("../../loader/bundle.ts");',
      'import express from "express";',
    ].join("\n");
    expect(read(text).map(({ to, line, typeOnly }) => [to, line, typeOnly])).to.have.deep.members([
      ["core/states.ts", 1, false],
      ["store/dialects/mysql.ts", 2, false],
      ["core/clock.ts", 5, true],
      ["store/sql/rows.ts", 6, false],
      ["store/sql/effects.ts", 7, false],
      ["loader/bundle.ts", 8, false],
      ["express", 9, false],
    ]);
  });

  it("counts an import of a value and a type as one of a value", () => {
    expect(read('import { type A, b } from "./b.ts";')[0]?.typeOnly).to.equal(false);
  });

  it("is not misled by the word in a string", () => {
    expect(read('const text = "an import from \\"there\\"";\nexport const a = 1;\nconst b = "x";')).to.deep.equal([]);
  });
});

describe("withoutComments", () => {
  it("keeps code, addresses in strings and line numbers", () => {
    const text = 'const a = 1; // : any\n/* : any\n : any */\nconst url = "http://host/";';
    const lines = withoutComments(text).split("\n");
    expect(lines.map((line) => line.trimEnd())).to.deep.equal(["const a = 1;", "", "", 'const url = "http://host/";']);
  });
});

describe("linesMatching", () => {
  it("names file and line", () => {
    expect(linesMatching({ path: "a.ts", text: "one\n  two" }, /two/)).to.deep.equal(["a.ts:2: two"]);
  });
});
