import { expect } from "chai";
import { describe, it } from "mocha";
import { InvalidScheduleError, isTimeZone, type TimetableSpec, timetableFromSpec } from "../../../core/timetable.ts";
import { DAY, instant, iso } from "./oracle.ts";

const MINUTE = 60_000;
const now = instant("2026-01-05T15:07Z");
const dates = (slots: readonly { logicalDate: number }[]) => iso(slots.map((slot) => slot.logicalDate));

describe("none", () => {
  const none = timetableFromSpec({ kind: "none" });

  it("never runs by itself", () => {
    expect(none.next({ now, catchup: true, startDate: 0 })).to.equal(undefined);
    expect(none.between(0, now, 10)).to.deep.equal([]);
    expect(none.upcoming(now, 10)).to.deep.equal([]);
    expect(none.manualInterval(now)).to.deep.equal({ start: now, end: now });
    expect(none.summary).to.equal("none");
  });
});

describe("once", () => {
  const once = timetableFromSpec({ kind: "once" });

  it("runs now, or at the start date, a single time", () => {
    expect(once.next({ now, catchup: false })?.runAfter).to.equal(now);
    expect(once.next({ now, catchup: false, startDate: now - DAY })?.logicalDate).to.equal(now - DAY);
    expect(once.next({ now, catchup: false, startDate: now + DAY })?.runAfter).to.equal(now + DAY);
    expect(once.next({ now, catchup: true, startDate: now, lastLogicalDate: now - DAY })).to.equal(undefined);
    expect(once.next({ now, catchup: false, endDate: now - 1 })).to.equal(undefined);
  });

  it("can be backfilled at its start date only", () => {
    const started = timetableFromSpec({ kind: "once" }, { startDate: now });
    expect(dates(started.between(now, now, 5))).to.deep.equal(iso([now]));
    expect(started.between(now + 1, now + DAY, 5)).to.deep.equal([]);
    expect(once.between(0, now, 5)).to.deep.equal([]);
    expect(dates(started.upcoming(now - DAY, 5))).to.deep.equal(iso([now]));
    expect(started.upcoming(now, 5, { lastLogicalDate: now })).to.deep.equal([]);
  });
});

describe("continuous", () => {
  const continuous = timetableFromSpec({ kind: "continuous" });

  it("runs now, for the time since the run before", () => {
    expect(continuous.next({ now, catchup: false, lastLogicalDate: now - 5 * MINUTE })).to.deep.equal({
      logicalDate: now,
      dataInterval: { start: now - 5 * MINUTE, end: now },
      runAfter: now,
    });
    expect(continuous.next({ now, catchup: false })?.dataInterval).to.deep.equal({ start: now, end: now });
  });

  it("waits for its start date, ends at its end date, and never repeats a logical date", () => {
    expect(continuous.next({ now, catchup: false, startDate: now + DAY })?.runAfter).to.equal(now + DAY);
    expect(continuous.next({ now, catchup: false, endDate: now })?.runAfter).to.equal(now);
    expect(continuous.next({ now, catchup: false, endDate: now - 1 })).to.equal(undefined);
    expect(continuous.next({ now, catchup: false, lastLogicalDate: now })?.logicalDate).to.equal(now + 1);
  });
});

