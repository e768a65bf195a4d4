import { morph } from "./morph.ts";
import type { LiveEvent } from "./protocol.ts";

/** Shortest time between two refreshes of a page about one DAG or run, and of one about everything. */
const SCOPED_GAP_MS = 250;
const GENERAL_GAP_MS = 1_000;
/** Sentences that name a time ("retries in 40 s", `data-due`) are read again this often, though nothing happens. */
const DUE_MS = 5_000;

/**
 * Keeps the live regions of the page (`<… id data-live>`) up to date: news that concern one (`data-live-dag`, `-run`, `-task`; absent =
 * any) make the page read itself again and morph them. Never more than four times a second, never while hidden, and not under the
 * pointer when rows would move: then a button offers the news.
 */
export class Refresher {
  readonly #afterwards: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isFetching = false;
  #isDirty = false;
  #lastEnd = 0;
  #lastTook = 0;

  /** `afterwards` is called when regions have changed. */
  constructor(afterwards: () => void) {
    this.#afterwards = afterwards;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#isDirty) this.request();
    });
    document.addEventListener("mouseout", (event) => {
      const region = (event.target as Element).closest?.("[data-js-waiting]");
      if (region && !(event.relatedTarget instanceof Node && region.contains(event.relatedTarget))) this.request();
    });
  }

  /** Keeps sentences true that name a time. */
  start(): void {
    setInterval(() => {
      if (document.querySelector("main [data-live] [data-due]")) this.request();
    }, DUE_MS);
  }

  /** Something happened: refresh when it concerns a region of this page. */
  changed(event: LiveEvent): void {
    if (regions().some((region) => concerns(region, event))) this.request();
  }

  /** Refresh soon. */
  request(): void {
    this.#isDirty = true;
    if (this.#timer !== undefined || this.#isFetching || document.hidden || regions().length === 0) return;
    const wait = Math.max(0, this.#lastEnd + this.#gap() - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#refresh();
    }, wait);
  }

  /** Slow pages are asked for less often: at most a fifth of the time is spent reading. */
  #gap(): number {
    const isScoped = regions().every((region) => region.hasAttribute("data-live-dag"));
    const own = Math.max(0, ...regions().map((region) => Number(region.dataset.liveGap) || 0));
    return Math.max(own, isScoped ? SCOPED_GAP_MS : GENERAL_GAP_MS, this.#lastTook * 4);
  }

  async #refresh(): Promise<void> {
    this.#isDirty = false;
    this.#isFetching = true;
    const start = performance.now();
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      // An expired login answers with the login page; the live dot says that nothing comes any more.
      if (response.ok && new URL(response.url).pathname === location.pathname) this.#apply(await response.text());
    } catch {
      // Offline: the stream says so and asks again when it is back.
    } finally {
      this.#isFetching = false;
      this.#lastEnd = performance.now();
      this.#lastTook = this.#lastEnd - start;
      if (this.#isDirty) this.request();
    }
  }

  #apply(html: string): void {
    const next = new DOMParser().parseFromString(html, "text/html");
    for (const region of regions()) {
      const fresh = next.getElementById(region.id);
      if (!fresh) continue;
      if (region.matches(":hover") && rowsOf(region) !== rowsOf(fresh)) this.#offer(region);
      else {
        region.querySelector(":scope > .news")?.remove();
        region.removeAttribute("data-js-waiting");
        morph(region, fresh);
      }
    }
    this.#afterwards();
  }

  /** Rows would move under the pointer: the news wait until it leaves, or until they are asked for. */
  #offer(region: HTMLElement): void {
    if (region.hasAttribute("data-js-waiting")) return;
    region.setAttribute("data-js-waiting", "");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "news";
    button.textContent = "Show what is new";
    button.addEventListener("click", () => location.reload());
    region.prepend(button);
  }
}

function regions(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("main [data-live][id]")];
}

function rowsOf(region: Element): string {
  return [...region.querySelectorAll("[data-row]")].map((row) => row.id).join("\n");
}

function concerns({ dataset }: HTMLElement, event: LiveEvent): boolean {
  const fits = (wanted: string | undefined, actual: string | null) => wanted === undefined || wanted === actual;
  return fits(dataset.liveDag, event.dag) && fits(dataset.liveRun, event.run) && fits(dataset.liveTask, event.task);
}
