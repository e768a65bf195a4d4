import { openRun, type PastFacts, waitReason } from "../core/decide.ts";
import { compileGraph } from "../core/graph.ts";
import { explain, type RunWaitReason, type WaitReason } from "../core/reason.ts";
import { isActive } from "../core/states.ts";
import { taskFacts } from "./facts.ts";
import type { DagRow, DagRunRow, DagVersionRow, RunKey, TaskInstanceRow } from "./rows.ts";
import type { Store } from "./store.ts";

/**
 * Why a task instance is where it is, from rows alone: for a web process without a scheduler beside it. It knows every limit, but
 * not who stands where in line. `now`: epoch ms.
 */
export async function explainTaskFromRows(store: Store, runKey: RunKey, tiNo: number, now: number): Promise<string> {
  const [run, task] = await Promise.all([store.runs.get(runKey), store.tasks.get(runKey, tiNo)]);
  if (run === undefined || task === undefined) return "is not in the database (any more)";
  const dag = await store.dags.get(run.dagId);
  const { state, tryNumber, maxTries, dueAt, reason } = task;
  const runWait = run.state === "queued" ? await runWaitOf(store, run, dag, now) : undefined;
  const wait = run.state === "running" ? await waitOf(store, run, task, dag) : undefined;
  return explain({
    kind: "task",
    state,
    now,
    tryNumber,
    maxTries,
    dueAt,
    reason,
    runState: run.state,
    isDagPaused: dag?.isPaused ?? false,
    ...(wait === undefined ? {} : { wait }),
    ...(runWait === undefined ? {} : { runWait }),
  });
}

/** Why a run is where it is, from rows alone. `now`: epoch ms. */
export async function explainRunFromRows(store: Store, runKey: RunKey, now: number): Promise<string> {
  const run = await store.runs.get(runKey);
  if (run === undefined) return "is not in the database (any more)";
  const dag = await store.dags.get(run.dagId);
  const wait = run.state === "queued" ? await runWaitOf(store, run, dag, now) : undefined;
  const isDagPaused = dag?.isPaused ?? false;
  const reason = run.state === "failed" ? await endReason(store, runKey) : null;
  return explain({ kind: "run", state: run.state, now, isDagPaused, reason, ...(wait === undefined ? {} : { wait }) });
}

/** The reason that its end was written with. */
async function endReason(store: Store, runKey: RunKey): Promise<string | null> {
  const { rows } = await store.events.list({ runKey, kinds: ["run.state"], isDescending: true, limit: 1 });
  const reason = rows[0]?.detail?.reason;
  return typeof reason === "string" ? `failed: ${reason}` : null;
}

/** How the run before this one stands, for `dependsOnPast`; `previous` is that run. */
export async function pastFactsFromRows(store: Store, run: DagRunRow): Promise<PastFacts> {
  if (run.logicalDate === null) return { kind: "none" };
  const previous = await store.runs.previous(run.dagId, run.logicalDate);
  if (previous === undefined) return { kind: "none" };
  const tasks = await store.tasks.ofRun(previous.runKey);
  return { kind: "run", runId: previous.runId, states: tasks.map(({ taskId, state }) => ({ taskId, state })) };
}

async function waitOf(
  store: Store,
  run: DagRunRow,
  task: TaskInstanceRow,
  dag: DagRow | undefined,
): Promise<WaitReason | undefined> {
  if (task.state !== "none" && task.state !== "scheduled") return undefined;
  const version = await store.dags.version(run.versionId);
  if (version === undefined) return undefined;
  const tasks = await store.tasks.ofRun(run.runKey);
  if (task.state === "none") return noneWait(store, run, version, tasks, task.tiNo);
  if (dag?.isPaused) return { code: "dagPaused" };
  return (await poolWait(store, task)) ?? runFullWait(version, tasks);
}

async function noneWait(
  store: Store,
  run: DagRunRow,
  { definition }: DagVersionRow,
  tasks: readonly TaskInstanceRow[],
  tiNo: number,
): Promise<WaitReason | undefined> {
  const graph = compileGraph(definition);
  const { dagId, runId, runType, state, logicalDate } = run;
  const past = graph.needsPast ? await pastFactsFromRows(store, run) : undefined;
  const facts = { dagId, runId, runType, state, logicalDate, ...(past === undefined ? {} : { past }) };
  return waitReason(openRun(graph, facts, tasks.map(taskFacts)), tiNo);
}

async function poolWait(store: Store, { pool, poolSlots }: TaskInstanceRow): Promise<WaitReason | undefined> {
  const [row, uses] = await Promise.all([store.admin.pool(pool), store.admin.poolUse()]);
  if (row === undefined) return { code: "poolMissing", pool };
  const { slots } = row;
  if (slots < 0) return undefined;
  if (poolSlots > slots) return { code: "poolTooSmall", pool, needs: poolSlots, slots };
  const use = uses.get(pool);
  const used = (use?.running ?? 0) + (use?.queued ?? 0);
  // Everybody who is ready is in line; who stands first is known to the scheduler alone.
  const place = Math.max(1, use?.scheduled ?? 1);
  return used + poolSlots > slots ? { code: "poolFull", pool, needs: poolSlots, used, slots, place } : undefined;
}

function runFullWait({ definition }: DagVersionRow, tasks: readonly TaskInstanceRow[]): WaitReason | undefined {
  const active = tasks.filter(({ state }) => isActive(state)).length;
  const limit = definition.maxActiveTasks;
  return active >= limit ? { code: "runFull", active, limit } : undefined;
}

async function runWaitOf(
  store: Store,
  run: DagRunRow,
  dag: DagRow | undefined,
  now: number,
): Promise<RunWaitReason | undefined> {
  if (dag?.isPaused) return { code: "dagPaused" };
  if (run.runAfter > now) return { code: "notDue", at: run.runAfter };
  const workers = await store.admin.workers();
  const isAnyAlive = workers.some(
    ({ kind, state, leaseUntil }) => (kind === "up" || kind === "scheduler") && state === "active" && leaseUntil > now,
  );
  if (!isAnyAlive) return { code: "noScheduler" };
  if (run.backfillId !== null) {
    const backfill = await store.admin.backfill(run.backfillId);
    return backfill?.isPaused ? { code: "backfillPaused", backfillId: run.backfillId } : undefined;
  }
  const active = (await store.runs.countByState(run.dagId)).running ?? 0;
  const limit = dag?.maxActiveRuns ?? 1;
  return active >= limit ? { code: "maxActiveRuns", active, limit } : undefined;
}
