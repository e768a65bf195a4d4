import {
  type DagDefinition,
  DEFAULT_POOL,
  DEFAULT_QUEUE,
  type GroupDefinition,
  type InputBinding,
  type TaskDefinition,
} from "../core/definition.ts";
import type { GroupRecord, TaskRecord } from "./blueprint.ts";
import { groupsAround } from "./blueprint.ts";
import { type Dag, type DagInternals, internalsOf } from "./dag.ts";
import { DagDefinitionError } from "./errors.ts";
import { readParams, type StoredParams } from "./params.ts";
import { type Plan, planOf } from "./plan.ts";
import { resolveInstant, resolveSchedule } from "./schedule.ts";
import { DEFAULT_RETRY_DELAY_MS, type TaskSettings } from "./spec.ts";

/**
 * The stored form of a DAG. The same declarations give the same definition, key for key.
 * @throws DagDefinitionError for everything that only shows once the DAG is complete: a factory never called, a cycle, a
 * condition without sides, settings that contradict each other.
 */
export function serializeDag(dag: Dag<unknown>): DagDefinition {
  const inner = internalsOf(dag);
  const plan = planOf(inner.blueprint);
  const definition = describeDag(inner, plan);
  checkWhole(definition, inner);
  return definition;
}

function describeDag(inner: DagInternals, plan: Plan): DagDefinition {
  const { blueprint, settings } = inner;
  const timezone = settings.timezone ?? "UTC";
  const timetable = resolveSchedule(settings.schedule, timezone);
  const date = (value: string | Date | undefined) =>
    value === undefined ? undefined : resolveInstant(value, timezone);
  const tasks = blueprint.placed.map((task) => describeTask(task, plan, inner, date));
  const params = storedParams(inner);
  return compact<DagDefinition>({
    dagId: blueprint.dagId,
    displayName: settings.dagDisplayName,
    description: settings.description,
    docMd: settings.docMd,
    tags: [...new Set(settings.tags ?? [])].sort(),
    owners: [...new Set(tasks.flatMap(({ owner }) => owner ?? []))].sort(),
    timetable,
    timezone,
    startDate: date(settings.startDate ?? settings.defaultArgs?.startDate),
    endDate: date(settings.endDate ?? settings.defaultArgs?.endDate),
    catchup: settings.catchup ?? false,
    maxActiveRuns: settings.maxActiveRuns ?? (timetable.kind === "continuous" ? 1 : 16),
    maxActiveTasks: settings.maxActiveTasks ?? 16,
    maxConsecutiveFailedRuns: settings.maxConsecutiveFailedDagRuns ?? 0,
    dagrunTimeoutMs: settings.dagrunTimeout,
    failFast: settings.failFast ?? false,
    isPausedUponCreation: settings.isPausedUponCreation,
    params: params?.schema,
    paramDefaults: params?.defaults,
    tasks,
    groups: blueprint.groups.map(describeGroup),
  });
}

function storedParams({ settings, site, blueprint }: DagInternals): StoredParams | undefined {
  if (settings.params === undefined) return undefined;
  try {
    return readParams(settings.params);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new DagDefinitionError(`Dag "${blueprint.dagId}": ${problem.replace(/[^.?)]$/, "$&.")}`, site);
  }
}

type ReadDate = (value: string | Date | undefined) => string | undefined;

function describeTask(task: TaskRecord, plan: Plan, inner: DagInternals, date: ReadDate): TaskDefinition {
  const settings = effectiveSettings(task, inner);
  const { body, choice } = task;
  return compact<TaskDefinition>({
    taskId: task.taskId,
    groupId: task.group?.groupId,
    operator: choice?.kind ?? body.kind,
    upstream: plan.upstream.get(task.taskId) ?? [],
    edgeLabels: edgeLabels(task, plan),
    inputs: describeInputs(task),
    triggerRule: settings.triggerRule ?? "all_success",
    retries: settings.retries ?? 0,
    retryDelayMs: settings.retryDelay ?? DEFAULT_RETRY_DELAY_MS,
    retryFactor: settings.retryExponentialBackoff ?? 0,
    maxRetryDelayMs: settings.maxRetryDelay,
    executionTimeoutMs: settings.executionTimeout,
    pool: settings.pool ?? DEFAULT_POOL,
    poolSlots: settings.poolSlots ?? 1,
    priorityWeight: settings.priorityWeight ?? 1,
    weightRule: settings.weightRule ?? "downstream",
    queue: settings.queue ?? inner.settings.queue ?? DEFAULT_QUEUE,
    executor: settings.executor,
    isolation: settings.isolation ?? "process",
    memoryLimitMb: settings.memoryLimit,
    dependsOnPast: settings.dependsOnPast ?? settings.waitForDownstream ?? false,
    ignoreFirstDependsOnPast: settings.ignoreFirstDependsOnPast ?? true,
    waitForDownstream: settings.waitForDownstream ?? false,
    waitForPastDependsBeforeSkipping: settings.waitForPastDependsBeforeSkipping ?? false,
    doXcomPush: settings.doXcomPush ?? true,
    maxActiveTisPerDag: settings.maxActiveTisPerDag,
    maxActiveTisPerDagrun: settings.maxActiveTisPerDagrun,
    returnsDagResult: settings.returnsDagResult || undefined,
    owner: settings.owner,
    docMd: settings.docMd,
    startDate: date(settings.startDate),
    endDate: date(settings.endDate),
    sensor: body.sensor,
    branch:
      choice === undefined
        ? body.branch
        : { kind: choice.kind, choices: choice.choices.map((side) => side.task.taskId) },
    isNoop: body.isNoop,
    operatorSummary: body.summary,
  });
}

