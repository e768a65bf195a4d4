import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bundleEngine } from "../test/chaos/bundle.ts";
import { EngineProcess } from "../test/chaos/engine-process.ts";
import { quantile, rounded } from "./engine.ts";
import { answerOf, textOf } from "./served.ts";

/** What starting costs; milliseconds, medians. */
export interface BootFigures {
  readonly repetitions: number;
  /** From `npm start` in a new state folder to the whole first page of somebody who opens the printed link. */
  readonly startToPage: number;
  /** The same right after an installation: no compiled code is kept yet. */
  readonly firstStartToPage: number;
  /** CPU from the start of the process until core, SQLite, executor and scheduler are ready; without pages. */
  readonly engineCpu: number;
  readonly engineWall: number;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Starts whole installations and bare engines. */
export async function benchBoot(repetitions = 5): Promise<BootFigures> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    const first: number[] = [];
    const warm: number[] = [];
    await startToPage(join(folder, "warm-up"), {}, KEEPING_MS);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const cache = join(folder, `cache-${repetition}`);
      first.push(await startToPage(join(folder, `first-${repetition}`), { NODE_COMPILE_CACHE: cache }));
      warm.push(await startToPage(join(folder, `warm-${repetition}`)));
    }
    const engines = await bootEngines(join(folder, "engine"), 2 * repetitions);
    return {
      repetitions,
      startToPage: rounded(quantile(warm, 0.5), 0),
      firstStartToPage: rounded(quantile(first, 0.5), 0),
      engineCpu: rounded(
        quantile(
          engines.map(({ cpuMs }) => cpuMs),
          0.5,
        ),
        0,
      ),
      engineWall: rounded(
        quantile(
          engines.map(({ wallMs }) => wallMs),
          0.5,
        ),
        0,
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** After this long an installation has kept its compiled code. */
const KEEPING_MS = 5_000;

async function startToPage(home: string, settings: NodeJS.ProcessEnv = {}, lingerMs = 0): Promise<number> {
  const env = { ...process.env, SLUICE_HOME: home, SLUICE_PORT: "0", ...settings };
  const began = performance.now();
  const npm = spawn("npm", ["start", "--", "--json"], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  const { loginUrl, pid } = await announced(npm);
  const login = await answerOf(loginUrl);
  const cookie = (login.headers["set-cookie"] ?? []).map((each) => each.split(";")[0]).join("; ");
  login.resume();
  const page = await textOf(await answerOf(new URL("/", loginUrl).href, undefined, cookie));
  const ms = performance.now() - began;
  if (!page.includes("</html>")) throw new Error("the first page is not whole");
  const ended = once(npm, "exit");
  await new Promise((resolve) => setTimeout(resolve, lingerMs));
  // Twice: tasks of the examples need not finish.
  for (let signal = 0; signal < 2; signal++) {
    process.kill(pid, "SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await ended;
  return ms;
}

/** What `sluice up --json` prints; npm prints lines of its own before. */
async function announced({ stdout }: ChildProcess): Promise<{ loginUrl: string; pid: number }> {
  if (stdout === null) throw new Error("no output");
  for await (const line of createInterface({ input: stdout })) {
    if (line.startsWith("{")) return JSON.parse(line) as { loginUrl: string; pid: number };
  }
  throw new Error("the installation ended before it served");
}

/** As the kill harness does it. */
async function bootEngines(home: string, repetitions: number): Promise<{ cpuMs: number; wallMs: number }[]> {
  mkdirSync(home, { recursive: true });
  using bundle = await bundleEngine();
  const boots: { cpuMs: number; wallMs: number }[] = [];
  // The first one creates the database.
  for (let repetition = -1; repetition < repetitions; repetition++) {
    const began = performance.now();
    const engine = new EngineProcess(bundle.file, home, join(home, "ledger"));
    const ready = await engine.ready;
    if (ready === undefined) throw new Error(`the engine ended before it was ready: ${engine.stderr}`);
    if (repetition >= 0) boots.push({ cpuMs: ready.cpuMs, wallMs: performance.now() - began });
    await engine.stop();
  }
  return boots;
}

if (import.meta.main) console.log(JSON.stringify(await benchBoot(), null, 2));
