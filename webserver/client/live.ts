import type { HubRequest, LiveEvent, LiveMessage, LiveState } from "./protocol.ts";
import { LiveStream } from "./stream.ts";

/** What the parts of a page do with live news. */
export interface LiveListener {
  changed(event: LiveEvent): void;
  /** Changes were missed. */
  missed(): void;
}

const WORDS: Readonly<Record<LiveState, string>> = {
  connecting: "Connecting; changes will appear by themselves",
  live: "Live: changes appear by themselves",
  delayed: "Nothing heard from the server for a while; changes may be late",
  offline: "Not connected; this page shows what it knew last and reconnects by itself",
};

/** Connects this page to the live stream and shows in the top bar how that is. Pages without a session have none. */
export function connectLive(listener: LiveListener): void {
  const { eventId, hub } = document.body.dataset;
  if (eventId === undefined) return;
  let lastId = Number(eventId) || 0;
  const hear = (message: LiveMessage) => {
    if (message.kind === "state") show(message.state);
    else if (message.kind === "refresh") listener.missed();
    else if (message.event.id > lastId) {
      lastId = message.event.id;
      listener.changed(message.event);
    }
  };
  const connect = hub && "SharedWorker" in window ? shared(hub, hear) : own(hear);
  let disconnect = connect(lastId);
  addEventListener("pagehide", () => disconnect());
  // From the back/forward cache the page comes with what it knew when it was left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) disconnect = connect(lastId);
  });
}

type Connect = (after: number) => () => void;

function shared(hub: string, hear: (message: LiveMessage) => void): Connect {
  return (after) => {
    const { port } = new SharedWorker(hub, { name: "sluice-live" });
    port.addEventListener("message", (message: MessageEvent<LiveMessage>) => hear(message.data));
    port.start();
    port.postMessage({ kind: "join", after } satisfies HubRequest);
    return () => {
      port.postMessage({ kind: "leave" } satisfies HubRequest);
      port.close();
    };
  };
}

function own(hear: (message: LiveMessage) => void): Connect {
  return (after) => {
    const stream = new LiveStream(after, hear);
    stream.open();
    return () => stream.close();
  };
}

function show(state: LiveState): void {
  const dot = document.getElementById("live");
  if (!dot) return;
  dot.dataset.live = state;
  dot.textContent = state;
  dot.title = WORDS[state];
}
