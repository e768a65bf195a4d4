import { expect } from "chai";
import fc from "fast-check";
import { before, describe, it } from "mocha";
import { timetableFromSpec } from "../../../core/timetable.ts";
import { parseCronFields } from "../../../core/timetables/cron-fields.ts";
import { CronTicks } from "../../../core/timetables/cron-ticks.ts";
import { zoneClock } from "../../../core/timetables/zone.ts";
import { DAY, fires, instant, iso, transitions, type Walls, walls } from "./oracle.ts";

const cron = (expression: string, timezone: string) =>
  timetableFromSpec({ kind: "cron", expressions: [expression], timezone, intervals: false });

function runs(expression: string, timezone: string, from: string, to: string): string[] {
  const slots = cron(expression, timezone).between(instant(from), instant(to), 10_000);
  return iso(slots.map((slot) => slot.logicalDate));
}

describe("cron across changes of the clock", () => {
  // Berlin 2026: 02:00 becomes 03:00 on 29 March (01:00Z), 03:00 becomes 02:00 on 25 October (01:00Z).
  const spring = ["2026-03-28T12:00Z", "2026-03-30T12:00Z"] as const;
  const autumn = ["2026-10-24T12:00Z", "2026-10-26T12:00Z"] as const;

  it("fires a skipped time as much later as was skipped", () => {
    expect(runs("30 2 * * *", "Europe/Berlin", ...spring)).to.deep.equal(["2026-03-29T01:30", "2026-03-30T00:30"]);
  });

  it("fires once where a shifted time meets another", () => {
    expect(runs("30 2,3 * * *", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T12:00Z")).to.deep.equal([
      "2026-03-29T01:30",
    ]);
  });

  it("fires a repeated time once, at the second showing", () => {
    expect(runs("30 2 * * *", "Europe/Berlin", ...autumn)).to.deep.equal(["2026-10-25T01:30", "2026-10-26T01:30"]);
    expect(runs("0 2 * * *", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T12:00Z")).to.deep.equal([
      "2026-10-25T01:00",
    ]);
  });

  it("fires an hourly schedule in every real hour", () => {
    for (const [from, to] of [spring, autumn]) {
      const hours = runs("30 * * * *", "Europe/Berlin", from, to).map((text) => instant(`${text}Z`));
      expect(hours).to.have.length(48);
      for (let index = 1; index < hours.length; index++) expect(hours[index]! - hours[index - 1]!).to.equal(3_600_000);
    }
  });

  it("treats an hour field that is not full as wall-clock times, also with a step", () => {
    expect(runs("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T04:00Z")).to.deep.equal([
      "2026-03-28T23:00",
      "2026-03-29T01:00",
      "2026-03-29T02:00",
      "2026-03-29T04:00",
    ]);
    expect(runs("0 */2 * * *", "Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T05:00Z")).to.deep.equal([
      "2026-10-24T22:00",
      "2026-10-25T01:00",
      "2026-10-25T03:00",
      "2026-10-25T05:00",
    ]);
  });

  it("moves midnight where midnight is skipped", () => {
    // São Paulo 2018-11-04 and Cairo 2024-04-26: 00:00 becomes 01:00.
    expect(runs("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00Z", "2018-11-05T12:00Z")).to.deep.equal([
      "2018-11-04T03:00",
      "2018-11-05T02:00",
    ]);
    expect(runs("15 0 * * 5", "Africa/Cairo", "2024-04-25T00:00Z", "2024-04-27T00:00Z")).to.deep.equal([
      "2024-04-25T22:15",
    ]);
  });

  it("knows half-hour changes", () => {
    // Lord Howe: 02:00 becomes 02:30 on 2025-10-05 (15:30Z the day before).
    expect(runs("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00Z", "2025-10-06T00:00Z")).to.deep.equal([
      "2025-10-04T15:45",
      "2025-10-05T15:15",
    ]);
    // 02:00 becomes 01:30 on 2026-04-05 (15:00Z the day before).
    expect(runs("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00Z", "2026-04-05T00:00Z")).to.deep.equal([
      "2026-04-04T15:15",
    ]);
  });

  it("crosses the day that Samoa left out", () => {
    expect(runs("0 6 * * *", "Pacific/Apia", "2011-12-28T00:00Z", "2012-01-01T00:00Z")).to.deep.equal([
      "2011-12-28T16:00",
      "2011-12-29T16:00",
      "2011-12-30T16:00",
      "2011-12-31T16:00",
    ]);
  });

  it("keeps seconds", () => {
    const slots = cron("30 30 2 * * *", "Europe/Berlin").between(instant(spring[0]), instant(spring[1]), 10);
    expect(slots.map((slot) => new Date(slot.runAfter).toISOString())).to.deep.equal([
      "2026-03-29T01:30:30.000Z",
      "2026-03-30T00:30:30.000Z",
    ]);
  });

  it("bounds intervals by the shifted and the second times", () => {
    const intervals = timetableFromSpec({
      kind: "cron",
      expressions: ["30 2 * * *"],
      timezone: "Europe/Berlin",
      intervals: true,
    });
    const hours = (from: string) => {
      const [slot] = intervals.between(instant(from), instant(from) + 2 * DAY, 1);
      return (slot!.dataInterval.end - slot!.dataInterval.start) / 3_600_000;
    };
    expect(hours("2026-03-28T00:00Z")).to.equal(24);
    expect(hours("2026-03-29T01:30Z")).to.equal(23);
    expect(hours("2026-10-24T00:30Z")).to.equal(25);
  });
});