describe("delta", () => {
  const every = (everyMs: number, intervals = false, startDate?: number) =>
    timetableFromSpec({ kind: "delta", everyMs, intervals }, { startDate });

  it("counts from the epoch", () => {
    expect(dates(every(15 * MINUTE).upcoming(now, 3))).to.deep.equal([
      "2026-01-05T15:15",
      "2026-01-05T15:30",
      "2026-01-05T15:45",
    ]);
  });

  it("counts from the start date, before it too", () => {
    const startDate = instant("2026-01-05T15:02Z");
    const timetable = every(15 * MINUTE, false, startDate);
    expect(dates(timetable.between(startDate - 20 * MINUTE, startDate + 20 * MINUTE, 9))).to.deep.equal([
      "2026-01-05T14:47",
      "2026-01-05T15:02",
      "2026-01-05T15:17",
    ]);
  });

  it("pays no heed to the clocks of any zone", () => {
    const [first, second] = every(DAY, false, instant("2026-03-28T12:00Z")).upcoming(instant("2026-03-28T12:00Z"), 2);
    expect(second!.runAfter - first!.runAfter).to.equal(DAY);
  });

  it("makes data intervals", () => {
    const timetable = every(15 * MINUTE, true);
    const end = instant("2026-01-05T15:00Z");
    const dataInterval = { start: end - 15 * MINUTE, end };
    expect(timetable.next({ now, catchup: false })).to.deep.include({ dataInterval, runAfter: end });
    expect(timetable.manualInterval(now)).to.deep.equal(dataInterval);
  });

  it("refuses distances that are no use", () => {
    for (const everyMs of [0, -1, 999, 1000.5, Number.NaN, Infinity, 1e15, "60000" as unknown as number]) {
      expect(() => every(everyMs), String(everyMs)).to.throw(InvalidScheduleError, /every\("15m"\)/);
    }
  });

  it("names its rhythm", () => {
    const named = (ms: number) => [every(ms).summary, every(ms).description];
    expect(named(15 * MINUTE)).to.deep.equal(["every 15m", "Every 15 minutes"]);
    expect(named(DAY)).to.deep.equal(["every 1d", "Every day"]);
    expect(named(90_500)).to.deep.equal(["every 1m 30s 500ms", "Every 1 minute 30 seconds 500 milliseconds"]);
  });
});

describe("events", () => {
  const events = (...list: string[]) => timetableFromSpec({ kind: "events", dates: list });
  const match = events("2026-07-02T18:00Z", "2026-06-11T18:00:00+02:00", "2026-07-02T20:00+02:00");

  it("fires at each instant once, in order", () => {
    expect(dates(match.between(0, Date.UTC(2030), 10))).to.deep.equal(["2026-06-11T16:00", "2026-07-02T18:00"]);
    const first = match.next({ now, catchup: false });
    expect(first?.runAfter).to.equal(instant("2026-06-11T16:00Z"));
    const second = match.next({ now, catchup: false, lastLogicalDate: first!.logicalDate });
    expect(second?.runAfter).to.equal(instant("2026-07-02T18:00Z"));
    expect(match.next({ now, catchup: false, lastLogicalDate: second!.logicalDate })).to.equal(undefined);
  });

  it("catches up on missed events, or takes the newest", () => {
    const later = instant("2026-12-01T00:00Z");
    const bounds = { now: later, startDate: now };
    expect(match.next({ ...bounds, catchup: true })?.logicalDate).to.equal(instant("2026-06-11T16:00Z"));
    expect(match.next({ ...bounds, catchup: false })?.logicalDate).to.equal(instant("2026-07-02T18:00Z"));
    const eve = { now: instant("2026-07-02T18:00Z") - 1, startDate: now, catchup: false };
    expect(match.next(eve)?.logicalDate).to.equal(instant("2026-06-11T16:00Z"));
    expect(match.next({ now: later, catchup: false })).to.equal(undefined);
  });

  it("describes itself", () => {
    expect(match.summary).to.equal("2 events");
    expect(match.description).to.equal("2 events from 2026-06-11 16:00 UTC to 2026-07-02 18:00 UTC");
    expect(events("2026-06-11T16:00Z").description).to.equal("Once, at 2026-06-11 16:00 UTC");
    expect(events().description).to.equal("Never: the list of events is empty");
  });

  it("refuses text that is not one instant", () => {
    for (const text of [
      "2026-06-11",
      "2026-06-11T16:00",
      "tomorrow",
      "2026-13-01T00:00Z",
      "+275760-09-13T00:00Z",
      "",
    ]) {
      expect(() => events(text), text).to.throw(InvalidScheduleError, /2026-03-29T06:00:00Z/);
    }
    expect(() => events(...new Array<string>(10_001).fill("2026-06-11T16:00Z"))).to.throw(
      InvalidScheduleError,
      /at most/,
    );
  });
});

