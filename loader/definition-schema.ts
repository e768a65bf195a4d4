import { z } from "zod";
import { type DagDefinition, TRIGGER_RULES } from "../core/definition.ts";
import { compileGraph } from "../core/graph.ts";
import type { JsonObject } from "../core/json.ts";
import { timetableFromSpec } from "../core/timetable.ts";
import { isTimeZone } from "../core/timetables/zone.ts";
import { DagFileError } from "./dag-file-error.ts";

/** A DAG with more tasks than this is refused: the pages and the scheduler would not stay quick. */
export const MAX_TASKS = 50_000;
/** Direct dependencies of all tasks of a DAG together. */
export const MAX_EDGES = 500_000;

const id = z.string().min(1).max(250);
const text = z.string().max(1_000_000);
const instant = z.iso.datetime({ offset: true });
const count = z.int().min(0);
const durationMs = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const json = z.custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value));

const TimetableSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  z.strictObject({ kind: z.literal("once") }),
  z.strictObject({ kind: z.literal("continuous") }),
  z.strictObject({
    kind: z.literal("cron"),
    expressions: z.array(z.string().max(1_000)).min(1).max(100),
    timezone: z.string(),
    intervals: z.boolean(),
  }),
  z.strictObject({ kind: z.literal("delta"), everyMs: durationMs, intervals: z.boolean() }),
  z.strictObject({ kind: z.literal("events"), dates: z.array(z.string()).max(100_000) }),
]);

const InputSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("xcom"), taskId: id, key: z.string().min(1).max(250) }),
  // Came through JSON.parse, so it is JSON.
  z.strictObject({ kind: z.literal("literal"), value: z.custom<JsonObject>((value) => value !== undefined) }),
]);

const SensorSchema = z.strictObject({
  everyMs: durationMs,
  timeoutMs: durationMs,
  softFail: z.boolean(),
  backoff: z.number().min(0).optional(),
});

const BranchSchema = z.strictObject({
  kind: z.enum(["branch", "if", "switch", "shortCircuit", "latestOnly"]),
  choices: z.array(id).optional(),
  ignoreDownstreamTriggerRules: z.boolean().optional(),
});

const TaskSchema = z.strictObject({
  taskId: id,
  groupId: id.optional(),
  operator: z.string().min(1).max(100),
  upstream: z.array(id),
  edgeLabels: z.record(z.string(), z.string().max(1_000)).optional(),
  inputs: z.record(z.string(), InputSchema),
  triggerRule: z.enum(TRIGGER_RULES),
  retries: count.max(10_000),
  retryDelayMs: durationMs,
  retryFactor: z.number().min(0),
  maxRetryDelayMs: durationMs.optional(),
  executionTimeoutMs: durationMs.optional(),
  pool: id,
  poolSlots: count,
  priorityWeight: z.number(),
  weightRule: z.enum(["downstream", "upstream", "absolute"]),
  queue: id,
  executor: id.optional(),
  isolation: z.enum(["process", "shared"]),
  memoryLimitMb: z.number().positive().optional(),
  dependsOnPast: z.boolean(),
  ignoreFirstDependsOnPast: z.boolean(),
  waitForDownstream: z.boolean(),
  waitForPastDependsBeforeSkipping: z.boolean(),
  doXcomPush: z.boolean(),
  maxActiveTisPerDag: count.optional(),
  maxActiveTisPerDagrun: count.optional(),
  isSetup: z.boolean().optional(),
  isTeardown: z.boolean().optional(),
  returnsDagResult: z.boolean().optional(),
  owner: text.optional(),
  docMd: text.optional(),
  startDate: instant.optional(),
  endDate: instant.optional(),
  sensor: SensorSchema.optional(),
  branch: BranchSchema.optional(),
  isNoop: z.boolean().optional(),
  operatorSummary: text.optional(),
});

const GroupSchema = z.strictObject({
  groupId: id,
  parentId: id.optional(),
  label: text,
  tooltip: text.optional(),
});

const DagSchema = z.strictObject({
  dagId: id,
  displayName: text.optional(),
  description: text.optional(),
  docMd: text.optional(),
  tags: z.array(z.string().max(1_000)).max(1_000),
  owners: z.array(z.string().max(1_000)).max(1_000),
  timetable: TimetableSchema,
  timezone: z.string().refine(isTimeZone, "is not an IANA time zone"),
  startDate: instant.optional(),
  endDate: instant.optional(),
  catchup: z.boolean(),
  maxActiveRuns: count,
  maxActiveTasks: count,
  maxConsecutiveFailedRuns: count,
  dagrunTimeoutMs: durationMs.optional(),
  failFast: z.boolean(),
  isPausedUponCreation: z.boolean().optional(),
  params: json.optional(),
  paramDefaults: json.optional(),
  tasks: z
    .array(TaskSchema)
    .max(MAX_TASKS, `a DAG may have ${MAX_TASKS} tasks; split it, or let tasks work on batches`),
  groups: z.array(GroupSchema).max(MAX_TASKS),
}) satisfies z.ZodType<DagDefinition>;

/**
 * Checks what the evaluation's process claims the file's DAGs to be: shape, sizes, a graph without cycles, a schedule that
 * can be computed. Throws `DagFileError` naming the DAG and the field.
 */
export function checkDefinitions(file: string, definitions: readonly unknown[]): DagDefinition[] {
  const checked = definitions.map((definition) => checkDefinition(file, definition));
  const seen = new Set<string>();
  for (const { dagId } of checked) {
    if (seen.has(dagId)) {
      throw new DagFileError(
        "dag_file_invalid",
        file,
        `${file} defines two DAGs with the id "${dagId}". Rename one of them.`,
      );
    }
    seen.add(dagId);
  }
  return checked;
}

function checkDefinition(file: string, definition: unknown): DagDefinition {
  const parsed = DagSchema.safeParse(definition);
  const name = JSON.stringify((definition as { dagId?: unknown } | null)?.dagId ?? "without an id");
  const refuse = (why: string) =>
    new DagFileError("dag_file_invalid", file, `${file}: DAG ${name} cannot be loaded: ${why}`);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
    throw refuse(`${where}${issue?.message ?? "it is not a definition"}.`);
  }
  const edges = parsed.data.tasks.reduce((sum, task) => sum + task.upstream.length, 0);
  if (edges > MAX_EDGES) {
    throw refuse(`it has ${edges} dependencies and may have ${MAX_EDGES}; put an "empty" task between many and many.`);
  }
  try {
    compileGraph(parsed.data);
    const startDate = parsed.data.startDate === undefined ? undefined : Date.parse(parsed.data.startDate);
    timetableFromSpec(parsed.data.timetable, startDate === undefined ? {} : { startDate });
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  return parsed.data;
}
