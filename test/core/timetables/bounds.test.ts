import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { type ScheduleBounds, type Timetable, type TimetableSpec, timetableFromSpec } from "../../../core/timetable.ts";
import { DAY, instant } from "./oracle.ts";

const HOUR = DAY / 24;
const cronSpec = (expression: string, intervals: boolean, timezone = "UTC"): TimetableSpec => ({
  kind: "cron",
  expressions: [expression],
  timezone,
  intervals,
});

const daily = timetableFromSpec(cronSpec("@daily", false));
const dailyIntervals = timetableFromSpec(cronSpec("@daily", true));

/** Bounds with instants as text. */
function bounds(at: {
  now: string;
  catchup?: boolean;
  startDate?: string;
  endDate?: string;
  last?: string;
}): ScheduleBounds {
  const optional = (text: string | undefined) => (text === undefined ? undefined : instant(text));
  return {
    now: instant(at.now),
    catchup: at.catchup ?? false,
    startDate: optional(at.startDate),
    endDate: optional(at.endDate),
    lastLogicalDate: optional(at.last),
  };
}

function nextDate(timetable: Timetable, at: Parameters<typeof bounds>[0]): string | undefined {
  const slot = timetable.next(bounds(at));
  return slot && new Date(slot.logicalDate).toISOString().slice(0, 16);
}

/** Asks again and again, each run being created the moment it is due, until nothing is due at `now`. */
function backlog(timetable: Timetable, at: Parameters<typeof bounds>[0]): string[] {
  const created: string[] = [];
  let lastLogicalDate = bounds(at).lastLogicalDate;
  for (;;) {
    const slot = timetable.next({ ...bounds(at), lastLogicalDate });
    if (slot === undefined || slot.runAfter > instant(at.now)) return created;
    if (lastLogicalDate !== undefined) expect(slot.logicalDate).to.be.greaterThan(lastLogicalDate);
    lastLogicalDate = slot.logicalDate;
    created.push(new Date(lastLogicalDate).toISOString().slice(5, 10));
  }
}

describe("a trigger schedule", () => {
  it("runs at its time, with an interval of no length", () => {
    const at = instant("2026-01-02T00:00Z");
    expect(daily.next(bounds({ now: "2026-01-01T15:00Z" }))).to.deep.equal({
      logicalDate: at,
      dataInterval: { start: at, end: at },
      runAfter: at,
    });
    expect(daily.manualInterval(at + 5)).to.deep.equal({ start: at + 5, end: at + 5 });
  });

  it("waits for midnight when a DAG without history is enabled at 15:00", () => {
    expect(nextDate(daily, { now: "2026-01-01T15:00Z" })).to.equal("2026-01-02T00:00");
    expect(nextDate(daily, { now: "2026-01-01T15:00Z", catchup: true })).to.equal("2026-01-02T00:00");
    expect(nextDate(daily, { now: "2026-01-02T00:00Z" })).to.equal("2026-01-02T00:00");
  });

  it("creates only the newest missed slot without catch-up", () => {
    expect(backlog(daily, { now: "2026-01-05T15:00Z", last: "2026-01-01T00:00Z" })).to.deep.equal(["01-05"]);
    expect(backlog(daily, { now: "2026-01-05T15:00Z", startDate: "2026-01-01T00:00Z" })).to.deep.equal(["01-05"]);
  });

  it("creates every missed slot with catch-up", () => {
    const now = "2026-01-05T15:00Z";
    expect(backlog(daily, { now, last: "2026-01-01T00:00Z", catchup: true })).to.deep.equal([
      "01-02",
      "01-03",
      "01-04",
      "01-05",
    ]);
    expect(backlog(daily, { now, startDate: "2026-01-03T06:00Z", catchup: true })).to.deep.equal(["01-04", "01-05"]);
  });

  it("includes both its start date and its end date", () => {
    const range = { startDate: "2026-01-03T00:00Z", endDate: "2026-01-05T00:00Z" };
    for (const catchup of [false, true]) {
      expect(nextDate(daily, { ...range, catchup, now: "2026-01-01T00:00Z" })).to.equal("2026-01-03T00:00");
      const afterFourth = { ...range, catchup, now: "2026-01-04T00:00Z", last: "2026-01-04T00:00Z" };
      expect(nextDate(daily, afterFourth)).to.equal("2026-01-05T00:00");
      expect(nextDate(daily, { ...afterFourth, last: "2026-01-05T00:00Z" })).to.equal(undefined);
    }
  });

  it("follows a start date that was moved past the last run", () => {
    const moved = { startDate: "2026-02-01T12:00Z", last: "2026-01-01T00:00Z", now: "2026-01-10T00:00Z" };
    expect(nextDate(daily, moved)).to.equal("2026-02-02T00:00");
    expect(nextDate(daily, { ...moved, catchup: true })).to.equal("2026-02-02T00:00");
  });

  it("carries on from a last run that fits no tick, as after a change of the expression", () => {
    expect(nextDate(daily, { now: "2026-01-01T08:00Z", last: "2026-01-01T07:30Z" })).to.equal("2026-01-02T00:00");
  });
});

