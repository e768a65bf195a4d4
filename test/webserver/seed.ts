import { decide, openRun } from "../../core/decide.ts";
import type { DagDefinition, TaskDefinition } from "../../core/definition.ts";
import { compileGraph, materializeTasks } from "../../core/graph.ts";
import type { TaskOutcome } from "../../core/run.ts";
import type { AttemptState, RunKey } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { commit, definition, newRun } from "../store/fixtures.ts";
import type { FakeClock } from "../support/clock.ts";

/** A task of a test DAG with every default. */
export function task(
  taskId: string,
  upstream: readonly string[] = [],
  changes: Partial<TaskDefinition> = {},
): TaskDefinition {
  return {
    taskId,
    operator: "ts",
    upstream: [...upstream].sort(),
    inputs: {},
    triggerRule: "all_success",
    retries: 0,
    retryDelayMs: 300_000,
    retryFactor: 0,
    pool: "default_pool",
    poolSlots: 1,
    priorityWeight: 1,
    weightRule: "downstream",
    queue: "default",
    isolation: "process",
    dependsOnPast: false,
    ignoreFirstDependsOnPast: false,
    waitForDownstream: false,
    waitForPastDependsBeforeSkipping: false,
    doXcomPush: true,
    ...changes,
  };
}

/** Stores a DAG with its source text; gives the id of its version. */
export async function putDag(
  store: Store,
  changes: Partial<DagDefinition> & { readonly dagId: string },
  source = `import { Dag } from "sluice";\n\nexport const dag = new Dag("${changes.dagId}");\n`,
): Promise<number> {
  const file = `${changes.dagId}.ts`;
  const hash = `${changes.dagId}-${source.length}-${JSON.stringify(changes).length}`;
  const timetable = changes.timetable ?? { kind: "none" };
  const results = await commit(
    store,
    [
      { kind: "bundle.put", hash, file, code: source, sourceMap: "", sources: [{ path: file, text: source }] },
      {
        kind: "dag.put",
        file,
        definition: definition(changes.dagId, changes),
        definitionHash: hash,
        bundleHash: hash,
        parseMs: 12,
        isPausedByDefault: false,
        scheduleSummary: timetable.kind === "cron" ? timetable.expressions.join(" ") : timetable.kind,
      },
    ],
    "loader",
  );
  return results[1]?.versionId ?? 0;
}

/** How tasks of a played run behave. */
export interface Script {
  /** Outcome of a try; default success. */
  readonly outcome?: (taskId: string, tryNumber: number) => TaskOutcome;
  /** Duration of a try, ms; default 2,000. */
  readonly duration?: (taskId: string) => number;
  /** Stops playing after so many attempts have ended, leaving the rest as it is. */
  readonly stopAfter?: number;
}

/** Creates a run and plays it by the real core, moving the store's clock. */
export async function playRun(
  store: Store,
  clock: FakeClock,
  versionId: number,
  run: { readonly dagId: string; readonly runId: string; readonly logicalDate?: number },
  script: Script = {},
): Promise<RunKey> {
  const version = await store.dags.version(versionId);
  if (!version) throw new Error("no such version");
  const graph = compileGraph(version.definition);
  const tasks = materializeTasks(version.definition);
  const logicalDate = run.logicalDate ?? null;
  const [created] = await commit(store, [
    {
      kind: "run.create",
      run: newRun(run.dagId, run.runId, versionId, {
        runType: logicalDate === null ? "manual" : "scheduled",
        logicalDate,
        dataIntervalStart: logicalDate,
        dataIntervalEnd: logicalDate,
        runAfter: clock.now(),
        triggeredBy: logicalDate === null ? "ui" : "timetable",
        triggeringUser: logicalDate === null ? "user:admin" : null,
        conf: logicalDate === null ? { region: "eu", limit: 100 } : {},
      }),
      tasks,
    },
  ]);
  const runKey = created?.runKey ?? 0;
  await commit(store, [{ kind: "run.state", runKey, from: ["queued"], to: "running" }], "scheduler");
  const memory = openRun(
    graph,
    { dagId: run.dagId, runId: run.runId, runType: "manual", state: "running", logicalDate },
    tasks.map((each) => ({ ...each, state: "none", tryNumber: 0, epoch: 0, lostCount: 0 })),
  );
  const running: { tiNo: number; end: number; epoch: number; tryNumber: number }[] = [];
  let ended = 0;

  const apply = async (decision: ReturnType<typeof decide>): Promise<void> => {
    if (decision.transitions.length > 0)
      await commit(store, [{ kind: "task.transitions", runKey, transitions: decision.transitions }], "scheduler");
    if (decision.runState)
      await commit(
        store,
        [{ kind: "run.state", runKey, from: ["running"], to: decision.runState.to, reason: decision.runState.reason }],
        "scheduler",
      );
    for (const tiNo of decision.newlyReady) await begin(tiNo);
  };
  const begin = async (tiNo: number): Promise<void> => {
    const { transitions } = decide(memory, { kind: "queued", tiNo }, { now: clock.now() });
    const [queued] = transitions;
    if (!queued) return;
    const attempt = { runKey, tiNo, tryNumber: queued.tryNumber ?? 1, epoch: queued.newEpoch ?? 1 };
    await commit(store, [
      { kind: "task.transitions", runKey, transitions },
      { kind: "attempt.start", attempt, workerId: "worker-1", pid: 4_242 },
    ]);
    decide(memory, { kind: "started", tiNo }, { now: clock.now() });
    const duration = script.duration?.(tasks[tiNo]?.taskId ?? "") ?? 2_000;
    running.push({ ...attempt, end: clock.now() + duration });
  };
  await apply(decide(memory, { kind: "begin" }, { now: clock.now() }));
  while (running.length > 0 && ended < (script.stopAfter ?? Number.POSITIVE_INFINITY)) {
    running.sort((a, b) => a.end - b.end);
    const next = running.shift();
    if (!next) break;
    clock.advanceTo(Math.max(clock.now(), next.end));
    ended++;
    const { tiNo, tryNumber, epoch } = next;
    const outcome = script.outcome?.(tasks[tiNo]?.taskId ?? "", tryNumber) ?? { kind: "success" };
    const state: AttemptState = outcome.kind === "success" || outcome.kind === "skipped" ? outcome.kind : "failed";
    const error = outcome.kind === "failed" ? outcome.error : undefined;
    await commit(store, [
      { kind: "attempt.finish", attempt: { runKey, tiNo, tryNumber, epoch }, state, ...(error ? { error } : {}) },
    ]);
    await apply(decide(memory, { kind: "finished", tiNo, outcome }, { now: clock.now() }));
    for (;;) {
      const waiting = (await store.tasks.ofRun(runKey)).find((row) => row.state === "up_for_retry");
      if (!waiting || running.length > 0 || script.stopAfter !== undefined) break;
      clock.advanceTo(Math.max(clock.now(), waiting.dueAt ?? 0));
      await apply(decide(memory, { kind: "due", tiNo: waiting.tiNo }, { now: clock.now() }));
    }
  }
  return runKey;
}

/** A failure as authors see it. */
export function failure(message: string): TaskOutcome {
  return {
    kind: "failed",
    error: { name: "Error", message, stack: `Error: ${message}\n    at load (dags/etl.ts:12:9)` },
    retryable: true,
  };
}
