import { NotFoundError } from "../../core/errors.ts";
import { type CommandContext, commitOrThrow, dagOf, runOf } from "./context.ts";

/** Pauses or unpauses; asking for the state it has already changes nothing and is no error. */
export async function setPaused(
  context: CommandContext,
  dagId: string,
  isPaused: boolean,
  reason?: string,
): Promise<void> {
  const dag = await dagOf(context.store, dagId);
  if (dag.isPaused === isPaused) return;
  await commitOrThrow(context, [{ kind: "dag.pause", dagId, isPaused, reason }]);
}

/** Sets or removes (null) the note of a run. */
export async function setRunNote(
  context: CommandContext,
  dagId: string,
  runId: string,
  note: string | null,
): Promise<void> {
  const run = await runOf(context.store, dagId, runId);
  await commitOrThrow(context, [{ kind: "run.note", runKey: run.runKey, note }]);
}

/** Sets or removes (null) the note of a task instance. */
export async function setTaskNote(
  context: CommandContext,
  dagId: string,
  runId: string,
  taskId: string,
  mapIndex: number,
  note: string | null,
): Promise<void> {
  const task = await context.store.tasks.find(dagId, runId, taskId, mapIndex);
  if (!task)
    throw new NotFoundError(
      `Run "${runId}" of "${dagId}" has no task instance "${taskId}"${mapIndex >= 0 ? `[${mapIndex}]` : ""}.`,
    );
  await commitOrThrow(context, [{ kind: "task.note", runKey: task.runKey, tiNo: task.tiNo, note }]);
}
