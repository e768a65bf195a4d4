import { z } from "zod";
import { ConflictError, InvalidInputError, NotFoundError } from "../../core/errors.ts";
import { isRunTerminal, RUN_STATES, RUN_TYPES } from "../../core/states.ts";
import {
  cancelRun,
  clearTasks,
  markRun,
  previewClear,
  previewMarkRun,
  setRunNote,
  triggerRun,
} from "../../store/commands/index.ts";
import type { RunSummary } from "../../store/rows.ts";
import type { RunFilter, Store } from "../../store/store.ts";
import {
  collection,
  dagId,
  date,
  instant,
  iso,
  isoNow,
  jsonObject,
  orAll,
  orderOf,
  orderQuery,
  pageOf,
  pageQuery,
  rangeOf,
  rangeQuery,
  repeated,
  runId,
  seconds,
  wholeNumber,
} from "./conventions.ts";
import { findDag } from "./dags.ts";
import { ANSWERED, Answer, type AnyRoute, type Call, defineRoute } from "./route.ts";
import { taskAnswer, toTaskInstance } from "./task-answers.ts";

const runPath = z.object({ dag_id: dagId, dag_run_id: runId });

const runAnswer = z.object({
  dag_id: z.string(),
  dag_display_name: z.string(),
  dag_run_id: z.string(),
  run_type: z.enum(RUN_TYPES),
  state: z.enum(RUN_STATES),
  logical_date: date,
  data_interval_start: date,
  data_interval_end: date,
  run_after: date,
  queued_at: date,
  start_date: date,
  end_date: date,
  duration: z.number().nullable().describe("seconds"),
  triggered_by: z.string(),
  triggering_user_name: z.string().nullable(),
  conf: z.record(z.string(), z.unknown()),
  params: z.record(z.string(), z.unknown()),
  note: z.string().nullable(),
  dag_versions: z.array(z.object({ id: z.number().int(), version_number: z.number().int() })),
  bundle_version: z.string().nullable(),
  task_counts: z.record(z.string(), z.number().int()).describe("task instances by state"),
});

const listQuery = z.strictObject({
  ...pageQuery,
  state: repeated(z.enum(RUN_STATES)).optional(),
  run_type: repeated(z.enum(RUN_TYPES)).optional(),
  run_id_pattern: z.string().max(250).optional(),
  dag_version: wholeNumber(1, 1_000_000_000).optional(),
  ...rangeQuery("logical_date"),
  ...rangeQuery("run_after"),
  ...rangeQuery("start_date"),
  ...rangeQuery("end_date"),
  order_by: orderQuery(["run_after", "logical_date", "start_date", "end_date", "dag_run_id", "state", "id"]),
});

const listBody = z.strictObject({
  dag_ids: z.array(dagId).max(1_000).optional(),
  states: z.array(z.enum(RUN_STATES)).optional(),
  page_limit: z.number().int().min(1).max(1_000).default(100),
  page_offset: z.number().int().min(0).default(0),
  logical_date_gte: instant.optional(),
  logical_date_lte: instant.optional(),
  run_after_gte: instant.optional(),
  run_after_lte: instant.optional(),
  start_date_gte: instant.optional(),
  start_date_lte: instant.optional(),
  end_date_gte: instant.optional(),
  end_date_lte: instant.optional(),
  order_by: orderQuery(["run_after", "logical_date", "start_date", "end_date", "dag_run_id", "state", "id"]),
});

const triggerBody = z.strictObject({
  dag_run_id: runId.nullish(),
  logical_date: instant.nullish(),
  run_after: instant.nullish(),
  data_interval_start: instant.nullish(),
  data_interval_end: instant.nullish(),
  conf: jsonObject.nullish(),
  note: z.string().max(10_000).nullish(),
});

/** Longest wait of `…/wait`, ms; the client asks again. */
const WAIT_LIMIT_MS = 300_000;

