/**
 * Runs the tests, each test file in a process of its own: a crash, an endless loop or a leak stays in its file, and as
 * many run side by side as there are cores. Files that say `// exclusive: <why>` run alone at the end.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeProcesses, killAll, killGroup, leftBehind } from "../test/support/processes.ts";
import { missingIsFailure, missingMessage, provision, requirementsOf } from "./provision.ts";
import { closingLine, type FileResult } from "./reporter.ts";
import { exclusiveReason, selectTests } from "./test-files.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const timesFile = join(root, "node_modules", ".cache", "sluice-test-times.json");
const jobs = Number(process.env.SLUICE_TEST_JOBS ?? Math.min(availableParallelism(), 8));
/** A file that takes longer is stuck. */
const fileLimitMs = Number(process.env.SLUICE_TEST_FILE_LIMIT_MS ?? 240_000);
const RUN_MARK = "SLUICE_TEST_FILE";

interface FileOutcome extends FileResult {
  readonly file: string;
  readonly ms: number;
}

const running = new Set<number>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    for (const pid of running) killGroup(pid);
    process.exit(130);
  });
}

async function main(args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { files, options } = selectTests(args, root);
  announceMissing(files);

  const scratch = mkdtempSync(join(tmpdir(), "sluice-tests-"));
  const outcomes: FileOutcome[] = [];
  const runOne = async (file: string) => void outcomes.push(await runFile(file, options, scratch));
  try {
    const alone = files.filter((file) => exclusiveReason(join(root, file)) !== undefined);
    await eachOf(longestFirst(files.filter((file) => !alone.includes(file))), jobs, runOne);
    await eachOf(alone, 1, runOne);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  rememberTimes(outcomes);
  return summarize(outcomes, performance.now() - startedAt);
}

/** Installs the programs that these files need, and says which of them will be skipped, or fail, without. */
function announceMissing(files: readonly string[]): void {
  const paths = files.map((file) => join(root, file));
  for (const requirement of provision(requirementsOf(paths))) {
    const affected = files.filter((file) => requirementsOf([join(root, file)]).includes(requirement));
    const verb = missingIsFailure() ? "Fails" : "Skips";
    console.log(`${verb} ${affected.join(", ")}: ${missingMessage(requirement)}.`);
  }
}

/** Calls `work` for each item, `limit` at a time, in order. */
async function eachOf(items: readonly string[], limit: number, work: (item: string) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, lane));
}

async function runFile(file: string, options: readonly string[], scratch: string): Promise<FileOutcome> {
  const startedAt = performance.now();
  const mark = randomUUID();
  const resultFile = join(scratch, `${mark}.json`);
  const { output, problem, exitCode } = await runMocha([...options, file], {
    ...hermeticEnv(),
    [RUN_MARK]: mark,
    SLUICE_TEST_RESULT: resultFile,
  });
  const problems = problem === undefined ? [] : [problem];
  const left = await leftBehind(RUN_MARK, mark, 3_000);
  if (left.length > 0) problems.push(`left processes behind: ${describeProcesses(left)}`);
  await killAll(left.map(({ pid }) => pid));

  const result = readResult(resultFile);
  if (result === undefined) problems.push("ended without a result");
  else if (exitCode !== 0 && result.failed === 0) problems.push(`ended with exit code ${exitCode}`);
  else if (problems.length === 0 && options.length === 0 && countOf(result) === 0) problems.push("has no tests");
  const failed = (result?.failed ?? 0) + problems.length;
  const ms = performance.now() - startedAt;
  printFile(file, { passed: result?.passed ?? 0, failed, skipped: result?.skipped.length ?? 0 }, ms);
  if (failed > 0) console.log([output.slice(-20_000), ...problems.map((text) => `  ${file} ${text}`)].join("\n"));
  return { file, ms, passed: result?.passed ?? 0, failed, skipped: result?.skipped ?? [], tests: result?.tests ?? [] };
}

/** How a mocha process ended; `problem` says why it did not come to an end by itself. */
interface MochaEnd {
  readonly output: string;
  readonly problem: string | undefined;
  readonly exitCode: number | null;
}

