/** Addresses of the pages of DAGs, runs and task instances; every id is encoded, whatever it holds. */
export function dagPath(dagId: string, rest = ""): string {
  return `/dags/${encodeURIComponent(dagId)}${rest}`;
}

/** Page of one run, or of what `rest` ("/clear") says below it. */
export function runPath(dagId: string, runId: string, rest = ""): string {
  return `${dagPath(dagId)}/runs/${encodeURIComponent(runId)}${rest}`;
}

/** Page of one task instance; a mapped one is named by `?map_index=`. */
export function taskPath(dagId: string, runId: string, taskId: string, mapIndex = -1, rest = ""): string {
  const path = `${runPath(dagId, runId)}/tasks/${encodeURIComponent(taskId)}${rest}`;
  return mapIndex >= 0 ? `${path}?map_index=${mapIndex}` : path;
}

/** A path with query parameters; empty and undefined ones are left out. */
export function withQuery(
  path: string,
  parameters: { readonly [name: string]: string | number | boolean | readonly string[] | undefined },
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || value === "" || value === false) continue;
    if (Array.isArray(value)) for (const each of value) query.append(name, String(each));
    else query.set(name, value === true ? "1" : String(value));
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}
