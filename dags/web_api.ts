/**
 * Reads all pages of a web API and sums them up.
 *
 * Shows: paging; `RetryAfter`, which comes again when the server said so; `retry.on`, which tries again what may pass
 * (the server is down) and not what will not (the address is wrong); answers checked with zod where they enter; `signal`,
 * which ends a request when the task is cancelled.
 *
 * Without the param `apiUrl` a little shop of its own answers, which runs as long as the task that asks it and finds the
 * first try too much.
 */
import { Dag, getContext, RetryAfter } from "sluice";
import { z } from "zod";
import { type ShopOrder, withShopApi } from "./lib/shop-api.ts";

const dag = new Dag("web_api", {
  description: "Fetches orders from a web API page by page, with retries by cause, and sums them up.",
  tags: ["example", "api"],
  params: z.object({
    apiUrl: z.url().or(z.literal("")).default("").describe("Address of the shop's API; empty: one of its own"),
    resource: z.string().min(1).default("orders").describe("What to ask for; the shop knows orders only"),
  }),
});

const Page = z.object({
  orders: z.array(z.object({ id: z.int(), article: z.string(), cents: z.int() })),
  next: z.int().nullable(),
});

/** The server does not have what was asked for: another try will not change that. */
class NotThere extends Error {}

const fetchOrders = dag.task(
  "fetch_orders",
  async (): Promise<ShopOrder[]> => {
    const { params } = getContext(dag);
    return params.apiUrl === "" ? withShopApi(1, readAll) : readAll(params.apiUrl);
  },
  {
    retry: { attempts: 5, delay: "1s", factor: 2, max: "1m", on: (error) => !(error instanceof NotThere) },
    executionTimeout: "5m",
  },
);

async function readAll(apiUrl: string): Promise<ShopOrder[]> {
  const orders: ShopOrder[] = [];
  for (let cursor: number | null = 0; cursor !== null; ) {
    const page: z.infer<typeof Page> = await readPage(apiUrl, cursor);
    orders.push(...page.orders);
    cursor = page.next;
    getContext().log.info("read a page", { orders: page.orders.length, next: cursor });
  }
  return orders;
}

async function readPage(apiUrl: string, after: number) {
  const { signal, tryNumber, params } = getContext(dag);
  const url = new URL(`${params.resource}?after=${after}`, `${apiUrl}/`);
  const response = await fetch(url, {
    headers: { "x-try": String(tryNumber) },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  });
  if (response.status === 429) {
    throw new RetryAfter(Number(response.headers.get("retry-after") ?? 60), "The shop asked to come again later.");
  }
  if (response.status === 404) throw new NotThere(`The shop has no "${params.resource}".`);
  if (!response.ok) throw new Error(`The shop answered ${response.status} to ${url.pathname}.`);
  return Page.parse(await response.json());
}

const sumUp = dag.task("sum_up", async ({ orders }: { orders: ShopOrder[] }) => {
  const byArticle = Map.groupBy(orders, ({ article }) => article);
  const cents = (some: readonly ShopOrder[]) => some.reduce((sum, order) => sum + order.cents, 0);
  return {
    orders: orders.length,
    cents: cents(orders),
    byArticle: Object.fromEntries([...byArticle].map(([article, some]) => [article, cents(some)])),
  };
});

sumUp({ orders: fetchOrders() });