/** `/api/v2/dags/{dag_id}/dagRuns`: list, trigger, mark, clear, wait, delete; and cancelling, which Airflow has no path for. */
export const RUN_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagRuns",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "List runs of a DAG, or of all (~)",
    params: z.object({ dag_id: orAll(dagId) }),
    query: listQuery,
    response: collection("dag_runs", runAnswer),
    async handler({ store, path, query }) {
      if (path.dag_id !== "~") await findDag(store, path.dag_id);
      const filter: RunFilter = {
        ...pageOf(query),
        dagId: path.dag_id === "~" ? undefined : path.dag_id,
        states: query.state,
        runTypes: query.run_type,
        runIdPattern: query.run_id_pattern,
        versionNumber: query.dag_version,
        logicalDate: rangeOf(query, "logical_date"),
        runAfter: rangeOf(query, "run_after"),
        startDate: rangeOf(query, "start_date"),
        endDate: rangeOf(query, "end_date"),
        ...runOrder(query.order_by),
      };
      const { rows, total } = await store.runs.list(filter);
      return { dag_runs: await toRuns(store, rows), total_entries: total };
    },
  }),
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/dagRuns",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Trigger a run",
    params: z.object({ dag_id: dagId }),
    body: triggerBody,
    response: runAnswer,
    status: 201,
    handler: trigger,
  }),
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/dagRuns/list",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "List runs of several DAGs; dag_id must be ~",
    params: z.object({ dag_id: z.literal("~") }),
    body: listBody,
    response: collection("dag_runs", runAnswer),
    async handler({ store, body }) {
      const { rows, total } = await store.runs.list({
        limit: body.page_limit,
        offset: body.page_offset,
        dagIds: body.dag_ids,
        states: body.states,
        logicalDate: rangeOf(body, "logical_date"),
        runAfter: rangeOf(body, "run_after"),
        startDate: rangeOf(body, "start_date"),
        endDate: rangeOf(body, "end_date"),
        ...runOrder(body.order_by),
      });
      return { dag_runs: await toRuns(store, rows), total_entries: total };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "One run",
    params: runPath,
    response: runAnswer,
    handler: ({ store, path }) => answerRun(store, path.dag_id, path.dag_run_id),
  }),
  defineRoute({
    method: "patch",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Mark a run, or write its note",
    params: runPath,
    query: z.strictObject({ update_mask: repeated(z.enum(["state", "note"])).optional() }),
    body: z.strictObject({
      state: z.enum(["queued", "success", "failed"]).optional(),
      note: z.string().max(10_000).nullish(),
    }),
    response: runAnswer,
    async handler({ store, path, body, commands }) {
      await findRun(store, path.dag_id, path.dag_run_id);
      if (body.state) await markRun(commands, { dagId: path.dag_id, runId: path.dag_run_id, newState: body.state });
      if (body.note !== undefined) await setRunNote(commands, path.dag_id, path.dag_run_id, body.note);
      return answerRun(store, path.dag_id, path.dag_run_id);
    },
  }),
  defineRoute({
    method: "delete",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Delete a finished run",
    params: runPath,
    async handler({ store, path, commands }) {
      const run = await findRun(store, path.dag_id, path.dag_run_id);
      if (run.state === "running") throw new ConflictError(`Run "${run.runId}" is running. Cancel it first.`);
      const result = await store.commit([{ kind: "run.delete", runKey: run.runKey }], commands.actor);
      if (!result.ok) throw new ConflictError(result.message);
      return undefined;
    },
  }),
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id/clear",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Clear a whole run (dry_run is the default)",
    params: runPath,
    body: z.strictObject({
      dry_run: z.boolean().default(true),
      only_failed: z.boolean().default(false),
      run_on_latest_version: z.boolean().default(false),
    }),
    response: z.union([collection("task_instances", taskAnswer), runAnswer]),
    async handler({ store, path, body, commands }) {
      const input = {
        dagId: path.dag_id,
        runId: path.dag_run_id,
        onlyFailed: body.only_failed,
        runOnLatestVersion: body.run_on_latest_version,
      };
      if (!body.dry_run) {
        await clearTasks(commands, input);
        return answerRun(store, path.dag_id, path.dag_run_id);
      }
      const affected = await previewClear(commands, input);
      return {
        task_instances: affected.map(({ run, task }) =>
          toTaskInstance({
            ...task,
            dagId: run.dagId,
            runId: run.runId,
            logicalDate: run.logicalDate,
            runAfter: run.runAfter,
          }),
        ),
        total_entries: affected.length,
      };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id/wait",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "Wait until the run has ended; NDJSON, one line per state",
    params: runPath,
    query: z.strictObject({
      interval: z
        .string()
        .regex(/^\d+(\.\d+)?$/)
        .optional(),
    }),
    handler: wait,
  }),
  defineRoute({
    method: "post",
    path: "/sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/cancel",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Stop a run: running tasks fail, the rest is skipped",
    params: runPath,
    body: z.strictObject({ dry_run: z.boolean().default(false) }),
    response: collection("task_instances", taskAnswer),
    async handler({ store, path, body, commands }) {
      const run = await findRun(store, path.dag_id, path.dag_run_id);
      const affected = isRunTerminal(run.state)
        ? []
        : body.dry_run
          ? await previewMarkRun(commands, { dagId: run.dagId, runId: run.runId, newState: "failed" })
          : await cancelRun(commands, run.dagId, run.runId);
      return {
        task_instances: affected.map(({ task }) =>
          toTaskInstance({
            ...task,
            dagId: run.dagId,
            runId: run.runId,
            logicalDate: run.logicalDate,
            runAfter: run.runAfter,
          }),
        ),
        total_entries: affected.length,
      };
    },
  }),
];

type TriggerCall = Call<{ dag_id: string }, undefined, z.output<typeof triggerBody>>;

