import { DEFAULT_QUEUE, type TriggerRule } from "./definition.ts";
import type { RunState, TaskState } from "./states.ts";

/** Why a task instance does not go on, as data: `waitReason` (decide) and `ReadyQueue.refusal` (limits) make it. */
export type WaitReason =
  /** Upstream tasks are not finished. `waitingFor` names at most three of `count`. */
  | {
      readonly code: "upstream";
      readonly rule: TriggerRule;
      readonly waitingFor: readonly string[];
      readonly count: number;
    }
  /** Setups it depends on are not finished. */
  | { readonly code: "setup"; readonly waitingFor: readonly string[]; readonly count: number }
  /** The trigger rule can neither hold nor be ruled out any more. */
  | { readonly code: "stuck"; readonly rule: TriggerRule }
  /** Nobody has told yet how the previous run stands. */
  | { readonly code: "pastUnknown" }
  /** The task in the previous run is not successful; `state` null = that run has no such task. */
  | { readonly code: "past"; readonly runId: string; readonly taskId: string; readonly state: TaskState | null }
  /** A direct downstream of the task in the previous run is not successful. */
  | { readonly code: "pastDownstream"; readonly runId: string; readonly taskId: string; readonly state: TaskState }
  | { readonly code: "dagPaused" }
  | { readonly code: "poolMissing"; readonly pool: string }
  /** Needs more slots than the pool has in all. */
  | { readonly code: "poolTooSmall"; readonly pool: string; readonly needs: number; readonly slots: number }
  /** `place`: 1 = next in line of its pool. */
  | {
      readonly code: "poolFull";
      readonly pool: string;
      readonly needs: number;
      readonly used: number;
      readonly slots: number;
      readonly place: number;
    }
  /** maxActiveTasks of the run. */
  | { readonly code: "runFull"; readonly active: number; readonly limit: number }
  /** maxActiveTisPerDag (scope dag) or maxActiveTisPerDagrun (scope run). */
  | {
      readonly code: "taskFull";
      readonly scope: "dag" | "run";
      readonly taskId: string;
      readonly active: number;
      readonly limit: number;
    }
  /** Every worker slot is taken. */
  | { readonly code: "noSlot"; readonly place: number; readonly queue: string }
  /** Nothing holds it: it starts with the next dispatch. */
  | { readonly code: "next" };

/** Why a queued run does not start. */
export type RunWaitReason =
  | { readonly code: "maxActiveRuns"; readonly active: number; readonly limit: number; readonly place?: number }
  | {
      readonly code: "backfillFull";
      readonly backfillId: number;
      readonly active: number;
      readonly limit: number;
      readonly place?: number;
    }
  | { readonly code: "backfillPaused"; readonly backfillId: number }
  | { readonly code: "dagPaused" }
  | { readonly code: "notDue"; readonly at: number }
  /** No scheduler is alive. */
  | { readonly code: "noScheduler" }
  | { readonly code: "next" };

/** What `explain` needs of a task instance. Times are epoch ms. */
export interface TaskExplainFacts {
  readonly kind: "task";
  readonly state: TaskState;
  readonly now: number;
  readonly tryNumber: number;
  readonly maxTries: number;
  readonly dueAt?: number | null;
  /** The reason stored with its present state. */
  readonly reason?: string | null;
  /** For `none` from `waitReason`, for `scheduled` from the ready queue. */
  readonly wait?: WaitReason;
  readonly runState?: RunState;
  /** Why its run has not started; said first when the run is queued. */
  readonly runWait?: RunWaitReason;
  readonly isDagPaused?: boolean;
}

/** What `explain` needs of a run. */
export interface RunExplainFacts {
  readonly kind: "run";
  readonly state: RunState;
  readonly now: number;
  readonly reason?: string | null;
  readonly wait?: RunWaitReason;
  readonly isDagPaused?: boolean;
}

/** What can be explained. */
export type ExplainFacts = TaskExplainFacts | RunExplainFacts;

/**
 * One sentence that says why a task instance or a run is where it is, and what it waits for. Never empty, no full
 * stop.
 */
export function explain(facts: ExplainFacts): string {
  return facts.kind === "run" ? explainRun(facts) : explainTask(facts);
}

function explainRun(facts: RunExplainFacts): string {
  switch (facts.state) {
    case "queued":
      if (facts.wait !== undefined) return sayRunWait(facts.wait, facts.now);
      return facts.isDagPaused ? "DAG is paused" : "waits for the scheduler to start it";
    case "running":
      return facts.isDagPaused ? "runs, but DAG is paused: no further task starts" : "runs";
    case "success":
      return facts.reason || "succeeded";
    case "failed":
      return facts.reason || "failed";
  }
}

function explainTask(facts: TaskExplainFacts): string {
  const { state, reason } = facts;
  switch (state) {
    case "none":
      return explainNone(facts);
    case "scheduled":
      if (facts.wait !== undefined && facts.wait.code !== "next") return sayWait(facts.wait);
      return facts.isDagPaused ? "DAG is paused" : "is ready, starts with the next dispatch";
    case "queued":
      return "waits for its worker to start it";
    case "running":
      return facts.maxTries > 1 ? `runs, try ${facts.tryNumber} of ${facts.maxTries}` : "runs";
    case "up_for_retry":
      return withReason(`retries ${inTime(facts.dueAt, facts.now)}`, reason);
    case "up_for_reschedule":
      return `looks again ${inTime(facts.dueAt, facts.now)}`;
    case "restarting":
      return "was cleared while running: stops, then runs again";
    case "deferred":
      return facts.dueAt == null ? "sleeps until it is woken" : `sleeps, wakes ${inTime(facts.dueAt, facts.now)}`;
    case "awaiting_input":
      return "waits for a person's answer";
    case "success":
      return reason || "succeeded";
    case "failed":
      return withReason("failed", reason);
    case "upstream_failed":
      return withReason("upstream failed", reason);
    case "skipped":
      return withReason("skipped", reason);
    case "removed":
      return withReason("removed", reason);
  }
}

