import { expect } from "chai";
import { CronExpressionParser } from "cron-parser";
import fc from "fast-check";
import { describe, it } from "mocha";
import { InvalidScheduleError, parseSchedule, timetableFromSpec } from "../../../core/timetable.ts";
import { parseCronFields } from "../../../core/timetables/cron-fields.ts";

/** The days of a year's months that fire, as "M-D", in UTC. */
function days(expression: string, year = 2026): string[] {
  return timetableFromSpec({ kind: "cron", expressions: [expression], timezone: "UTC", intervals: false })
    .between(Date.UTC(year, 0, 1), Date.UTC(year, 11, 31, 23), 400)
    .map(({ logicalDate }) => `${new Date(logicalDate).getUTCMonth() + 1}-${new Date(logicalDate).getUTCDate()}`);
}

function problem(expression: string): string {
  try {
    parseCronFields(expression);
  } catch (error) {
    expect(error).to.be.instanceOf(InvalidScheduleError);
    expect((error as InvalidScheduleError).code).to.equal("invalid_schedule");
    expect((error as Error).message.length, "a message to read").to.be.lessThan(500);
    return (error as Error).message;
  }
  throw new Error(`${JSON.stringify(expression)} was accepted`);
}

describe("cron fields", () => {
  it("reads five fields, and six with seconds first", () => {
    expect(parseCronFields("5 6 7 8 *")).to.deep.include({
      seconds: [0],
      minutes: [5],
      hours: [6],
      daysOfMonth: [7],
      months: [8],
      daysOfWeek: [0, 1, 2, 3, 4, 5, 6],
      restrictsDayOfMonth: true,
      restrictsDayOfWeek: false,
    });
    expect(parseCronFields("*/20 5 6 * * *")).to.deep.include({ seconds: [0, 20, 40], minutes: [5], hours: [6] });
  });

  it("reads names in any case, lists, ranges, steps and question marks", () => {
    expect(parseCronFields("0 0 ? jan-Mar,dec MON-Fri")).to.deep.include({
      months: [1, 2, 3, 12],
      daysOfWeek: [1, 2, 3, 4, 5],
      restrictsDayOfMonth: false,
    });
    expect(parseCronFields("5,5,1-9/4,50/5 * * * *").minutes).to.deep.equal([1, 5, 9, 50, 55]);
    expect(parseCronFields("0 0 * * 0,7,sun").daysOfWeek).to.deep.equal([0]);
    expect(parseCronFields("0 0 * * 5-7").daysOfWeek).to.deep.equal([0, 5, 6]);
    expect(parseCronFields("0 0 * * 1/2").daysOfWeek).to.deep.equal([1, 3, 5]);
  });

  it("lets ranges wrap", () => {
    expect(parseCronFields("0 22-2 * * *").hours).to.deep.equal([0, 1, 2, 22, 23]);
    expect(parseCronFields("0 20-4/3 * * *").hours).to.deep.equal([2, 20, 23]);
    expect(parseCronFields("0 0 * nov-feb sat-sun")).to.deep.include({ months: [1, 2, 11, 12], daysOfWeek: [0, 6] });
  });

  it("reads L and #", () => {
    expect(days("0 0 L 2,4 *")).to.deep.equal(["2-28", "4-30"]);
    expect(days("0 0 L 2 *", 2028)).to.deep.equal(["2-29"]);
    expect(days("0 0 1,L 3 *")).to.deep.equal(["3-1", "3-31"]);
    expect(days("0 0 * 5 friL")).to.deep.equal(["5-29"]);
    expect(days("0 0 * 5 7L")).to.deep.equal(["5-31"]);
    expect(days("0 0 * 5 MON#2")).to.deep.equal(["5-11"]);
    expect(days("0 0 * 5 1#1,1#3,5L,3#5")).to.deep.equal(["5-4", "5-18", "5-29"]);
  });

  it("fires when either day field matches, if both are restricted", () => {
    expect(days("0 0 13 2,3 5")).to.deep.equal(["2-6", "2-13", "2-20", "2-27", "3-6", "3-13", "3-20", "3-27"]);
    expect(days("0 0 1-31 4 5")).to.have.length(30);
    expect(days("0 0 */1 4 5")).to.deep.equal(["4-3", "4-10", "4-17", "4-24"]);
  });

  it("agrees with cron-parser on every plain form", () => {
    const kinds = [
      { key: "second", ours: "seconds", min: 0, max: 59 },
      { key: "minute", ours: "minutes", min: 0, max: 59 },
      { key: "hour", ours: "hours", min: 0, max: 23 },
      { key: "dayOfMonth", ours: "daysOfMonth", min: 1, max: 31 },
      { key: "month", ours: "months", min: 1, max: 12 },
      { key: "dayOfWeek", ours: "daysOfWeek", min: 0, max: 7 },
    ] as const;
    const form = fc.constantFrom(...kinds).chain((kind) =>
      fc
        .tuple(
          fc.constantFrom("a", "a-b", "a-b/s", "*/s", "*", "?"),
          fc.tuple(fc.integer(kind), fc.integer(kind)),
          fc.integer({ min: 1, max: kind.max === 7 ? 7 : kind.max - kind.min + 1 }),
        )
        .map(([shape, [one, other], step]) => {
          const text = shape
            .replace("a", String(Math.min(one, other)))
            .replace("b", String(Math.max(one, other)))
            .replace("s", String(step));
          return { kind, text };
        }),
    );
    fc.assert(
      fc.property(form, ({ kind, text }) => {
        const expression = kinds.map((each) => (each === kind ? text : "*")).join(" ");
        const theirs = CronExpressionParser.parse(expression).fields[kind.key].values.map(Number);
        const ours = parseCronFields(expression)[kind.ours];
        const days = kind.key === "dayOfWeek" ? theirs.map((day) => day % 7) : theirs;
        expect(ours).to.deep.equal([...new Set(days)].sort((a, b) => a - b));
      }),
      { numRuns: 400 },
    );
  });
});

