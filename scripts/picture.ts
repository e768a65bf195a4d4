/**
 * Takes the picture at the top of the README from the real page: starts Sluice with the examples on an empty state folder,
 * runs three weeks of `weather_etl` with a failure among them, and photographs its grid.
 *
 *   sh scripts/node.sh scripts/picture.ts [docs/images/grid.png]
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";
import { nodeCommand, projectRoot, runProcess, startScript } from "../test/support/processes.ts";
import { tempFolder } from "../test/support/temp.ts";
import { findProgram, missingMessage, requirements } from "./provision.ts";

const DAG = "weather_etl";
const DAY_MS = 86_400_000;
const target = process.argv[2] ?? join(projectRoot, "docs/images/grid.png");

using home = tempFolder("picture");
const env = { SLUICE_HOME: home.path, SLUICE_PORT: "0", SLUICE_DAGS: join(projectRoot, "dags") };
await using app = startScript("cli/main.ts", ["up", "--json"], { env });
const { loginUrl, url } = JSON.parse(await app.line(/^\{.*"loginUrl"/, 60_000));

await until(async () => (await sluice("runs", "list", DAG)).includes('"success"'));
const day = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10);
await sluice("backfill", "create", DAG, "--from", day(21), "--to", day(2), "--max-active-runs", "4");
await until(async () => !/"(queued|running)"/.test(await sluice("runs", "list", DAG, "--limit", "50")));
await sluice("dags", "trigger", DAG, "--conf", '{"maxTemperature": 10}');
await until(async () => (await sluice("runs", "list", DAG)).includes('"failed"'));

const executablePath = findProgram(requirements.chromium);
if (executablePath === undefined) throw new Error(missingMessage(requirements.chromium));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  await page.goto(loginUrl);
  await page.goto(`${url}/dags/${DAG}/grid`);
  mkdirSync(dirname(target), { recursive: true });
  await page.screenshot({ path: target });
} finally {
  await browser.close();
}
await app.stop();
console.log(target);

/** Runs a command of Sluice and gives its answer, JSON. */
async function sluice(...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await runProcess([...nodeCommand, "cli/main.ts", ...args, "--json"], { env });
  if (code !== 0) throw new Error(`sluice ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Asks until it is so; each question starts a process and so takes its time. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let asked = 0; !(await isSo()); asked++) if (asked > 200) throw new Error(`It never came to be: ${isSo}`);
}
