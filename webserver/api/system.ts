import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import { timetableFromSpec } from "../../core/timetable.ts";
import type { EventRow, ImportErrorRow } from "../../store/rows.ts";
import { hashToken, newToken } from "../auth/sessions.ts";
import {
  collection,
  dagId,
  date,
  iso,
  isoNow,
  pageOf,
  pageQuery,
  rangeOf,
  rangeQuery,
  runId,
  taskId,
  wholeNumber,
} from "./conventions.ts";
import { findDag } from "./dags.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const importErrorAnswer = z.object({
  import_error_id: z.number().int(),
  timestamp: date,
  filename: z.string(),
  bundle_name: z.string(),
  stack_trace: z.string(),
  message: z.string(),
  line: z.number().int().nullable(),
  column: z.number().int().nullable(),
});
const eventAnswer = z.object({
  event_log_id: z.number().int(),
  when: date,
  event: z.string(),
  dag_id: z.string().nullable(),
  run_id: z.string().nullable(),
  task_id: z.string().nullable(),
  map_index: z.number().int().nullable(),
  try_number: z.number().int().nullable(),
  owner: z.string(),
  from_state: z.string().nullable(),
  to_state: z.string().nullable(),
  extra: z.string().nullable(),
});
const part = z
  .object({ status: z.enum(["healthy", "unhealthy"]), detail: z.string().optional() })
  .catchall(z.unknown());
const tokenAnswer = z.object({
  id: z.number().int(),
  name: z.string(),
  role: z.string(),
  created_by: z.string(),
  created_at: date,
  last_used_at: date,
  revoked_at: date,
});

