import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import type { WebDeps } from "../deps.ts";
import { isSecretName, MASK } from "../masking.ts";
import { collection, date, isoNow, orderQuery, pageQuery, slice, sorted } from "./conventions.ts";
import { type AnyRoute, defineRoute } from "./route.ts";

const part = z
  .object({ status: z.enum(["healthy", "unhealthy"]), detail: z.string().optional() })
  .catchall(z.unknown());
const jobAnswer = z.object({
  id: z.string(),
  job_type: z.string(),
  state: z.string(),
  hostname: z.string(),
  pid: z.number().int(),
  start_date: date,
  latest_heartbeat: date,
  slots: z.number().int(),
  queues: z.array(z.string()),
});
const option = z.object({ key: z.string(), value: z.string(), source: z.string() });
const configAnswer = z.object({ sections: z.array(z.object({ name: z.string(), options: z.array(option) })) });

/** The one section: settings of Sluice have no sections. */
const SECTION = "sluice";

/** Health, version, processes, settings. */
export const MONITOR_ROUTES: readonly AnyRoute[] = [
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
    query: z.strictObject({
      ...pageQuery,
      job_type: z.string().max(50).optional(),
      job_state: z.string().max(50).optional(),
      hostname: z.string().max(250).optional(),
      order_by: orderQuery(["id", "start_date", "latest_heartbeat", "hostname"]),
    }),
    response: collection("jobs", jobAnswer),
    async handler({ store, query }) {
      const found = (await store.admin.workers()).filter(
        (worker) =>
          worker.kind === (query.job_type ?? worker.kind) &&
          worker.state === (query.job_state ?? worker.state) &&
          worker.hostname === (query.hostname ?? worker.hostname),
      );
      const rows = sorted(found, query.order_by, {
        id: (row) => row.workerId,
        start_date: (row) => row.startedAt,
        latest_heartbeat: (row) => row.heartbeatAt,
        hostname: (row) => row.hostname,
      });
      return {
        jobs: slice(rows, query).map((worker) => ({
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
        total_entries: rows.length,
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
    query: z.strictObject({ section: z.string().max(100).optional() }),
    response: configAnswer,
    async handler({ deps, query }) {
      if (query.section !== undefined && query.section !== SECTION)
        throw new NotFoundError(`There is no section "${query.section}", only "${SECTION}".`);
      return { sections: [{ name: SECTION, options: settingsOf(deps) }] };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/config/section/:section/option/:option",
    verb: "read",
    kind: "config",
    tag: "Config",
    summary: "One setting, masked like all",
    params: z.object({ section: z.literal(SECTION), option: z.string().regex(/^\w{1,100}$/, "is not a setting") }),
    response: configAnswer,
    async handler({ deps, path }) {
      const options = settingsOf(deps).filter((each) => each.key === path.option);
      if (options.length === 0) throw new NotFoundError(`There is no setting "${path.option}".`);
      return { sections: [{ name: SECTION, options }] };
    },
  }),
  defineRoute({
    method: "get",
    path: "/sluice/v1/settings",
    verb: "read",
    kind: "config",
    tag: "Config",
    summary: "Settings in force with what they mean, secrets masked",
    response: collection("settings", option.extend({ about: z.string() })),
    async handler({ deps }) {
      const about = new Map(deps.settings().map((setting) => [setting.name, setting.about]));
      const settings = settingsOf(deps).map((each) => ({ ...each, about: about.get(each.key) ?? "" }));
      return { settings, total_entries: settings.length };
    },
  }),
];

/** The settings come masked already; their names are looked at once more. */
function settingsOf(deps: WebDeps): z.input<typeof option>[] {
  return deps.settings().map(({ name, value, origin }) => ({
    key: name,
    value: value !== "" && isSecretName(name) ? MASK : value,
    source: origin,
  }));
}
