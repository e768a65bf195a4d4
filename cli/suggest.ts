import type { Command } from "commander";
import { NotFoundError } from "../core/errors.ts";
import { nearest } from "../sdk/keys.ts";
import type { Store } from "../store/store.ts";

/** Newest runs whose ids are compared with one that does not exist. */
const COMPARED_RUNS = 200;

/**
 * A better word for "not found": which of the names on the command line does not exist, the nearest that does, and the command that lists
 * them. Gives the error itself when every name that can be looked up exists.
 */
export async function explainNotFound(error: NotFoundError, command: Command, store: Store): Promise<Error> {
  const names = new Map(
    command.registeredArguments.map((argument, at) => [argument.name(), command.processedArgs[at]]),
  );
  const dag = names.get("dag");
  const run = names.get("run");
  const task = names.get("task");
  if (typeof dag === "string") {
    if (!(await store.dags.get(dag))) {
      const all = await store.dags.all();
      return missing(
        `There is no DAG "${dag}".`,
        dag,
        all.map((each) => each.dagId),
        "sluice dags list",
      );
    }
    if (typeof run !== "string") return error;
    const found = await store.runs.find(dag, run);
    if (!found) {
      const { rows } = await store.runs.list({ dagId: dag, limit: COMPARED_RUNS });
      return missing(
        `DAG "${dag}" has no run "${run}".`,
        run,
        rows.map((each) => each.runId),
        `sluice runs list ${dag}`,
      );
    }
    if (typeof task !== "string") return error;
    const tasks = await store.tasks.ofRun(found.runKey);
    if (tasks.some((each) => each.taskId === task)) return error;
    const ids = tasks.map((each) => each.taskId);
    return missing(`Run "${run}" of "${dag}" has no task "${task}".`, task, ids, `sluice tasks list ${dag} '${run}'`);
  }
  return explainNamed(error, command, names, store);
}

/** Variables, connections and pools. */
async function explainNamed(
  error: NotFoundError,
  command: Command,
  names: ReadonlyMap<string, unknown>,
  store: Store,
): Promise<Error> {
  const group = command.parent?.name();
  const name = names.get("key") ?? names.get("id") ?? names.get("name");
  if (typeof name !== "string") return error;
  const known =
    group === "variables"
      ? (await store.admin.variables()).map((each) => each.key)
      : group === "connections"
        ? (await store.admin.connections()).map((each) => each.connectionId)
        : group === "pools"
          ? (await store.admin.pools()).map((each) => each.name)
          : undefined;
  if (known === undefined || known.includes(name)) return error;
  return missing(`There is no ${group?.slice(0, -1)} "${name}".`, name, known, `sluice ${group} list`);
}

function missing(what: string, name: string, known: readonly string[], list: string): NotFoundError {
  const near = nearest(name, known);
  return new NotFoundError(`${what}${near === undefined ? "" : ` Did you mean "${near}"?`} \`${list}\` shows them.`);
}
