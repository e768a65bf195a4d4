import { z } from "zod";
import { isRunTerminal } from "../../core/states.ts";
import { cancelRun, clearTasks, previewClear, previewMarkRun } from "../../store/commands/index.ts";
import { collection } from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";
import { answerRun, findRun, runAnswer, runPath } from "./run-answers.ts";
import { taskAnswer, toAffected, toChanged } from "./task-answers.ts";

const affected = collection("task_instances", taskAnswer);

/** What is done to a whole run: clear it, cancel it, retry what failed; each tells beforehand what it would touch. */
export const RUN_COMMAND_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id/clear",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Clear a whole run",
    about: "`dry_run` is the default and lists the task instances; without it the answer is the run.",
    params: runPath,
    body: z.strictObject({
      dry_run: z.boolean().default(true),
      only_failed: z.boolean().default(false),
      run_on_latest_version: z.boolean().default(false),
    }),
    response: z.union([affected, runAnswer]),
    async handler({ store, path, body, commands }) {
      const input = {
        dagId: path.dag_id,
        runId: path.dag_run_id,
        onlyFailed: body.only_failed,
        runOnLatestVersion: body.run_on_latest_version,
      };
      if (body.dry_run) return toAffected(await previewClear(commands, input));
      await clearTasks(commands, input);
      return answerRun(store, path.dag_id, path.dag_run_id);
    },
  }),
  defineRoute({
    method: "patch",
    path: "/sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/dry_run",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "Task instances that marking the run would change",
    params: runPath,
    body: z.strictObject({ state: z.enum(["queued", "success", "failed"]) }),
    response: affected,
    handler: async ({ path, body, commands }) =>
      toAffected(await previewMarkRun(commands, { dagId: path.dag_id, runId: path.dag_run_id, newState: body.state })),
  }),
  defineRoute({
    method: "post",
    path: "/sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/cancel",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Stop a run: running tasks fail, the rest is skipped",
    about: "A run that has ended is left alone.",
    params: runPath,
    body: z.strictObject({ dry_run: z.boolean().default(false) }),
    response: affected,
    async handler({ store, path, body, commands }) {
      const run = await findRun(store, path.dag_id, path.dag_run_id);
      if (isRunTerminal(run.state)) return toAffected([]);
      if (body.dry_run)
        return toAffected(await previewMarkRun(commands, { dagId: run.dagId, runId: run.runId, newState: "failed" }));
      return toChanged(store, await cancelRun(commands, run.dagId, run.runId));
    },
  }),
  defineRoute({
    method: "post",
    path: "/sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/retryFailed",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Run again what failed, and what did not run because of it",
    params: runPath,
    body: z.strictObject({
      dry_run: z.boolean().default(false),
      run_on_latest_version: z.boolean().default(false),
    }),
    response: affected,
    async handler({ store, path, body, commands }) {
      const input = {
        dagId: path.dag_id,
        runId: path.dag_run_id,
        onlyFailed: true,
        runOnLatestVersion: body.run_on_latest_version,
      };
      return body.dry_run
        ? toAffected(await previewClear(commands, input))
        : toChanged(store, await clearTasks(commands, input));
    },
  }),
];
