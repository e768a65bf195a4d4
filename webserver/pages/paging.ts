import type { FormInput } from "../forms/input.ts";
import { wholeNumberOf } from "../forms/input.ts";

/** Rows per page of every list. */
export const PAGE_SIZE = 50;

/** Counts above this are shown as "10,000+": people do not page that far, and exact ones cost. */
const COUNT_CAP = 10_000;

/** What `partials/pager` shows; addresses are "" where there is no such page. */
export interface PagerView {
  /** "1–50 of 312" */
  readonly text: string;
  readonly previousHref: string;
  readonly nextHref: string;
}

/** The page asked for by `?page=` (1 and up). */
export function pageOf(query: FormInput): number {
  return wholeNumberOf(query, "page", 1, 1_000_000) ?? 1;
}

/** The pager of a list; `noun` is its singular. */
export function pagerView(url: string, page: number, total: number, shown: number, noun: string): PagerView {
  const first = (page - 1) * PAGE_SIZE;
  return {
    text:
      shown === 0
        ? `No ${noun}s here`
        : `${first + 1}–${first + shown} of ${countText(total)} ${total === 1 ? noun : `${noun}s`}`,
    previousHref: page > 1 ? changed(url, page - 1) : "",
    nextHref: first + shown < total ? changed(url, page + 1) : "",
  };
}

/** "312", "10,000+". */
export function countText(count: number): string {
  return count > COUNT_CAP ? `${COUNT_CAP.toLocaleString("en")}+` : count.toLocaleString("en");
}

function changed(url: string, page: number): string {
  return urlWith(url, { page: page === 1 ? "" : String(page) });
}

/** The same address with some query parameters changed; "" takes one away. Messages of the last action are dropped. */
export function urlWith(url: string, changes: { readonly [name: string]: string }): string {
  const parsed = new URL(url, "http://sluice.invalid");
  for (const name of ["flash", "flash_state", "fragment"]) parsed.searchParams.delete(name);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") parsed.searchParams.delete(name);
    else parsed.searchParams.set(name, value);
  }
  return parsed.pathname + parsed.search;
}
