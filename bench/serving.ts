/**
 * An installation in a process of its own, for benches that look at it from outside. It is configured by the environment as
 * `sluice up` is; says where it is when it serves, and answers each question of its parent with what it has counted so far.
 */
import diagnostics from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readConfig } from "../cli/config.ts";
import { startInstallation } from "../cli/up.ts";

/** First message to the parent. */
export interface Serving {
  readonly url: string;
  /** Logs in once. */
  readonly loginUrl: string;
}

/** Answer to each message of the parent. */
export interface Counted {
  /** SQL statements since the start. */
  readonly statements: number;
  /** Requests since the last answer: from the first byte of the request to the last of the answer, ms. */
  readonly requests: readonly { readonly path: string; readonly ms: number }[];
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const begun = new WeakMap<ServerResponse, number>();
let requests: Counted["requests"][number][] = [];
diagnostics.subscribe("http.server.request.start", (message) => {
  begun.set((message as Exchange).response, performance.now());
});
diagnostics.subscribe("http.server.response.finish", (message) => {
  const { request, response } = message as Exchange;
  requests.push({ path: request.url ?? "", ms: performance.now() - (begun.get(response) ?? Number.NaN) });
});

const parts = { web: true, scheduler: process.argv[2] !== "web" };
const installation = await startInstallation(readConfig(), parts);
process.on("message", () => {
  process.send?.({ statements: installation.store.statementCount, requests } satisfies Counted);
  requests = [];
});
process.once("disconnect", () => void installation.stop().then(() => process.exit(0)));
process.send?.({ url: installation.url ?? "", loginUrl: await installation.loginUrl() } satisfies Serving);
