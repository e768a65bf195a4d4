import type { AnyRoute } from "../../../webserver/api/route.ts";
import type { ApiSite } from "../api/site.ts";

/** Values for the parameters of paths that lead to something on an API site. */
export const PATH_SAMPLES: Readonly<Record<string, string>> = {
  dag_id: "etl",
  dag_run_id: "good",
  task_id: "extract",
  map_index: "-1",
  try_number: "1",
  version_number: "1",
  xcom_key: "return_value",
  pool_name: "default_pool",
  variable_key: "region",
  connection_id: "shop",
  backfill_id: "1",
  import_error_id: "1",
  event_log_id: "1",
  token_id: "1",
  file_token: Buffer.from("etl.ts").toString("base64url"),
  section: "sluice",
  option: "SLUICE_PORT",
};

const thing = { pools: { name: "p", slots: 1 }, variables: { key: "v", value: "1" } };
const connection = { connection_id: "c", conn_type: "http" };
const backfill = { dag_id: "nightly", from_date: "2026-02-01T00:00:00Z", to_date: "2026-02-02T00:00:00Z" };

/** A body that the route accepts, by method and path; `{}` where none is named. */
const BODY_SAMPLES: Readonly<Record<string, object>> = {
  "patch /v2/dags": { is_paused: true },
  "patch /v2/dags/:dag_id": { is_paused: true },
  "post /v2/dags/:dag_id/dagRuns": { conf: { limit: 3 }, note: "n" },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id": { note: "n" },
  "patch /sluice/v1/dags/:dag_id/dagRuns/:dag_run_id/dry_run": { state: "failed" },
  "post /v2/dags/:dag_id/clearTaskInstances": { dag_run_id: "good", only_failed: false },
  "post /sluice/v1/dags/:dag_id/clearTaskInstances/preview": { dag_run_id: "good", only_failed: false },
  "post /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/xcomEntries": { key: "sample", value: 1 },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/xcomEntries/:xcom_key": { value: 1 },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id": { note: "n" },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/:map_index": { note: "n" },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/dry_run": { new_state: "failed" },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id/:map_index/dry_run": { new_state: "failed" },
  "patch /v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances": {
    actions: [{ action: "update", entities: [{ task_id: "extract", note: "n" }] }],
  },
  "post /v2/pools": thing.pools,
  "patch /v2/pools": { actions: [{ action: "create", entities: [{ name: "bulk", slots: 1 }] }] },
  "patch /v2/pools/:pool_name": { description: "d" },
  "post /v2/variables": thing.variables,
  "patch /v2/variables": { actions: [{ action: "create", entities: [{ key: "bulk", value: "1" }] }] },
  "patch /v2/variables/:variable_key": { description: "d" },
  "post /v2/connections": connection,
  "patch /v2/connections": { actions: [{ action: "create", entities: [{ ...connection, connection_id: "bulk" }] }] },
  "patch /v2/connections/:connection_id": { description: "d" },
  "post /v2/backfills": backfill,
  "post /v2/backfills/dry_run": backfill,
  "post /sluice/v1/tokens": { name: "t", role: "viewer" },
  "patch /sluice/v1/me": { theme: "dark" },
};

/** A body that the route accepts; undefined where it takes none. */
export function bodySample(route: AnyRoute): Record<string, unknown> | undefined {
  if (!route.body) return undefined;
  return structuredClone(BODY_SAMPLES[`${route.method} ${route.path}`] ?? {}) as Record<string, unknown>;
}

/** A path of the route below `/api` that leads to something; `~` where the route is about all. */
export function pathSample(route: AnyRoute, changes: Readonly<Record<string, string>> = {}): string {
  const isAboutAll = route.path.endsWith("/list");
  return route.path.replace(/:(\w+)/g, (_, name: string) => {
    const value = changes[name] ?? (isAboutAll ? "~" : PATH_SAMPLES[name]);
    if (value === undefined) throw new Error(`no sample for the parameter ${name} of ${route.path}`);
    return encodeURIComponent(value);
  });
}

/** What is needed so that each sample leads somewhere. */
export async function seedSamples(site: ApiSite): Promise<void> {
  const { store } = site.web;
  const run = await store.runs.find("etl", "good");
  const variable = { key: "region", value: "eu", description: null };
  const connection = { connectionId: "shop", connType: "http", description: null, host: "shop.test" } as const;
  const rest = { schema: null, login: null, password: null, port: null, extra: null };
  const result = await store.commit(
    [
      { kind: "variable.put", mode: "create", variable },
      { kind: "connection.put", mode: "create", connection: { ...connection, ...rest } },
      { kind: "xcom.set", runKey: run?.runKey ?? 0, tiNo: 0, key: "return_value", json: "1", attempt: null },
    ],
    "test",
  );
  if (!result.ok) throw new Error(result.message);
  const body = { dag_id: "nightly", from_date: "2026-01-02T00:00:00Z", to_date: "2026-01-04T00:00:00Z" };
  const made = await site.ask("POST", "/v2/backfills", { body });
  if (made.body.id !== 1) throw new Error(made.text);
}

/** Everything that a request could have changed, as text. The last use of tokens does not count. */
export async function snapshot({ web: { store } }: ApiSite): Promise<string> {
  const page = { limit: 1_000 };
  const backfills = await store.admin.backfills(page);
  const parts = [
    await store.events.lastId(),
    await store.dags.list({ ...page, includeInactive: true }),
    await store.runs.list(page),
    await store.tasks.list(page),
    await store.admin.pools(),
    await store.admin.variables(),
    await store.admin.connections(),
    backfills,
    await Promise.all(backfills.rows.map((row) => store.admin.backfillDates(row.id))),
    (await store.access.tokens()).map((token) => ({ ...token, lastUsedAt: null })),
    await store.access.user("admin"),
  ];
  return JSON.stringify(parts);
}
