import { z } from "zod";
import { ConflictError, NotFoundError } from "../../core/errors.ts";
import type { XComRow } from "../../store/rows.ts";
import type { Store, TaskInstanceInRun } from "../../store/store.ts";
import {
  collection,
  dagId,
  date,
  flag,
  iso,
  isoNow,
  matches,
  orAll,
  orderQuery,
  pageQuery,
  pattern,
  refuse,
  runId,
  safeJson,
  slice,
  sorted,
  taskId,
} from "./conventions.ts";
import { type AnyRoute, type Call, defineRoute } from "./route.ts";
import { findRun } from "./run-answers.ts";
import { findTask, inRun, taskPath } from "./task-answers.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/xcomEntries";
const xcomKey = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u, "holds control characters or halves of characters");
const onePath = taskPath.omit({ map_index: true });
const entryPath = onePath.extend({ xcom_key: xcomKey });
const mapQuery = {
  map_index: z
    .string()
    .regex(/^-?\d{1,9}$/)
    .transform(Number)
    .optional(),
};

/** Largest value that the API writes where the installation says nothing else, bytes of JSON. */
const VALUE_LIMIT = 262_144;

const entry = z.object({
  key: z.string(),
  dag_id: z.string(),
  run_id: z.string(),
  task_id: z.string(),
  map_index: z.number().int(),
  timestamp: date,
  logical_date: date,
  run_after: date,
  size: z.number().int(),
});
const entryWithValue = entry.extend({ value: z.unknown() });

/** `…/xcomEntries`: what tasks handed over. */
export const XCOM_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: BASE,
    verb: "read",
    kind: "xcom",
    tag: "XCom",
    summary: "List the XComs of a task instance, or of a whole run (task_id ~)",
    params: z.object({ dag_id: dagId, dag_run_id: runId, task_id: orAll(taskId) }),
    query: z.strictObject({
      ...pageQuery,
      ...mapQuery,
      xcom_key: xcomKey.optional(),
      xcom_key_pattern: pattern.optional(),
      order_by: orderQuery(["key", "task_id", "map_index", "timestamp"]),
    }),
    response: collection("xcom_entries", entry),
    async handler({ store, path, query }) {
      const all = path.task_id === "~" ? await ofRun(store, path, query.map_index) : await ofTask(store, path, query);
      const found = all.filter(
        ({ row }) => row.key === (query.xcom_key ?? row.key) && matches(row.key, query.xcom_key_pattern),
      );
      const rows = sorted(found, query.order_by, {
        key: ({ row }) => row.key,
        task_id: ({ row }) => row.taskId,
        map_index: ({ row }) => row.mapIndex,
        timestamp: ({ row }) => row.createdAt,
      });
      return {
        xcom_entries: slice(rows, query).map(({ task, row }) => toEntry(task, row)),
        total_entries: rows.length,
      };
    },
  }),
  defineRoute({
    method: "post",
    path: BASE,
    verb: "write",
    kind: "xcom",
    tag: "XCom",
    summary: "Add an XCom; refused when the key exists",
    params: onePath,
    body: z.strictObject({ key: xcomKey, value: safeJson, map_index: z.number().int().min(-1).default(-1) }),
    response: entryWithValue,
    status: 201,
    async handler(call) {
      const task = await findTask(call.store, { ...call.path, map_index: call.body.map_index });
      if ((await call.store.tasks.xcomJson(task.runKey, task.tiNo, call.body.key)) !== undefined)
        throw new ConflictError(`"${task.taskId}" has an XCom "${call.body.key}" already. Use PATCH to change it.`);
      return write(call, task, call.body.key, call.body.value);
    },
  }),
  defineRoute({
    method: "get",
    path: `${BASE}/:xcom_key`,
    verb: "read",
    kind: "xcom",
    tag: "XCom",
    summary: "One XCom with its value",
    params: entryPath,
    query: z.strictObject({ ...mapQuery, deserialize: flag.optional(), stringify: flag.optional() }),
    response: entryWithValue,
    async handler({ store, path, query }) {
      const task = await findTask(store, { ...path, map_index: query.map_index });
      const row = await findEntry(store, task, path.xcom_key);
      return { ...toEntry(task, row), value: query.stringify ? JSON.stringify(row.value) : row.value };
    },
  }),
  defineRoute({
    method: "patch",
    path: `${BASE}/:xcom_key`,
    verb: "write",
    kind: "xcom",
    tag: "XCom",
    summary: "Change an XCom",
    params: entryPath,
    body: z.strictObject({ value: safeJson, map_index: z.number().int().min(-1).default(-1) }),
    response: entryWithValue,
    async handler(call) {
      const task = await findTask(call.store, { ...call.path, map_index: call.body.map_index });
      await findEntry(call.store, task, call.path.xcom_key);
      return write(call, task, call.path.xcom_key, call.body.value);
    },
  }),
  defineRoute({
    method: "delete",
    path: `${BASE}/:xcom_key`,
    verb: "write",
    kind: "xcom",
    tag: "XCom",
    summary: "Delete an XCom",
    params: entryPath,
    query: z.strictObject(mapQuery),
    async handler({ store, path, query, commands }) {
      const task = await findTask(store, { ...path, map_index: query.map_index });
      await findEntry(store, task, path.xcom_key);
      const result = await store.commit(
        [{ kind: "xcom.delete", runKey: task.runKey, tiNo: task.tiNo, key: path.xcom_key }],
        commands.actor,
      );
      if (!result.ok) throw new ConflictError(result.message);
      return undefined;
    },
  }),
];

