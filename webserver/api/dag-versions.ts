import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import type { DagVersionRow } from "../../store/rows.ts";
import {
  collection,
  dagId,
  date,
  isoNow,
  orAll,
  orderQuery,
  pageQuery,
  slice,
  sorted,
  wholeNumber,
} from "./conventions.ts";
import { currentVersion, findDag, taskOfDagAnswer, toTask } from "./dag-answers.ts";
import { ANSWERED, type AnyRoute, defineRoute } from "./route.ts";

const versionNumber = wholeNumber(1, 1_000_000_000);

const versionAnswer = z.object({
  id: z.number().int(),
  dag_id: z.string(),
  version_number: z.number().int(),
  bundle_name: z.string(),
  bundle_version: z.string(),
  created_at: date,
});

/** Versions of DAGs: their tasks, their numbers, the author's files. */
export const DAG_VERSION_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/tasks",
    verb: "read",
    kind: "dag",
    tag: "Task",
    summary: "Tasks of the newest version",
    params: z.object({ dag_id: dagId }),
    query: z.strictObject({ order_by: orderQuery(["task_id"]) }),
    response: collection("tasks", taskOfDagAnswer),
    async handler({ store, path, query }) {
      const version = await currentVersion(store, await findDag(store, path.dag_id));
      const ids = version.definition.tasks.map((task) => task.taskId);
      const tasks = sorted(ids, query.order_by, { task_id: (id) => id }).map((id) => toTask(version, id));
      return { tasks, total_entries: tasks.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/tasks/:task_id",
    verb: "read",
    kind: "dag",
    tag: "Task",
    summary: "One task of the newest version",
    params: z.object({ dag_id: dagId, task_id: dagId }),
    response: taskOfDagAnswer,
    handler: async ({ store, path }) =>
      toTask(await currentVersion(store, await findDag(store, path.dag_id)), path.task_id),
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagVersions",
    verb: "read",
    kind: "dag",
    tag: "DAG version",
    summary: "Versions, newest first; of all DAGs with ~",
    params: z.object({ dag_id: orAll(dagId) }),
    query: z.strictObject({
      ...pageQuery,
      version_number: versionNumber.optional(),
      order_by: orderQuery(["id", "version_number", "dag_id", "created_at"]),
    }),
    response: collection("dag_versions", versionAnswer),
    async handler({ store, path, query }) {
      const dags =
        path.dag_id === "~"
          ? (await store.dags.all()).map((dag) => dag.dagId)
          : [(await findDag(store, path.dag_id)).dagId];
      const all = (await Promise.all(dags.map((id) => store.dags.versions(id)))).flat();
      const found = all.filter((version) => version.versionNumber === (query.version_number ?? version.versionNumber));
      const rows = sorted(found, query.order_by, {
        id: (row) => row.id,
        version_number: (row) => row.versionNumber,
        dag_id: (row) => row.dagId,
        created_at: (row) => row.createdAt,
      });
      return { dag_versions: slice(rows, query).map(toVersion), total_entries: rows.length };
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagVersions/:version_number",
    verb: "read",
    kind: "dag",
    tag: "DAG version",
    summary: "One version",
    params: z.object({ dag_id: dagId, version_number: versionNumber }),
    response: versionAnswer,
    async handler({ store, path }) {
      await findDag(store, path.dag_id);
      const version = await store.dags.versionOf(path.dag_id, path.version_number);
      if (!version) throw new NotFoundError(`DAG "${path.dag_id}" has no version ${path.version_number}.`);
      return toVersion(version);
    },
  }),
  defineRoute({
    method: "get",
    path: "/v2/dagSources/:dag_id",
    verb: "read",
    kind: "code",
    tag: "DAG version",
    summary: "The author's files of a version",
    about: "`Accept: text/plain` gives the text of the DAG file alone.",
    params: z.object({ dag_id: dagId }),
    query: z.strictObject({ version_number: versionNumber.optional() }),
    produces: ["application/json", "text/plain"],
    response: z.object({
      dag_id: z.string(),
      version_number: z.number().int(),
      content: z.string(),
      files: z.array(z.object({ path: z.string(), text: z.string() })),
    }),
    async handler({ store, path, query, request, response }) {
      await findDag(store, path.dag_id);
      const version = await store.dags.versionOf(path.dag_id, query.version_number);
      const bundle = version && (await store.dags.bundle(version.bundleHash));
      if (!version || !bundle) throw new NotFoundError(`DAG "${path.dag_id}" has no such version.`);
      const files = bundle.sources.map((source) => ({ path: source.path, text: source.text }));
      const content = (files.find((file) => file.path === bundle.file) ?? files[0])?.text ?? "";
      if (request.accepts(["application/json", "text/plain"]) !== "text/plain")
        return { dag_id: path.dag_id, version_number: version.versionNumber, content, files };
      response.type("text/plain; charset=utf-8").send(content);
      return ANSWERED;
    },
  }),
];

function toVersion(version: Omit<DagVersionRow, "definition">): z.input<typeof versionAnswer> {
  return {
    id: version.id,
    dag_id: version.dagId,
    version_number: version.versionNumber,
    bundle_name: "dags",
    bundle_version: version.bundleHash,
    created_at: isoNow(version.createdAt),
  };
}
