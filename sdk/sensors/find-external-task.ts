import { describe } from "../checks.ts";
import { FailFast, Skip } from "../errors.ts";
import { renderText } from "../render.ts";
import type { TaskRun } from "../task-run.ts";
import type { ExternalTaskPlan, FinalState } from "./external-task.ts";

/**
 * The state that was waited for; undefined = not yet.
 * @throws Error for a state that fails the task, Skip for one that skips it.
 */
export async function findExternalTask(plan: ExternalTaskPlan, run: TaskRun): Promise<FinalState | undefined> {
  const dagId = await renderText(plan.dagId, run);
  const taskId = plan.taskId === undefined ? null : await renderText(plan.taskId, run);
  const logicalDate = dateOf(plan, run).toISOString();
  const found = (await run.host.call("getTaskState", { dagId, taskId, logicalDate })) as { state: FinalState } | null;
  if (found === null) return undefined;
  const what = taskId === null ? `the run of Dag "${dagId}"` : `task "${taskId}" of Dag "${dagId}"`;
  const problem = `${what} at ${logicalDate} is ${found.state}`;
  if (plan.skippedStates.includes(found.state)) throw new Skip(problem);
  if (plan.failedStates.includes(found.state)) throw new Error(`What this task waits for has ended badly: ${problem}.`);
  return plan.allowedStates.includes(found.state) ? found.state : undefined;
}

function dateOf({ logicalDate, deltaMs }: ExternalTaskPlan, run: TaskRun): Date {
  if (logicalDate !== undefined) {
    const value = logicalDate({ ...run.context, inputs: run.inputs } as never);
    const date = value instanceof Date || typeof value === "string" ? new Date(value) : new Date(Number.NaN);
    if (Number.isNaN(date.getTime()))
      throw new FailFast(`externalTask: logicalDate returned ${describe(value)}, not a date.`);
    return date;
  }
  const own = run.context.logicalDate;
  if (own === null) {
    throw new FailFast(
      "externalTask: this run has no logical date to look for. Trigger it with one, or give a function as logicalDate.",
    );
  }
  return new Date(own.getTime() - deltaMs);
}
