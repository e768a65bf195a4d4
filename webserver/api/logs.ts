import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";
import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import type { AttemptState } from "../../store/rows.ts";
import type { TaskLogKey, TaskLogPage, TaskLogs } from "../deps.ts";
import { flag, wholeNumber } from "./conventions.ts";
import { ANSWERED, type AnyRoute, defineRoute } from "./route.ts";
import { findTask, taskPath } from "./task-answers.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id";

/** Lines of one answer, and of one with `full_content`: more would have to stand in memory at once. */
const PAGE_LINES = 1_000;
const FULL_LINES = 10_000;

/** States of a try that may still write. */
const OPEN: ReadonlySet<AttemptState> = new Set<AttemptState>(["queued", "running", "rescheduled", "deferred"]);

const lineAnswer = z.object({
  timestamp: z.iso.datetime(),
  level: z.string(),
  logger: z.string(),
  event: z.string(),
  fields: z.record(z.string(), z.unknown()).optional(),
});
const logAnswer = z.object({
  content: z.array(lineAnswer),
  continuation_token: z
    .string()
    .nullable()
    .describe("give it as `token` to go on; null when the try has ended and all was read"),
});

/** `…/logs/{try_number}`: JSON by pages, or the whole log as text or NDJSON. */
export const LOG_ROUTES: readonly AnyRoute[] = ["/logs/:try_number", "/:map_index/logs/:try_number"].map((suffix) =>
  defineRoute({
    method: "get",
    path: `${BASE}${suffix}`,
    verb: "read",
    kind: "log",
    tag: "Log",
    summary: "Log of one try",
    about:
      "JSON comes by pages; `Accept: text/plain` or `application/x-ndjson` gives all there is until now, as a stream.",
    params: taskPath.extend({ try_number: wholeNumber(1, 1_000_000) }),
    query: z.strictObject({
      full_content: flag.optional().describe(`${FULL_LINES} lines in one answer instead of ${PAGE_LINES}`),
      token: z
        .string()
        .regex(/^\d{1,12}$/)
        .optional(),
      map_index: wholeNumber(-1, 1_000_000_000).optional(),
    }),
    produces: ["application/json", "text/plain", "application/x-ndjson"],
    response: logAnswer,
    async handler({ store, deps, path, query, request, response }) {
      const task = await findTask(store, { ...path, map_index: path.map_index ?? query.map_index });
      if (path.try_number > Math.max(1, task.tryNumber))
        throw new NotFoundError(`"${task.taskId}" has no try ${path.try_number}.`);
      const key = { runKey: task.runKey, tiNo: task.tiNo, tryNumber: path.try_number };
      const format = request.accepts(["application/json", "text/plain", "application/x-ndjson"]);
      if (format === "text/plain" || format === "application/x-ndjson") {
        response.status(200).type(`${format}; charset=utf-8`);
        await (format === "text/plain" ? sendText(deps.logs, key, response) : sendLines(deps.logs, key, response));
        return ANSWERED;
      }
      const attempt = await store.tasks.attempt(key.runKey, key.tiNo, key.tryNumber);
      const mayGoOn = attempt ? OPEN.has(attempt.state) : task.state === "queued" || task.state === "scheduled";
      const limit = query.full_content ? FULL_LINES : PAGE_LINES;
      const page = await deps.logs.read(key, Number(query.token ?? 0), limit);
      const isOver = page.isEnd && !mayGoOn;
      return { content: page.lines.map(toLine), continuation_token: isOver ? null : String(page.nextLine) };
    },
  }),
);

async function sendText(logs: TaskLogs, key: TaskLogKey, response: Response): Promise<void> {
  try {
    await pipeline(logs.stream(key), response);
  } catch (error) {
    // The reader has gone away; there is nobody left to tell.
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

/** One page at a time, as fast as the reader takes them. */
async function sendLines(logs: TaskLogs, key: TaskLogKey, response: Response): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  for (let from = 0; !gone.signal.aborted; ) {
    const page = await logs.read(key, from, PAGE_LINES);
    const text = page.lines.map((line) => `${JSON.stringify(toLine(line))}\n`).join("");
    if (text !== "" && !response.write(text)) await once(response, "drain", { signal: gone.signal }).catch(() => {});
    if (page.isEnd) break;
    from = page.nextLine;
  }
  response.end();
}

function toLine(line: TaskLogPage["lines"][number]): z.input<typeof lineAnswer> {
  return {
    timestamp: new Date(line.at).toISOString(),
    level: line.level,
    logger: line.source,
    event: line.message,
    ...(line.fields ? { fields: { ...line.fields } } : {}),
  };
}
