import type { DagRunRow, RunKey, RunSummary } from "./rows.ts";
import type { Store } from "./store.ts";
import { History } from "./verify/history.ts";
import { Report, type Violation } from "./verify/report.ts";
import { checkStoredRun, type StoredRun } from "./verify/rows.ts";

export type { Violation } from "./verify/report.ts";

export interface VerifyOptions {
  /** Called now and then with what has been looked at. `total`: events first, runs then. */
  readonly onProgress?: (progress: {
    readonly phase: "events" | "runs";
    readonly done: number;
    readonly total: number;
  }) => void;
  /** Stops after so many violations. Default 1,000. */
  readonly limit?: number;
}

const RUNS_PER_PAGE = 200;

/**
 * Proves the promises of the reliability contract from outside: folds all events again and compares with what is stored,
 * and checks the invariants that a history can show (I3 I4 I5 I8 I11 I12 I15 I16 I17 I18 I19 I28 I30 I32 I36 I39 I40).
 * Reads only, and may run beside a working Sluice.
 */
export async function verify(store: Store, options: VerifyOptions = {}): Promise<Violation[]> {
  const { onProgress } = options;
  const report = new Report(options.limit);
  for (const problem of await store.admin.integrity()) report.add("I28", problem);
  const history = new History(store, report);
  const lastId = await store.events.lastId();
  await history.catchUp((done) => onProgress?.({ phase: "events", done, total: Math.max(done, lastId) }));
  const seen = new Set<RunKey>();
  for (let offset = 0; !report.isFull; offset += RUNS_PER_PAGE) {
    const { rows, total } = await store.runs.list({ orderBy: "id", limit: RUNS_PER_PAGE, offset });
    for (const row of rows) {
      seen.add(row.runKey);
      await checkRun(store, history, row, report);
    }
    onProgress?.({ phase: "runs", done: Math.min(offset + rows.length, total), total });
    if (rows.length < RUNS_PER_PAGE) break;
  }
  await reportMissingRuns(store, history, seen, report);
  return report.violations;
}

/** Compares a run with its events, both as of one moment: no event of the run may come while its rows are read. */
async function checkRun(
  store: Store,
  history: History,
  { dagId, runId, runKey }: DagRunRow,
  report: Report,
): Promise<void> {
  for (;;) {
    await history.catchUp();
    const before = history.runs.get(runKey)?.lastEventId;
    const row = await store.runs.summary(dagId, runId);
    const stored = row === undefined || row.runKey !== runKey ? undefined : await readRun(store, row);
    await history.catchUp();
    const fold = history.runs.get(runKey);
    if (fold?.lastEventId !== before) continue;
    if (stored === undefined) return; // Deleted meanwhile.
    if (fold === undefined) report.add("I36", "The run has no event that created it.", { dagId, runId, runKey });
    else checkStoredRun(stored, fold, await history.graphOf(fold.versionId), report);
    return;
  }
}

async function readRun(store: Store, row: RunSummary): Promise<StoredRun> {
  const { runKey } = row;
  return {
    row,
    tasks: await store.tasks.ofRun(runKey),
    attempts: await store.tasks.attemptsOfRun(runKey),
    xcoms: await store.tasks.xcoms(runKey),
  };
}

async function reportMissingRuns(
  store: Store,
  history: History,
  seen: ReadonlySet<RunKey>,
  report: Report,
): Promise<void> {
  for (const { runKey, dagId } of history.runs.values()) {
    if (seen.has(runKey) || (await store.runs.get(runKey)) !== undefined) continue;
    await history.catchUp();
    if (history.runs.has(runKey)) report.add("I28", "The run has events and is not stored.", { dagId, runKey });
  }
}