describe("cron that is refused", () => {
  const cases: [expression: string, says: RegExp][] = [
    ["61 * * * *", /"61" cannot stand in the minute field \(0-59\)/],
    ["0 24 * * *", /"24" cannot stand in the hour field/],
    ["0 0 0 * *", /"0" cannot stand in the day-of-month field/],
    ["0 0 * FOO *", /"FOO" cannot stand in the month field \(1-12 or JAN-DEC\)/],
    ["0 0 * * 8", /"8" cannot stand in the day-of-week field/],
    ["MON * * * *", /minute field/],
    ["*/0 * * * *", /A step must be from 1 to 60/],
    ["5-2/0 * * * *", /A step must be from 1/],
    ["*/90 * * * *", /every\("90m"\)/],
    ["*/-5 * * * *", /minute field/],
    ["*/5/5 * * * *", /minute field/],
    ["1,,2 * * * *", /Remove the comma/],
    [",1 * * * *", /Remove the comma/],
    ["-5 * * * *", /minute field/],
    ["1.5 * * * *", /minute field/],
    ["٣ * * * *", /minute field/],
    ["** * * * *", /minute field/],
    ["0 0 15W * *", /nearest weekday/],
    ["0 0 L-3 * *", /day-of-month/],
    ["0 0 LW * *", /day-of-month/],
    ["0 0 * * L", /Say which weekday/],
    ["0 0 * * 1#6", /day-of-week/],
    ["0 0 * * 1#0", /day-of-week/],
    ["0 0 * * 1-5#2", /day-of-week/],
    ["L * * * *", /minute field/],
    ["0 1#2 * * *", /hour field/],
    ["H * * * *", /random number/],
    ["0 H(0-5) * * *", /random number/],
    ["0 0 * * H", /random number/],
    ["0 0 30 2 *", /no month it names has a day 30/],
    ["0 0 31 4,6,9,11 *", /no month it names has a day 31/],
    ["* *", /it has 2 fields/],
    ["0 0 * * * * 2026", /it has 7 fields.*no year/],
    ["0 0 * * 2020-2030", /day-of-week/],
    ["@reboot", /no such preset.*@hourly/],
    ["@every 5m", /no such preset/],
    ["@secondly", /no such preset/],
    ["<script>alert(1)</script>", /it has 1 field/],
    [
      Array.from({ length: 1000 }, (_, index) => index % 60)
        .join(",")
        .concat(" * * * *"),
      /at most 1024/,
    ],
    ["0 ".repeat(10_000), /20000 characters long/],
    ["*".repeat(1000), /it has 1 field/],
    [`${"1,".repeat(400)}x * * * *`, /"X" cannot stand in the minute field/],
  ];
  for (const [expression, says] of cases) {
    const shown = expression.length > 40 ? `${expression.slice(0, 40)}… (${expression.length} characters)` : expression;
    it(shown, () => {
      expect(problem(expression)).to.match(says);
    });
  }

  it("quotes no more than 80 characters", () => {
    const expression = `${"0,".repeat(300)}99 * * * *`;
    expect(problem(expression))
      .to.include(`${"0,".repeat(40)}…`)
      .and.not.include("0,".repeat(41));
  });

  it("answers any text quickly, with fields or an InvalidScheduleError", () => {
    const token = fc.constantFrom(
      "*",
      "?",
      "L",
      "#",
      "/",
      "-",
      ",",
      "5",
      "0",
      "31",
      "MON",
      "feb",
      "H",
      "W",
      " ",
      "@daily",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 30 }).map((tokens) => tokens.join("")),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          const { minutes, hours } = parseCronFields(expression);
          expect(minutes.length * hours.length).to.be.greaterThan(0);
        } catch (error) {
          expect(error).to.be.instanceOf(InvalidScheduleError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("parseSchedule", () => {
  it("reads nothing as none", () => {
    expect(parseSchedule(null, "UTC")).to.deep.equal({ kind: "none" });
    expect(parseSchedule(undefined, "UTC")).to.deep.equal({ kind: "none" });
  });

  it("reads a cron string as a trigger in the zone, as it was written", () => {
    expect(parseSchedule(" 0 6 * * mon-fri ", "Europe/Berlin")).to.deep.equal({
      kind: "cron",
      expressions: ["0 6 * * mon-fri"],
      timezone: "Europe/Berlin",
      intervals: false,
    });
  });

  it("reads presets in any case", () => {
    expect(parseSchedule("@Once", "UTC")).to.deep.equal({ kind: "once" });
    expect(parseSchedule("@CONTINUOUS", "UTC")).to.deep.equal({ kind: "continuous" });
    const presets = { "@hourly": 8760, "@daily": 365, "@weekly": 52, "@monthly": 12, "@Quarterly": 4, "@yearly": 1 };
    for (const [preset, count] of Object.entries(presets)) {
      const spec = parseSchedule(preset, "UTC");
      expect(spec).to.deep.include({ expressions: [preset.toLowerCase()] });
      const slots = timetableFromSpec(spec).between(Date.UTC(2026, 0, 1), Date.UTC(2026, 11, 31, 23, 59), 10_000);
      expect(slots, preset).to.have.length(count);
    }
  });

  it("refuses what is no schedule", () => {
    for (const schedule of ["", "   ", 5 as unknown as string, {} as string]) {
      expect(() => parseSchedule(schedule, "UTC")).to.throw(InvalidScheduleError, /or null for no schedule/);
    }
  });

  for (const zone of [
    "../../etc/passwd",
    "Mars/Phobos",
    "+01:00",
    "",
    " UTC",
    "Europe/Berlin\0",
    "__proto__",
    "x".repeat(1e5),
  ]) {
    it(`refuses the zone ${JSON.stringify(zone.slice(0, 30))}`, () => {
      expect(() => parseSchedule("@daily", zone)).to.throw(InvalidScheduleError, /not a time zone/);
    });
  }
});