interface Found {
  readonly task: TaskInstanceInRun;
  readonly row: XComRow;
}

async function ofTask(
  store: Store,
  path: z.output<typeof onePath>,
  query: { readonly map_index?: number },
): Promise<readonly Found[]> {
  const task = await findTask(store, { ...path, map_index: query.map_index });
  return (await store.tasks.xcoms(task.runKey, task.tiNo)).map((row) => ({ task, row }));
}

async function ofRun(
  store: Store,
  path: { readonly dag_id: string; readonly dag_run_id: string },
  mapIndex: number | undefined,
): Promise<readonly Found[]> {
  const run = await findRun(store, path.dag_id, path.dag_run_id);
  const [tasks, rows] = await Promise.all([store.tasks.ofRun(run.runKey), store.tasks.xcoms(run.runKey)]);
  const byNumber = new Map(tasks.map((task) => [task.tiNo, inRun(run, task)]));
  return rows.flatMap((row) => {
    const task = byNumber.get(row.tiNo);
    return task && row.mapIndex === (mapIndex ?? row.mapIndex) ? [{ task, row }] : [];
  });
}

async function findEntry(store: Store, task: TaskInstanceInRun, key: string): Promise<XComRow> {
  const row = (await store.tasks.xcoms(task.runKey, task.tiNo)).find((each) => each.key === key);
  if (!row) throw new NotFoundError(`"${task.taskId}" has no XCom "${key}".`);
  return row;
}

async function write(
  { store, commands, deps }: Pick<Call<unknown, unknown, unknown>, "store" | "commands" | "deps">,
  task: TaskInstanceInRun,
  key: string,
  value: unknown,
) {
  const json = JSON.stringify(value);
  const limit = deps.xcomLimitBytes ?? VALUE_LIMIT;
  if (Buffer.byteLength(json) > limit)
    refuse("body.value", `is larger than ${limit} bytes; keep it elsewhere and hand over its address`);
  const result = await store.commit(
    [{ kind: "xcom.set", runKey: task.runKey, tiNo: task.tiNo, key, json, attempt: null }],
    commands.actor,
  );
  if (!result.ok) throw new ConflictError(result.message);
  return { ...toEntry(task, await findEntry(store, task, key)), value };
}

function toEntry(task: TaskInstanceInRun, row: XComRow): z.input<typeof entry> {
  return {
    key: row.key,
    dag_id: task.dagId,
    run_id: task.runId,
    task_id: task.taskId,
    map_index: task.mapIndex,
    timestamp: isoNow(row.createdAt),
    logical_date: iso(task.logicalDate),
    run_after: isoNow(task.runAfter),
    size: row.size,
  };
}
