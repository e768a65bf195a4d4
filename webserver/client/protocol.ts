/** One change of state as `/events` tells it (webserver/events.ts, LiveEvent). */
export interface LiveEvent {
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

/** How the stream is: `connecting` = for the first time, `delayed` = connected but silent for too long, `offline` = not connected. */
export type LiveState = "connecting" | "live" | "delayed" | "offline";

/** What a page hears, from the shared worker or from its own stream. */
export type LiveMessage =
  | { readonly kind: "change"; readonly event: LiveEvent }
  /** Changes were missed: read the page again. */
  | { readonly kind: "refresh" }
  | { readonly kind: "state"; readonly state: LiveState };

/** What a page tells the shared worker. */
export type HubRequest = { readonly kind: "join"; readonly after: number } | { readonly kind: "leave" };
