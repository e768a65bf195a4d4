import { durationText, relativeTime } from "../pages/time.ts";

/** Lets relative times ("3 min ago") and running durations (`data-since`) go on. The server's clock counts, not the browser's. */
export function tickTimes(): void {
  const now = Date.now();
  for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-relative]"))
    setText(element, relativeTime(Date.parse(element.dateTime), now));
  for (const element of document.querySelectorAll<HTMLElement>("[data-since]"))
    setText(element, durationText(now - Date.parse(element.dataset.since ?? "")));
}

function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Ticks every second while the page is seen. */
export function startTicking(): void {
  setInterval(() => {
    if (!document.hidden) tickTimes();
  }, 1_000);
}
