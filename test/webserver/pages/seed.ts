import { createHash } from "node:crypto";
import type { DagDefinition } from "../../../core/definition.ts";
import { materializeTasks } from "../../../core/graph.ts";
import type { NewRun } from "../../../core/run.ts";
import type { RunState, TaskState } from "../../../core/states.ts";
import { timetableFromSpec } from "../../../core/timetable.ts";
import { airflowIso } from "../../../store/commands/index.ts";
import type { RunKey } from "../../../store/rows.ts";
import type { Store } from "../../../store/store.ts";

/** Stores a DAG with its bundle as the loader does; the same definition again changes nothing. */
export async function putDag(
  store: Store,
  definition: DagDefinition,
  file = `${definition.dagId}.ts`,
): Promise<number> {
  const bundleHash = sha256(file + JSON.stringify(definition.tasks));
  const summary = timetableFromSpec(definition.timetable).summary;
  const result = await store.commit(
    [
      {
        kind: "bundle.put",
        hash: bundleHash,
        file,
        code: "export {};\n",
        sourceMap: "{}",
        sources: [{ path: file, text: `// ${definition.dagId}\n` }],
      },
      {
        kind: "dag.put",
        file,
        definition,
        definitionHash: sha256(JSON.stringify(definition)),
        bundleHash,
        parseMs: 12,
        isPausedByDefault: false,
        scheduleSummary: summary,
      },
    ],
    "loader",
  );
  if (!result.ok) throw new Error(result.message);
  return result.results[1]?.versionId ?? -1;
}

/** How a task of a seeded run stands: a state, or the error that it failed with. */
export type TaskFate = TaskState | { readonly error: string };

export interface SeededRun extends Partial<NewRun> {
  readonly dagId: string;
  readonly logicalDate: number;
  /** State of the run; default "success". */
  readonly state?: RunState;
  /** What became of its tasks; those not named share the run's fate (success) or are left alone. */
  readonly tasks?: { readonly [taskId: string]: TaskFate };
}

/** Stores a run with its task instances in the states asked for, through the same guarded writes as in real life. */
export async function putRun(store: Store, run: SeededRun): Promise<RunKey> {
  const { tasks: fates = {}, state = "success", ...given } = run;
  const dag = await store.dags.get(run.dagId);
  const version = dag && (await store.dags.version(dag.currentVersionId));
  if (!version) throw new Error(`seed the DAG ${run.dagId} first`);
  const tasks = materializeTasks(version.definition);
  const created = await commit(store, [
    {
      kind: "run.create",
      run: {
        runId: `scheduled__${airflowIso(run.logicalDate)}`,
        runType: "scheduled",
        dataIntervalStart: run.logicalDate,
        dataIntervalEnd: run.logicalDate,
        runAfter: run.logicalDate,
        conf: {},
        params: {},
        triggeredBy: "timetable",
        triggeringUser: null,
        versionId: version.id,
        backfillId: null,
        note: null,
        ...given,
        state: "queued",
      },
      tasks,
    },
  ]);
  const runKey = created.results[0]?.runKey as RunKey;
  if (state === "queued") return runKey;
  await commit(store, [{ kind: "run.state", runKey, from: ["queued"], to: "running" }]);
  for (const task of tasks) {
    const fate = fates[task.taskId] ?? (state === "success" ? "success" : "none");
    await putTask(store, runKey, task.tiNo, fate);
  }
  if (state !== "running") await commit(store, [{ kind: "run.state", runKey, from: ["running"], to: state }]);
  return runKey;
}

const WITHOUT_ATTEMPT: readonly TaskFate[] = ["scheduled", "queued", "skipped", "upstream_failed", "removed"];

async function putTask(store: Store, runKey: RunKey, tiNo: number, fate: TaskFate): Promise<void> {
  if (fate === "none") return;
  if (WITHOUT_ATTEMPT.includes(fate)) {
    const to = fate as TaskState;
    await move(store, runKey, { tiNo, from: "none", to, epoch: 0, reason: "seeded" });
    return;
  }
  await move(store, runKey, { tiNo, from: "none", to: "queued", epoch: 0, newEpoch: 1, tryNumber: 1 });
  const attempt = { runKey, tiNo, tryNumber: 1, epoch: 1 };
  await commit(store, [{ kind: "attempt.start", attempt, workerId: "seed", pid: 1 }]);
  if (fate === "running") return;
  const error = typeof fate === "object" ? { name: "TypeError", message: fate.error } : undefined;
  const to = typeof fate === "object" ? "failed" : fate;
  await commit(store, [
    { kind: "attempt.finish", attempt, state: to === "success" ? "success" : "failed", error },
    { kind: "task.transitions", runKey, transitions: [{ tiNo, from: "running", to, epoch: 1 }] },
  ]);
}

function move(store: Store, runKey: RunKey, transition: object): Promise<unknown> {
  return commit(store, [{ kind: "task.transitions", runKey, transitions: [transition as never] }]);
}

async function commit(store: Store, changes: Parameters<Store["commit"]>[0]) {
  const result = await store.commit(changes, "seed");
  if (!result.ok) throw new Error(`seeding failed at change ${result.index}: ${result.message}`);
  return result;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
