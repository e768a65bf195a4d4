import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import { cancelBackfill, createBackfill, previewBackfill, setBackfillPaused } from "../../store/commands/index.ts";
import type { BackfillRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { maskJson } from "../masking.ts";
import {
  collection,
  dagId,
  date,
  flag,
  instant,
  iso,
  isoNow,
  jsonObject,
  orderQuery,
  pageOf,
  pageQuery,
  wholeNumber,
} from "./conventions.ts";
import { findDag } from "./dag-answers.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const onePath = z.object({ backfill_id: wholeNumber(1, 2_147_483_647) });

const backfillAnswer = z.object({
  id: z.number().int(),
  dag_id: z.string(),
  dag_display_name: z.string(),
  from_date: date,
  to_date: date,
  dag_run_conf: z.record(z.string(), z.unknown()),
  is_paused: z.boolean(),
  reprocess_behavior: z.enum(["none", "failed", "completed"]),
  max_active_runs: z.number().int(),
  run_backwards: z.boolean(),
  run_on_latest_version: z.boolean(),
  created_at: date,
  updated_at: date,
  completed_at: date,
});

const createBody = z.strictObject({
  dag_id: dagId,
  from_date: instant,
  to_date: instant,
  dag_run_conf: jsonObject.nullish(),
  reprocess_behavior: z.enum(["none", "failed", "completed"]).default("none"),
  max_active_runs: z.number().int().min(1).max(1_000).default(10),
  run_backwards: z.boolean().default(false),
  run_on_latest_version: z.boolean().default(true),
});

const previewAnswer = collection(
  "backfills",
  z.object({
    logical_date: date,
    action: z.enum(["create", "rerun", "skip"]),
    reason: z.string(),
    dag_run_id: z.string().nullable(),
  }),
);

/** `/api/v2/backfills`: preview, create, follow, pause, cancel. */
export const BACKFILL_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/backfills",
    verb: "read",
    kind: "backfill",
    tag: "Backfill",
    summary: "List backfills",
    query: z.strictObject({
      ...pageQuery,
      dag_id: dagId.optional(),
      active: flag.optional(),
      order_by: orderQuery(["id"]),
    }),
    response: collection("backfills", backfillAnswer),
    async handler({ store, query }) {
      if (query.dag_id) await findDag(store, query.dag_id);
      const { rows, total } = await store.admin.backfills({
        ...pageOf(query),
        dagId: query.dag_id,
        isActive: query.active,
      });
      return { backfills: rows.map(toBackfill), total_entries: total };
    },
  }),
  defineRoute({
    method: "post",
    path: "/v2/backfills",
    verb: "write",
    kind: "backfill",
    tag: "Backfill",
    summary: "Create a backfill",
    body: createBody,
    response: backfillAnswer,
    handler: async ({ body, commands }) => toBackfill(await createBackfill(commands, toInput(body))),
  }),
  defineRoute({
    method: "post",
    path: "/v2/backfills/dry_run",
    verb: "read",
    kind: "backfill",
    tag: "Backfill",
    summary: "The dates a backfill would cover",
    body: createBody,
    response: previewAnswer,
    async handler({ body, commands }) {
      const dates = await previewBackfill(commands, toInput(body));
      return {
        backfills: dates.map((each) => ({
          logical_date: isoNow(each.logicalDate),
          action: each.action,
          reason: each.reason,
          dag_run_id: each.run?.runId ?? null,
        })),
        total_entries: dates.length,
      };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/backfills/:backfill_id",
    verb: "read",
    kind: "backfill",
    tag: "Backfill",
    summary: "One backfill",
    params: onePath,
    response: backfillAnswer,
    handler: async ({ store, path }) => toBackfill(await find(store, path.backfill_id)),
  }),
  defineRoute({
    method: "put",
    path: "/v2/backfills/:backfill_id/pause",
    verb: "write",
    kind: "backfill",
    tag: "Backfill",
    summary: "Pause",
    params: onePath,
    response: backfillAnswer,
    handler: async ({ path, commands }) => toBackfill(await setBackfillPaused(commands, path.backfill_id, true)),
  }),
  defineRoute({
    method: "put",
    path: "/v2/backfills/:backfill_id/unpause",
    verb: "write",
    kind: "backfill",
    tag: "Backfill",
    summary: "Resume",
    params: onePath,
    response: backfillAnswer,
    handler: async ({ path, commands }) => toBackfill(await setBackfillPaused(commands, path.backfill_id, false)),
  }),
  defineRoute({
    method: "put",
    path: "/v2/backfills/:backfill_id/cancel",
    verb: "write",
    kind: "backfill",
    tag: "Backfill",
    summary: "Cancel",
    params: onePath,
    response: backfillAnswer,
    handler: async ({ path, commands }) => toBackfill(await cancelBackfill(commands, path.backfill_id)),
  }),
];

async function find(store: Store, id: number): Promise<BackfillRow> {
  const backfill = await store.admin.backfill(id);
  if (!backfill) throw new NotFoundError(`There is no backfill ${id}.`);
  return backfill;
}

function toInput(body: z.output<typeof createBody>) {
  return {
    dagId: body.dag_id,
    fromDate: body.from_date,
    toDate: body.to_date,
    conf: body.dag_run_conf ?? {},
    reprocess: body.reprocess_behavior,
    maxActiveRuns: body.max_active_runs,
    isReverse: body.run_backwards,
    runOnLatestVersion: body.run_on_latest_version,
  };
}

function toBackfill(row: BackfillRow): z.input<typeof backfillAnswer> {
  return {
    id: row.id,
    dag_id: row.dagId,
    dag_display_name: row.dagId,
    from_date: isoNow(row.fromDate),
    to_date: isoNow(row.toDate),
    dag_run_conf: maskJson(row.conf) as z.input<typeof backfillAnswer>["dag_run_conf"],
    is_paused: row.isPaused,
    reprocess_behavior: row.reprocess,
    max_active_runs: row.maxActiveRuns,
    run_backwards: row.isReverse,
    run_on_latest_version: row.runOnLatestVersion,
    created_at: isoNow(row.createdAt),
    updated_at: isoNow(row.updatedAt),
    completed_at: iso(row.completedAt ?? row.cancelledAt),
  };
}
