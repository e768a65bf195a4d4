import { type Request, Router } from "express";
import { type Affected, type ClearInput, clearTasks, previewClear } from "../../store/commands/clear.ts";
import { dagOf, runOf } from "../../store/commands/context.ts";
import type { WebDeps } from "../deps.ts";
import { type FieldView, field, options } from "../forms/field.ts";
import { choiceOf, type FormInput, flagOf, textOf, textsOf, wholeNumberOf } from "../forms/input.ts";
import { type AffectedAction, affectedRoutes, instanceName, summaryOf } from "./affected.ts";
import { commandContext, pathParameter } from "./context.ts";

/** Clearing a run (`…/clear`, `?task=` narrows it) or one task instance (`…/tasks/:task/clear`), with a preview. */
export function clearRouter(deps: WebDeps): Router {
  const router = Router();
  const build = (request: Request, input: FormInput) => clearAction(deps, request, input);
  affectedRoutes(router, deps, "/dags/:dag/runs/:run/clear", build);
  affectedRoutes(router, deps, "/dags/:dag/runs/:run/tasks/:task/clear", build);
  return router;
}

async function clearAction(deps: WebDeps, request: Request, input: FormInput): Promise<AffectedAction> {
  const dagId = pathParameter(request, "dag");
  const runId = pathParameter(request, "run");
  const taskId = pathParameter(request, "task");
  const [dag, run] = await Promise.all([dagOf(deps.store, dagId), runOf(deps.store, dagId, runId)]);
  const mapIndex = wholeNumberOf(input, "map_index", 0, 1_000_000) ?? -1;
  const wish = wishOf(input, taskId !== "");
  const clear: ClearInput = {
    dagId,
    runId,
    taskIds: taskIdsOf(taskId, input),
    mapIndex: mapIndex >= 0 ? mapIndex : undefined,
    ...wish,
  };
  const context = commandContext(deps, request);
  return {
    title: taskId === "" ? "Clear the run" : `Clear ${instanceName(taskId, mapIndex)}`,
    dagId,
    runId,
    taskId,
    mapIndex,
    explanation:
      "Cleared task instances run again; running ones are stopped first. A finished run is queued again. Tries go on counting, and the logs of earlier tries stay.",
    options: optionFields(wish, taskId !== "", run.versionId !== dag.currentVersionId),
    hidden: [...hiddenOf(wish), ...textsOf(input, "task").map((id) => ["task", id] as const), ...mapField(mapIndex)],
    submit: "Clear",
    isDanger: false,
    nothing: wish.onlyFailed
      ? "Nothing to clear: no task instance here has failed."
      : "Nothing to clear: these task instances have not run yet.",
    worksOnNothing: false,
    becomes: ({ task, isDropped }: Affected) => {
      if (isDropped) return "is removed: the newest version has no such task";
      return task.state === "running" ? "is stopped, then runs again" : "runs again";
    },
    preview: () => previewClear(context, clear),
    execute: () => clearTasks(context, clear),
    done: (affected) => `Cleared ${summaryOf(affected)}.`,
  };
}

function taskIdsOf(taskId: string, input: FormInput): readonly string[] | undefined {
  if (taskId !== "") return [taskId];
  const chosen = textsOf(input, "task");
  return chosen.length > 0 ? chosen : undefined;
}

type Wish = Required<
  Pick<ClearInput, "upstream" | "downstream" | "past" | "future" | "onlyFailed" | "runOnLatestVersion">
>;

/** The options asked for; before any were, what follows a task is cleared with it, as in Airflow. */
function wishOf(input: FormInput, isTask: boolean): Wish {
  const isFirst = textOf(input, "o") === "";
  return {
    upstream: flagOf(input, "upstream"),
    downstream: flagOf(input, "downstream") || (isTask && isFirst),
    past: flagOf(input, "past"),
    future: flagOf(input, "future"),
    onlyFailed: flagOf(input, "only_failed"),
    runOnLatestVersion: choiceOf(input, "version", ["original", "newest"], "original") === "newest",
  };
}

function hiddenOf(wish: Wish): readonly (readonly [string, string])[] {
  return [
    ["o", "1"],
    ["upstream", wish.upstream ? "1" : ""],
    ["downstream", wish.downstream ? "1" : ""],
    ["past", wish.past ? "1" : ""],
    ["future", wish.future ? "1" : ""],
    ["only_failed", wish.onlyFailed ? "1" : ""],
    ["version", wish.runOnLatestVersion ? "newest" : "original"],
  ];
}

/** The instance of a mapped task, to be sent again. */
export function mapField(mapIndex: number): readonly (readonly [string, string])[] {
  return mapIndex >= 0 ? [["map_index", String(mapIndex)]] : [];
}

function optionFields(wish: Wish, isTask: boolean, hasNewer: boolean): readonly FieldView[] {
  const box = (name: string, label: string, isChecked: boolean) => field({ kind: "checkbox", name, label, isChecked });
  return [
    ...(isTask
      ? [
          box("upstream", "Upstream: what it waits for", wish.upstream),
          box("downstream", "Downstream: what waits for it", wish.downstream),
        ]
      : []),
    box("only_failed", "Only failed", wish.onlyFailed),
    box("past", "Past: earlier runs too", wish.past),
    box("future", "Future: later runs too", wish.future),
    field({
      kind: "select",
      name: "version",
      label: "Version of the DAG",
      hint: hasNewer ? "There is a newer version than the one of this run." : "",
      options: options(
        [
          ["original", "The one the run began with"],
          ["newest", "The newest"],
        ],
        wish.runOnLatestVersion ? "newest" : "original",
      ),
    }),
  ];
}
