import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { silentLogger } from "../core/logger.ts";
import { Loader } from "../loader/loader.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";

/** What loading DAG files costs; milliseconds unless the name says otherwise. */
export interface LoaderFigures {
  /** From the save of a file to its new version in the store, a save every second or so. */
  readonly savedP50: number;
  readonly savedP95: number;
  /** The same after a pause in which every helper process has ended. */
  readonly savedCold: number;
  /** A save that changes only a comment, until that is known. */
  readonly commentP50: number;
  /** 1,000 new files, until all are stored. */
  readonly firstScanOf1000: number;
  /** The next start with the same 1,000 files; also without what was remembered in the state folder. */
  readonly secondScanOf1000: number;
  readonly secondScanWithoutMemory: number;
  /** One look at 1,000 unchanged files, and the CPU of our process for it. */
  readonly lookAt1000: number;
  readonly lookCpu: number;
}

const FILES = 1_000;

/** Measures a loader on a folder and a SQLite store of its own. */
export async function benchLoader(): Promise<LoaderFigures> {
  const home = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const store = await openStore({ url: `sqlite:${join(home, "bench.db")}`, secretKey: new Uint8Array(32) });
  try {
    return { ...(await saves(store, join(home, "saves"))), ...(await scans(store, join(home, "scans"))) };
  } finally {
    await store.close();
    rmSync(home, { recursive: true });
  }
}

async function saves(store: Store, home: string) {
  const { loader, dags } = newLoader(store, home);
  try {
    await loader.idle();
    const save = async (file: string, text: string) => {
      const outcome = new Promise<void>((resolve) => {
        const unsubscribe = loader.onLoaded((found) => {
          if (found.file !== file) return;
          unsubscribe();
          resolve();
        });
      });
      const started = performance.now();
      writeFileSync(join(dags, file), text);
      await outcome;
      return performance.now() - started;
    };
    await save("warm.ts", source("warm"));
    const warm: number[] = [];
    const comments: number[] = [];
    for (let at = 0; at < 40; at++) {
      // Of a few saves each, so that no file counts as changing all the time.
      const file = `file${at % 8}.ts`;
      warm.push(await save(file, source(`file${at % 8}`, `console.log(${at});`)));
      comments.push(await save(file, `// ${at}\n${source(`file${at % 8}`, `console.log(${at});`)}`));
    }
    await loader.idle();
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    const savedCold = await save("cold.ts", source("cold"));
    return { savedP50: at(warm, 0.5), savedP95: at(warm, 0.95), savedCold, commentP50: at(comments, 0.5) };
  } finally {
    await loader.stop();
  }
}

async function scans(store: Store, home: string) {
  const { loader: first, dags } = newLoader(store, home);
  for (let at = 0; at < FILES; at++) writeFileSync(join(dags, `many${at}.ts`), source(`many${at}`));
  const firstScanOf1000 = await timed(() => first.idle());
  await first.stop();
  const { loader: second } = newLoader(store, home);
  const secondScanOf1000 = await timed(() => second.idle());
  const looks: number[] = [];
  const cpu = process.cpuUsage();
  for (let count = 0; count < 10; count++) looks.push(await timed(() => second.idle()));
  const { user, system } = process.cpuUsage(cpu);
  await second.stop();
  rmSync(join(home, "cache"), { recursive: true });
  const { loader: third } = newLoader(store, home);
  const secondScanWithoutMemory = await timed(() => third.idle());
  await third.stop();
  const lookCpu = (user + system) / 1_000 / looks.length;
  return { firstScanOf1000, secondScanOf1000, secondScanWithoutMemory, lookAt1000: at(looks, 0.5), lookCpu };
}

function newLoader(store: Store, home: string): { loader: Loader; dags: string } {
  const dags = join(home, "dags");
  mkdirSync(dags, { recursive: true });
  const options = { store, home, clock: systemClock, logger: silentLogger, isPausedByDefault: false };
  return { loader: new Loader({ ...options, dagsFolder: dags }), dags };
}

function source(dagId: string, extra = ""): string {
  return `import { Dag } from "sluice";
const dag = new Dag("${dagId}", { schedule: "@daily", tags: ["bench"] });
const extract = dag.task("extract", async (): Promise<number[]> => [3, 5, 8]);
const total = dag.task("total", async ({ rows }: { rows: number[] }) => rows.reduce((a, b) => a + b, 0), { retries: 2 });
total({ rows: extract() });
${extra}`;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function at(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0;
}