const ZONES: [zone: string, firstYear: number, lastYear: number][] = [
  ["Europe/Berlin", 2023, 2026],
  ["Europe/London", 2025, 2026],
  ["America/New_York", 2024, 2026],
  ["America/Sao_Paulo", 2016, 2019],
  ["America/Havana", 2025, 2026],
  ["America/St_Johns", 2010, 2011],
  ["Africa/Cairo", 2010, 2010],
  ["Africa/Cairo", 2023, 2025],
  ["Africa/Casablanca", 2024, 2026],
  ["Asia/Gaza", 2024, 2025],
  ["Asia/Tehran", 2021, 2022],
  ["Asia/Pyongyang", 2015, 2018],
  ["Australia/Lord_Howe", 2023, 2026],
  ["Pacific/Apia", 2010, 2012],
  ["Pacific/Chatham", 2025, 2026],
  ["Pacific/Kwajalein", 1993, 1993],
  ["Antarctica/Troll", 2025, 2026],
];

const EXPRESSIONS = [
  "* * * * *",
  "0 * * * *",
  "20 * * * *",
  "45 * * * *",
  "*/7 * * * *",
  "0 0 * * *",
  "30 0 * * *",
  "30 1 * * *",
  "30 2 * * *",
  "15,45 1,2,3 * * *",
  "*/20 0-4 * * *",
  "0 */2 * * *",
  "10 1-23/2 * * *",
  "59 23 * * *",
  "30 2 * * 0",
  "0 23,0,1 * * 5-6",
  "0 3 L * 0#1,0L",
  "30 * 1-7 * 0",
];

interface Window {
  name: string;
  zone: string;
  from: number;
  to: number;
  walls: Walls;
}

/** A week around every change of the clock; its first and last 36 hours are only there to look around. */
function windows(): Window[] {
  return ZONES.flatMap(([zone, firstYear, lastYear]) =>
    transitions(zone, Date.UTC(firstYear, 0, 1), Date.UTC(lastYear + 1, 0, 1)).map((at) => {
      const from = Math.floor((at - 3.5 * DAY) / 3_600_000) * 3_600_000;
      const name = `${zone} around ${iso([at])}`;
      return { name, zone, from: from + 1.5 * DAY, to: from + 5.5 * DAY, walls: walls(zone, from, from + 7 * DAY) };
    }),
  );
}

function expected(expression: string, window: Window): number[] {
  return fires(expression, window.walls).filter((at) => at >= window.from && at <= window.to);
}

