import { expect } from "chai";
import { describe, it } from "mocha";
import { parseSchedule, timetableFromSpec } from "../../../core/timetable.ts";

const SENTENCES: Record<string, string> = {
  "0 6 * * 1-5": "At 06:00 on Monday to Friday (Europe/Berlin)",
  "@daily": "At 00:00 every day (Europe/Berlin)",
  "@hourly": "Every hour",
  "30 * * * *": "Every hour at 30 minutes past",
  "1 * * * *": "Every hour at 1 minute past",
  "* * * * *": "Every minute",
  "*/15 * * * *": "Every 15 minutes",
  "*/5 * * * * *": "Every 5 seconds",
  "* * * * * *": "Every second",
  "*/15 * * * 6,0": "Every 15 minutes on Saturday and Sunday (Europe/Berlin)",
  "*/10 9-17 * * 1-5": "Every 10 minutes from 09:00 to 17:50 on Monday to Friday (Europe/Berlin)",
  "0 9-17 * * *": "Every hour from 09:00 to 17:00 (Europe/Berlin)",
  "0 */6 * * *": "Every 6 hours (Europe/Berlin)",
  "15 */2 * * *": "Every 2 hours at 15 minutes past (Europe/Berlin)",
  "0 0,12 * * *": "At 00:00 and 12:00 every day (Europe/Berlin)",
  "0,30 8,9,16 * * *": "At 08:00, 08:30, 09:00, 09:30, 16:00 and 16:30 every day (Europe/Berlin)",
  "30 15 6 * * *": "At 06:15:30 every day (Europe/Berlin)",
  "@weekly": "At 00:00 on Sunday (Europe/Berlin)",
  "0 0 * * fri-mon": "At 00:00 on Monday and Friday to Sunday (Europe/Berlin)",
  "@monthly": "At 00:00 on day 1 of the month (Europe/Berlin)",
  "@quarterly": "At 00:00 on day 1 of the month in January, April, July and October (Europe/Berlin)",
  "@yearly": "At 00:00 on 1 January (Europe/Berlin)",
  "0 0 L * *": "At 00:00 on the last day of the month (Europe/Berlin)",
  "0 0 1,L 2 *": "At 00:00 on day 1 and the last day of the month in February (Europe/Berlin)",
  "0 9 * * MON#2": "At 09:00 on the second Monday of the month (Europe/Berlin)",
  "0 9 * * 5L": "At 09:00 on the last Friday of the month (Europe/Berlin)",
  "0 3 1,15 * 1": "At 03:00 on days 1 and 15 of the month or on Monday (Europe/Berlin)",
  "5 4 1-7 3-5,9 *": "At 04:05 on days 1 to 7 of the month in March to May and September (Europe/Berlin)",
  "0 4 * 12 *": "At 04:00 every day in December (Europe/Berlin)",
  "7,22,50 */5 * * *": 'Cron "7,22,50 */5 * * *" (Europe/Berlin)',
};

describe("the description of a cron schedule", () => {
  for (const [expression, sentence] of Object.entries(SENTENCES)) {
    it(expression, () => {
      const timetable = timetableFromSpec(parseSchedule(expression, "Europe/Berlin"));
      expect(timetable.description).to.equal(sentence);
      expect(timetable.summary).to.equal(expression);
    });
  }

  it("joins several, and says when it is about intervals", () => {
    const cron = { kind: "cron", timezone: "UTC" } as const;
    expect(
      timetableFromSpec({ ...cron, expressions: ["0 6 * * *", "0 8 * * 6"], intervals: false }).description,
    ).to.equal("At 06:00 every day (UTC); At 08:00 on Saturday (UTC)");
    expect(timetableFromSpec({ ...cron, expressions: ["@daily"], intervals: true }).description).to.equal(
      "At 00:00 every day (UTC), for the interval that ends then",
    );
  });
});