describe("a data-interval schedule", () => {
  it("runs when its interval has closed", () => {
    const start = instant("2026-01-01T00:00Z");
    expect(dailyIntervals.next(bounds({ now: "2026-01-02T15:00Z" }))).to.deep.equal({
      logicalDate: start,
      dataInterval: { start, end: start + DAY },
      runAfter: start + DAY,
    });
  });

  it("creates the last complete interval at once when a DAG is enabled", () => {
    expect(nextDate(dailyIntervals, { now: "2026-01-05T15:00Z" })).to.equal("2026-01-04T00:00");
    expect(nextDate(dailyIntervals, { now: "2026-01-05T00:00Z" })).to.equal("2026-01-04T00:00");
    expect(nextDate(dailyIntervals, { now: "2026-01-04T23:59Z" })).to.equal("2026-01-03T00:00");
    expect(nextDate(dailyIntervals, { now: "2026-01-05T15:00Z", startDate: "2025-01-01T00:00Z" })).to.equal(
      "2026-01-04T00:00",
    );
  });

  it("waits for the first whole interval after a start date", () => {
    const slot = dailyIntervals.next(bounds({ now: "2026-01-05T15:00Z", startDate: "2026-01-05T06:00Z" }));
    expect(slot?.logicalDate).to.equal(instant("2026-01-06T00:00Z"));
    expect(slot?.runAfter).to.equal(instant("2026-01-07T00:00Z"));
  });

  it("creates the newest or every missed interval", () => {
    const at = { now: "2026-01-05T15:00Z", last: "2026-01-01T00:00Z" };
    expect(backlog(dailyIntervals, at)).to.deep.equal(["01-04"]);
    expect(backlog(dailyIntervals, { ...at, catchup: true })).to.deep.equal(["01-02", "01-03", "01-04"]);
  });

  it("bounds the logical date, not the run, by the end date", () => {
    const at = {
      now: "2026-01-09T00:00Z",
      startDate: "2026-01-01T00:00Z",
      endDate: "2026-01-03T00:00Z",
      catchup: true,
    };
    expect(backlog(dailyIntervals, at)).to.deep.equal(["01-01", "01-02", "01-03"]);
  });

  it("gives a manual run the last complete interval", () => {
    const interval = { start: instant("2026-01-24T00:00Z"), end: instant("2026-01-25T00:00Z") };
    expect(dailyIntervals.manualInterval(instant("2026-01-25T01:00Z"))).to.deep.equal(interval);
    expect(dailyIntervals.manualInterval(instant("2026-01-25T00:00Z"))).to.deep.equal(interval);
  });
});

describe("between and upcoming", () => {
  it("between includes both ends and stops at the limit", () => {
    const [from, to] = [instant("2026-01-01T00:00Z"), instant("2026-01-05T00:00Z")];
    expect(daily.between(from, to, 100)).to.have.length(5);
    expect(daily.between(from + 1, to - 1, 100)).to.have.length(3);
    expect(daily.between(from, to, 2).map((slot) => slot.logicalDate)).to.deep.equal([from, from + DAY]);
    expect(daily.between(from, to, 0)).to.deep.equal([]);
    expect(daily.between(to, from, 100)).to.deep.equal([]);
    expect(dailyIntervals.between(from, to, 100).at(-1)?.runAfter).to.equal(to + DAY);
  });

  it("upcoming begins with what is due from now on", () => {
    const now = instant("2026-01-05T15:00Z");
    expect(daily.upcoming(now, 2).map((slot) => slot.runAfter)).to.deep.equal([now + 9 * HOUR, now + 33 * HOUR]);
    expect(dailyIntervals.upcoming(now, 1).map((slot) => slot.runAfter)).to.deep.equal([now + 9 * HOUR]);
  });

  it("upcoming keeps to the start date, the end date and the last run", () => {
    const now = instant("2026-01-05T15:00Z");
    const dates = daily.upcoming(now, 100, {
      startDate: instant("2026-01-07T00:00Z"),
      endDate: instant("2026-01-09T00:00Z"),
      lastLogicalDate: instant("2026-01-07T00:00Z"),
    });
    expect(dates.map((slot) => new Date(slot.logicalDate).getUTCDate())).to.deep.equal([8, 9]);
  });
});

