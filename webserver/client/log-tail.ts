/** New lines are shown at most this often. */
const FLUSH_MS = 250;
/** Lines in the document; older ones go (their window has an address of its own). */
const MOST_LINES = 5_000;
/** Screen readers hear of new lines at most this often. */
const ANNOUNCE_MS = 5_000;

let current: LogTail | undefined;

/** Follows the log on the page (`.log`, `data-stream` = it grows) and answers its keys and buttons. Call again when the page changed. */
export function startLog(): void {
  const log = document.querySelector<HTMLElement>(".log");
  if (current?.log === log) return;
  current?.stop();
  current = log ? new LogTail(log) : undefined;
  current?.start();
}

class LogTail {
  readonly log: HTMLElement;
  readonly #jump = document.createElement("button");
  readonly #status = document.createElement("div");
  readonly #ended = new AbortController();
  #source: EventSource | undefined;
  #next: number;
  #pending: string[] = [];
  #pendingLines = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unseen = 0;
  #isFollowing: boolean;
  #announcedAt = 0;

  constructor(log: HTMLElement) {
    this.log = log;
    this.#next = Number(log.dataset.next) || 0;
    this.#isFollowing = log.dataset.stream !== undefined;
    this.#jump.type = "button";
    this.#jump.className = "log-jump";
    this.#jump.hidden = true;
    this.#jump.addEventListener("click", () => this.#follow());
    this.#status.className = "visually-hidden";
    this.#status.setAttribute("role", "status");
    document.querySelector(".log-after")?.replaceChildren(this.#jump, this.#status);
  }

  start(): void {
    this.#wireControls();
    if (this.#isFollowing) {
      this.#toEnd();
      this.log.addEventListener("scroll", () => this.#scrolled());
      // A hidden tab gives its connection back: browsers allow few of them.
      const { signal } = this.#ended;
      const seen = () => (document.hidden ? this.#disconnect() : this.#connect());
      document.addEventListener("visibilitychange", seen, { signal });
      addEventListener("pagehide", () => this.#disconnect(), { signal });
      addEventListener("pageshow", () => this.#connect(), { signal });
      this.#connect();
    } else if (location.hash === "") this.#show(this.log.querySelector<HTMLElement>(".is-first-error"));
  }

  /** The log has gone from the page. */
  stop(): void {
    this.#ended.abort();
    this.#disconnect();
  }

  #connect(): void {
    const address = this.log.dataset.stream;
    if (this.#source || address === undefined || this.#ended.signal.aborted) return;
    const url = new URL(address, location.href);
    url.searchParams.set("from", String(this.#next));
    const source = new EventSource(url);
    this.#source = source;
    source.addEventListener("lines", (message) => this.#receive(message.data));
    source.addEventListener("end", () => {
      this.#disconnect();
      this.log.removeAttribute("data-stream");
      document.querySelector(".log-live")?.remove();
    });
    source.addEventListener("error", () => {
      // Our own retry resumes at the line that is due; the browser's would begin where the address says.
      this.#disconnect();
      setTimeout(() => this.#connect(), 2_000);
    });
  }

  #disconnect(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  #receive(data: string): void {
    const { from, next, html } = JSON.parse(data) as { from: number; next: number; html: string };
    if (from < this.#next) return;
    this.#next = next;
    this.#pending.push(html);
    this.#pendingLines += next - from;
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    const section = document.createElement("div");
    section.className = "log__part";
    // Made by the server's own renderer, which escapes everything.
    section.innerHTML = this.#pending.join("");
    this.#pending = [];
    this.log.querySelector(".log__empty")?.remove();
    this.log.append(section);
    this.#trim();
    if (this.#isFollowing) this.#toEnd();
    else this.#unseen += this.#pendingLines;
    this.#announce(this.#pendingLines);
    this.#pendingLines = 0;
    this.#showJump();
  }

  #trim(): void {
    let lines = this.log.querySelectorAll(".line").length;
    while (lines > MOST_LINES) {
      const part = this.log.querySelector(".log__part");
      if (!part || part === this.log.lastElementChild) return;
      lines -= part.querySelectorAll(".line").length;
      part.remove();
    }
  }

  #scrolled(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.log;
    this.#isFollowing = scrollTop + clientHeight >= scrollHeight - 24;
    if (this.#isFollowing) this.#unseen = 0;
    this.#showJump();
  }

  #follow(): void {
    this.#unseen = 0;
    this.#isFollowing = true;
    this.#toEnd();
    this.#showJump();
  }

  /** Scrolls the log alone, not the page around it. */
  #show(line: HTMLElement | null | undefined): void {
    if (line) this.log.scrollTop = line.offsetTop - this.log.clientHeight / 2;
  }

  #toEnd(): void {
    this.log.scrollTop = this.log.scrollHeight;
  }

  #showJump(): void {
    this.#jump.hidden = this.#unseen === 0;
    this.#jump.textContent = `↓ ${this.#unseen} new`;
  }

  #announce(count: number): void {
    const now = performance.now();
    if (now - this.#announcedAt < ANNOUNCE_MS) return;
    this.#announcedAt = now;
    this.#status.textContent = `${count} new log line${count === 1 ? "" : "s"}`;
  }

  #wireControls(): void {
    const controls = document.querySelector(".log-controls__js");
    if (!controls) return;
    controls.replaceChildren();
    const add = (key: string, label: string, act: () => void) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button--quiet";
      button.dataset.key = key;
      button.textContent = label;
      button.addEventListener("click", act);
      controls.append(button);
      return button;
    };
    const wrap = add("w", "Wrap", () => {
      const isWrapped = this.log.classList.toggle("is-wrapped");
      wrap.setAttribute("aria-pressed", String(isWrapped));
    });
    wrap.setAttribute("aria-pressed", String(this.log.classList.contains("is-wrapped")));
    add("e", "Next error", () => this.#nextError());
    add("f", "End", () => this.#follow());
  }

  #nextError(): void {
    const errors = [...this.log.querySelectorAll<HTMLElement>(".l-error")];
    const at = errors.findIndex((line) => line.classList.contains("is-current"));
    errors[at]?.classList.remove("is-current");
    const next = errors[(at + 1) % Math.max(1, errors.length)];
    next?.classList.add("is-current");
    this.#show(next);
  }
}