/** Runs mocha in a process group of its own. */
function runMocha(args: readonly string[], env: NodeJS.ProcessEnv): Promise<MochaEnd> {
  const mocha = join(root, "node_modules", "mocha", "lib", "cli", "cli.js");
  const nodeArgs = [...process.execArgv, mocha, "--reporter", join(root, "scripts", "reporter.ts"), ...args];
  const child = spawn(process.execPath, nodeArgs, {
    cwd: root,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  let output = "";
  let problem: string | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(-200_000);
    });
  }
  const limit = setTimeout(() => {
    problem = `did not end within ${fileLimitMs / 1_000} s`;
    if (pid !== undefined) killGroup(pid);
  }, fileLimitMs);
  return new Promise((resolve) => {
    const settle = (why: string | undefined) => {
      clearTimeout(limit);
      if (pid !== undefined) running.delete(pid);
      resolve({ output, problem: problem ?? why, exitCode: child.exitCode });
    };
    child.once("error", (error) => settle(`could not be run: ${error.message}`));
    child.once("exit", (_code, signal) => {
      const why = signal === null ? undefined : `was ended by ${signal}`;
      child.once("close", () => settle(why));
      // A process left behind may hold the pipes open; the output of the tests themselves is there by then.
      setTimeout(settle, 1_000, why).unref();
    });
  });
}

/** The environment without the settings of whoever runs the tests; those for the tests themselves stay. */
function hermeticEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([key]) => !key.startsWith("SLUICE_") || key.startsWith("SLUICE_TEST_"),
  );
  return Object.fromEntries(kept);
}

function readResult(path: string): FileResult | undefined {
  return statSync(path, { throwIfNoEntry: false }) && JSON.parse(readFileSync(path, "utf8"));
}

const countOf = (result: FileResult): number => result.passed + result.failed + result.skipped.length;

function printFile(file: string, counts: { passed: number; failed: number; skipped: number }, ms: number): void {
  const sign = counts.failed > 0 ? "✗" : "✓";
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  const failed = counts.failed > 0 ? `, ${counts.failed} failed` : "";
  console.log(`${sign} ${file}  ${counts.passed} passed${failed}${skipped}  ${seconds(ms)}`);
}

/** The longest files of the last run go first, so that none of them runs alone at the end; new ones before them. */
function longestFirst(files: readonly string[]): string[] {
  const times = readTimes();
  return [...files].sort((a, b) => (times[b] ?? Number.MAX_VALUE) - (times[a] ?? Number.MAX_VALUE));
}

function readTimes(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(timesFile, "utf8"));
  } catch {
    return {};
  }
}

function rememberTimes(outcomes: readonly FileOutcome[]): void {
  const times = { ...readTimes(), ...Object.fromEntries(outcomes.map(({ file, ms }) => [file, Math.round(ms)])) };
  mkdirSync(dirname(timesFile), { recursive: true });
  writeFileSync(timesFile, JSON.stringify(times));
}

/** Prints what was slow, skipped and failed, and the closing line; gives the exit code. */
function summarize(outcomes: readonly FileOutcome[], ms: number): number {
  const sum = (count: (outcome: FileOutcome) => number) => outcomes.reduce((total, one) => total + count(one), 0);
  const [passed, failed, skipped] = [
    sum((one) => one.passed),
    sum((one) => one.failed),
    sum((one) => one.skipped.length),
  ];

  const slow = outcomes.flatMap(({ file, tests }) => tests.map((test) => ({ ...test, file })));
  slow.sort((a, b) => b.ms - a.ms);
  console.log("\nSlowest tests:");
  for (const test of slow.slice(0, 10)) console.log(`  ${seconds(test.ms).padStart(7)}  ${test.title}  (${test.file})`);
  for (const { file, skipped: titles } of outcomes)
    for (const title of titles) console.log(`Skipped: ${title}  (${file})`);
  for (const { file } of outcomes.filter((one) => one.failed > 0)) console.log(`Failed: ${file}`);
  console.log(`\n${outcomes.length} test files in ${seconds(ms)}, ${jobs} at a time`);
  console.log(closingLine(passed, failed, skipped));
  return failed === 0 && passed > 0 ? 0 : 1;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}

process.exitCode = await main(process.argv.slice(2));
