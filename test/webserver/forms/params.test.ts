import { expect } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import type { JsonObject } from "../../../core/json.ts";
import { mergeParams } from "../../../core/params.ts";
import { paramSpecs } from "../../../webserver/forms/param-specs.ts";
import { initialTexts, paramFields, readParams } from "../../../webserver/forms/params.ts";

const schema = z.object({
  day: z.iso.date().meta({ title: "Day", description: "Which day to load." }),
  region: z.enum(["eu", "us"]).default("eu"),
  rows: z.int().min(1).max(1_000).default(500),
  ratio: z.number().optional(),
  dryRun: z.boolean().default(false),
  verbose: z.boolean().optional(),
  at: z.iso.datetime().optional(),
  label: z.string().nullable().default(null),
  names: z.array(z.string()).default(["a"]),
  level: z.union([z.literal(1), z.literal(2)]).default(1),
  text: z.string().default("hello"),
  address: z.object({ city: z.string() }).optional(),
  mail: z.email().optional(),
});
const params = z.toJSONSchema(schema, { io: "output" }) as unknown as JsonObject;
const paramDefaults = {
  region: "eu",
  rows: 500,
  dryRun: false,
  label: null,
  names: ["a"],
  level: 1,
  text: "hello",
} satisfies JsonObject;
const specs = paramSpecs(params, paramDefaults);

const fieldOf = (name: string, typed = initialTexts(specs, {})) =>
  paramFields(specs, typed, []).find((field) => field.name === `p.${name}`)!;

describe("the form of a DAG's params", () => {
  it("keeps the author's order and asks for each param with a fitting control", () => {
    const controls = Object.fromEntries(specs.map((spec) => [spec.name, spec.control]));
    expect(Object.keys(controls)).to.deep.equal(Object.keys(schema.shape));
    expect(controls).to.deep.equal({
      day: "date",
      region: "select",
      rows: "number",
      ratio: "number",
      dryRun: "checkbox",
      verbose: "select",
      at: "datetime-local",
      label: "text",
      names: "textarea",
      level: "select",
      text: "text",
      address: "textarea",
      mail: "email",
    });
  });

  it("shows title, description, limits and which ones must be given", () => {
    expect(fieldOf("day")).to.include({ label: "Day", isRequired: true });
    expect(fieldOf("day").hint).to.contain("Which day to load.");
    expect(fieldOf("rows")).to.include({ min: "1", max: "1000", step: "1", isRequired: false, value: "500" });
    expect(fieldOf("rows").hint).to.equal("1 to 1000");
    expect(fieldOf("region").options.map((option) => [option.value, option.isSelected])).to.deep.equal([
      ["eu", true],
      ["us", false],
    ]);
  });

  it("does not show the limits that a schema generator writes out for plain integers", () => {
    const [spec] = paramSpecs(z.toJSONSchema(z.object({ n: z.int() })) as unknown as JsonObject, {});
    expect(spec).to.include({ min: "", max: "", hint: "" });
  });

  it("reads a filled form back into what the schema accepts", () => {
    const typed = {
      ...initialTexts(specs, {}),
      "p.day": "2026-03-10",
      "p.region": "us",
      "p.rows": "12",
      "p.ratio": "0.5",
      "p.dryRun": "1",
      "p.verbose": "false",
      "p.at": "2026-03-10T08:30",
      "p.names": '["x","y"]',
      "p.level": "2",
      "p.address": '{"city":"Rome"}',
    };
    const { conf, issues } = readParams(specs, typed);
    expect(issues).to.deep.equal([]);
    expect(conf).to.deep.equal({
      day: "2026-03-10",
      region: "us",
      rows: 12,
      ratio: 0.5,
      dryRun: true,
      verbose: false,
      at: "2026-03-10T08:30:00Z",
      label: null,
      names: ["x", "y"],
      level: 2,
      text: "hello",
      address: { city: "Rome" },
    });
    expect(mergeParams({ params, paramDefaults }, conf)).to.have.property("ok", true);
  });

  it("shows what was read as it was typed: values of an earlier run come back the same", () => {
    const conf = { day: "2026-01-01", at: "2026-03-10T08:30:00Z", dryRun: true, names: [], level: 2, label: "x" };
    const read = readParams(specs, initialTexts(specs, conf));
    expect(read.conf).to.deep.equal({ region: "eu", rows: 500, text: "hello", ...conf });
  });

  it("leaves empty fields out, but an emptied text that had a default is the empty text", () => {
    const { conf } = readParams(specs, { "p.text": "", "p.ratio": "", "p.day": "", "p.mail": "" });
    expect(conf).to.deep.equal({ text: "", label: null, dryRun: false });
  });

  it("says at which field a text cannot be read, and gives the text back", () => {
    const typed = { "p.rows": "many", "p.names": "[1,", "p.at": "soon", "p.level": "7" };
    const { issues } = readParams(specs, typed);
    expect(issues.map((issue) => issue.path)).to.have.members(["rows", "names", "at", "level"]);
    const field = paramFields(specs, typed, issues).find((each) => each.name === "p.names")!;
    expect(field).to.include({ value: "[1," });
    expect(field.error).to.match(/^is not JSON/);
  });

  it("asks for JSON where the schema is beyond it, and follows local references", () => {
    const odd: JsonObject = {
      type: "object",
      properties: {
        both: { anyOf: [{ type: "string" }, { type: "number" }] },
        linked: { $ref: "#/$defs/level" },
        loop: { $ref: "#/$defs/loop" },
        nothing: {},
      },
      $defs: { level: { type: "integer", minimum: 3 }, loop: { $ref: "#/$defs/loop" } },
    };
    const kinds = Object.fromEntries(paramSpecs(odd, {}).map((spec) => [spec.name, spec.kind]));
    expect(kinds).to.deep.equal({ both: "json", linked: "number", loop: "json", nothing: "json" });
  });

  it("takes a param called __proto__ for a name like any other", () => {
    const odd = { type: "object", properties: JSON.parse('{"__proto__": {"type": "string"}}') } as JsonObject;
    const { conf } = readParams(paramSpecs(odd, {}), { "p.__proto__": "x" });
    expect(Object.getPrototypeOf(conf)).to.equal(Object.prototype);
    expect(Object.keys(conf)).to.deep.equal(["__proto__"]);
  });
});
