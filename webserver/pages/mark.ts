import { type Request, Router } from "express";
import { runOf } from "../../store/commands/context.ts";
import { cancelRun, markRun, markTask, previewMarkRun, previewMarkTask } from "../../store/commands/mark.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldView, field, options } from "../forms/field.ts";
import { choiceOf, type FormInput, flagOf, wholeNumberOf } from "../forms/input.ts";
import { type AffectedAction, affectedRoutes, instanceName, summaryOf } from "./affected.ts";
import { mapField } from "./clear.ts";
import { commandContext, pathParameter } from "./context.ts";

/** Marking a task instance or a run, and cancelling a run, each with a preview of what changes. */
export function markRouter(deps: WebDeps): Router {
  const router = Router();
  affectedRoutes(router, deps, "/dags/:dag/runs/:run/tasks/:task/mark", (request, input) =>
    taskAction(deps, request, input),
  );
  affectedRoutes(router, deps, "/dags/:dag/runs/:run/mark", (request, input) => runAction(deps, request, input));
  affectedRoutes(router, deps, "/dags/:dag/runs/:run/cancel", (request) => cancelAction(deps, request));
  return router;
}

const TASK_STATES = ["success", "failed", "skipped"] as const;
const RUN_STATES = ["success", "failed", "queued"] as const;

async function taskAction(deps: WebDeps, request: Request, input: FormInput): Promise<AffectedAction> {
  const ids = idsOf(request);
  const taskId = pathParameter(request, "task");
  const newState = choiceOf(input, "state", TASK_STATES, "success");
  const mapIndex = wholeNumberOf(input, "map_index", 0, 1_000_000) ?? -1;
  const wish = {
    upstream: flagOf(input, "upstream"),
    downstream: flagOf(input, "downstream"),
    past: flagOf(input, "past"),
    future: flagOf(input, "future"),
  };
  const context = commandContext(deps, request);
  const mark = { ...ids, taskId, newState, mapIndex: mapIndex >= 0 ? mapIndex : undefined, ...wish };
  return {
    ...ids,
    taskId,
    mapIndex,
    title: `Mark ${instanceName(taskId, mapIndex)}`,
    explanation:
      "Marked task instances count as done with that state; a running one is stopped. What failed only because of them is cleared, and a finished run goes on from there.",
    options: [stateField(TASK_STATES, newState), ...boxes(wish)],
    hidden: [["state", newState], ...flags(wish), ...mapField(mapIndex)],
    submit: `Mark ${newState}`,
    isDanger: newState === "failed",
    nothing: `Nothing to mark: it is ${newState} already.`,
    worksOnNothing: false,
    becomes: ({ task }) => (task.state === "running" ? `is stopped and becomes ${newState}` : `becomes ${newState}`),
    preview: () => previewMarkTask(context, mark),
    execute: () => markTask(context, mark),
    done: (affected) => `Marked ${summaryOf(affected)} ${newState}.`,
  };
}

async function runAction(deps: WebDeps, request: Request, input: FormInput): Promise<AffectedAction> {
  const ids = idsOf(request);
  const run = await runOf(deps.store, ids.dagId, ids.runId);
  const newState = choiceOf(input, "state", RUN_STATES, "success");
  const context = commandContext(deps, request);
  return {
    ...ids,
    taskId: "",
    mapIndex: -1,
    title: "Mark the run",
    explanation: RUN_EXPLANATIONS[newState],
    options: [stateField(RUN_STATES, newState)],
    hidden: [["state", newState]],
    submit: newState === "queued" ? "Queue the run again" : `Mark the run ${newState}`,
    isDanger: newState === "failed",
    nothing:
      run.state === newState
        ? `Nothing to do: the run is ${newState} already.`
        : `No task instance changes; the run becomes ${newState}.`,
    worksOnNothing: run.state !== newState,
    becomes: ({ task }) => becomesOf(task.state, newState),
    preview: () => previewMarkRun(context, { ...ids, newState }),
    execute: () => markRun(context, { ...ids, newState }),
    done: () => `The run is marked ${newState}.`,
  };
}

const RUN_EXPLANATIONS: Readonly<Record<(typeof RUN_STATES)[number], string>> = {
  success: "The run ends as a success, and so does every task instance that is none yet. Running ones are stopped.",
  failed: "The run ends as failed: running task instances are stopped and fail, the others are skipped.",
  queued: "The run goes back into the queue; its task instances stay as they are.",
};

async function cancelAction(deps: WebDeps, request: Request): Promise<AffectedAction> {
  const ids = idsOf(request);
  const run = await runOf(deps.store, ids.dagId, ids.runId);
  const isOver = run.state === "success" || run.state === "failed";
  const context = commandContext(deps, request);
  return {
    ...ids,
    taskId: "",
    mapIndex: -1,
    title: "Cancel the run",
    explanation:
      "Running tasks get the signal to stop, and are killed when they do not; the rest of the run is skipped, and the run fails.",
    options: [],
    hidden: [],
    submit: "Cancel the run",
    isDanger: true,
    nothing: isOver ? `Nothing to cancel: the run is over (${run.state}).` : "No task instance changes; the run fails.",
    worksOnNothing: !isOver,
    becomes: ({ task }) => becomesOf(task.state, "failed"),
    preview: async () => (isOver ? [] : previewMarkRun(context, { ...ids, newState: "failed" })),
    execute: () => cancelRun(context, ids.dagId, ids.runId),
    done: () => "The run is cancelled.",
  };
}

function idsOf(request: Request): { dagId: string; runId: string } {
  return { dagId: pathParameter(request, "dag"), runId: pathParameter(request, "run") };
}

function becomesOf(state: string, newState: (typeof RUN_STATES)[number]): string {
  const isActive = state === "running" || state === "queued" || state === "restarting";
  if (newState === "success") return isActive ? "is stopped and becomes success" : "becomes success";
  return isActive ? "is stopped and fails" : "is skipped";
}

function stateField(states: readonly string[], selected: string): FieldView {
  return field({
    kind: "select",
    name: "state",
    label: "New state",
    options: options(
      states.map((state) => [state, state] as const),
      selected,
    ),
  });
}

type Wish = {
  readonly upstream: boolean;
  readonly downstream: boolean;
  readonly past: boolean;
  readonly future: boolean;
};

function boxes(wish: Wish): readonly FieldView[] {
  const box = (name: keyof Wish, label: string) => field({ kind: "checkbox", name, label, isChecked: wish[name] });
  return [
    box("upstream", "Upstream: what it waits for"),
    box("downstream", "Downstream: what waits for it"),
    box("past", "Past: earlier runs too"),
    box("future", "Future: later runs too"),
  ];
}

function flags(wish: Wish): readonly (readonly [string, string])[] {
  return Object.entries(wish).map(([name, isSet]) => [name, isSet ? "1" : ""] as const);
}
