import type { HubRequest, LiveEvent, LiveMessage } from "./protocol.ts";
import { LiveStream } from "./stream.ts";

/**
 * The shared worker: one stream for all tabs of this browser, since HTTP/1.1 allows six connections and nine tabs with one stream each
 * can not load anything any more.
 */

/** Events kept for tabs that were rendered a moment before they joined. */
const KEPT = 500;
/** Without a tab the stream is closed after this long: a page change leaves and joins at once. */
const LINGER_MS = 5_000;

const ports = new Set<MessagePort>();
const kept: LiveEvent[] = [];
/** Everything after this id is in `kept`. */
let keptAfter = 0;
let stream: LiveStream | undefined;
let lingering: ReturnType<typeof setTimeout> | undefined;

function tell(message: LiveMessage): void {
  if (message.kind === "change") {
    kept.push(message.event);
    if (kept.length > KEPT) keptAfter = kept.shift()?.id ?? keptAfter;
  }
  if (message.kind === "refresh") {
    kept.length = 0;
    keptAfter = stream?.lastId ?? 0;
  }
  for (const port of ports) port.postMessage(message);
}

function join(port: MessagePort, after: number): void {
  clearTimeout(lingering);
  ports.add(port);
  if (!stream) {
    kept.length = 0;
    keptAfter = after;
    stream = new LiveStream(after, tell);
  } else if (after < keptAfter) port.postMessage({ kind: "refresh" } satisfies LiveMessage);
  else
    for (const event of kept) if (event.id > after) port.postMessage({ kind: "change", event } satisfies LiveMessage);
  stream.open();
  port.postMessage({ kind: "state", state: stream.state } satisfies LiveMessage);
}

function leave(port: MessagePort): void {
  ports.delete(port);
  if (ports.size > 0) return;
  clearTimeout(lingering);
  lingering = setTimeout(() => {
    stream?.close();
    stream = undefined;
  }, LINGER_MS);
}

self.addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0];
  if (!port) return;
  port.addEventListener("message", (message: MessageEvent<HubRequest>) => {
    if (message.data.kind === "join") join(port, message.data.after);
    else leave(port);
  });
  port.start();
});
