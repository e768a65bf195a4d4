import type { LiveEvent, LiveMessage, LiveState } from "./protocol.ts";

/** The server's heartbeat comes every 15 s; silence for longer than this means that changes may be late. */
const SILENCE_MS = 35_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;

/** One `EventSource` on `/events` that comes back by itself and resumes where it was. */
export class LiveStream {
  /** Newest event heard of. */
  lastId: number;
  state: LiveState = "connecting";
  readonly #listener: (message: LiveMessage) => void;
  #source: EventSource | undefined;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #retryMs = FIRST_RETRY_MS;

  constructor(after: number, listener: (message: LiveMessage) => void) {
    this.lastId = after;
    this.#listener = listener;
  }

  open(): void {
    if (this.#source) return;
    clearTimeout(this.#retry);
    const source = new EventSource(`/events?after=${this.lastId}`);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#heard();
    });
    for (const name of ["hello", "beat"]) source.addEventListener(name, () => this.#heard());
    source.addEventListener("change", (message) => {
      this.#heard();
      const event = JSON.parse(message.data) as LiveEvent;
      if (event.id <= this.lastId) return;
      this.lastId = event.id;
      this.#listener({ kind: "change", event });
    });
    source.addEventListener("refresh", (message) => {
      this.#heard();
      this.lastId = Math.max(this.lastId, Number(message.lastEventId) || 0);
      this.#listener({ kind: "refresh" });
    });
    source.addEventListener("error", () => this.#failed(source));
  }

  close(): void {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
    this.state = "offline";
  }

  /** The browser's own retry gives up on errors of HTTP (a restart behind a proxy, an expired login); ours does not. */
  #failed(source: EventSource): void {
    clearTimeout(this.#watchdog);
    source.close();
    if (this.#source === source) this.#source = undefined;
    this.#say("offline");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.open(), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
  }

  #heard(): void {
    this.#say("live");
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#say("delayed"), SILENCE_MS);
  }

  #say(state: LiveState): void {
    if (this.state === state) return;
    this.state = state;
    this.#listener({ kind: "state", state });
  }
}
