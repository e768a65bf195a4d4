import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { describe, it } from "mocha";
import { systemClock } from "../../core/clock.ts";
import { createBackfill } from "../../store/commands/index.ts";
import { type Engine, engines } from "./engine.ts";

function query(engine: Engine, sql: string) {
  const db = new DatabaseSync(engine.kept("warehouse", "weather.db"), { readOnly: true });
  try {
    return db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

describe("dags/weather_etl.ts", function () {
  this.timeout(90_000);
  const start = engines();

  it("fills an empty warehouse with a year, then adds days, and repeats itself without a change", async () => {
    const engine = await start("weather_etl");
    const first = await (await engine.firstScheduled()).ended;
    expect(first.row.state).to.equal("success");
    expect(first.states).to.include({
      "weather.load_last_year": "success",
      "weather.load_day": "skipped",
      report: "success",
    });
    expect(query(engine, "SELECT location, count(*) AS days FROM weather GROUP BY location ORDER BY 1")).to.deep.equal([
      { location: "New York", days: 365 },
      { location: "Seattle", days: 365 },
    ]);
    expect(query(engine, "SELECT count(*) AS rows FROM electricity")).to.deep.equal([{ rows: 51 }]);
    const yesterday = new Date(first.row.dataIntervalStart ?? 0).toISOString().slice(0, 10);
    expect(query(engine, "SELECT date FROM report")).to.deep.equal([{ date: yesterday }]);

    const before = query(engine, "SELECT * FROM weather ORDER BY date, location");
    const again = await (await engine.trigger({ load: "full" })).ended;
    expect(again.row.state).to.equal("success");
    expect(again.states["weather.load_day"]).to.equal("skipped");
    expect(
      query(engine, `SELECT * FROM weather WHERE date <= '${yesterday}' ORDER BY date, location`),
    ).to.include.deep.members(before.slice(4));
    const daily = await (await engine.trigger()).ended;
    expect(daily.states).to.include({ "weather.load_last_year": "skipped", "weather.load_day": "success" });
    expect(await daily.xcom("weather.load_day")).to.equal(2);
  });

  it("fills in older days by a backfill", async () => {
    const engine = await start("weather_etl");
    await (await engine.firstScheduled()).ended;
    await createBackfill(
      { store: engine.store, clock: systemClock, actor: "test", triggeredBy: "backfill" },
      {
        dagId: "weather_etl",
        fromDate: Date.parse("2026-03-01"),
        toDate: Date.parse("2026-03-03"),
        conf: { load: "incremental" },
      },
    );
    await engine.until(
      async () => ((await engine.store.runs.countByState("weather_etl")).success === 4 ? true : undefined),
      "three runs of the backfill",
    );
    expect(query(engine, "SELECT date FROM report WHERE date < '2026-04-01' ORDER BY date")).to.deep.equal([
      { date: "2026-03-01" },
      { date: "2026-03-02" },
      { date: "2026-03-03" },
    ]);
  });

  it("publishes nothing when a check finds bad data", async () => {
    const engine = await start("weather_etl");
    await (await engine.firstScheduled()).ended;
    const ended = await (await engine.trigger({ maxTemperature: 10 })).ended;
    expect(ended.row.state).to.equal("failed");
    expect(ended.states).to.include({
      "checks.plausible": "failed",
      "checks.no_nulls": "success",
      report: "upstream_failed",
    });
    expect(ended.tries["checks.plausible"], "bad data is not tried again").to.equal(1);
    expect(await ended.error("checks.plausible")).to.match(/^Implausible temperatures: \d+, first \{/);
  });
});
