import { z } from "zod";
import { ConflictError } from "../../core/errors.ts";
import type { PoolRow } from "../../store/rows.ts";
import { thingName } from "./conventions.ts";
import { namedRoutes } from "./named-things.ts";
import type { AnyRoute } from "./route.ts";

const poolBody = z.strictObject({
  name: thingName,
  slots: z.number().int().min(-1).max(1_000_000).describe("-1 = unlimited"),
  description: z.string().max(10_000).nullish(),
  include_deferred: z.boolean().optional(),
});
const poolAnswer = z.object({
  name: z.string(),
  slots: z.number().int(),
  description: z.string().nullable(),
  include_deferred: z.boolean(),
  occupied_slots: z.number().int(),
  running_slots: z.number().int(),
  queued_slots: z.number().int(),
  scheduled_slots: z.number().int(),
  deferred_slots: z.number().int(),
  open_slots: z.number().int().describe("-1 = unlimited"),
});

/** `/api/v2/pools`. */
export const POOL_ROUTES: readonly AnyRoute[] = namedRoutes({
  path: "/v2/pools",
  idName: "pool_name",
  idKey: "name",
  listKey: "pools",
  kind: "pool",
  tag: "Pool",
  body: poolBody,
  answer: poolAnswer,
  async list(store) {
    const [pools, use] = await Promise.all([store.admin.pools(), store.admin.poolUse()]);
    return pools.map((pool) => toPool(pool, use.get(pool.name)));
  },
  exists: async (store, id) => (await store.admin.pool(id)) !== undefined,
  put: async (_store, body, mode) => ({
    kind: "pool.put",
    mode,
    pool: {
      name: body.name,
      slots: body.slots,
      description: body.description ?? null,
      includeDeferred: body.include_deferred ?? false,
    },
  }),
  remove: (id) => ({ kind: "pool.delete", name: id }),
  checkRemoval(id) {
    if (id === "default_pool")
      throw new ConflictError("The default pool cannot be deleted: tasks without a pool use it.");
  },
});

function toPool(
  pool: PoolRow,
  use: { running: number; queued: number; scheduled: number; deferred: number } | undefined,
): z.input<typeof poolAnswer> {
  const { running = 0, queued = 0, scheduled = 0, deferred = 0 } = use ?? {};
  const occupied = running + queued + (pool.includeDeferred ? deferred : 0);
  return {
    name: pool.name,
    slots: pool.slots,
    description: pool.description,
    include_deferred: pool.includeDeferred,
    occupied_slots: occupied,
    running_slots: running,
    queued_slots: queued,
    scheduled_slots: scheduled,
    deferred_slots: deferred,
    open_slots: pool.slots < 0 ? -1 : Math.max(0, pool.slots - occupied),
  };
}
