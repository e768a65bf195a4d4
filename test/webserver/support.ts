import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Logger, silentLogger } from "../../core/logger.ts";
import { FolderLogStore } from "../../executor/logs/folder.ts";
import { openStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { createApp } from "../../webserver/app.ts";
import { createLoginLink, redeemLoginLink } from "../../webserver/auth/sessions.ts";
import type { WebDeps } from "../../webserver/deps.ts";
import { tempFolder } from "../support/temp.ts";

/** Longer than any test moves its clock. */
const SESSION_MS = 1_000 * 86_400_000;

/** The web server over a real store in a temp folder, with somebody logged in. */
export interface TestWeb extends AsyncDisposable {
  readonly url: string;
  readonly store: Store;
  readonly logs: FolderLogStore;
  /** Value of the session cookie of the user "admin". */
  readonly cookie: string;
  readonly dagsFolder: string;
  /** Cuts every connection, as a restart of the server or a bad network does. */
  cut(): void;
  /** Requests a page as the user; redirects are not followed. */
  get(path: string, init?: RequestInit): Promise<{ status: number; html: string; headers: Headers }>;
  /** Posts a form with its CSRF token, which is read from the page `from`. */
  post(
    path: string,
    form: Readonly<Record<string, string>>,
  ): Promise<{ status: number; html: string; headers: Headers }>;
}

/** Starts a server on a free port of 127.0.0.1. */
export async function startWeb(changes: Partial<WebDeps> & { readonly storeClock?: Clock } = {}): Promise<TestWeb> {
  const folder = tempFolder("web");
  const clock = changes.clock ?? systemClock;
  const store = await openStore({
    url: `sqlite:${folder.file("db.sqlite")}`,
    secretKey: new Uint8Array(32).fill(7),
    clock: changes.storeClock ?? clock,
  });
  const logs = new FolderLogStore(folder.file("logs"));
  let url = "";
  const app = createApp({
    store,
    logs,
    clock,
    logger: loud,
    baseUrl: () => url,
    version: "0.0.0-test",
    sessionMs: SESSION_MS,
    health: async () => ({
      metadatabase: { status: "healthy" },
      scheduler: { status: "healthy", latest_scheduler_heartbeat: null },
      dag_processor: { status: "healthy", latest_dag_processor_heartbeat: null },
      executor: { status: "healthy" },
    }),
    dagsFolder: folder.file("dags"),
    settings: () => [],
    ...changes,
  });
  const server = createServer(app).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const link = await createLoginLink(store, clock);
  const session = await redeemLoginLink(store, clock, link.split("/").at(-1) ?? "", SESSION_MS);
  const cookie = session?.cookie ?? "";
  const get: TestWeb["get"] = async (path, init = {}) => {
    const response = await fetch(url + path, {
      redirect: "manual",
      ...init,
      headers: { accept: "text/html", cookie: `sluice_session=${cookie}`, ...init.headers },
    });
    return { status: response.status, html: await response.text(), headers: response.headers };
  };
  return {
    url,
    store,
    logs,
    cookie,
    dagsFolder: folder.file("dags"),
    get,
    cut: () => server.closeAllConnections(),
    async post(path, form) {
      const csrf = /data-csrf="([^"]+)"/.exec((await get("/dags")).html)?.[1] ?? "";
      return get(path, { method: "POST", body: new URLSearchParams({ _csrf: csrf, ...form }) });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await logs.close();
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}

/** Failed requests must not pass silently in tests. */
const loud: Logger = { ...silentLogger, error: (fields, message) => console.error(message, fields) };
