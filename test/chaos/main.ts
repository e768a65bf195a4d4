/**
 * `npm run chaos -- --kills 5000 --seed 1 [--seconds 600] [--lanes 2]`: kills the engine at random moments under a mixed load and
 * prints, as one JSON document, what was injected and what was found. Exit code 0: nothing found; 1: promises were broken; 2: void,
 * because too few kills were injected or too little of the work succeeded to mean anything.
 */
import { parseArgs } from "node:util";
import { startScript } from "../support/processes.ts";
import { bundleEngine } from "./bundle.ts";
import { emptyReport, type LaneReport, runLane } from "./lane.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "5000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
    seconds: { type: "string" },
    lanes: { type: "string", default: "2" },
    /** Internal: the bundled engine; makes this process one lane. */
    engine: { type: "string" },
  },
});
const kills = Number(values.kills);
const seed = Number(values.seed);
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);

if (values.engine === undefined) process.exitCode = await runAll();
else await runOne(values.engine);

/** A lane in this process; its report so far after each round, a line each. */
async function runOne(engine: string): Promise<void> {
  const budgetMs = seconds === undefined ? undefined : seconds * 1_000;
  const onRound = (report: LaneReport) => console.log(JSON.stringify(report));
  await runLane({ seed, kills, budgetMs, engine, onRound });
}

async function runAll(): Promise<number> {
  using engine = await bundleEngine();
  const lanes = Math.max(1, Number(values.lanes));
  const startedAt = performance.now();
  const reports = await Promise.all(
    Array.from({ length: lanes }, (_, lane) => {
      const share = Math.floor(kills / lanes) + (lane < kills % lanes ? 1 : 0);
      return runLaneProcess(engine.file, seed + lane, share);
    }),
  );
  const total = summarize(reports);
  console.log(
    JSON.stringify({ seed, lanes, seconds: Math.round((performance.now() - startedAt) / 1_000), ...total }, null, 2),
  );
  if (total.violations.length > 0) return 1;
  return total.isVoid ? 2 : 0;
}

async function runLaneProcess(engine: string, laneSeed: number, share: number): Promise<LaneReport> {
  const args = ["--engine", engine, "--seed", String(laneSeed), "--kills", String(share)];
  await using lane = startScript(
    "test/chaos/main.ts",
    seconds === undefined ? args : [...args, "--seconds", String(seconds)],
  );
  const progress = setInterval(() => tellProgress(laneSeed, lane.stdout()), 10_000);
  const { code, signal } = await lane.ended.finally(() => clearInterval(progress));
  const last = lane.stdout().trim().split("\n").at(-1) ?? "";
  const report = last === "" ? emptyReport(laneSeed) : (JSON.parse(last) as LaneReport);
  if (code !== 0)
    report.violations.push(`Lane ${laneSeed} ended with ${code ?? signal}: ${lane.stderr().slice(-4_000)}`);
  return report;
}

/** One line on stderr: a long run should not be silent. */
function tellProgress(laneSeed: number, stdout: string): void {
  const last = stdout.trim().split("\n").at(-1) ?? "";
  if (last === "") return;
  const { kills, killsPlanned, violations } = JSON.parse(last) as LaneReport;
  console.error(`seed ${laneSeed}: ${kills} of ${killsPlanned} kills, ${violations.length} violations`);
}

function summarize(reports: readonly LaneReport[]) {
  const sum = (of: (report: LaneReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const boots = reports.flatMap(({ bootCpuMs }) => bootCpuMs).sort((left, right) => left - right);
  const injected = sum((report) => report.kills);
  const leftAlone = sum((report) => report.leftAlone);
  const succeeded = sum((report) => report.succeeded);
  return {
    killsPlanned: kills,
    kills: injected,
    killsWhileBooting: sum((report) => report.killsWhileBooting),
    killsOfEverything: sum((report) => report.killsOfEverything),
    rounds: sum((report) => report.rounds),
    runs: sum((report) => report.runs),
    runsLeftAlone: leftAlone,
    runsSucceeded: succeeded,
    attempts: sum((report) => report.attempts),
    lostAttempts: sum((report) => report.lostAttempts),
    effects: sum((report) => report.effects),
    repeatedEffects: sum((report) => report.repeated),
    commands: {
      ok: sum((report) => report.commands.ok),
      fail: sum((report) => report.commands.fail),
      info: sum((report) => report.commands.info),
    },
    bootCpuMsP50: boots[Math.floor(boots.length / 2)],
    isVoid: injected < 0.9 * kills || succeeded < 0.5 * leftAlone,
    violations: reports.flatMap(({ violations }) => violations),
  };
}
