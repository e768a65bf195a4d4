export {
  type BackfillDate,
  type BackfillInput,
  cancelBackfill,
  createBackfill,
  previewBackfill,
  setBackfillPaused,
} from "./backfill.ts";
export { type Affected, type ClearInput, clearTasks, previewClear } from "./clear.ts";
export { type CommandContext, retryWhenStale, StaleCommandError } from "./context.ts";
export {
  cancelRun,
  type MarkRunInput,
  type MarkTaskInput,
  markRun,
  markTask,
  previewMarkRun,
  previewMarkTask,
} from "./mark.ts";
export { setPaused, setRunNote, setTaskNote } from "./pause.ts";
export { airflowIso, type TriggerInput, triggerRun } from "./trigger.ts";
