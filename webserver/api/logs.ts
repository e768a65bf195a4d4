import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { NotFoundError } from "../../core/errors.ts";
import { flag, wholeNumber } from "./conventions.ts";
import { ANSWERED, type AnyRoute, defineRoute } from "./route.ts";
import { findTask, taskPath } from "./task-instances.ts";

const BASE = "/v2/dags/:dag_id/dagRuns/:dag_run_id/taskInstances/:task_id";

/** Lines of one answer. */
const PAGE_LINES = 1_000;

const logAnswer = z.object({
  content: z.array(
    z.object({
      timestamp: z.iso.datetime(),
      level: z.string(),
      logger: z.string(),
      event: z.string(),
      fields: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
  continuation_token: z
    .string()
    .nullable()
    .describe("give it as `token` to go on; null when the try has ended and all was read"),
});

/** `…/logs/{try_number}`: JSON by pages, or the whole log as text (Accept: text/plain) or NDJSON (Accept: application/x-ndjson). */
export const LOG_ROUTES: readonly AnyRoute[] = ["/logs/:try_number", "/:map_index/logs/:try_number"].map((suffix) =>
  defineRoute({
    method: "get",
    path: `${BASE}${suffix}`,
    verb: "read",
    kind: "log",
    tag: "Log",
    summary: "Log of one try",
    params: taskPath.extend({ try_number: wholeNumber(1, 1_000_000) }),
    query: z.strictObject({
      full_content: flag.optional(),
      token: z
        .string()
        .regex(/^\d{1,12}$/)
        .optional(),
      map_index: wholeNumber(-1, 1_000_000_000).optional(),
    }),
    response: logAnswer,
    async handler({ store, deps, path, query, request, response }) {
      const task = await findTask(store, { ...path, map_index: path.map_index ?? query.map_index });
      if (path.try_number > Math.max(1, task.tryNumber))
        throw new NotFoundError(`"${task.taskId}" has no try ${path.try_number}.`);
      const key = { runKey: task.runKey, tiNo: task.tiNo, tryNumber: path.try_number };
      const format = request.accepts(["application/json", "text/plain", "application/x-ndjson"]);
      if (format === "text/plain") {
        response.status(200).type("text/plain; charset=utf-8");
        await pipeline(deps.logs.stream(key), response);
        return ANSWERED;
      }
      if (format === "application/x-ndjson") response.status(200).type("application/x-ndjson");
      let from = Number(query.token ?? 0);
      const content: z.input<typeof logAnswer>["content"] = [];
      for (;;) {
        const page = await deps.logs.read(key, from, PAGE_LINES);
        from = page.nextLine;
        const lines = page.lines.map((line) => ({
          timestamp: new Date(line.at).toISOString(),
          level: line.level,
          logger: line.source,
          event: line.message,
          ...(line.fields ? { fields: { ...line.fields } } : {}),
        }));
        if (format === "application/x-ndjson") for (const line of lines) response.write(`${JSON.stringify(line)}\n`);
        else content.push(...lines);
        const wantsMore = format === "application/x-ndjson" || query.full_content;
        if (page.isEnd || !wantsMore) {
          if (format === "application/x-ndjson") {
            response.end();
            return ANSWERED;
          }
          const isOver = page.isEnd && (task.tryNumber > path.try_number || task.endDate !== null);
          return { content, continuation_token: isOver ? null : String(from) };
        }
      }
    },
  }),
);
