import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import type { JsonObject } from "../../core/json.ts";
import { mergeParams } from "../../core/params.ts";

function definitionOf(schema: z.ZodType, paramDefaults: JsonObject = {}) {
  const params = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: "input" }))) as JsonObject;
  return { params, paramDefaults };
}

function issuesOf(schema: z.ZodType, conf: JsonObject) {
  const merged = mergeParams(definitionOf(schema), conf);
  return merged.ok ? [] : merged.issues;
}

describe("mergeParams", () => {
  it("overrides defaults by what was sent, and keeps what the schema does not name", () => {
    const definition = definitionOf(z.object({ day: z.iso.date(), dryRun: z.boolean().default(false) }), {
      dryRun: false,
    });
    expect(mergeParams(definition, { day: "2026-02-28", note: "x" })).to.deep.equal({
      ok: true,
      params: { dryRun: false, day: "2026-02-28", note: "x" },
    });
    expect(mergeParams(definition, { day: "2026-02-28", dryRun: true })).to.have.nested.property("params.dryRun", true);
  });

  it("fills in nested defaults", () => {
    const schema = z.object({ rows: z.array(z.object({ name: z.string(), count: z.number().default(1) })) });
    expect(mergeParams(definitionOf(schema), { rows: [{ name: "a" }] })).to.deep.equal({
      ok: true,
      params: { rows: [{ name: "a", count: 1 }] },
    });
  });

  it("takes anything for a DAG without params", () => {
    expect(mergeParams({}, { a: [1, { b: null }] })).to.deep.equal({ ok: true, params: { a: [1, { b: null }] } });
  });

  const good: Record<string, [z.ZodType, JsonObject[string][], JsonObject[string][]]> = {
    date: [z.iso.date(), ["2024-02-29"], ["2026-02-29", "20260101", 5]],
    datetime: [z.iso.datetime(), ["2026-01-01T00:00:00Z"], ["2026-01-01", "2026-01-01T25:00:00Z"]],
    email: [z.email(), ["a@b.de"], ["a@b", ""]],
    url: [z.url(), ["https://a.b/c"], ["no url"]],
    uuid: [z.uuid(), ["123e4567-e89b-42d3-a456-426614174000"], ["123"]],
    integer: [z.int().min(1).max(5), [1, 5], [0, 6, 1.5, "1", null]],
    positive: [z.number().positive(), [0.1], [0, -1]],
    "multiple of": [z.number().multipleOf(5), [10], [11]],
    enum: [z.enum(["a", "b"]), ["a"], ["c", ""]],
    literal: [z.literal("x"), ["x"], ["y"]],
    "nullable string": [z.string().nullable(), [null, "a"], [1]],
    "string length": [z.string().min(2).max(3), ["ab", "abc"], ["a", "abcd"]],
    pattern: [z.string().regex(/^a+$/), ["aa"], ["b"]],
    array: [z.array(z.string().min(1)).min(1).max(2), [["a"]], [[], [""], ["a", "b", "c"], "a"]],
    tuple: [z.tuple([z.string(), z.number()]), [["a", 1]], [["a"], ["a", "b"], ["a", 1, 2]]],
    object: [z.object({ q: z.number() }), [{ q: 1 }, { q: 1, r: 2 }], [{}, { q: "1" }, []]],
    "strict object": [z.strictObject({ q: z.number() }), [{ q: 1 }], [{ q: 1, r: 2 }]],
    record: [z.record(z.string(), z.number()), [{ a: 1 }, {}], [{ a: "1" }]],
    union: [z.union([z.string(), z.number()]), ["a", 1], [true, null]],
    "discriminated union": [
      z.discriminatedUnion("k", [z.object({ k: z.literal("a") }), z.object({ k: z.literal("b"), v: z.number() })]),
      [{ k: "a" }, { k: "b", v: 1 }],
      [{ k: "b" }, { k: "c" }],
    ],
    recursive: [
      z.object({
        name: z.string(),
        get children() {
          return z.array(z.object({ name: z.string() }));
        },
      }),
      [{ name: "a", children: [{ name: "b" }] }],
      [{ name: "a", children: [{ name: 1 }] }],
    ],
  };
  for (const [name, [schema, accepted, refused]] of Object.entries(good)) {
    it(`checks ${name} as zod itself does`, () => {
      const definition = definitionOf(z.object({ p: schema }));
      for (const p of accepted) {
        expect(mergeParams(definition, { p }), JSON.stringify(p)).to.deep.equal({ ok: true, params: { p } });
      }
      for (const p of refused) {
        const merged = mergeParams(definition, { p });
        expect(merged.ok, JSON.stringify(p)).to.equal(false);
        if (!merged.ok) for (const issue of merged.issues) expect(issue.path).to.match(/^p(\.|$)/);
      }
    });
  }

  it("names each offending field", () => {
    const schema = z.object({ day: z.iso.date(), rows: z.array(z.object({ n: z.int() })), mode: z.enum(["a", "b"]) });
    const issues = issuesOf(schema, { rows: [{ n: 1 }, { n: "x" }], mode: "c" });
    expect(issues.map((issue) => issue.path).sort()).to.deep.equal(["day", "mode", "rows.1.n"]);
    expect(issues.find((issue) => issue.path === "day")?.message).to.equal("is required");
    for (const issue of issues) expect(issue.message).to.match(/\S/);
  });

  it("names a key that a strict schema does not know", () => {
    expect(issuesOf(z.strictObject({ a: z.string() }), { a: "", b: 1 })).to.deep.equal([
      { path: "b", message: "is not a param of this DAG" },
    ]);
  });

  it("refuses __proto__ at any depth, and is not moved by constructor", () => {
    const conf = JSON.parse('{"a":[{"b":{"__proto__":{"isAdmin":true}}}],"__proto__":{"x":1}}') as JsonObject;
    const merged = mergeParams({}, conf);
    expect(merged.ok).to.equal(false);
    if (!merged.ok) {
      expect(merged.issues.map((issue) => issue.path)).to.have.members(["a.0.b.__proto__", "__proto__"]);
    }
    expect(mergeParams({}, { constructor: { prototype: 1 } }).ok).to.equal(true);
    expect(({} as Record<string, unknown>).isAdmin).to.equal(undefined);
  });

  it("refuses nesting that would overflow whatever walks it later", () => {
    const nest = (levels: number) => {
      let deep: JsonObject = {};
      for (let level = 0; level < levels; level++) deep = { d: deep };
      return mergeParams({}, deep);
    };
    expect(nest(64).ok).to.equal(true);
    for (const levels of [65, 100_000]) {
      expect(nest(levels)).to.deep.equal({
        ok: false,
        issues: [{ path: "d.d.d", message: "is nested more than 64 levels deep" }],
      });
    }
  });

  it("says so when the schema itself cannot be checked", () => {
    const merged = mergeParams({ params: { type: "object", if: {}, properties: {} } }, {});
    expect(merged.ok).to.equal(false);
    if (!merged.ok) expect(merged.issues[0]?.message).to.match(/params schema/);
  });
});
