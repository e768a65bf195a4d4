import type { InputBinding } from "../../core/definition.ts";
import type { WebDeps } from "../deps.ts";
import { urlWith } from "./paging.ts";
import { taskPath } from "./paths.ts";
import { type Fact, fact } from "./run-details.ts";
import type { TaskContext } from "./task-context.ts";
import { absoluteTime, durationText, type TimeView, timeView } from "./time.ts";

/** Characters of one input that are shown. */
const SHOWN = 20_000;

/** What a task gets: each argument with where its value comes from and the value, when there is one yet. */
export interface TaskInputsView {
  readonly summary: string;
  readonly rows: readonly {
    readonly name: string;
    readonly source: string;
    readonly href: string;
    readonly json: string;
  }[];
}

/** The inputs of a task instance with the values of this run. */
export async function taskInputs(deps: WebDeps, { run, task }: TaskContext): Promise<TaskInputsView> {
  const instances = await deps.store.tasks.ofRun(run.runKey);
  const tiNos = new Map(instances.map((row) => [row.taskId, row.tiNo]));
  const read = async ([name, binding]: [string, InputBinding]) => {
    if (binding.kind === "literal") return { name, source: "in the DAG file", href: "", json: pretty(binding.value) };
    const tiNo = tiNos.get(binding.taskId);
    const json = tiNo === undefined ? undefined : await deps.store.tasks.xcomJson(run.runKey, tiNo, binding.key);
    return {
      name,
      source: `${binding.key} of ${binding.taskId}`,
      href: urlWith(taskPath(run.dagId, run.runId, binding.taskId), { tab: "xcom" }),
      json: json === undefined ? "" : pretty(JSON.parse(json)),
    };
  };
  return {
    summary: task?.operatorSummary ?? "",
    rows: await Promise.all(Object.entries(task?.inputs ?? {}).map(read)),
  };
}

function pretty(value: unknown): string {
  const json = JSON.stringify(value, null, 2) ?? "undefined";
  return json.length > SHOWN ? `${json.slice(0, SHOWN)}\n…` : json;
}

/** Every try of a task instance. */
export interface TaskAttemptsView {
  readonly rows: readonly {
    readonly tryNumber: number;
    readonly href: string;
    readonly state: string;
    readonly label: string;
    readonly queued: TimeView;
    readonly start: TimeView;
    readonly duration: string;
    readonly where: string;
    readonly error: string;
    readonly pokes: number;
  }[];
}

/** The tries, newest first. */
export function taskAttempts({ attempts }: TaskContext, url: string, now: number): TaskAttemptsView {
  return {
    rows: [...attempts].reverse().map((attempt) => ({
      tryNumber: attempt.tryNumber,
      href: urlWith(url, { tab: "", try: String(attempt.tryNumber), page: "" }),
      state: STATES[attempt.state] ?? attempt.state,
      label: attempt.state,
      queued: timeView(attempt.queuedAt, now),
      start: timeView(attempt.startDate, now, "both"),
      duration: attempt.startDate === null ? "" : durationText((attempt.endDate ?? now) - attempt.startDate),
      where: [attempt.workerId, attempt.hostname, attempt.pid === null ? null : `pid ${attempt.pid}`]
        .filter((part) => part !== null && part !== "")
        .join(", "),
      error: attempt.error ? `${attempt.error.name}: ${attempt.error.message}` : "",
      pokes: attempt.pokes,
    })),
  };
}

const STATES: Readonly<Record<string, string>> = {
  lost: "failed",
  cancelled: "removed",
  rescheduled: "up_for_reschedule",
};

/** Everything stored of a task instance, and its settings. */
export function taskDetails({ instance, task, definition }: TaskContext): { readonly facts: readonly Fact[] } {
  const at = (instant: number | null) => (instant === null ? null : absoluteTime(instant, definition.timezone));
  const span = (ms: number | undefined) => (ms === undefined ? null : durationText(ms));
  const own = [
    fact("Task id", instance.taskId),
    fact("Map index", instance.mapIndex < 0 ? null : instance.mapIndex),
    fact("State", instance.state),
    fact("Try", `${instance.tryNumber} of ${instance.maxTries}`),
    fact("Operator", instance.operator),
    fact("Pool", `${instance.pool} (${instance.poolSlots} slot${instance.poolSlots === 1 ? "" : "s"})`, {
      href: "/admin/pools",
    }),
    fact("Queue", instance.queue),
    fact("Priority weight", instance.priorityWeight),
    fact("Scheduled", at(instance.scheduledAt)),
    fact("Queued", at(instance.queuedAt)),
    fact("Started", at(instance.startDate)),
    fact("Ended", at(instance.endDate)),
    fact("Due again", at(instance.dueAt)),
    fact("Reason", instance.reason),
    fact("Epoch", instance.epoch),
    fact("Lost attempts", instance.lostCount),
  ];
  if (!task) return { facts: own };
  return {
    facts: [
      ...own,
      fact("Upstream", task.upstream.join(", ")),
      fact("Trigger rule", task.triggerRule),
      fact("Retries", task.retries),
      fact("Retry delay", span(task.retryDelayMs)),
      fact("Execution timeout", span(task.executionTimeoutMs)),
      fact("Isolation", task.isolation),
      fact("Depends on past", task.dependsOnPast ? "yes" : "no"),
    ],
  };
}
