import type { Command } from "commander";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import type { RunState } from "../../core/states.ts";
import { type Affected, cancelRun, clearTasks, markRun, previewClear } from "../../store/commands/index.ts";
import type { RunSummary } from "../../store/rows.ts";
import { lasting, when } from "../output.ts";
import { type Session, withStore } from "../session.ts";

export async function listRuns(
  dagId: string | undefined,
  options: { readonly state?: readonly RunState[]; readonly limit: number },
  command: Command,
): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const { rows } = await store.runs.list({ dagId, states: options.state, limit: options.limit });
    out.table(
      rows.map(shown),
      [
        { name: "dag", of: (run) => run.dag_id },
        { name: "run", of: (run) => run.dag_run_id },
        { name: "state", of: (run) => run.state },
        { name: "started", of: (run) => (run.start_date ? when(Date.parse(run.start_date)) : "-") },
        { name: "took", of: (run) => run.took, isNumber: true },
      ],
      "No runs.",
    );
  });
}

function shown(run: RunSummary) {
  const iso = (value: number | null) => (value === null ? null : new Date(value).toISOString());
  return {
    dag_id: run.dagId,
    dag_run_id: run.runId,
    run_type: run.runType,
    state: run.state,
    logical_date: iso(run.logicalDate),
    run_after: iso(run.runAfter),
    start_date: iso(run.startDate),
    end_date: iso(run.endDate),
    took: lasting(run.startDate, run.endDate),
    conf: run.conf,
    note: run.note,
    version_number: run.versionNumber,
    task_counts: run.counts,
  };
}

export async function showRun(dagId: string, runId: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const run = await store.runs.summary(dagId, runId);
    if (!run)
      throw new NotFoundError(`DAG "${dagId}" has no run "${runId}". \`sluice runs list ${dagId}\` shows them.`);
    const tasks = await store.tasks.ofRun(run.runKey);
    const answer = {
      ...shown(run),
      task_instances: tasks.map((task) => ({
        task_id: task.taskId,
        map_index: task.mapIndex,
        state: task.state,
        try_number: task.tryNumber,
        reason: task.reason,
      })),
    };
    out.facts(answer, [
      ["dag", run.dagId],
      ["run", run.runId],
      ["state", run.state],
      ["type", `${run.runType}, by ${run.triggeringUser ?? run.triggeredBy}`],
      ["logical date", when(run.logicalDate)],
      ["started", when(run.startDate)],
      ["took", lasting(run.startDate, run.endDate)],
      ["version", run.versionNumber],
      ["conf", JSON.stringify(run.conf)],
      ["note", run.note],
      ...tasks.map((task, at): [string, string] => [
        at === 0 ? "tasks" : "",
        `${task.taskId}${task.mapIndex >= 0 ? `[${task.mapIndex}]` : ""}: ${task.state}${task.reason ? ` (${task.reason})` : ""}`,
      ]),
    ]);
  });
}

export interface ClearOptions {
  readonly task?: readonly string[];
  readonly upstream?: boolean;
  readonly downstream?: boolean;
  readonly past?: boolean;
  readonly future?: boolean;
  readonly onlyFailed?: boolean;
  readonly latest?: boolean;
  readonly dryRun?: boolean;
}

export async function clearRun(dagId: string, runId: string, options: ClearOptions, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    const input = {
      dagId,
      runId,
      taskIds: options.task,
      upstream: options.upstream,
      downstream: options.downstream,
      past: options.past,
      future: options.future,
      onlyFailed: options.onlyFailed,
      runOnLatestVersion: options.latest,
    };
    const affected = await (options.dryRun
      ? previewClear(session.commands, input)
      : clearTasks(session.commands, input));
    showAffected(session, affected, options.dryRun ? "would be cleared" : "cleared");
  });
}

export async function stopRun(dagId: string, runId: string, _options: object, command: Command): Promise<void> {
  await withStore(command, async (session) => {
    const run = await session.store.runs.find(dagId, runId);
    if (run && (run.state === "success" || run.state === "failed"))
      throw new ConflictError(`Run "${runId}" has ended already (${run.state}).`);
    showAffected(session, await cancelRun(session.commands, dagId, runId), "stopped");
  });
}

export async function setRunState(
  dagId: string,
  runId: string,
  newState: "success" | "failed" | "queued",
  command: Command,
): Promise<void> {
  await withStore(command, async (session) =>
    showAffected(
      session,
      await markRun(session.commands, { dagId, runId, newState }),
      `marked with the run as ${newState}`,
    ),
  );
}

export async function deleteRun(
  dagId: string,
  runId: string,
  options: { readonly yes?: boolean },
  command: Command,
): Promise<void> {
  await withStore(command, async ({ store, out }) => {
    const run = await store.runs.find(dagId, runId);
    if (!run) throw new NotFoundError(`DAG "${dagId}" has no run "${runId}".`);
    if (run.state === "running") throw new ConflictError(`Run "${runId}" is running. Cancel it first.`);
    if (!options.yes)
      throw new ConflictError(
        `This deletes run "${runId}" with its tasks, XComs and events for good. Add --yes to do it.`,
      );
    const result = await store.commit([{ kind: "run.delete", runKey: run.runKey }], "cli");
    if (!result.ok) throw new ConflictError(result.message);
    out.done({ dag_id: dagId, dag_run_id: runId }, `Deleted run ${runId}.`);
  });
}

/** Task instances that a command touched, as a table. */
export function showAffected({ out }: Session, affected: readonly Affected[], verb: string): void {
  out.table(
    affected.map(({ run, task }) => ({
      dag_id: run.dagId,
      dag_run_id: run.runId,
      task_id: task.taskId,
      map_index: task.mapIndex,
      state: task.state,
    })),
    [
      { name: "run", of: (row) => row.dag_run_id },
      { name: "task", of: (row) => `${row.task_id}${row.map_index >= 0 ? `[${row.map_index}]` : ""}` },
      { name: "was", of: (row) => row.state },
    ],
    "Nothing to do.",
  );
  if (!out.isJson && affected.length > 0)
    out.remark(`${affected.length} task instance${affected.length === 1 ? "" : "s"} ${verb}.`);
}
