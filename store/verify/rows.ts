import { isDeepStrictEqual } from "node:util";
import type { CompiledGraph } from "../../core/graph.ts";
import type { TaskState } from "../../core/states.ts";
import type { AttemptRow, RunSummary, TaskInstanceRow } from "../rows.ts";
import type { RunFold, TaskFold } from "./fold.ts";
import type { Place, Report } from "./report.ts";

/** Everything that is stored of one run, read at one moment. */
export interface StoredRun {
  readonly row: RunSummary;
  readonly tasks: readonly TaskInstanceRow[];
  readonly attempts: readonly AttemptRow[];
  readonly xcoms: readonly { readonly tiNo: number; readonly key: string; readonly size: number }[];
}

/** I36: what is stored of a run is what its events tell. I16, I28, I32: it hangs together. */
export function checkStoredRun(
  stored: StoredRun,
  fold: RunFold,
  graph: CompiledGraph | undefined,
  report: Report,
): void {
  const { row, tasks } = stored;
  const place: Place = { dagId: row.dagId, runId: row.runId, runKey: row.runKey };
  const differ = (what: string, isStored: unknown, told: unknown, where: Place = place) => {
    if (!isDeepStrictEqual(isStored, told))
      report.add("I36", `${what} is ${show(isStored)}; the events tell ${show(told)}.`, where);
  };
  differ("The state of the run", row.state, fold.state);
  if (row.versionId !== fold.versionId)
    report.add("I16", `The run is on version ${row.versionId}; the events tell ${fold.versionId}.`, place);
  differ("The number of clears", row.clearNumber, fold.clearNumber);
  differ("The number of task instances", tasks.length, fold.tasks.length);
  for (const task of tasks) {
    const told = fold.tasks[task.tiNo];
    const where = { ...place, tiNo: task.tiNo, taskId: task.taskId };
    if (told === undefined) continue;
    compareTask(task, told, (what, isStored, events) => differ(what, isStored, events, where));
    if (task.tryNumber > task.maxTries)
      report.add("I32", `The task is on try ${task.tryNumber} of ${task.maxTries}.`, where);
    if (graph !== undefined && !graph.taskIndex.has(task.taskId) && task.state !== "removed")
      report.add("I16", `Version ${row.versionNumber} of the DAG has no task "${task.taskId}".`, where);
  }
  checkCounts(row, tasks, place, report);
  checkAttempts(stored, fold, place, report);
  checkXComs(stored, fold, place, report);
}

function compareTask(
  row: TaskInstanceRow,
  told: TaskFold,
  differ: (what: string, isStored: unknown, told: unknown) => void,
): void {
  differ("The state of the task", row.state, told.state);
  differ("The epoch", row.epoch, told.epoch);
  differ("The try", row.tryNumber, told.tryNumber);
  differ("The reason", row.reason, told.reason);
  for (const field of ["maxTries", "dueAt", "firstPokeAt", "lostCount", "branch"] as const) {
    if (told[field] !== undefined) differ(field, row[field], told[field]);
  }
}

/** I28: counters equal recounts. */
function checkCounts(row: RunSummary, tasks: readonly TaskInstanceRow[], place: Place, report: Report): void {
  const counts: { [state in TaskState]?: number } = {};
  for (const task of tasks) counts[task.state] = (counts[task.state] ?? 0) + 1;
  if (!isDeepStrictEqual(sorted(row.counts), sorted(counts)))
    report.add("I28", `The run counts ${show(row.counts)}; it has ${show(counts)}.`, place);
}

function checkAttempts({ attempts, tasks }: StoredRun, fold: RunFold, place: Place, report: Report): void {
  let found = 0;
  for (const attempt of attempts) {
    const where = { ...place, tiNo: attempt.tiNo, taskId: tasks[attempt.tiNo]?.taskId };
    const told = fold.tasks[attempt.tiNo]?.attempts.get(attempt.tryNumber);
    if (told === undefined) {
      report.add("I28", `Try ${attempt.tryNumber} is stored and was never started.`, where);
      continue;
    }
    found++;
    if (told.state !== attempt.state || told.epoch !== attempt.epoch)
      report.add(
        "I36",
        `Try ${attempt.tryNumber} is ${attempt.state} at epoch ${attempt.epoch}; the events tell ${told.state} at epoch ${told.epoch}.`,
        where,
      );
    if (attempt.endDate !== null && attempt.startDate !== null && attempt.endDate < attempt.startDate)
      report.add("I40", `Try ${attempt.tryNumber} ended before it started.`, where);
  }
  const told = fold.tasks.reduce((sum, task) => sum + task.attempts.size, 0);
  if (told > found) report.add("I28", `${told - found} tries were started and are not stored.`, place);
}

/** I39: what downstream tasks see is what the last attempt set. */
function checkXComs({ xcoms, tasks }: StoredRun, fold: RunFold, place: Place, report: Report): void {
  const missing = new Set(fold.tasks.flatMap((task, tiNo) => [...task.xcoms.keys()].map((key) => `${tiNo} ${key}`)));
  for (const { tiNo, key, size } of xcoms) {
    missing.delete(`${tiNo} ${key}`);
    const told = fold.tasks[tiNo]?.xcoms.get(key);
    if (told !== size)
      report.add("I39", `XCom "${key}" of ${size} bytes is stored; the events tell ${told ?? "none"}.`, {
        ...place,
        tiNo,
        taskId: tasks[tiNo]?.taskId,
      });
  }
  for (const name of missing) report.add("I39", `XCom ${name} was set and is not stored.`, place);
}

function sorted(counts: object): [string, unknown][] {
  return Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
