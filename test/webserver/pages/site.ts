import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import { openStore } from "../../../store/open.ts";
import type { Store } from "../../../store/store.ts";
import { createApp } from "../../../webserver/app.ts";
import { createLoginLink } from "../../../webserver/auth/sessions.ts";
import type { WebDeps } from "../../../webserver/deps.ts";
import { FakeClock } from "../../support/clock.ts";
import type { TempFolder } from "../../support/temp.ts";

/** What a page answered. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Where a redirect leads; "" for none. */
  readonly location: string;
}

/** The web server over a store of its own, with somebody logged in. */
export interface Site extends AsyncDisposable {
  readonly url: string;
  readonly store: Store;
  readonly clock: FakeClock;
  /** The session cookie's value. */
  readonly cookie: string;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Posts a form with the session's CSRF token, unless it brings a `_csrf` of its own. */
  post(path: string, form?: FormFields): Promise<Answer>;
}

export type FormFields = { readonly [name: string]: string | readonly string[] };

/** Instant at which the clock of a site stands. */
export const NOW = Date.parse("2026-03-10T12:00:00Z");

/** Opens a site in a folder; dispose of it before the folder. Templates are strict: a missing field is an error. */
export async function openSite(folder: TempFolder, deps: Partial<WebDeps> = {}): Promise<Site> {
  process.env.SLUICE_DEV = "1";
  const clock = new FakeClock(NOW);
  const store = await openStore({
    url: `sqlite:${folder.file("sluice.db")}`,
    secretKey: new Uint8Array(32).fill(7),
    clock,
  });
  const server = createServer();
  const url = await listen(server);
  server.on("request", createApp(webDeps(store, clock, url, deps)));
  const login = await fetch(url + (await createLoginLink(store, clock)), { redirect: "manual" });
  const cookie = /sluice_session=([^;]+)/.exec(login.headers.get("set-cookie") ?? "")?.[1] ?? "";
  const get: Site["get"] = async (path, headers = {}) =>
    answer(
      await fetch(url + path, {
        redirect: "manual",
        headers: { accept: "text/html", cookie: `sluice_session=${cookie}`, ...headers },
      }),
    );
  const csrf = /data-csrf="([^"]+)"/.exec((await get("/dags")).text)?.[1] ?? "";
  return {
    url,
    store,
    clock,
    cookie,
    get,
    post: async (path, form = {}) =>
      answer(
        await fetch(url + path, {
          method: "POST",
          redirect: "manual",
          headers: { accept: "text/html", cookie: `sluice_session=${cookie}` },
          body: encode({ _csrf: csrf, ...form }),
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
    },
  };
}

function webDeps(store: Store, clock: Clock, url: string, deps: Partial<WebDeps>): WebDeps {
  return {
    store,
    clock,
    logger: silentLogger,
    logs: {
      read: async () => ({ lines: [], nextLine: 0, isEnd: true }),
      watch: () => () => {},
      stream: () => {
        throw new Error("no logs here");
      },
    },
    baseUrl: () => url,
    version: "0.0.0-test",
    sessionMs: 86_400_000,
    health: async () => ({
      metadatabase: { status: "healthy" },
      scheduler: { status: "healthy", latest_scheduler_heartbeat: new Date(clock.now()).toISOString() },
      dag_processor: { status: "healthy", latest_dag_processor_heartbeat: new Date(clock.now()).toISOString() },
      executor: { status: "healthy" },
    }),
    dagsFolder: "/srv/dags",
    settings: () => [{ name: "SLUICE_PORT", value: "8080", origin: "default", about: "Port of the pages." }],
    ...deps,
  };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function answer(response: Response): Promise<Answer> {
  return { status: response.status, text: await response.text(), location: response.headers.get("location") ?? "" };
}

function encode(form: FormFields): URLSearchParams {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(form))
    for (const each of typeof value === "string" ? [value] : value) body.append(name, each);
  return body;
}