/** Import errors, the audit log, health, version, settings, tokens, previews of schedules. */
export const SYSTEM_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/importErrors",
    verb: "read",
    kind: "import_error",
    tag: "Import error",
    summary: "DAG files that could not be loaded",
    query: z.strictObject({ ...pageQuery, filename_pattern: z.string().max(1_000).optional() }),
    response: collection("import_errors", importErrorAnswer),
    async handler({ store, query }) {
      const rows = (await store.dags.importErrors()).filter((error) =>
        error.file.includes(query.filename_pattern ?? ""),
      );
      const { limit = 50, offset = 0 } = pageOf(query);
      return { import_errors: rows.slice(offset, offset + limit).map(toImportError), total_entries: rows.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/importErrors/:import_error_id",
    verb: "read",
    kind: "import_error",
    tag: "Import error",
    summary: "One import error",
    params: z.object({ import_error_id: wholeNumber(1, 2_147_483_647) }),
    response: importErrorAnswer,
    async handler({ store, path }) {
      const error = (await store.dags.importErrors()).find((each) => each.id === path.import_error_id);
      if (!error) throw new NotFoundError(`There is no import error ${path.import_error_id}.`);
      return toImportError(error);
    },
  }),
  defineRoute({
    method: "put",
    path: "/v2/parseDagFile/:file_token",
    verb: "write",
    kind: "dag",
    tag: "DAG",
    summary: "Read a DAG file again now",
    params: z.object({ file_token: z.string().regex(/^[A-Za-z0-9_-]{1,1400}$/, "is not a file token") }),
    status: 201,
    async handler({ deps, store, path }) {
      const file = Buffer.from(path.file_token, "base64url").toString("utf8");
      const known = [...(await store.dags.files()), ...(await store.dags.importErrors())].some(
        (each) => each.file === file,
      );
      if (!known) throw new NotFoundError("There is no such DAG file.");
      if (!deps.reparse)
        throw new ConflictError("This process reads no DAG files. Ask the one that runs the scheduler.");
      await deps.reparse(file);
      return undefined;
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/eventLogs",
    verb: "read",
    kind: "event",
    tag: "Event log",
    summary: "Who did what, newest first",
    query: z.strictObject({
      ...pageQuery,
      dag_id: dagId.optional(),
      run_id: runId.optional(),
      task_id: taskId.optional(),
      event: z.string().max(100).optional(),
      owner: z.string().max(250).optional(),
      ...rangeQuery("when"),
      order_by: z.enum(["event_log_id", "-event_log_id", "when", "-when"]).optional(),
    }),
    response: collection("event_logs", eventAnswer),
    async handler({ store, query }) {
      const { rows, total } = await store.events.list({
        ...pageOf(query),
        dagId: query.dag_id,
        runId: query.run_id,
        taskId: query.task_id,
        kinds: query.event ? [query.event] : undefined,
        actorPattern: query.owner,
        at: rangeOf(query, "when"),
        isDescending: !query.order_by || query.order_by.startsWith("-"),
      });
      return { event_logs: rows.map(toEvent), total_entries: total };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/eventLogs/:event_log_id",
    verb: "read",
    kind: "event",
    tag: "Event log",
    summary: "One event",
    params: z.object({ event_log_id: wholeNumber(1, 1e15) }),
    response: eventAnswer,
    async handler({ store, path }) {
      const event = await store.events.get(path.event_log_id);
      if (!event) throw new NotFoundError(`There is no event ${path.event_log_id}.`);
      return toEvent(event);
    },
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/events",
    verb: "read",
    kind: "event",
    tag: "Event log",
    summary: "Events after an id, oldest first",
    query: z.strictObject({ after: wholeNumber(0, 1e15).optional(), limit: wholeNumber(1, 1_000).optional() }),
    response: z.object({ events: z.array(eventAnswer), last_id: z.number().int() }),
    async handler({ store, query }) {
      const rows = await store.events.after(query.after ?? 0, query.limit ?? 500);
      return { events: rows.map(toEvent), last_id: rows.at(-1)?.id ?? query.after ?? 0 };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/monitor/health",
    verb: "read",
    kind: "self",
    tag: "Monitor",
    summary: "Health of the parts",
    response: z.object({ metadatabase: part, scheduler: part, dag_processor: part, executor: part }),
    handler: ({ deps }) => deps.health() as never,
  }),
  defineRoute({
    method: "get",
    path: "/v2/version",
    verb: "read",
    kind: "self",
    tag: "Monitor",
    summary: "Version of this installation",
    response: z.object({ version: z.string(), git_version: z.string().nullable() }),
    handler: async ({ deps }) => ({ version: deps.version, git_version: null }),
  }),
  defineRoute({
    method: "get",
    path: "/v2/jobs",
    verb: "read",
    kind: "worker",
    tag: "Monitor",
    summary: "Processes of this installation",
    query: z.strictObject({ ...pageQuery }),
    response: collection(
      "jobs",
      z.object({
        id: z.string(),
        job_type: z.string(),
        state: z.string(),
        hostname: z.string(),
        pid: z.number().int(),
        start_date: date,
        latest_heartbeat: date,
        slots: z.number().int(),
        queues: z.array(z.string()),
      }),
    ),
    async handler({ store }) {
      const workers = await store.admin.workers();
      return {
        jobs: workers.map((worker) => ({
          id: worker.workerId,
          job_type: worker.kind,
          state: worker.state,
          hostname: worker.hostname,
          pid: worker.pid,
          start_date: isoNow(worker.startedAt),
          latest_heartbeat: isoNow(worker.heartbeatAt),
          slots: worker.slots,
          queues: [...worker.queues],
        })),
        total_entries: workers.length,
      };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/config",
    verb: "read",
    kind: "config",
    tag: "Config",
    summary: "Settings in force, secrets masked",
    response: z.object({
      sections: z.array(
        z.object({
          name: z.string(),
          options: z.array(z.object({ key: z.string(), value: z.string(), source: z.string() })),
        }),
      ),
    }),
    handler: async ({ deps }) => ({
      sections: [
        {
          name: "sluice",
          options: deps
            .settings()
            .map((setting) => ({ key: setting.name, value: setting.value, source: setting.origin })),
        },
      ],
    }),
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/dags/:dag_id/nextRuns",
    verb: "read",
    kind: "dag",
    tag: "DAG",
    summary: "The next dates of the schedule",
    params: z.object({ dag_id: dagId }),
    query: z.strictObject({ limit: wholeNumber(1, 100).optional() }),
    response: collection(
      "next_runs",
      z.object({ logical_date: date, run_after: date, data_interval_start: date, data_interval_end: date }),
    ),
    async handler({ store, deps, path, query }) {
      const dag = await findDag(store, path.dag_id);
      const version = await store.dags.version(dag.currentVersionId);
      if (!version) throw new NotFoundError(`DAG "${dag.dagId}" has no version.`);
      const { definition } = version;
      const startDate = definition.startDate ? Date.parse(definition.startDate) : undefined;
      const slots = timetableFromSpec(definition.timetable, { startDate }).upcoming(
        deps.clock.now(),
        query.limit ?? 10,
        { startDate, endDate: definition.endDate ? Date.parse(definition.endDate) : undefined },
      );
      return {
        next_runs: slots.map((slot) => ({
          logical_date: isoNow(slot.logicalDate),
          run_after: isoNow(slot.runAfter),
          data_interval_start: isoNow(slot.dataInterval.start),
          data_interval_end: isoNow(slot.dataInterval.end),
        })),
        total_entries: slots.length,
      };
    },
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/tokens",
    verb: "read",
    kind: "token",
    tag: "Token",
    summary: "API tokens",
    response: collection("tokens", tokenAnswer),
    async handler({ store }) {
      const tokens = await store.access.tokens();
      return {
        tokens: tokens.map((token) => ({
          id: token.id,
          name: token.name,
          role: token.role,
          created_by: token.createdBy,
          created_at: isoNow(token.createdAt),
          last_used_at: iso(token.lastUsedAt),
          revoked_at: iso(token.revokedAt),
        })),
        total_entries: tokens.length,
      };
    },
  }),
  defineRoute({
    method: "post",
    path: "/sluice/v1/tokens",
    verb: "write",
    kind: "token",
    tag: "Token",
    summary: "Create a token; its value is shown only here",
    body: z.strictObject({
      name: z.string().regex(/^[\w.-]{1,100}$/, "may hold letters, digits and _ . -"),
      role: z.enum(["viewer", "user", "op", "admin"]).default("user"),
    }),
    response: z.object({ id: z.number().int(), name: z.string(), role: z.string(), token: z.string() }),
    status: 201,
    async handler({ store, body, principal }) {
      const token = newToken("slc_");
      const row = await store.access.createToken({
        name: body.name,
        role: body.role,
        tokenHash: hashToken(token),
        createdBy: principal.actor,
      });
      return { id: row.id, name: row.name, role: row.role, token };
    },
  }),
  defineRoute({
    method: "delete",
    path: "/sluice/v1/tokens/:token_id",
    verb: "write",
    kind: "token",
    tag: "Token",
    summary: "Revoke a token",
    params: z.object({ token_id: wholeNumber(1, 2_147_483_647) }),
    async handler({ store, path }) {
      if (!(await store.access.revokeToken(path.token_id)))
        throw new NotFoundError(`There is no token ${path.token_id} in force.`);
      return undefined;
    },
  }),
];

function toImportError(error: ImportErrorRow): z.input<typeof importErrorAnswer> {
  return {
    import_error_id: error.id,
    timestamp: isoNow(error.createdAt),
    filename: error.file,
    bundle_name: "dags",
    stack_trace: error.stack ?? error.message,
    message: error.message,
    line: error.line,
    column: error.column,
  };
}

function toEvent(event: EventRow): z.input<typeof eventAnswer> {
  return {
    event_log_id: event.id,
    when: isoNow(event.at),
    event: event.kind,
    dag_id: event.dagId,
    run_id: event.runId,
    task_id: event.taskId,
    map_index: event.mapIndex,
    try_number: event.tryNumber,
    owner: event.actor,
    from_state: event.fromState,
    to_state: event.toState,
    extra: event.detail === null ? null : JSON.stringify(event.detail),
  };
}
