import { z } from "zod";
import { isTerminal } from "../../core/states.ts";
import { explainTaskFromRows } from "../../store/explain.ts";
import type { DagRunRow, TaskInstanceRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import type { WebDeps } from "../deps.ts";
import { reasonsOf } from "../pages/reasons.ts";
import { collection } from "./conventions.ts";
import { currentVersion, findDag } from "./dag-answers.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { findRun, runPath } from "./run-answers.ts";
import { findTask, taskPath } from "./task-answers.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id";

/** Why task instances do not run, one sentence each. */
export const REASON_ROUTES: readonly AnyRoute[] = [
  ...["", "/:map_index"].map((suffix) =>
    defineRoute({
      method: "get",
      path: `${BASE}${suffix}/dependencies`,
      verb: "read",
      kind: "task",
      tag: "Task instance",
      summary: "Why it does not run",
      about: "Empty for an instance that runs or has succeeded.",
      params: taskPath,
      response: collection("dependencies", z.object({ name: z.string(), reason: z.string() })),
      async handler({ store, deps, path }) {
        const task = await findTask(store, path);
        const reason = await taskReason(deps, task);
        const dependencies = reason === "" ? [] : [{ name: task.state, reason }];
        return { dependencies, total_entries: dependencies.length };
      },
    }),
  ),
  defineRoute({
    method: "get",
    path: "/sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/reasons",
    verb: "read",
    kind: "task",
    tag: "Task instance",
    summary: "Why each task instance of a run does not run",
    about: "`run` says it of the run itself; null when it runs or has succeeded.",
    params: runPath,
    response: collection(
      "reasons",
      z.object({ task_id: z.string(), map_index: z.number().int(), state: z.string(), reason: z.string() }),
    ).extend({ run: z.string().nullable() }),
    async handler({ store, deps, path }) {
      const run = await findRun(store, path.dag_id, path.dag_run_id);
      const tasks = await store.tasks.ofRun(run.runKey);
      const said = await reasonsOf(deps, run, (await versionOf(store, run)).definition, tasks, tasks);
      const reasons = tasks.flatMap((task) => {
        const reason = said.get(task.tiNo) ?? "";
        return reason === "" ? [] : [{ task_id: task.taskId, map_index: task.mapIndex, state: task.state, reason }];
      });
      const isSilent = run.state === "running" || run.state === "success";
      const ofRun = isSilent ? null : ((await deps.explain?.explainRun(run.runKey)) ?? null);
      return { reasons, total_entries: reasons.length, run: ofRun };
    },
  }),
];

async function versionOf(store: Store, run: DagRunRow) {
  return (await store.dags.version(run.versionId)) ?? currentVersion(store, await findDag(store, run.dagId));
}

/** The live sentence of the scheduler beside us, or what the rows tell; "" for what runs or has succeeded. */
export async function taskReason(deps: WebDeps, task: TaskInstanceRow): Promise<string> {
  if (task.state === "running" || task.state === "success") return "";
  if (isTerminal(task.state)) return task.reason ?? "";
  return deps.explain
    ? deps.explain.explain(task.runKey, task.tiNo)
    : explainTaskFromRows(deps.store, task.runKey, task.tiNo, deps.clock.now());
}