describe("cron", () => {
  const cron = (expressions: string[], intervals = false, timezone = "UTC") =>
    timetableFromSpec({ kind: "cron", expressions, timezone, intervals });

  it("joins several expressions, a shared time once", () => {
    const several = cron(["0 6 * * *", "0 6,18 * * 1", "30 7 5 * *"]);
    expect(dates(several.upcoming(instant("2026-01-05T00:00Z"), 4))).to.deep.equal([
      "2026-01-05T06:00",
      "2026-01-05T07:30",
      "2026-01-05T18:00",
      "2026-01-06T06:00",
    ]);
    expect(several.summary).to.equal("0 6 * * *, 0 6,18 * * 1, 30 7 5 * *");
    expect(several.next({ now, catchup: false, lastLogicalDate: 0 })?.logicalDate).to.equal(
      instant("2026-01-05T07:30Z"),
    );
  });

  it("refuses none, too many, and several with intervals", () => {
    expect(() => cron([])).to.throw(InvalidScheduleError, /0 cron expressions/);
    expect(() => cron(new Array<string>(101).fill("@daily"))).to.throw(InvalidScheduleError, /101/);
    expect(() => cron(["@daily", "@hourly"], true)).to.throw(InvalidScheduleError, /from one cron expression/);
  });

  it("finds the rarest date, and gives up on time that no calendar holds", () => {
    const leapMonday = cron(["0 0 * 2 1#5"], false, "Europe/Berlin");
    expect(dates(leapMonday.upcoming(now, 3))).to.deep.equal([
      "2044-02-28T23:00",
      "2072-02-28T23:00",
      "2112-02-28T23:00",
    ]);
    const daily = cron(["@daily"], false, "Europe/Berlin");
    for (const absurd of [Date.UTC(9999, 5, 1), 8.64e15, 1e300, Infinity, Number.NaN]) {
      expect(daily.next({ now: absurd, catchup: false }), String(absurd)).to.equal(undefined);
    }
    expect(dates(daily.between(-1e300, Date.UTC(1900, 0, 2), 9))).to.deep.equal(["1900-01-01T23:00"]);
  });
});

describe("a stored schedule", () => {
  it("survives JSON", () => {
    const spec: TimetableSpec = { kind: "cron", expressions: ["0 6 * * 1-5"], timezone: "Asia/Tokyo", intervals: true };
    const copy = timetableFromSpec(JSON.parse(JSON.stringify(spec)));
    expect(copy.upcoming(now, 5)).to.deep.equal(timetableFromSpec(spec).upcoming(now, 5));
  });

  it("of an unknown kind is refused", () => {
    expect(() => timetableFromSpec({ kind: "lunar" } as unknown as TimetableSpec)).to.throw(
      InvalidScheduleError,
      /lunar/,
    );
  });

  it("names a zone that exists", () => {
    expect(
      ["UTC", "utc", "europe/berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"].filter(isTimeZone),
    ).to.have.length(5);
    expect(["+01:00", "Berlin", ""].filter(isTimeZone)).to.deep.equal([]);
  });
});

describe("speed", () => {
  it("answers next in less than 50 µs on average", () => {
    const runs = 5000;
    for (const expression of ["0 6 * * 1-5", "*/15 * * * *", "30 2 * * *", "0 0 1 * *"]) {
      const timetable = timetableFromSpec({
        kind: "cron",
        expressions: [expression],
        timezone: "Europe/Berlin",
        intervals: false,
      });
      const ask = () => {
        let last = now;
        for (let run = 0; run < runs; run++) {
          const slot = timetable.next({ now: last, catchup: false, lastLogicalDate: last });
          last = run % 500 === 0 ? now : slot!.logicalDate;
        }
      };
      ask();
      const before = process.cpuUsage();
      ask();
      const used = process.cpuUsage(before);
      expect((used.user + used.system) / runs, expression).to.be.lessThan(50);
    }
  });
});
