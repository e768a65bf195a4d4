import type { Clock } from "../core/clock.ts";
import { ConflictError } from "../core/errors.ts";
import { type CommandContext, clearTasks, triggerRun } from "../store/commands/index.ts";
import type { Store } from "../store/store.ts";
import type { ClientCallOptions } from "./client-calls.ts";

/** `triggerDagRun` over the store's commands; the `trigger` of `storeClientCalls`. */
export function storeTrigger(store: Store, clock: Clock): ClientCallOptions["trigger"] {
  return async (call, actor) => {
    const { dagId, runId, conf, note } = call;
    const context: CommandContext = { store, clock, actor, triggeredBy: "operator" };
    if (call.failWhenPaused && (await store.dags.get(dagId))?.isPaused)
      throw new ConflictError(
        `DAG "${dagId}" is paused, so a run of it would not start. Unpause it, or set failWhenDagIsPaused to false.`,
      );
    const existing = await store.runs.find(dagId, runId);
    if (existing === undefined) {
      try {
        return { runId: (await triggerRun(context, { dagId, runId, conf, note })).runId, created: true };
      } catch (error) {
        // Somebody may have created it since it was looked for.
        if (!(error instanceof ConflictError) || (await store.runs.find(dagId, runId)) === undefined) throw error;
      }
    }
    if (call.ifExists === "fail")
      throw new ConflictError(
        `DAG "${dagId}" has a run "${runId}" already. Choose another run id, or skipWhenAlreadyExists or resetDagRun.`,
      );
    if (call.ifExists === "reset") await clearTasks(context, { dagId, runId });
    return { runId, created: false };
  };
}
