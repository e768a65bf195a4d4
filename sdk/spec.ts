import { type Isolation, TRIGGER_RULES, type TriggerRule, type WeightRule } from "../core/definition.ts";
import { isTimeZone } from "../core/timetable.ts";
import {
  type Check,
  type Checked,
  callback,
  checkSpec,
  describe,
  flag,
  instant,
  isPlainObject,
  name,
  names,
  nested,
  number,
  oneOf,
  text,
  whole,
} from "./checks.ts";
import { type Duration, durationMs } from "./durations.ts";
import type { ParamsSchema } from "./params.ts";
import type { Schedule } from "./schedule.ts";

/** What may be said about a whole DAG. Every key is optional; an unknown one is an error. Durations are seconds or "10m". */
export interface DagSpec<P = unknown> {
  /** When it runs. Default null: only when asked. */
  readonly schedule?: Schedule;
  /** IANA zone of the cron expression, and of dates without an offset. Default "UTC". */
  readonly timezone?: string;
  /** Earliest logical date. */
  readonly startDate?: string | Date;
  /** Latest logical date. */
  readonly endDate?: string | Date;
  /** Make up for every missed run, instead of only the newest. Default false. */
  readonly catchup?: boolean;
  readonly description?: string;
  readonly dagDisplayName?: string;
  /** Markdown for the DAG's page. */
  readonly docMd?: string;
  readonly tags?: readonly string[];
  /** Runs at once. Default 16. */
  readonly maxActiveRuns?: number;
  /** Tasks of one run at once. Default 16. */
  readonly maxActiveTasks?: number;
  /** Pause the DAG after so many failed runs in a row. Default 0: never. */
  readonly maxConsecutiveFailedDagRuns?: number;
  /** A run that takes longer fails, its unfinished tasks are skipped. */
  readonly dagrunTimeout?: Duration;
  /** The first failed task stops the run. Every task must keep the rule `all_success`. Default false. */
  readonly failFast?: boolean;
  /** A template that consists of one `{{ … }}` gives the value itself instead of its text. Default false. */
  readonly renderTemplateAsNativeObj?: boolean;
  /** Accepted for Airflow's sake, without effect: a run always finishes on the code it began with. */
  readonly disableBundleVersioning?: boolean;
  /** Overrides the installation's setting for new DAGs. */
  readonly isPausedUponCreation?: boolean;
  /** Queue of every task that names none itself. */
  readonly queue?: string;
  /** A zod object: the run's parameters. */
  readonly params?: ParamsSchema<P>;
  /** Task settings for every task of the DAG that does not say otherwise. */
  readonly defaultArgs?: TaskDefaults;
}

/** What may be said about one task. Every key is optional; an unknown one is an error. Durations are seconds or "10m". */
export interface TaskSpec {
  /** The task's id, when it is neither the first argument nor the handler's name. */
  readonly taskId?: string;
  readonly owner?: string;
  /** The task takes no part in runs with an earlier logical date. */
  readonly startDate?: string | Date;
  /** … or a later one. */
  readonly endDate?: string | Date;
  /** When it runs, seen from its upstream tasks. Default "all_success". */
  readonly triggerRule?: TriggerRule;
  /** Wait for this task's success (or skip) in the run before. Default false. */
  readonly dependsOnPast?: boolean;
  /** Exempt the first run from `dependsOnPast`. Default true. */
  readonly ignoreFirstDependsOnPast?: boolean;
  /** Be skipped only once the past would let it run. Default false. */
  readonly waitForPastDependsBeforeSkipping?: boolean;
  /** Wait also for the direct downstream tasks of this task in the run before. Implies `dependsOnPast`. Default false. */
  readonly waitForDownstream?: boolean;
  /** Tries after the first. Default 0. */
  readonly retries?: number;
  /** Wait between tries. Default 300 s. */
  readonly retryDelay?: Duration;
  /** Factor by which the wait grows with each try; 0 or false = constant, true = 2. Default 0. */
  readonly retryExponentialBackoff?: number | boolean;
  /** Longest wait. */
  readonly maxRetryDelay?: Duration;
  /** The same in one piece, and by cause. Not together with the four keys above. */
  readonly retry?: RetrySpec;
  /** Limit of one try; reaching it is a failure that may be retried. */
  readonly executionTimeout?: Duration;
  readonly queue?: string;
  /** Default "default_pool". */
  readonly pool?: string;
  /** Slots taken in the pool. Default 1. */
  readonly poolSlots?: number;
  /** Higher goes first. Default 1. */
  readonly priorityWeight?: number;
  /** Default "downstream": own weight and that of all descendants. */
  readonly weightRule?: WeightRule;
  /** Named executor; default: the installation's. */
  readonly executor?: string;
  /** "process" (default): alone in its process. "shared": beside other async tasks in one process. */
  readonly isolation?: Isolation;
  /** Memory of the task's process: megabytes, or "512mb", "2gb". */
  readonly memoryLimit?: number | string;
  /** Store what the handler returns. Default true. */
  readonly doXcomPush?: boolean;
  /** What this task returns is the run's result. */
  readonly returnsDagResult?: boolean;
  /** Accepted for Airflow's sake; mails are not sent yet. */
  readonly emailOnFailure?: boolean;
  /** Accepted for Airflow's sake; mails are not sent yet. */
  readonly emailOnRetry?: boolean;
  /** Markdown for the task's page. */
  readonly docMd?: string;
  /** Accepted for Airflow's sake; used once tasks can be mapped. */
  readonly mapIndexTemplate?: string;
  /** Instances of this task at once over all runs. */
  readonly maxActiveTisPerDag?: number;
  /** Instances of this task at once in one run. */
  readonly maxActiveTisPerDagrun?: number;
}

