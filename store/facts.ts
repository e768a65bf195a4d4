import type { TaskInstanceFacts } from "../core/run.ts";
import type { TaskInstanceRow } from "./rows.ts";

/** A task instance row as the core reads it: null columns become absent. */
export function taskFacts(row: TaskInstanceRow): TaskInstanceFacts {
  return {
    tiNo: row.tiNo,
    taskId: row.taskId,
    mapIndex: row.mapIndex,
    state: row.state,
    tryNumber: row.tryNumber,
    maxTries: row.maxTries,
    epoch: row.epoch,
    dueAt: row.dueAt ?? undefined,
    firstPokeAt: row.firstPokeAt ?? undefined,
    lostCount: row.lostCount,
    branch: row.branch ?? undefined,
  };
}
