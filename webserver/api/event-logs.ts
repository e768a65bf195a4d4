import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import type { EventRow } from "../../store/rows.ts";
import { maskJson } from "../masking.ts";
import {
  collection,
  dagId,
  date,
  instant,
  isoNow,
  orderQuery,
  pageOf,
  pageQuery,
  rangeOf,
  rangeQuery,
  repeated,
  runId,
  taskId,
  wholeNumber,
} from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const eventId = wholeNumber(0, 1e15);
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

/** The audit log: every change of state and every command. */
export const EVENT_ROUTES: readonly AnyRoute[] = [
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
      event: z.string().max(100).optional().describe("e.g. run.state, dag.paused"),
      included_events: repeated(z.string().max(100)).optional(),
      owner: z.string().max(250).optional(),
      ...rangeQuery("when"),
      after: instant.optional(),
      before: instant.optional(),
      order_by: orderQuery(["event_log_id", "when"]),
    }),
    response: collection("event_logs", eventAnswer),
    async handler({ store, query }) {
      const { rows, total } = await store.events.list({
        ...pageOf(query),
        dagId: query.dag_id,
        runId: query.run_id,
        taskId: query.task_id,
        kinds: query.event === undefined ? query.included_events : [query.event],
        actorPattern: query.owner,
        at: rangeOf({ when_gt: query.after, when_lt: query.before, ...defined(query) }, "when"),
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
    params: z.object({ event_log_id: eventId }),
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
    query: z.strictObject({ after: eventId.optional(), limit: wholeNumber(1, 1_000).optional() }),
    response: z.object({ events: z.array(eventAnswer), last_id: z.number().int() }),
    async handler({ store, query }) {
      const rows = await store.events.after(query.after ?? 0, query.limit ?? 500);
      return { events: rows.map(toEvent), last_id: rows.at(-1)?.id ?? query.after ?? 0 };
    },
  }),
];

function defined(query: object): object {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
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
    extra: event.detail === null ? null : JSON.stringify(maskJson(event.detail)),
  };
}
