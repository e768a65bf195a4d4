import { createHash } from "node:crypto";
import type { JsonObject } from "../../core/json.ts";
import { describe, isPlainObject } from "../checks.ts";
import { FailFast, Skip } from "../errors.ts";
import { renderJson, renderText } from "../render.ts";
import type { TaskResult, TaskRun } from "../task-run.ts";
import { xcomJson } from "../xcom.ts";
import type { FinalRunState, TriggerPlan } from "./trigger-dag-run.ts";

/** The first poke starts the run; later ones look how it is doing. */
export async function startOrFollow(plan: TriggerPlan, run: TaskRun): Promise<TaskResult> {
  const dagId = await renderText(plan.dagId, run);
  const runId = plan.runId === undefined ? madeRunId(run) : await renderText(plan.runId, run);
  if (run.firstPokeAt === undefined) await start(plan, dagId, runId, run);
  else if (await isOver(plan, dagId, runId, run)) return { kind: "value", value: runId };
  return plan.waitForCompletion
    ? { kind: "reschedule", at: run.now() + plan.pokeIntervalMs }
    : { kind: "value", value: runId };
}

async function start(plan: TriggerPlan, dagId: string, runId: string, run: TaskRun): Promise<void> {
  const call = {
    dagId,
    runId,
    conf: await confOf(plan, run),
    note: plan.note === undefined ? null : await renderText(plan.note, run),
    ifExists: ifExists(plan),
    failWhenPaused: plan.failWhenDagIsPaused ?? false,
  };
  const { created } = (await run.host.call("triggerDagRun", call)) as { created: boolean };
  if (!created && plan.skipWhenAlreadyExists) throw new Skip(`run ${runId} of Dag "${dagId}" exists already`);
  run.host.log({ level: "info", source: "sluice", message: `Started run ${runId} of Dag "${dagId}".` });
}

/** A run id of our own making can only be met again by the same try, asking once more. */
function ifExists(plan: TriggerPlan): "fail" | "skip" | "reset" | "reuse" {
  if (plan.resetDagRun) return "reset";
  if (plan.skipWhenAlreadyExists) return "skip";
  return plan.runId === undefined ? "reuse" : "fail";
}

async function confOf({ conf }: TriggerPlan, run: TaskRun): Promise<JsonObject> {
  const value =
    typeof conf === "function" ? await conf({ ...run.context, inputs: run.inputs }) : await renderJson(conf ?? {}, run);
  if (!isPlainObject(value)) throw new FailFast(`triggerDagRun: conf must be an object, but it is ${describe(value)}.`);
  return xcomJson(value, run.context.taskId, run.host) as JsonObject;
}

async function isOver(plan: TriggerPlan, dagId: string, runId: string, run: TaskRun): Promise<boolean> {
  const found = (await run.host.call("getDagRunState", { dagId, runId })) as { state: string } | null;
  if (found === null)
    throw new FailFast(`Run ${runId} of Dag "${dagId}" is gone; it was deleted while this task waited for it.`);
  const state = found.state as FinalRunState;
  if (plan.failedStates.includes(state)) throw new Error(`Run ${runId} of Dag "${dagId}" ended in the state ${state}.`);
  return plan.allowedStates.includes(state);
}

/** The same for every poke of one try, another for every try. */
function madeRunId({ context }: TaskRun): string {
  const { dagId, runId, taskId, mapIndex, tryNumber, runAfter } = context;
  const caller = JSON.stringify([dagId, runId, taskId, mapIndex, tryNumber]);
  const hash = createHash("sha256").update(caller).digest("hex").slice(0, 10);
  return `manual__${runAfter.toISOString().replace("Z", "+00:00")}_${hash}`;
}
