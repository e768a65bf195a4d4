import { pipeline } from "node:stream/promises";
import { type Response, Router } from "express";
import { requires } from "../auth/authenticate.ts";
import type { TaskLogKey, WebDeps } from "../deps.ts";
import { wholeNumberOf } from "../forms/input.ts";
import { logLineHtml } from "../log/lines.ts";
import { taskContext } from "./task-context.ts";

const PATH = "/dags/:dag/runs/:run/tasks/:task/log";
/** At most four times a second (ui.md 3.10). */
const FLUSH_MS = 250;
/** Looks for what no signal told: logs and ends written by another process. */
const SWEEP_MS = 2_000;
const HEARTBEAT_MS = 15_000;
const LINES = 1_000;
/** Unsent bytes at which reading waits for a slow browser. */
const BACKLOG_LIMIT = 256 * 1_024;

/** `…/log/stream`: the log as it grows, as server-sent events of rendered lines. `…/log/raw`: all of it as text. */
export function taskLogRouter(deps: WebDeps): Router {
  const router = Router();
  router.get(`${PATH}/raw`, requires("read", "log"), async (request, response) => {
    const { run, instance, tryNumber } = await taskContext(deps, request);
    const name = `${run.dagId}-${instance.taskId}-${tryNumber}.log`.replace(/[^\w.-]/g, "_");
    response.setHeader("Content-Disposition", `attachment; filename="${name}"`);
    response.type("text/plain");
    await pipeline(deps.logs.stream({ runKey: run.runKey, tiNo: instance.tiNo, tryNumber }), response);
  });
  router.get(`${PATH}/stream`, requires("read", "log"), async (request, response) => {
    const { run, instance, tryNumber } = await taskContext(deps, request);
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      // no-transform: a compressor would hold lines back.
      "Cache-Control": "no-store, no-transform",
      "X-Accel-Buffering": "no",
    });
    const from = wholeNumberOf(request.query, "from", 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const tail = new Tail(deps, response, { runKey: run.runKey, tiNo: instance.tiNo, tryNumber }, from);
    response.on("close", () => tail.stop());
    tail.start();
  });
  return router;
}

/** Sends the lines of one log to one browser until the try has ended and everything is sent. */
class Tail {
  readonly #deps: WebDeps;
  readonly #response: Response;
  readonly #key: TaskLogKey;
  readonly #stops: (() => void)[] = [];
  #next: number;
  #timer: NodeJS.Timeout | undefined;
  #isPumping = false;
  #isDirty = false;
  #isStopped = false;

  constructor(deps: WebDeps, response: Response, key: TaskLogKey, from: number) {
    this.#deps = deps;
    this.#response = response;
    this.#key = key;
    this.#next = from;
  }

  start(): void {
    this.#response.write("retry: 2000\n\n");
    const sweep = setInterval(() => this.#wake(), SWEEP_MS).unref();
    const beat = setInterval(() => this.#response.write(": beat\n\n"), HEARTBEAT_MS).unref();
    this.#stops.push(
      this.#deps.logs.watch(this.#key, () => this.#wake()),
      () => clearInterval(sweep),
      () => clearInterval(beat),
    );
    void this.#pump();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
  }

  #wake(): void {
    this.#isDirty = true;
    if (this.#isPumping || this.#isStopped || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#pump();
    }, FLUSH_MS).unref();
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    this.#isDirty = false;
    try {
      // The end is asked for before the last read: lines written before the end are then certainly seen.
      const isOver = await this.#isOver();
      const isAll = await this.#send();
      if (isOver && isAll && !this.#isStopped) this.#response.end("event: end\ndata: {}\n\n");
    } catch (error) {
      this.#deps.logger.warn({ error: String(error) }, "a log could not be read; its reader stays connected");
    } finally {
      this.#isPumping = false;
      if (this.#isDirty) this.#wake();
    }
  }

  async #send(): Promise<boolean> {
    while (!this.#isStopped) {
      if (this.#response.writableLength > BACKLOG_LIMIT) {
        this.#isDirty = true;
        return false;
      }
      const from = this.#next;
      const page = await this.#deps.logs.read(this.#key, from, LINES);
      if (page.lines.length > 0 && page.nextLine > from) {
        const html = page.lines.map((line, at) => logLineHtml(line, from + at + 1)).join("");
        this.#next = page.nextLine;
        this.#response.write(`event: lines\ndata: ${JSON.stringify({ from, next: page.nextLine, html })}\n\n`);
      }
      if (page.isEnd) return true;
    }
    return false;
  }

  async #isOver(): Promise<boolean> {
    const { runKey, tiNo, tryNumber } = this.#key;
    const [attempt, instance] = await Promise.all([
      this.#deps.store.tasks.attempt(runKey, tiNo, tryNumber),
      this.#deps.store.tasks.get(runKey, tiNo),
    ]);
    if (!instance || instance.tryNumber !== tryNumber) return true;
    return (
      attempt !== undefined &&
      attempt.state !== "running" &&
      attempt.state !== "queued" &&
      attempt.state !== "rescheduled" &&
      attempt.state !== "deferred"
    );
  }
}