describe("cron against a walk over every minute", function () {
  this.timeout(30_000);
  let all: Window[] = [];
  before(() => {
    all = windows();
  });

  it("covers all kinds of change", () => {
    expect(all.length).to.be.greaterThan(70);
  });

  for (const expression of EXPRESSIONS) {
    it(`"${expression}" around every change of the clock`, () => {
      const fields = parseCronFields(expression);
      for (const window of all) {
        const ticks = new CronTicks(fields, zoneClock(window.zone));
        const wanted = expected(expression, window);
        expect(iso(forward(ticks, window.from, window.to)), window.name).to.deep.equal(iso(wanted));
        expect(iso(backward(ticks, window.from, window.to)), `${window.name}, backward`).to.deep.equal(iso(wanted));
      }
    });
  }

  it("random expressions around random changes, by next, between and upcoming", () => {
    fc.assert(
      fc.property(expressions, fc.nat(), (expression, pick) => {
        const window = all[pick % all.length]!;
        const timetable = cron(expression, window.zone);
        const wanted = expected(expression, window);
        const between = timetable.between(window.from, window.to, 10_000).map((slot) => slot.logicalDate);
        expect(iso(between)).to.deep.equal(iso(wanted));
        const upcoming = timetable.upcoming(window.from, wanted.length, { endDate: window.to });
        expect(upcoming.map((slot) => slot.logicalDate)).to.deep.equal(between);
        const chained: number[] = [];
        for (let last: number | undefined; ; ) {
          const slot = timetable.next({
            startDate: window.from,
            endDate: window.to,
            catchup: true,
            now: window.from,
            lastLogicalDate: last,
          });
          if (slot === undefined) break;
          if (last !== undefined) expect(slot.logicalDate).to.be.greaterThan(last);
          last = slot.logicalDate;
          chained.push(last);
        }
        expect(chained).to.deep.equal(between);
      }),
      { numRuns: 150 },
    );
  });

  for (const zone of [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kolkata",
    "UTC",
  ]) {
    it(`a year in ${zone}: no time missed, none doubled`, () => {
      const from = Date.UTC(2025, 0, 1);
      const to = Date.UTC(2026, 0, 1);
      const year = walls(zone, from - 2 * DAY, to + 2 * DAY);
      for (const expression of ["*/15 * * * *", "30 2 * * *", "0 0,1,23 * * 1,5#1"]) {
        const wanted = fires(expression, year).filter((at) => at >= from && at <= to);
        const got = cron(expression, zone).between(from, to, 100_000);
        expect(
          got.map((slot) => slot.logicalDate),
          expression,
        ).to.deep.equal(wanted);
      }
    });
  }
});

function forward(ticks: CronTicks, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = ticks.after(from - 1); at !== undefined && at <= to; at = ticks.after(at)) found.push(at);
  return found;
}

function backward(ticks: CronTicks, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = ticks.before(to + 1); at !== undefined && at >= from; at = ticks.before(at)) found.unshift(at);
  return found;
}

const list = (min: number, max: number, maxLength: number) =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength }).map((values) => values.join(","));

const step = (max: number) => fc.integer({ min: 2, max }).map((value) => `*/${value}`);

const range = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);

const mostly = (star: string, other: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(star) }, { weight: 2, arbitrary: other });

const expressions = fc
  .tuple(
    fc.oneof(list(0, 59, 4), step(40), range(0, 59)),
    fc.oneof(fc.constant("*"), list(0, 4, 3), list(0, 23, 5), step(8), range(0, 23)),
    mostly("*", fc.oneof(list(1, 31, 6), range(1, 31), fc.constant("L"))),
    mostly("*", list(1, 12, 8)),
    mostly("*", fc.oneof(list(0, 6, 3), range(0, 6), fc.constant("0L"), fc.constant("0#1,4#2"), fc.constant("5,0#5"))),
  )
  .filter(([, , day, month]) => !/^(29|30|31)/.test(day) || month === "*")
  .map((fields) => fields.join(" "));