function explainNone(facts: TaskExplainFacts): string {
  if (facts.runState === "queued") {
    const why = facts.runWait === undefined ? "" : `: ${sayRunWait(facts.runWait, facts.now)}`;
    return `waits for its run to start${why}`;
  }
  if (facts.runState === "success" || facts.runState === "failed") return "never started: its run has ended";
  if (facts.wait !== undefined) return sayWait(facts.wait);
  return facts.isDagPaused ? "DAG is paused" : "waits for the scheduler to look at it";
}

/** The sentence of one wait reason. */
export function sayWait(wait: WaitReason): string {
  switch (wait.code) {
    case "upstream":
      return `waits for ${list(wait.waitingFor, wait.count)}`;
    case "setup":
      return `waits for its setup ${list(wait.waitingFor, wait.count)}`;
    case "stuck":
      return `can never start: ${wait.rule} can no longer hold`;
    case "pastUnknown":
      return "waits to learn how the previous run stands";
    case "past":
      if (wait.state === null) return `waits: previous run ${wait.runId} has no ${wait.taskId}`;
      return `waits for ${wait.taskId} of the previous run ${wait.runId}, which is ${sayState(wait.state)}`;
    case "pastDownstream":
      return `waits for ${wait.taskId}, downstream in the previous run ${wait.runId}, which is ${sayState(wait.state)}`;
    case "dagPaused":
      return "DAG is paused";
    case "poolMissing":
      return `pool ${wait.pool} does not exist`;
    case "poolTooSmall":
      return `can never start: it needs ${slots(wait.needs)} and pool ${wait.pool} has ${wait.slots}`;
    case "poolFull": {
      const needs = wait.needs > 1 ? `, it needs ${wait.needs}` : "";
      const isFull = wait.used >= wait.slots ? "is full" : "has too few free slots";
      return `pool ${wait.pool} ${isFull}: ${wait.used}/${wait.slots}${needs}, ${ordinal(wait.place)} in line`;
    }
    case "runFull":
      return `waits: ${wait.active} of ${wait.limit} tasks of this run are running`;
    case "taskFull": {
      const where = wait.scope === "dag" ? "over all runs" : "in this run";
      return `waits: ${wait.active} of ${wait.limit} instances of ${wait.taskId} are running ${where}`;
    }
    case "noSlot": {
      const queue = wait.queue === DEFAULT_QUEUE ? "" : ` for queue ${wait.queue}`;
      return `every worker slot${queue} is taken, ${ordinal(wait.place)} in line`;
    }
    case "next":
      return "is ready, starts with the next dispatch";
  }
}

/** The sentence of why a queued run does not start. `now`: epoch ms. */
export function sayRunWait(wait: RunWaitReason, now: number): string {
  const place = "place" in wait && wait.place !== undefined ? `, ${ordinal(wait.place)} in line` : "";
  switch (wait.code) {
    case "maxActiveRuns":
      return `waits: ${wait.active} of ${wait.limit} runs of this DAG are running${place}`;
    case "backfillFull":
      return `waits: ${wait.active} of ${wait.limit} runs of backfill ${wait.backfillId} are running${place}`;
    case "backfillPaused":
      return `backfill ${wait.backfillId} is paused`;
    case "dagPaused":
      return "DAG is paused";
    case "notDue":
      return `starts ${inTime(wait.at, now)}`;
    case "noScheduler":
      return "no scheduler is running";
    case "next":
      return "starts with the next dispatch";
  }
}

function slots(count: number): string {
  return count === 1 ? "1 slot" : `${count} slots`;
}

function withReason(what: string, reason: string | null | undefined): string {
  return reason ? `${what}: ${reason}` : what;
}

function sayState(state: TaskState): string {
  return state === "none" ? "not started" : state;
}

function list(names: readonly string[], count: number): string {
  const more = count - names.length;
  if (more > 0) return `${names.join(", ")} and ${more} more`;
  if (names.length < 2) return names[0] ?? "its upstream";
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** 1st, 2nd, 3rd, 4th, 11th … */
function ordinal(place: number): string {
  const tens = place % 100;
  const ending = tens >= 11 && tens <= 13 ? "th" : (["th", "st", "nd", "rd"][place % 10] ?? "th");
  return `${place}${ending}`;
}

function inTime(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined || !(at > now)) return "now";
  const seconds = Math.ceil((at - now) / 1000);
  if (seconds < 60) return `in ${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 || seconds > 600 ? `in ${minutes} min` : inMinutesAndSeconds(seconds);
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `in ${hours} h` : `in ${hours} h ${minutes % 60} min`;
  return `in ${Math.round(hours / 24)} days`;
}

function inMinutesAndSeconds(seconds: number): string {
  return `in ${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
