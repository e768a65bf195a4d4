import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An order as the shop's API gives it. */
export interface ShopOrder {
  readonly id: number;
  readonly article: string;
  readonly cents: number;
}

const ARTICLES = ["lamp", "chair", "desk"];
const PAGE = 40;

/** All orders of the shop: 125 of them, always the same. */
export const SHOP_ORDERS: readonly ShopOrder[] = Array.from({ length: 125 }, (_, index) => ({
  id: index + 1,
  article: ARTICLES[index % ARTICLES.length] ?? "lamp",
  cents: 1_000 + 37 * index,
}));

/**
 * A little shop with an API, on a free port of this machine for as long as `use` takes:
 * `GET /orders?after=<id>` gives a page of orders and the `next` cursor, null on the last page.
 * With `busyTries`, requests with an `x-try` up to it are refused as too many, and told when to come again.
 */
export async function withShopApi<T>(busyTries: number, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => answer(request, response, busyTries));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

function answer(request: IncomingMessage, response: ServerResponse, busyTries: number): void {
  const send = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  const url = new URL(request.url ?? "/", "http://shop");
  if (url.pathname !== "/orders") return void send(404, { error: `no ${url.pathname} here` });
  if (Number(request.headers["x-try"]) <= busyTries) return void send(429, { error: "busy" }, { "retry-after": "2" });
  const after = Number(url.searchParams.get("after") ?? 0);
  const orders = SHOP_ORDERS.filter(({ id }) => id > after).slice(0, PAGE);
  const last = orders.at(-1)?.id ?? after;
  send(200, { orders, next: last < SHOP_ORDERS.length ? last : null });
}
