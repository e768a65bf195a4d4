import type { Json, JsonObject } from "../../core/json.ts";
import type { EventRow } from "../../store/rows.ts";
import type { EventFilter } from "../../store/store.ts";
import type { WebDeps } from "../deps.ts";
import type { FormInput } from "../forms/input.ts";
import { maskJson } from "../masking.ts";
import { PAGE_SIZE, type PagerView, pageOf, pagerView } from "./paging.ts";
import { stateWord } from "./state-counts.ts";
import { absoluteTime, type TimeView, timeView } from "./time.ts";

/** What happened, newest first. */
export interface EventsView {
  readonly rows: readonly {
    readonly id: number;
    readonly at: TimeView;
    readonly kind: string;
    readonly task: string;
    readonly from: string;
    readonly to: string;
    readonly actor: string;
    readonly detail: string;
  }[];
  readonly pager: PagerView;
}

const DETAIL_LIMIT = 400;

/** The events that `filter` names, 50 a page. */
export async function eventsView(
  deps: WebDeps,
  filter: Pick<EventFilter, "runKey" | "taskId" | "dagId">,
  url: string,
  query: FormInput,
): Promise<EventsView> {
  const page = pageOf(query);
  const found = await deps.store.events.list({
    ...filter,
    isDescending: true,
    limit: PAGE_SIZE,
    offset: (page - 1) * PAGE_SIZE,
  });
  const now = deps.clock.now();
  return {
    rows: found.rows.map((event) => ({
      id: event.id,
      at: timeView(event.at, now, "both"),
      kind: event.kind,
      task: event.taskId === null ? "" : `${event.taskId}${(event.mapIndex ?? -1) >= 0 ? `[${event.mapIndex}]` : ""}`,
      from: stateText(event.fromState),
      to: stateText(event.toState),
      actor: event.actor,
      detail: eventDetail(event),
    })),
    pager: pagerView(url, page, found.total, found.rows.length, "event"),
  };
}

/** A state of an event in words; "" for none. */
export function stateText(state: string | null): string {
  return state === null ? "" : stateWord(state);
}

/** What else an event says, in one line: "try 2 · succeeded". Secrets are masked, what says nothing is left out. */
export function eventDetail({ detail, tryNumber }: EventRow): string {
  const parts = tryNumber === null ? [] : [`try ${tryNumber}`];
  for (const [key, value] of Object.entries(maskJson(detail ?? {}) as JsonObject)) {
    if (value === null || (key === "lostCount" && value === 0)) continue;
    parts.push(key === "reason" ? String(value) : `${key}: ${valueText(key, value)}`);
  }
  const text = parts.join(" · ");
  return text.length > DETAIL_LIMIT ? `${text.slice(0, DETAIL_LIMIT)}…` : text;
}

function valueText(key: string, value: Json): string {
  if (typeof value === "number" && /(At|Date)$/.test(key)) return absoluteTime(value);
  if (key === "error" && typeof value === "object" && value !== null && "message" in value)
    return String(value.message);
  return typeof value === "string" ? value : JSON.stringify(value);
}