/** The task's own settings over those of its groups, the innermost first, over the DAG's. */
export function effectiveSettings(task: TaskRecord, { settings }: DagInternals): TaskSettings {
  const levels = [
    settings.defaultArgs,
    ...groupsAround(task)
      .map((group) => group.settings.defaultArgs)
      .reverse(),
  ];
  return Object.assign({}, ...levels, task.settings) as TaskSettings;
}

function describeInputs(task: TaskRecord): { readonly [argument: string]: InputBinding } {
  const entries = [...task.inputs].map(([argument, input]): [string, InputBinding] => [
    argument,
    input.kind === "task"
      ? { kind: "xcom", taskId: input.task.taskId, key: "return_value" }
      : { kind: "literal", value: input.value },
  ]);
  return Object.fromEntries(entries.sort(byKey));
}

/** The names of the sides that lead to this task. */
function edgeLabels(task: TaskRecord, plan: Plan): { readonly [taskId: string]: string } | undefined {
  const labels = (plan.upstream.get(task.taskId) ?? []).flatMap((id): [string, string][] => {
    const choice = plan.tasks.get(id)?.choice;
    const side = choice?.kind === "if" ? choice.choices.find((other) => other.task === task) : undefined;
    return side === undefined ? [] : [[id, side.label]];
  });
  return labels.length === 0 ? undefined : Object.fromEntries(labels);
}

function describeGroup(group: GroupRecord): GroupDefinition {
  return compact<GroupDefinition>({
    groupId: group.groupId,
    parentId: group.parent?.groupId,
    label: group.label,
    tooltip: group.settings.tooltip,
  });
}

/** What contradicts itself only when the whole is seen. */
function checkWhole(definition: DagDefinition, { blueprint, settings, site }: DagInternals): void {
  const fail = (problem: string, at = site): never => {
    throw new DagDefinitionError(`Dag "${definition.dagId}": ${problem}`, at);
  };
  if (definition.failFast) {
    const other = definition.tasks.find(({ triggerRule }) => triggerRule !== "all_success");
    if (other !== undefined) {
      const at = blueprint.placed.find(({ taskId }) => taskId === other.taskId)?.site;
      fail(
        `failFast asks for the trigger rule "all_success" everywhere, but task "${other.taskId}" has "${other.triggerRule}". Change one of them.`,
        at,
      );
    }
  }
  if (definition.timetable.kind === "continuous" && definition.maxActiveRuns !== 1) {
    fail(
      `a @continuous schedule starts a run when the one before ends, so maxActiveRuns must be 1, not ${definition.maxActiveRuns}.`,
    );
  }
  const results = definition.tasks.filter(({ returnsDagResult }) => returnsDagResult);
  if (results.length > 1) {
    fail(
      `tasks ${results.map(({ taskId }) => `"${taskId}"`).join(" and ")} all have returnsDagResult. Keep one of them.`,
    );
  }
  const { startDate, endDate } = definition;
  if (startDate !== undefined && endDate !== undefined && startDate > endDate) {
    fail(`its startDate ${startDate} lies after its endDate ${endDate}.`);
  }
  if (definition.timetable.kind !== "none" && settings.params !== undefined) {
    const missing = readParams(settings.params).missing;
    if (missing.length > 0) {
      fail(
        `it has a schedule, but its params ${missing.map((key) => `"${key}"`).join(", ")} have no default, which a scheduled run would need. Add .default(…) or drop the schedule.`,
      );
    }
  }
}

/** Without the keys whose value is undefined. */
function compact<T extends object>(entries: { readonly [K in keyof T]: T[K] }): T {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as T;
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
