/**
 * A small warehouse: two CSV sources into SQLite, checked, then summed up in a report.
 *
 * Shows: a daily schedule with data intervals, so that a backfill of old days does the right thing; files pinned with
 * the code (`import … from "./data/weather.csv"`); groups that run side by side; a branch between a full and an
 * incremental load; quality checks that stop bad data before it is published; writes that can be repeated.
 *
 * The record of 2012 to 2015 is replayed in a circle: each day since 1970 stands for one of its 1,461 days.
 * The warehouse is .sluice/examples/warehouse/weather.db; look into it with any SQLite client.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { branch, cronInterval, Dag, empty, FailFast, getContext } from "sluice";
import { z } from "zod";
import iowaCsv from "./data/iowa-electricity.csv";
import weatherCsv from "./data/weather.csv";
import { parseCsv } from "./lib/csv.ts";
import { stateFolder } from "./lib/state.ts";

const DAY_MS = 86_400_000;

const dag = new Dag("weather_etl", {
  description: "Weather and electricity from CSV files into a SQLite warehouse, checked before it is published.",
  schedule: cronInterval("@daily"),
  startDate: "2026-01-01",
  maxActiveRuns: 4,
  tags: ["example", "etl"],
  params: z.object({
    load: z.enum(["auto", "full", "incremental"]).default("auto").describe("auto: full when the warehouse is empty"),
    minTemperature: z.number().default(-40).describe("Colder than this is taken for a mistake"),
    maxTemperature: z.number().default(50).describe("Warmer than this is taken for a mistake"),
  }),
  defaultArgs: { retries: 2, retryDelay: "5s", executionTimeout: "5m" },
});

/** The warehouse, with its tables. Writers of other runs are waited for. */
function openWarehouse(): DatabaseSync {
  const db = new DatabaseSync(join(stateFolder("warehouse"), "weather.db"), { timeout: 30_000 });
  db.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS weather (
      location TEXT, date TEXT, precipitation REAL, temp_max REAL, temp_min REAL, wind REAL, weather TEXT,
      PRIMARY KEY (location, date)) STRICT;
    CREATE TABLE IF NOT EXISTS electricity (
      year INTEGER, source TEXT, gwh INTEGER, PRIMARY KEY (year, source)) STRICT;
    CREATE TABLE IF NOT EXISTS report (
      date TEXT PRIMARY KEY, summary TEXT) STRICT;`);
  return db;
}

/** The day that this run is about: its data interval's first. */
function dayOfRun(): Date {
  const { dataInterval, runAfter } = getContext();
  return new Date(Math.floor((dataInterval?.start ?? runAfter).getTime() / DAY_MS) * DAY_MS);
}

type Row = ReturnType<typeof parseCsv>[number];

/** Writes the given days, each replayed from the record, in one transaction; what was there is replaced. */
function loadDays(days: readonly Date[]): number {
  const byLocation = Map.groupBy(parseCsv(weatherCsv), (row) => row.location ?? "");
  using db = openWarehouse();
  const insert = db.prepare("INSERT OR REPLACE INTO weather VALUES (?, ?, ?, ?, ?, ?, ?)");
  db.exec("BEGIN IMMEDIATE");
  for (const day of days) {
    for (const [location, record] of byLocation) insert.run(...weatherOf(location, day, record));
  }
  db.exec("COMMIT");
  return days.length * byLocation.size;
}

function weatherOf(location: string, day: Date, record: readonly Row[]) {
  const row = record[(day.getTime() / DAY_MS) % record.length];
  if (row === undefined) throw new FailFast(`The record of ${location} is empty.`);
  const [precipitation, max, min, wind] = [row.precipitation, row.temp_max, row.temp_min, row.wind].map(Number);
  return [
    location,
    day.toISOString().slice(0, 10),
    precipitation ?? null,
    max ?? null,
    min ?? null,
    wind ?? null,
    row.weather ?? "",
  ] as const;
}

const chooseLoad = dag.task(
  "choose_load",
  branch(async () => {
    const { load } = getContext(dag).params;
    if (load !== "auto") return `weather.load_${load === "full" ? "last_year" : "day"}`;
    using db = openWarehouse();
    const row = db.prepare("SELECT count(*) AS count FROM weather").get();
    return row?.count === 0 ? "weather.load_last_year" : "weather.load_day";
  }),
);

const weather = dag.taskGroup("weather");

const loadLastYear = weather.task("load_last_year", async (): Promise<number> => {
  const last = dayOfRun().getTime();
  return loadDays(Array.from({ length: 365 }, (_, back) => new Date(last - back * DAY_MS)));
});

const loadDay = weather.task("load_day", async (): Promise<number> => loadDays([dayOfRun()]));

const electricity = dag.taskGroup("electricity");

const loadElectricity = electricity.task("load", async (): Promise<number> => {
  const rows = parseCsv(iowaCsv);
  using db = openWarehouse();
  const insert = db.prepare("INSERT OR REPLACE INTO electricity VALUES (?, ?, ?)");
  db.exec("BEGIN IMMEDIATE");
  for (const row of rows) insert.run(Number(row.year?.slice(0, 4)), row.source ?? "", Number(row.net_generation));
  db.exec("COMMIT");
  getContext().log.info("electricity loaded", { rows: rows.length });
  return rows.length;
});

const checks = dag.taskGroup("checks", { tooltip: "Nothing is published unless all of them hold" });

/** Fails for good when the query, which looks for what must not be, finds rows: another try would find them too. */
function expectNone(what: string, query: string, ...values: (string | number)[]): number {
  using db = openWarehouse();
  const found = db.prepare(query).all(...values);
  if (found.length > 0) throw new FailFast(`${what}: ${found.length}, first ${JSON.stringify(found[0])}.`);
  getContext().log.info(`${what}: none`);
  return 0;
}

const completeness = checks.task("completeness", async (): Promise<number> => {
  const day = dayOfRun().toISOString().slice(0, 10);
  return expectNone(
    `Locations without a row for ${day}`,
    "SELECT DISTINCT location FROM weather w WHERE NOT EXISTS (SELECT 1 FROM weather WHERE location = w.location AND date = ?)",
    day,
  );
});

const nulls = checks.task(
  "no_nulls",
  async (): Promise<number> =>
    expectNone(
      "Rows with something missing",
      "SELECT * FROM weather WHERE precipitation IS NULL OR temp_max IS NULL OR temp_min IS NULL OR wind IS NULL OR weather = ''",
    ),
);

const ranges = checks.task("plausible", async (): Promise<number> => {
  const { minTemperature, maxTemperature } = getContext(dag).params;
  return expectNone(
    "Implausible temperatures",
    "SELECT * FROM weather WHERE temp_min < ? OR temp_max > ? OR temp_min > temp_max",
    minTemperature,
    maxTemperature,
  );
});

const sources = checks.task(
  "sources",
  async (): Promise<number> =>
    expectNone("Years without all three sources", "SELECT year FROM electricity GROUP BY year HAVING count(*) <> 3"),
);

const report = dag.task(
  "report",
  async ({ rows }: { rows: number }) => {
    const date = dayOfRun().toISOString().slice(0, 10);
    using db = openWarehouse();
    const towns = db
      .prepare(
        `SELECT location, count(*) AS days, round(avg((temp_max + temp_min) / 2), 1) AS mean, max(temp_max) AS warmest,
           round(sum(precipitation)) AS rain FROM weather WHERE date > date(?, '-365 days') AND date <= ?
         GROUP BY location ORDER BY location`,
      )
      .all(date, date);
    const green = db
      .prepare(
        `SELECT year, round(100.0 * sum(gwh) FILTER (WHERE source = 'Renewables') / sum(gwh)) AS percent
         FROM electricity GROUP BY year ORDER BY year DESC LIMIT 1`,
      )
      .get();
    const summary = {
      date,
      towns: towns.map((town) => ({ ...town })),
      renewables: { ...green },
      electricityRows: rows,
    };
    db.prepare("INSERT OR REPLACE INTO report VALUES (?, ?)").run(date, JSON.stringify(summary));
    for (const town of towns) getContext().log.info(`${town.location}: ${town.mean} °C on average`, { ...town });
    return summary;
  },
  { returnsDagResult: true },
);

const choice = chooseLoad();
const loaded = dag
  .task("loaded", empty(), { triggerRule: "none_failed_min_one_success" })()
  .after(loadLastYear().after(choice), loadDay().after(choice));
loaded.before(completeness(), nulls(), ranges());
const rows = loadElectricity();
sources().after(rows);
report({ rows }).after(checks);
