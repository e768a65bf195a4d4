import {
  type CommandContext,
  cancelBackfill,
  cancelRun,
  clearTasks,
  createBackfill,
  markRun,
  markTask,
  setPaused,
  setRunNote,
  triggerRun,
} from "../../store/commands/index.ts";

interface OfRun {
  readonly dagId: string;
  readonly runId: string;
}

/** Something that a client asks for. `actor` is the command's own: it stands in every event that the command causes. */
export type Command = { readonly actor: string } & (
  | ({ readonly kind: "trigger" } & OfRun)
  | ({ readonly kind: "clear"; readonly taskIds?: readonly string[]; readonly downstream: boolean } & OfRun)
  | ({
      readonly kind: "markTask";
      readonly taskId: string;
      readonly newState: "success" | "failed" | "skipped";
    } & OfRun)
  | ({ readonly kind: "markRun"; readonly newState: "success" | "failed" } & OfRun)
  | ({ readonly kind: "cancel" } & OfRun)
  | ({ readonly kind: "note"; readonly note: string } & OfRun)
  | { readonly kind: "variable"; readonly key: string; readonly value: string }
  | { readonly kind: "pause"; readonly dagId: string; readonly isPaused: boolean }
  | { readonly kind: "backfill"; readonly dagId: string; readonly fromDate: number; readonly toDate: number }
  | { readonly kind: "cancelBackfill"; readonly backfillId: number }
);

/**
 * Carries a command out through the store's commands, as pages, API and CLI do. Resolves, after the commit, with the number of rows
 * it says it has changed; 0 = there was nothing to do.
 */
export async function carryOut(context: CommandContext, command: Command): Promise<number> {
  switch (command.kind) {
    case "trigger":
      await triggerRun(context, { dagId: command.dagId, runId: command.runId });
      return 1;
    case "clear":
      return (await clearTasks(context, command)).length;
    case "markTask":
      return (await markTask(context, command)).length;
    case "markRun":
      return (await markRun(context, command)).length;
    case "cancel":
      return (await cancelRun(context, command.dagId, command.runId)).length;
    case "note":
      await setRunNote(context, command.dagId, command.runId, command.note);
      return 1;
    case "variable":
      return putVariable(context, command.key, command.value);
    case "pause":
      await setPaused(context, command.dagId, command.isPaused);
      return 0;
    case "backfill":
      await createBackfill(context, { ...command, maxActiveRuns: 3, reprocess: "failed" });
      return 1;
    case "cancelBackfill":
      await cancelBackfill(context, command.backfillId);
      return 1;
  }
}

async function putVariable({ store, actor }: CommandContext, key: string, value: string): Promise<number> {
  const result = await store.commit(
    [{ kind: "variable.put", mode: "upsert", variable: { key, value, description: null } }],
    actor,
  );
  if (!result.ok) throw new Error(result.message);
  return 1;
}
