import { type Response, Router } from "express";
import type { EventRow } from "../store/rows.ts";
import { requires } from "./auth/authenticate.ts";
import type { WebDeps } from "./deps.ts";

/** A browser that lost the stream for longer than this many events is told to reload instead. */
const RESUME_LIMIT = 2_000;
const HEARTBEAT_MS = 15_000;
/** Unsent bytes at which a slow reader is told to refresh instead of being sent every event. */
const BACKLOG_LIMIT = 256 * 1_024;

/** What the stream says of one event: enough for a page to know whether it is concerned. */
interface LiveEvent {
  readonly id: number;
  readonly kind: string;
  readonly dag: string | null;
  readonly run: string | null;
  readonly task: string | null;
  readonly map: number | null;
  readonly try: number | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly at: number;
}

/**
 * `GET /events` — one stream per browser (ui.md 4, Live): every state change as a named event `change`, in order, resumed after
 * `Last-Event-ID`. `?dag=` narrows it. A reader that is too slow or too late gets `refresh` and reads the page again.
 */
export function eventsRouter(deps: WebDeps): Router {
  const router = Router();
  const hub = new EventHub(deps);
  router.get("/events", requires("read", "dag"), async (request, response) => {
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no",
    });
    const given = Number(request.headers["last-event-id"] ?? request.query.after);
    const dag = typeof request.query.dag === "string" ? request.query.dag : undefined;
    const last = await deps.store.events.lastId();
    const after = Number.isSafeInteger(given) && given >= 0 ? given : last;
    const reader: Reader = { response, dag, sent: after };
    response.write(`retry: 1000\nevent: hello\nid: ${after}\ndata: {"now":${deps.clock.now()}}\n\n`);
    if (last - after > RESUME_LIMIT) refresh(reader, last);
    else await hub.catchUp(reader);
    hub.add(reader);
    request.on("close", () => hub.remove(reader));
  });
  return router;
}

interface Reader {
  readonly response: Response;
  readonly dag: string | undefined;
  /** Newest event id this reader knows. */
  sent: number;
}

/** Reads new events once per commit burst and writes them to every reader. */
class EventHub {
  readonly #deps: WebDeps;
  readonly #readers = new Set<Reader>();
  #isPumping = false;
  #isDirty = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(deps: WebDeps) {
    this.#deps = deps;
  }

  add(reader: Reader): void {
    this.#readers.add(reader);
    this.#wake();
    if (this.#readers.size > 1) return;
    this.#unsubscribe = this.#deps.store.onCommit(() => this.#wake());
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  remove(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#unsubscribe?.();
    clearInterval(this.#heartbeat);
  }

  async catchUp(reader: Reader): Promise<void> {
    for (;;) {
      const events = await this.#deps.store.events.after(reader.sent, 500);
      if (events.length === 0) return;
      this.#send(reader, events);
    }
  }

  /** At most one read under way; what arrives meanwhile is read in the next round, so a burst costs few queries. */
  #wake(): void {
    this.#isDirty = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    setTimeout(() => void this.#pump(), 50).unref();
  }

  async #pump(): Promise<void> {
    try {
      while (this.#isDirty && this.#readers.size > 0) {
        this.#isDirty = false;
        await this.#round();
      }
    } catch (error) {
      this.#deps.logger.warn({ error: String(error) }, "the live stream could not read events; readers stay connected");
    } finally {
      this.#isPumping = false;
    }
  }

  async #round(): Promise<void> {
    const from = Math.min(...[...this.#readers].map((reader) => reader.sent));
    const events = await this.#deps.store.events.after(from, 500);
    if (events.length === 500) this.#isDirty = true;
    if (events.length === 0) return;
    for (const reader of this.#readers) this.#send(reader, events);
  }

  #send(reader: Reader, events: readonly EventRow[]): void {
    if (reader.response.writableLength > BACKLOG_LIMIT) {
      refresh(reader, events.at(-1)?.id ?? reader.sent);
      return;
    }
    let text = "";
    for (const event of events) {
      if (event.id <= reader.sent) continue;
      reader.sent = event.id;
      if (reader.dag === undefined || event.dagId === reader.dag)
        text += `event: change\nid: ${event.id}\ndata: ${JSON.stringify(live(event))}\n\n`;
    }
    if (text !== "") reader.response.write(text);
  }

  #beat(): void {
    for (const reader of this.#readers)
      if (reader.response.writableLength === 0)
        reader.response.write(`event: beat\ndata: {"now":${this.#deps.clock.now()}}\n\n`);
  }
}

function refresh(reader: Reader, lastId: number): void {
  reader.sent = lastId;
  reader.response.write(`event: refresh\nid: ${lastId}\ndata: {}\n\n`);
}

function live(event: EventRow): LiveEvent {
  return {
    id: event.id,
    kind: event.kind,
    dag: event.dagId,
    run: event.runId,
    task: event.taskId,
    map: event.mapIndex,
    try: event.tryNumber,
    from: event.fromState,
    to: event.toState,
    at: event.at,
  };
}
