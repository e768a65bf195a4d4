import type { SkipDecision } from "../../core/run.ts";
import { describe } from "../checks.ts";
import { FailFast } from "../errors.ts";
import type { OperatorBody } from "../operator.ts";
import type { TaskRun } from "../task-run.ts";
import { handlerBody } from "./handler.ts";

/** The body of a decision that is declared by its handler; the decision itself is read from the returned value. */
export function decisionBody(kind: "if" | "switch", handler: (inputs: never) => unknown): OperatorBody {
  return handlerBody(kind, handler);
}

/**
 * What the value of a deciding task means: which choices are skipped. Anything that the chosen task reaches stays.
 * @throws FailFast when the value is no decision.
 */
export function decide(kind: "if" | "switch", value: unknown, run: TaskRun): { value: unknown; branch: SkipDecision } {
  const chosen = kind === "if" ? chooseSide(value, run) : chooseCase(value, run);
  const kept = run.reachable(chosen === undefined ? [] : [chosen]);
  const skipped = run.choices.map((choice) => choice.taskId).filter((taskId) => !kept.has(taskId));
  return { value: kind === "if" ? value : chosen, branch: { skipped } };
}

function chooseSide(value: unknown, run: TaskRun): string | undefined {
  if (typeof value !== "boolean") {
    throw new FailFast(
      `The condition "${run.context.taskId}" must return true or false, but returned ${describe(value)}.`,
    );
  }
  return run.choices.find((choice) => choice.label === (value ? "then" : "else"))?.taskId;
}

function chooseCase(value: unknown, run: TaskRun): string {
  const ids = run.resolveTasks(value);
  const chosen = ids?.length === 1 ? run.choices.find((choice) => choice.taskId === ids[0]) : undefined;
  if (chosen === undefined) {
    const cases = run.choices.map((choice) => `"${choice.taskId}"`).join(", ");
    throw new FailFast(
      `The switch "${run.context.taskId}" must return one of its cases (${cases}), but returned ${ids?.length === 1 ? `task "${ids[0]}"` : describe(value)}.`,
    );
  }
  return chosen.taskId;
}
