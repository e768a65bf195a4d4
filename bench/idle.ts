import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rounded } from "./engine.ts";
import { type Served, serve, usageOf } from "./served.ts";

/** What an installation costs that has nothing to do. */
export interface IdleFigures {
  readonly seconds: number;
  readonly unwatched: IdleUse;
  /** With one browser on the live stream. */
  readonly watched: IdleUse;
}

/** Of all its processes together. */
export interface IdleUse {
  readonly processes: number;
  /** Resident memory; pages that processes share count once for each. */
  readonly rssMb: number;
  readonly cpuPercent: number;
  readonly queriesPerSecond: number;
}

const DAG_FILE = `
import { Dag } from "sluice";
for (let index = 0; index < 10; index++) {
  const dag = new Dag("idle" + index, { schedule: index === 0 ? "@once" : "@yearly" });
  dag.task("task", async () => console.log("done"))();
}
`;

/** Until helpers that are no longer needed have ended. */
const SETTLE_MS = 12_000;

/** Ten DAGs, one run, a look at each page; then nothing for a while. */
export async function benchIdle(seconds = 30): Promise<IdleFigures> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const dags = join(folder, "dags");
  mkdirSync(dags);
  writeFileSync(join(dags, "idle.ts"), DAG_FILE);
  const served = await serve(join(folder, "home"), dags, "up");
  try {
    while (!(await served.page("/runs")).includes("idle0")) await wait(200);
    for (const path of ["/", "/dags", "/dags/idle0", "/dags/idle0/graph", "/runs"]) await served.page(path);
    await wait(SETTLE_MS);
    const unwatched = await use(served, seconds);
    await served.listen("/events");
    const watched = await use(served, seconds);
    return { seconds, unwatched, watched };
  } finally {
    await served.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function use(served: Served, seconds: number): Promise<IdleUse> {
  const before = await served.counted();
  const begun = usageOf(served.pid);
  await wait(seconds * 1_000);
  const { cpuMs, rssMb, processes } = usageOf(served.pid);
  const { statements } = await served.counted();
  return {
    processes,
    rssMb: rounded(rssMb, 0),
    cpuPercent: rounded((cpuMs - begun.cpuMs) / seconds / 10),
    queriesPerSecond: rounded((statements - before.statements) / seconds),
  };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) console.log(JSON.stringify(await benchIdle(), null, 2));