/** Settings for all tasks of a DAG or group. */
export type TaskDefaults = Omit<TaskSpec, "taskId">;

/** When and how often a task is tried again. */
export interface RetrySpec {
  /** Tries in all, the first included. Default 3. */
  readonly attempts?: number;
  /** Wait before the second try. Default 300 s. */
  readonly delay?: Duration;
  /** Factor by which the wait grows with each further try. Default 1. */
  readonly factor?: number;
  /** Longest wait. */
  readonly max?: Duration;
  /** Asked with what the handler threw: false fails the task at once. Default: every failure is retried. */
  readonly on?: (error: unknown) => boolean;
}

/** What may be said about a task group. */
export interface TaskGroupSpec {
  /** Put "group." before the ids of its tasks. Default true. */
  readonly prefixGroupId?: boolean;
  /** What the pages show; default: the id. */
  readonly label?: string;
  readonly tooltip?: string;
  /** Task settings for every task of the group that does not say otherwise; they go before the DAG's. */
  readonly defaultArgs?: TaskDefaults;
}

const retryChecks = {
  attempts: whole(1, 1_000_000),
  delay: durationMs,
  factor: number(0),
  max: durationMs,
  on: callback as Check<(error: unknown) => boolean>,
};

const backoff: Check<number> = (value) => {
  if (typeof value === "boolean") return value ? 2 : 0;
  return number(0)(value);
};

const megabytes: Check<number> = (value) => {
  if (typeof value === "number") return whole(16)(value);
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*(mb|gb|m|g)$/i.exec(value.trim()) : null;
  if (match === null) throw new TypeError('must be megabytes (512) or a text such as "512mb" or "2gb"');
  return whole(16)(Math.round(Number(match[1]) * (match[2]?.toLowerCase().startsWith("g") ? 1024 : 1)));
};

const timezone: Check<string> = (value) => {
  if (typeof value !== "string" || !isTimeZone(value)) {
    throw new TypeError('must be an IANA time zone such as "Europe/Berlin" or "UTC"');
  }
  return value;
};

const taskDefaultsChecks = {
  owner: name,
  startDate: instant,
  endDate: instant,
  triggerRule: oneOf(TRIGGER_RULES),
  dependsOnPast: flag,
  ignoreFirstDependsOnPast: flag,
  waitForPastDependsBeforeSkipping: flag,
  waitForDownstream: flag,
  retries: whole(0, 1_000_000),
  retryDelay: durationMs,
  retryExponentialBackoff: backoff,
  maxRetryDelay: durationMs,
  retry: nested((value) => checkSpec(value, retryChecks)),
  executionTimeout: durationMs,
  queue: name,
  pool: name,
  poolSlots: whole(1),
  priorityWeight: whole(-1_000_000_000, 1_000_000_000),
  weightRule: oneOf(["downstream", "upstream", "absolute"]),
  executor: name,
  isolation: oneOf(["process", "shared"]),
  memoryLimit: megabytes,
  doXcomPush: flag,
  returnsDagResult: flag,
  emailOnFailure: flag,
  emailOnRetry: flag,
  docMd: text,
  mapIndexTemplate: text,
  maxActiveTisPerDag: whole(1),
  maxActiveTisPerDagrun: whole(1),
};

