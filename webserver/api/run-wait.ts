import { z } from "zod";
import { isRunTerminal } from "../../core/states.ts";
import type { DagRunRow } from "../../store/rows.ts";
import type { Store } from "../../store/store.ts";
import { dagId, repeated } from "./conventions.ts";
import { ANSWERED, type AnyRoute, type Call, defineRoute } from "./route.ts";
import { findRun, runPath } from "./run-answers.ts";

const waitQuery = z.strictObject({
  interval: z
    .string()
    .regex(/^\d{1,5}(\.\d{1,3})?$/, "must be seconds")
    .transform(Number)
    .pipe(z.number().min(0.1).max(3_600))
    .optional()
    .describe("seconds between lines while nothing changes; default 15"),
  result: repeated(dagId).optional().describe("tasks whose return values the last line holds"),
});

/** `…/wait`. */
export const WAIT_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "get",
    path: "/v2/dags/:dag_id/dagRuns/:dag_run_id/wait",
    verb: "read",
    kind: "run",
    tag: "DagRun",
    summary: "Wait until the run has ended",
    about: "One line of JSON with the state at once, at each change and each `interval`; the stream ends with the run.",
    params: runPath,
    query: waitQuery,
    produces: ["application/x-ndjson"],
    status: 200,
    handler: wait,
  }),
];

type WaitCall = Call<z.output<typeof runPath>, z.output<typeof waitQuery>, undefined>;

async function wait({ store, path, query, response }: WaitCall): Promise<typeof ANSWERED> {
  let run: DagRunRow | undefined = await findRun(store, path.dag_id, path.dag_run_id);
  // `no-transform`: a compressor would hold the lines back.
  response.status(200).type("application/x-ndjson").setHeader("Cache-Control", "no-store, no-transform");
  const everyMs = (query.interval ?? 15) * 1_000;
  while (run && !isRunTerminal(run.state)) {
    response.write(`${JSON.stringify({ state: run.state })}\n`);
    run = await changed(store, run, everyMs, () => response.destroyed);
    if (response.destroyed) return ANSWERED;
  }
  if (run) response.write(`${JSON.stringify({ state: run.state, ...(await results(store, run, query.result)) })}\n`);
  response.end();
  return ANSWERED;
}

/** The run once its state is another one, or as it is after `everyMs`; undefined when it was deleted. */
async function changed(
  store: Store,
  run: DagRunRow,
  everyMs: number,
  isOver: () => boolean,
): Promise<DagRunRow | undefined> {
  const until = performance.now() + everyMs;
  for (;;) {
    const left = until - performance.now();
    if (left > 0) await nextCommit(store, Math.min(left, 1_000));
    const now = await store.runs.get(run.runKey);
    if (isOver() || left <= 0 || now?.state !== run.state) return now;
  }
}

/** Resolves with the next commit, or after a while in case another process made it. */
function nextCommit(store: Store, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      clearTimeout(timer);
      resolve();
    };
    const unsubscribe = store.onCommit(done);
    const timer = setTimeout(done, ms);
  });
}

async function results(store: Store, run: DagRunRow, tasks: readonly string[] | undefined): Promise<object> {
  if (!tasks) return {};
  const xcoms = await store.tasks.xcoms(run.runKey);
  const returned = xcoms.filter((row) => row.key === "return_value" && tasks.includes(row.taskId));
  return { results: Object.fromEntries(returned.map((row) => [row.taskId, row.value])) };
}
