import { openRun, waitReason } from "../../core/decide.ts";
import type { DagDefinition } from "../../core/definition.ts";
import { compileGraph } from "../../core/graph.ts";
import { explain } from "../../core/reason.ts";
import { isTerminal, type TaskState } from "../../core/states.ts";
import { taskFacts } from "../../store/facts.ts";
import type { DagRunRow, TaskInstanceRow } from "../../store/rows.ts";
import type { WebDeps } from "../deps.ts";

/** So many task instances of one page are explained by the scheduler itself, which knows who stands where in line. */
const ASKED = 50;
/** States whose word says all. */
const SILENT: ReadonlySet<TaskState> = new Set<TaskState>(["success", "running"]);

/** One sentence for each given task instance that is not running or done, by `tiNo`; `all` are the instances of the run. */
export async function reasonsOf(
  deps: WebDeps,
  run: DagRunRow,
  definition: DagDefinition,
  shown: readonly TaskInstanceRow[],
  all: readonly TaskInstanceRow[],
): Promise<ReadonlyMap<number, string>> {
  const reasons = new Map<number, string>();
  const waiting = shown.filter((row) => !isTerminal(row.state) && !SILENT.has(row.state));
  const asked = deps.explain ? waiting.slice(0, ASKED) : [];
  await Promise.all(
    asked.map(async ({ runKey, tiNo }) => {
      const said = await deps.explain?.explain(runKey, tiNo);
      if (said !== undefined) reasons.set(tiNo, said);
    }),
  );
  const now = deps.clock.now();
  const open = waiting.some((row) => !reasons.has(row.tiNo)) ? openRunOf(run, definition, all) : undefined;
  const isDagPaused = (await deps.store.dags.get(run.dagId))?.isPaused ?? false;
  for (const row of shown) {
    if (reasons.has(row.tiNo) || SILENT.has(row.state)) continue;
    const { state, tryNumber, maxTries, dueAt, reason } = row;
    if (isTerminal(state)) {
      reasons.set(row.tiNo, reason ?? "");
      continue;
    }
    const wait = open && state === "none" ? waitReason(open, row.tiNo) : undefined;
    const facts = { state, now, tryNumber, maxTries, dueAt, reason, runState: run.state, isDagPaused };
    reasons.set(row.tiNo, explain({ kind: "task", ...facts, ...(wait === undefined ? {} : { wait }) }));
  }
  return reasons;
}

function openRunOf(run: DagRunRow, definition: DagDefinition, rows: readonly TaskInstanceRow[]) {
  const { dagId, runId, runType, state, logicalDate } = run;
  return openRun(compileGraph(definition), { dagId, runId, runType, state, logicalDate }, rows.map(taskFacts));
}