const taskChecks = { ...taskDefaultsChecks, taskId: text };

const schedule: Check<Schedule> = (value) => {
  if (value === null || typeof value === "string") return value;
  if (isPlainObject(value) && typeof value.kind === "string") return value as Schedule;
  throw new TypeError(
    'must be a cron expression, a preset such as "@daily", null, or the result of every(), cronInterval(), crons() or events()',
  );
};

const params: Check<ParamsSchema<unknown>> = (value) => {
  if (typeof value === "object" && value !== null && "~standard" in value) return value as ParamsSchema<unknown>;
  throw new TypeError("must be a zod object such as z.object({ day: z.iso.date() })");
};

const dagChecks = {
  schedule,
  timezone,
  startDate: instant,
  endDate: instant,
  catchup: flag,
  description: text,
  dagDisplayName: name,
  docMd: text,
  tags: names,
  maxActiveRuns: whole(1),
  maxActiveTasks: whole(1),
  maxConsecutiveFailedDagRuns: whole(0),
  dagrunTimeout: durationMs,
  failFast: flag,
  renderTemplateAsNativeObj: flag,
  disableBundleVersioning: flag,
  isPausedUponCreation: flag,
  queue: name,
  params,
  defaultArgs: nested(readTaskDefaults),
};

const groupChecks = {
  prefixGroupId: flag,
  label: name,
  tooltip: text,
  defaultArgs: nested(readTaskDefaults),
};

/** A checked DAG spec; durations are milliseconds. */
export type DagSettings = Checked<typeof dagChecks>;
/** A checked group spec. */
export type GroupSettings = Checked<typeof groupChecks>;
/** A checked task spec, defaults not yet applied; durations are milliseconds. */
export type TaskSettings = Omit<Checked<typeof taskDefaultsChecks>, "retry"> & {
  retryOn?: (error: unknown) => boolean;
};

/** @throws TypeError naming the offending key. */
export function readDagSpec(spec: unknown): DagSettings {
  return checkSpec(spec, dagChecks);
}

/** @throws TypeError naming the offending key. */
export function readGroupSpec(spec: unknown): GroupSettings {
  return checkSpec(spec, groupChecks);
}

/** @throws TypeError naming the offending key. */
export function readTaskSpec(spec: unknown): { readonly taskId?: string; readonly settings: TaskSettings } {
  const { taskId, ...settings } = checkSpec(spec, taskChecks);
  return { taskId, settings: foldRetry(settings) };
}

function readTaskDefaults(spec: unknown): TaskSettings {
  if (!isPlainObject(spec)) throw new TypeError(`must be an object of task settings, but it is ${describe(spec)}.`);
  return foldRetry(checkSpec(spec, taskDefaultsChecks));
}

const RETRY_KEYS = ["retries", "retryDelay", "retryExponentialBackoff", "maxRetryDelay"] as const;

/** `retry: {…}` says in one piece what four keys say; both are stored as those four. */
function foldRetry({ retry, ...settings }: Checked<typeof taskDefaultsChecks>): TaskSettings {
  if (retry === undefined) return settings;
  const twice = RETRY_KEYS.find((key) => settings[key] !== undefined);
  if (twice !== undefined) throw new TypeError(`retry and ${twice} say the same thing twice; keep one of them.`);
  return {
    ...settings,
    retries: (retry.attempts ?? 3) - 1,
    // All four are set, so that nothing of a default's policy shines through.
    retryDelay: retry.delay ?? DEFAULT_RETRY_DELAY_MS,
    retryExponentialBackoff: retry.factor ?? 0,
    maxRetryDelay: retry.max,
    retryOn: retry.on,
  };
}

/** Airflow's five minutes. */
export const DEFAULT_RETRY_DELAY_MS = 300_000;
