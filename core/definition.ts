import type { Json, JsonObject } from "./json.ts";
import type { TimetableSpec } from "./timetable.ts";

/**
 * What is stored of a DAG: plain JSON, canonical, without code. The SDK builds it, the loader checks and stores it (one
 * `dag_version` per distinct hash), everything else reads it. Durations are milliseconds, instants ISO 8601 in UTC.
 * Optional keys are absent, never null, so that equal definitions serialize equally.
 */
export interface DagDefinition {
  readonly dagId: string;
  readonly displayName?: string;
  readonly description?: string;
  readonly docMd?: string;
  readonly tags: readonly string[];
  readonly owners: readonly string[];
  readonly timetable: TimetableSpec;
  /** IANA zone in which the DAG's times are shown and its cron is read. Default "UTC". */
  readonly timezone: string;
  readonly startDate?: string;
  readonly endDate?: string;
  /** Default false (Airflow 3). */
  readonly catchup: boolean;
  /** Running runs of this DAG at once. Default 16. */
  readonly maxActiveRuns: number;
  /** Queued and running tasks of one run at once. Default 16 (Airflow 3: evaluated per run). */
  readonly maxActiveTasks: number;
  /** Pause the DAG after so many failed runs in a row. 0 = never (default). */
  readonly maxConsecutiveFailedRuns: number;
  /** A run older than this fails; its unfinished tasks are skipped (Airflow: dagrun_timeout). */
  readonly dagrunTimeoutMs?: number;
  /** The first task failure stops the run. Default false. */
  readonly failFast: boolean;
  /** Overrides the setting for new DAGs. Default: not paused. */
  readonly isPausedUponCreation?: boolean;
  /** JSON Schema (2020-12, type object) of the run's params, and their defaults. */
  readonly params?: JsonObject;
  readonly paramDefaults?: JsonObject;
  /** In order of attachment. `upstream` edges never form a cycle. */
  readonly tasks: readonly TaskDefinition[];
  readonly groups: readonly GroupDefinition[];
}

/** Airflow's trigger rules (airflow.md 1.7). */
export const TRIGGER_RULES = [
  "all_success",
  "all_failed",
  "all_done",
  "all_done_min_one_success",
  "all_skipped",
  "one_success",
  "one_failed",
  "one_done",
  "none_failed",
  "none_failed_min_one_success",
  "none_skipped",
  "always",
  "all_done_setup_success",
] as const;
export type TriggerRule = (typeof TRIGGER_RULES)[number];

/** How `priorityWeight` adds up along the graph. Default "downstream" (own + all descendants). */
export type WeightRule = "downstream" | "upstream" | "absolute";

/** Where a task's code runs: alone in a warm process (default), or beside others in one process. */
export type Isolation = "process" | "shared";

/** Where the value of one named input comes from. */
export type InputBinding =
  | { readonly kind: "xcom"; readonly taskId: string; readonly key: string }
  | { readonly kind: "literal"; readonly value: Json };

/** What a deciding task may do to its direct downstreams. */
export type BranchKind = "branch" | "if" | "switch" | "shortCircuit" | "latestOnly";

export interface TaskDefinition {
  /** Full id, group prefixes included: "group.task". Unique in the DAG, also against group ids. */
  readonly taskId: string;
  readonly groupId?: string;
  /** What the UI shows: "ts", "bash", "http", "node", "empty", "sensor", "branch", "triggerDagRun" … */
  readonly operator: string;
  /** Ids of direct upstream tasks, sorted. */
  readonly upstream: readonly string[];
  /** Labels of edges into this task, by upstream id ("then", "else", a case's name). Display only. */
  readonly edgeLabels?: { readonly [upstreamTaskId: string]: string };
  readonly inputs: { readonly [argument: string]: InputBinding };
  readonly triggerRule: TriggerRule;
  /** Tries after the first. Default 0. */
  readonly retries: number;
  /** Default 300,000. */
  readonly retryDelayMs: number;
  /** Multiplier per further try; 0 or 1 = constant delay (default 0). */
  readonly retryFactor: number;
  /** Cap of the delay. The global cap of 24 h always holds. */
  readonly maxRetryDelayMs?: number;
  /** Limit of one try; a retryable failure. */
  readonly executionTimeoutMs?: number;
  readonly pool: string;
  readonly poolSlots: number;
  readonly priorityWeight: number;
  readonly weightRule: WeightRule;
  readonly queue: string;
  /** Named executor; absent = the installation's default. */
  readonly executor?: string;
  readonly isolation: Isolation;
  /** V8 old-space limit of the task's process. */
  readonly memoryLimitMb?: number;
  readonly dependsOnPast: boolean;
  readonly ignoreFirstDependsOnPast: boolean;
  readonly waitForDownstream: boolean;
  readonly waitForPastDependsBeforeSkipping: boolean;
  /** Push the returned value as XCom `return_value`. Default true. */
  readonly doXcomPush: boolean;
  /** Over all runs / in one run; absent = no limit. */
  readonly maxActiveTisPerDag?: number;
  readonly maxActiveTisPerDagrun?: number;
  readonly isSetup?: boolean;
  readonly isTeardown?: boolean;
  readonly returnsDagResult?: boolean;
  readonly owner?: string;
  readonly docMd?: string;
  readonly startDate?: string;
  readonly endDate?: string;
  readonly sensor?: SensorDefinition;
  /** Set on deciding tasks; `choices` are the direct downstream task ids it may follow (if/switch), with their labels. */
  readonly branch?: {
    readonly kind: BranchKind;
    readonly choices?: readonly string[];
    readonly ignoreDownstreamTriggerRules?: boolean;
  };
  /** True for tasks without code (`empty`): the scheduler marks them success without a worker. */
  readonly isNoop?: boolean;
  /** Display hints of the operator, secrets already left out: the command, the URL … */
  readonly operatorSummary?: string;
}

/** A sensor is asked every `everyMs` until it says yes; between pokes it holds no slot. */
export interface SensorDefinition {
  /** Default 60,000. */
  readonly everyMs: number;
  /** Over all pokes of a try chain; final, not retried. Default 604,800,000 (7 days). */
  readonly timeoutMs: number;
  /** On timeout: skipped instead of failed. Default false. */
  readonly softFail: boolean;
  /** Multiplier of the interval per poke; 0 = constant. */
  readonly backoff?: number;
}

export interface GroupDefinition {
  readonly groupId: string;
  readonly parentId?: string;
  readonly label: string;
  readonly tooltip?: string;
}

/** The name of the pool a task uses unless it says otherwise (Airflow: default_pool, 128 slots). */
export const DEFAULT_POOL = "default_pool";
/** The queue a task uses unless it says otherwise. */
export const DEFAULT_QUEUE = "default";
/** XCom key of a task's returned value. */
export const RETURN_VALUE_KEY = "return_value";
