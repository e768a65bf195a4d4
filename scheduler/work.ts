import { RETURN_VALUE_KEY } from "../core/definition.ts";
import type { AttemptWork } from "../executor/executor.ts";
import type { AttemptId } from "../store/rows.ts";
import type { OwnedRun } from "./owned-run.ts";
import type { StoreGate } from "./store-gate.ts";
import type { Values } from "./values.ts";

/**
 * Everything a runner needs for one attempt. Answers at once when no input has to be read from the store (the usual hand-over),
 * so that the work leaves in the turn of the commit.
 */
export function workOf(
  run: OwnedRun,
  attempt: AttemptId,
  values: Values,
  gate: StoreGate,
): AttemptWork | Promise<AttemptWork> {
  const task = run.task(attempt.tiNo);
  const inputs: { [argument: string]: string } = {};
  const reads: Promise<void>[] = [];
  for (const [argument, binding] of Object.entries(task.inputs)) {
    if (binding.kind === "literal") {
      inputs[argument] = JSON.stringify(binding.value);
      continue;
    }
    const from = run.tiNoOf(binding.taskId);
    if (from === undefined) continue;
    const kept = binding.key === RETURN_VALUE_KEY ? values.get(run, from) : undefined;
    if (kept !== undefined) {
      inputs[argument] = kept;
      continue;
    }
    reads.push(
      gate
        .read((store) => store.tasks.xcomJson(run.runKey, from, binding.key))
        .then((json) => {
          if (json !== undefined) inputs[argument] = json;
        }),
    );
  }
  const work = workWith(run, attempt, inputs);
  return reads.length === 0 ? work : Promise.all(reads).then(() => work);
}

function workWith(run: OwnedRun, attempt: AttemptId, inputs: { readonly [argument: string]: string }): AttemptWork {
  const task = run.task(attempt.tiNo);
  const { maxTries, firstPokeAt, mapIndex } = run.instance(attempt.tiNo);
  return {
    attempt,
    dagId: run.row.dagId,
    runId: run.row.runId,
    taskId: task.taskId,
    mapIndex,
    bundleHash: run.version.row.bundleHash,
    isolation: task.isolation,
    queue: task.queue,
    ...(task.memoryLimitMb === undefined ? {} : { memoryLimitMb: task.memoryLimitMb }),
    ...(task.executionTimeoutMs === undefined ? {} : { executionTimeoutMs: task.executionTimeoutMs }),
    context: { ...run.context, maxTries, ...(firstPokeAt === undefined ? {} : { firstPokeAt }) },
    inputs,
  };
}