describe("any schedule", () => {
  const spec: fc.Arbitrary<TimetableSpec> = fc.oneof(
    fc
      .tuple(
        fc.constantFrom("*/7 * * * *", "30 2 * * *", "0 */5 * * 1", "0 0 1 * *", "15 3 29 2 *", "*/20 * * * * *"),
        fc.constantFrom("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"),
        fc.boolean(),
      )
      .map(([expression, timezone, intervals]) => cronSpec(expression, intervals, timezone)),
    fc
      .tuple(fc.integer({ min: 1000, max: 3 * DAY }), fc.boolean())
      .map(([everyMs, intervals]): TimetableSpec => ({ kind: "delta", everyMs, intervals })),
    fc.constant<TimetableSpec>({ kind: "events", dates: ["2024-03-01T00:00Z", "2026-05-01T12:00+02:00"] }),
    fc.constantFrom<TimetableSpec>({ kind: "once" }, { kind: "continuous" }, { kind: "none" }),
  );
  const moment = fc.integer({ min: Date.UTC(2018, 0, 1), max: Date.UTC(2030, 0, 1) });
  const someBounds = fc.record({
    now: moment,
    catchup: fc.boolean(),
    startDate: fc.option(moment, { nil: undefined }),
    endDate: fc.option(moment, { nil: undefined }),
    lastLogicalDate: fc.option(moment, { nil: undefined }),
  });

  it("moves on, keeps its bounds, and says the same twice", () => {
    fc.assert(
      fc.property(spec, someBounds, (each, limits) => {
        const timetable = timetableFromSpec(each, { startDate: limits.startDate });
        const slot = timetable.next(limits);
        expect(timetable.next(limits)).to.deep.equal(slot);
        expect(timetableFromSpec(each, { startDate: limits.startDate }).next(limits)).to.deep.equal(slot);
        if (slot === undefined) return;
        const { logicalDate, dataInterval, runAfter } = slot;
        if (limits.lastLogicalDate !== undefined) expect(logicalDate).to.be.greaterThan(limits.lastLogicalDate);
        if (limits.startDate !== undefined) expect(logicalDate).to.be.at.least(limits.startDate);
        if (limits.endDate !== undefined) expect(logicalDate).to.be.at.most(limits.endDate);
        expect(dataInterval.end).to.be.at.least(dataInterval.start);
        expect(runAfter).to.equal(dataInterval.end);
      }),
      { numRuns: 600 },
    );
  });

  it("keeps whole seconds in a zone without transitions nearby, whatever milliseconds it is asked at", () => {
    const timetable = timetableFromSpec(cronSpec("*/7 * * * *", false, "America/Sao_Paulo"));
    const slot = timetable.next({ now: 1514764800031, catchup: false, lastLogicalDate: 1847124559911 });
    expect((slot?.logicalDate ?? 1) % 60_000).to.equal(0);
  });

  it("without catch-up leaves nothing newer that is due; with it, leaves out nothing", () => {
    const periodic = spec.filter(({ kind }) => kind === "cron" || kind === "delta" || kind === "events");
    fc.assert(
      fc.property(periodic, moment, fc.integer({ min: 0, max: 3 * DAY }), fc.boolean(), (each, last, late, catchup) => {
        const timetable = timetableFromSpec(each);
        const now = last + late;
        const slot = timetable.next({ now, catchup, lastLogicalDate: last });
        if (slot === undefined) return;
        if (catchup) expect(timetable.between(last + 1, slot.logicalDate - 1, 1)).to.deep.equal([]);
        else
          expect(timetable.between(slot.logicalDate + 1, now, 1).every((later) => later.runAfter > now)).to.equal(true);
      }),
      { numRuns: 400 },
    );
  });
});
