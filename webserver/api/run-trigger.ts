import { z } from "zod";
import { ConflictError, InvalidInputError } from "../../core/errors.ts";
import { triggerRun } from "../../store/commands/index.ts";
import type { Store } from "../../store/store.ts";
import { dagId, instant, jsonObject, runId } from "./conventions.ts";
import { Answer, type AnyRoute, type Call, defineRoute } from "./route.ts";
import { answerRun, runAnswer } from "./run-answers.ts";

const triggerBody = z.strictObject({
  dag_run_id: runId.nullish(),
  logical_date: instant.nullish().describe("absent = now, null = none"),
  run_after: instant.nullish().describe("not before; default now"),
  data_interval_start: instant.nullish(),
  data_interval_end: instant.nullish(),
  conf: jsonObject.nullish().describe("values of the DAG's params and whatever else its tasks want to know; 64 kB"),
  note: z.string().max(10_000).nullish(),
});

/** Far above what people and cron jobs do; stops a client that has lost its brakes. */
const TRIGGER_RATE = { burst: 1_000, perMinute: 1_200 };

/** `POST …/dagRuns`. */
export const TRIGGER_ROUTES: readonly AnyRoute[] = [
  defineRoute({
    method: "post",
    path: "/v2/dags/:dag_id/dagRuns",
    verb: "write",
    kind: "run",
    tag: "DagRun",
    summary: "Trigger a run",
    about:
      "With `Idempotency-Key` a request that may have been lost can be sent again: the key names the run (`manual__<key>`, unless `dag_run_id` does), and when that run exists the answer is the run with 200 instead of a second run or 409.",
    headers: { "Idempotency-Key": "Names the run: 1 to 200 letters, digits and _ . ~ : + -" },
    rate: TRIGGER_RATE,
    params: z.object({ dag_id: dagId }),
    body: triggerBody,
    response: runAnswer,
    status: 201,
    handler: trigger,
  }),
];

type TriggerCall = Call<{ dag_id: string }, undefined, z.output<typeof triggerBody>>;

async function trigger({ store, path, body, commands, request }: TriggerCall) {
  const keyed = runIdOfKey(request.headers["idempotency-key"]);
  const id = body.dag_run_id ?? keyed;
  const known = keyed === undefined ? undefined : await existing(store, path.dag_id, id);
  if (known) return known;
  try {
    const run = await triggerRun(commands, {
      dagId: path.dag_id,
      runId: id ?? undefined,
      logicalDate: body.logical_date,
      runAfter: body.run_after ?? undefined,
      dataIntervalStart: body.data_interval_start ?? undefined,
      dataIntervalEnd: body.data_interval_end ?? undefined,
      conf: body.conf ?? undefined,
      note: body.note,
    });
    return await answerRun(store, run.dagId, run.runId);
  } catch (error) {
    // Two requests with one key at the same moment: the slower one gets what the faster one made.
    const made =
      keyed !== undefined && error instanceof ConflictError ? await existing(store, path.dag_id, id) : undefined;
    if (made) return made;
    throw error;
  }
}

async function existing(store: Store, dag: string, run: string | undefined): Promise<Answer | undefined> {
  if (run === undefined || !(await store.runs.find(dag, run))) return undefined;
  return new Answer(200, runAnswer.parse(await answerRun(store, dag, run)));
}

function runIdOfKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== "string" || !/^[A-Za-z0-9_.~:+-]{1,200}$/.test(header))
    throw new InvalidInputError("Idempotency-Key may hold letters, digits and _ . ~ : + -, at most 200.", [
      { path: "headers.idempotency-key", message: "is not acceptable" },
    ]);
  return `manual__${header}`;
}