/** `Idempotency-Key` names the run: the same key gives the same run again with 200, never a second one. */
async function trigger({ store, path, body, commands, request }: TriggerCall) {
  const key = idempotentRunId(request.headers["idempotency-key"]);
  const id = body.dag_run_id ?? key;
  if (key && (await store.runs.find(path.dag_id, id ?? "")))
    return new Answer(200, runAnswer.parse(await answerRun(store, path.dag_id, id ?? "")));
  try {
    const run = await triggerRun(commands, {
      dagId: path.dag_id,
      runId: id ?? undefined,
      logicalDate: body.logical_date,
      runAfter: body.run_after ?? undefined,
      dataIntervalStart: body.data_interval_start ?? undefined,
      dataIntervalEnd: body.data_interval_end ?? undefined,
      conf: body.conf ?? undefined,
      note: body.note,
    });
    return await answerRun(store, run.dagId, run.runId);
  } catch (error) {
    // Two requests with one key at the same moment: the slower one gets what the faster one made.
    if (key && error instanceof ConflictError && (await store.runs.find(path.dag_id, id ?? "")))
      return new Answer(200, runAnswer.parse(await answerRun(store, path.dag_id, id ?? "")));
    throw error;
  }
}

function idempotentRunId(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== "string" || !/^[A-Za-z0-9_.~:+-]{1,200}$/.test(header))
    throw new InvalidInputError("Idempotency-Key may hold letters, digits and _ . ~ : + -, at most 200.");
  return `manual__${header}`;
}

async function wait({
  store,
  path,
  response,
  request,
  query,
}: Call<{ dag_id: string; dag_run_id: string }, { interval?: string }, undefined>): Promise<typeof ANSWERED> {
  let run = await findRun(store, path.dag_id, path.dag_run_id);
  response.status(200).type("application/x-ndjson");
  let sent = "";
  const until =
    Date.now() + Math.min(WAIT_LIMIT_MS, Number(query.interval ?? Number.POSITIVE_INFINITY) * 1_000 || WAIT_LIMIT_MS);
  for (;;) {
    if (run.state !== sent) response.write(`${JSON.stringify({ state: run.state })}\n`);
    sent = run.state;
    if (isRunTerminal(run.state) || request.destroyed || Date.now() >= until) break;
    await nextCommit(store, until);
    run = await findRun(store, path.dag_id, path.dag_run_id);
  }
  response.end();
  return ANSWERED;
}

/** Resolves with the next commit, or after a second in case another process made it. */
function nextCommit(store: Store, until: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      clearTimeout(timer);
      resolve();
    };
    const unsubscribe = store.onCommit(done);
    const timer = setTimeout(done, Math.max(0, Math.min(1_000, until - Date.now())));
  });
}

function runOrder(value: string | undefined): Pick<RunFilter, "orderBy" | "isDescending"> {
  if (value === undefined) return {};
  const { orderBy, isDescending } = orderOf<"dag_run_id">(value);
  return { orderBy: (orderBy === "dag_run_id" ? "run_id" : orderBy) as RunFilter["orderBy"], isDescending };
}

/** The run with its counts, or 404. */
export async function findRun(store: Store, dag: string, run: string): Promise<RunSummary> {
  const summary = await store.runs.summary(dag, run);
  if (!summary) throw new NotFoundError(`DAG "${dag}" has no run "${run}".`);
  return summary;
}

async function answerRun(store: Store, dag: string, run: string): Promise<z.input<typeof runAnswer>> {
  const [answer] = await toRuns(store, [await findRun(store, dag, run)]);
  if (!answer) throw new NotFoundError(`DAG "${dag}" has no run "${run}".`);
  return answer;
}

async function toRuns(store: Store, runs: readonly RunSummary[]): Promise<z.input<typeof runAnswer>[]> {
  const names = new Map<string, string>();
  for (const { dagId: id } of runs) if (!names.has(id)) names.set(id, (await store.dags.get(id))?.displayName ?? id);
  return runs.map((run) => ({
    dag_id: run.dagId,
    dag_display_name: names.get(run.dagId) ?? run.dagId,
    dag_run_id: run.runId,
    run_type: run.runType,
    state: run.state,
    logical_date: iso(run.logicalDate),
    data_interval_start: iso(run.dataIntervalStart),
    data_interval_end: iso(run.dataIntervalEnd),
    run_after: isoNow(run.runAfter),
    queued_at: isoNow(run.queuedAt),
    start_date: iso(run.startDate),
    end_date: iso(run.endDate),
    duration: seconds(run.startDate, run.endDate),
    triggered_by: run.triggeredBy,
    triggering_user_name: run.triggeringUser,
    conf: run.conf,
    params: run.params,
    note: run.note,
    dag_versions: [{ id: run.versionId, version_number: run.versionNumber }],
    bundle_version: null,
    task_counts: { ...run.counts },
  }));
}
