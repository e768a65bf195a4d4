import { expect } from "chai";
import type { DagDefinition } from "../../core/definition.ts";
import type { NewRun, NewTaskInstance, TaskTransition } from "../../core/run.ts";
import type { Change, ChangeResult } from "../../store/changes.ts";
import type { AttemptId, RunKey } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";

/** A key for tests; never the same bytes as a real one. */
export const secretKey = new Uint8Array(32).fill(7);

/** A DAG without tasks of its own; runs get whatever task instances a test gives them. */
export function definition(dagId: string, changes: Partial<DagDefinition> = {}): DagDefinition {
  return {
    dagId,
    tags: [],
    owners: ["me"],
    timetable: { kind: "none" },
    timezone: "UTC",
    catchup: false,
    maxActiveRuns: 16,
    maxActiveTasks: 16,
    maxConsecutiveFailedRuns: 0,
    failFast: false,
    tasks: [],
    groups: [],
    ...changes,
  };
}

/** Commits and insists that it was accepted. */
export async function commit(
  store: Store,
  changes: readonly Change[],
  actor = "test",
): Promise<readonly ChangeResult[]> {
  const result = await store.commit(changes, actor);
  expect(result, JSON.stringify(result)).to.have.property("ok", true);
  return result.ok ? result.results : [];
}

/** Commits and insists that it was refused; gives index, reason and message. */
export async function refused(store: Store, changes: readonly Change[]) {
  const result = await store.commit(changes, "test");
  if (result.ok) throw new Error("was accepted and should have been refused");
  return { index: result.index, reason: result.reason, message: result.message };
}

/** The change that stores a DAG. */
export function dagPut(dagId: string, changes: Partial<DagDefinition> = {}, hash = "v1"): Change {
  return {
    kind: "dag.put",
    file: `${dagId}.ts`,
    definition: definition(dagId, changes),
    definitionHash: `${dagId}-${hash}`,
    bundleHash: `bundle-${hash}`,
    parseMs: 12,
    isPausedByDefault: false,
    scheduleSummary: "never",
  };
}

/** Stores a DAG and gives the id of its version. */
export async function putDag(
  store: Store,
  dagId: string,
  changes?: Partial<DagDefinition>,
  hash?: string,
): Promise<number> {
  const [result] = await commit(store, [dagPut(dagId, changes, hash)], "loader");
  return result!.versionId!;
}

/** A manual, queued run. */
export function newRun(dagId: string, runId: string, versionId: number, changes: Partial<NewRun> = {}): NewRun {
  return {
    dagId,
    runId,
    runType: "manual",
    state: "queued",
    logicalDate: null,
    dataIntervalStart: null,
    dataIntervalEnd: null,
    runAfter: 1_700_000_000_000,
    conf: {},
    params: {},
    triggeredBy: "ui",
    triggeringUser: null,
    versionId,
    backfillId: null,
    note: null,
    ...changes,
  };
}

/** Task instances t0, t1, … */
export function newTasks(count: number, changes: Partial<NewTaskInstance> = {}): NewTaskInstance[] {
  return Array.from({ length: count }, (_, tiNo) => ({
    tiNo,
    taskId: `t${tiNo}`,
    mapIndex: -1,
    operator: "ts",
    pool: "default_pool",
    poolSlots: 1,
    queue: "default",
    executor: null,
    priorityWeight: 1,
    maxTries: 1,
    ...changes,
  }));
}

/** A run of a new DAG with this many task instances. */
export async function startRun(store: Store, dagId: string, tasks = 3): Promise<RunKey> {
  const versionId = await putDag(store, dagId);
  const [result] = await commit(store, [
    { kind: "run.create", run: newRun(dagId, "run", versionId), tasks: newTasks(tasks) },
  ]);
  return result!.runKey!;
}

/** The first attempt of a task instance, as `launch` starts it. */
export function attemptOf(runKey: RunKey, tiNo: number, tryNumber = 1, epoch = tryNumber): AttemptId {
  return { runKey, tiNo, tryNumber, epoch };
}

/** none → scheduled → queued → running, as one commit of the scheduler. */
export function launch(runKey: RunKey, tiNo: number): Change[] {
  return [
    { kind: "task.transitions", runKey, transitions: [to("scheduled", tiNo, "none"), dispatch(tiNo)] },
    { kind: "attempt.start", attempt: attemptOf(runKey, tiNo), workerId: "w1" },
  ];
}

/** scheduled → queued of the first try. */
export function dispatch(tiNo: number): TaskTransition {
  return { tiNo, from: "scheduled", to: "queued", epoch: 0, newEpoch: 1, tryNumber: 1 };
}

/** A plain transition at epoch 0, or another one. */
export function to(
  state: TaskTransition["to"],
  tiNo: number,
  from: TaskTransition["from"],
  epoch = 0,
  more: Partial<TaskTransition> = {},
): TaskTransition {
  return { tiNo, from, to: state, epoch, ...more };
}

/** running → success with an XCom and the start of the next task: a hand-over. */
export function handOver(runKey: RunKey, tiNo: number, json = "1"): Change[] {
  return [
    { kind: "attempt.finish", attempt: attemptOf(runKey, tiNo), state: "success" },
    { kind: "task.transitions", runKey, transitions: [to("success", tiNo, "running", 1)] },
    { kind: "xcom.set", runKey, tiNo, key: "return_value", json, attempt: attemptOf(runKey, tiNo) },
    ...launch(runKey, tiNo + 1),
  ];
}
