import type { Json } from "../../core/json.ts";
import type { HttpAnswer, RequestPlan } from "../operators/http.ts";
import { HttpError, isOk, request, requireSuccess, valueOfAnswer } from "../operators/http-request.ts";
import type { TaskRun } from "../task-run.ts";

const NOT_YET: ReadonlySet<number> = new Set([404, 409, 423, 425, 429]);

/** The body once the answer is as wished; undefined = not yet. @throws HttpError for a refusal that will not pass. */
export async function pokeServer(
  plan: RequestPlan,
  check: ((answer: HttpAnswer) => boolean | Promise<boolean>) | undefined,
  run: TaskRun,
): Promise<Json | undefined> {
  const answer = await ask(plan, run);
  if (answer === undefined) return undefined;
  if (check !== undefined) return (await check(answer)) ? sensed(answer) : undefined;
  if (NOT_YET.has(answer.status) || answer.status >= 500) return undefined;
  await requireSuccess(answer, undefined);
  return isOk(answer) ? sensed(answer) : undefined;
}

/** An empty body must not look like "not yet". */
function sensed(answer: HttpAnswer): Json {
  return valueOfAnswer(answer) || true;
}

async function ask(plan: RequestPlan, run: TaskRun): Promise<HttpAnswer | undefined> {
  try {
    return await request(plan, run);
  } catch (error) {
    if (!(error instanceof HttpError) || run.host.signal.aborted) throw error;
    run.host.log({ level: "info", source: "sluice", message: error.message });
    return undefined;
  }
}
