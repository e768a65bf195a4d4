import { expect } from "chai";
import type { UserRow } from "../../../store/rows.ts";
import { csrfToken, hashToken, newToken } from "../../../webserver/auth/sessions.ts";
import type { WebDeps } from "../../../webserver/deps.ts";
import { commit } from "../../store/fixtures.ts";
import { FakeClock } from "../../support/clock.ts";
import { failure, playRun, putDag, task } from "../seed.ts";
import { startWeb, type TestWeb } from "../support.ts";

/** Instant at which the clock of an API site stands. */
export const NOW = Date.parse("2026-03-10T12:00:00Z");

/** What the API answered. */
export interface ApiAnswer {
  readonly status: number;
  /** Of any shape: tests look into it. */
  readonly body: any;
  readonly text: string;
  readonly headers: Headers;
}

/** A request of the API; objects are sent as JSON, texts as they are. */
export interface ApiRequest {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the API as one principal; `path` begins below `/api`. */
export type Ask = (method: string, path: string, request?: ApiRequest) => Promise<ApiAnswer>;

/** A web server with its API and a token of each role. */
export interface ApiSite extends AsyncDisposable {
  readonly web: TestWeb;
  readonly clock: FakeClock;
  readonly tokens: Readonly<Record<UserRow["role"], string>>;
  /** As the admin's token. */
  readonly ask: Ask;
  as(role: UserRow["role"]): Ask;
  /** As the person "admin" in a browser; `csrf: false` leaves the token out. */
  inBrowser(csrf?: boolean): Promise<Ask>;
  /** Without credentials. */
  readonly stranger: Ask;
}

/** Opens a site with the DAGs "etl" (runs "good", "bad", "open"), "nightly" (cron) and "quiet". */
export async function openApiSite(deps: Partial<WebDeps> = {}): Promise<ApiSite> {
  const clock = new FakeClock(NOW);
  const web = await startWeb({ clock, storeClock: clock, ...deps });
  await seed(web, clock);
  const tokens = {} as Record<UserRow["role"], string>;
  for (const role of ["viewer", "user", "op", "admin"] as const) {
    tokens[role] = newToken("slc_");
    await web.store.access.createToken({
      name: role,
      role,
      tokenHash: hashToken(tokens[role]),
      createdBy: "test",
    });
  }
  const as = (role: UserRow["role"]) => asker(web.url, { authorization: `Bearer ${tokens[role]}` });
  return {
    web,
    clock,
    tokens,
    ask: as("admin"),
    as,
    stranger: asker(web.url, {}),
    async inBrowser(csrf = true) {
      const session = await web.store.access.session(hashToken(web.cookie));
      if (!session) throw new Error("nobody is logged in");
      return asker(web.url, {
        cookie: `sluice_session=${web.cookie}`,
        ...(csrf ? { "x-csrf-token": csrfToken(session) } : {}),
      });
    },
    [Symbol.asyncDispose]: () => web[Symbol.asyncDispose](),
  };
}

/** The answer's body, after a look at its status. */
export async function ok(answer: Promise<ApiAnswer>, status = 200): Promise<ApiAnswer["body"]> {
  const { status: actual, body, text } = await answer;
  expect(actual, text.slice(0, 500)).to.equal(status);
  return body;
}

/** Insists on a refusal in Airflow's form; gives its sentence. */
export async function refused(answer: Promise<ApiAnswer>, status: number): Promise<string> {
  const { status: actual, body, text } = await answer;
  expect(actual, text.slice(0, 500)).to.equal(status);
  expect(body.detail, text).to.be.a("string");
  return body.detail;
}

function asker(url: string, credentials: Readonly<Record<string, string>>): Ask {
  return async (method, path, { body, headers = {} } = {}) => {
    const isText = typeof body === "string" || body instanceof Uint8Array;
    const response = await fetch(`${url}/api${path}`, {
      method,
      redirect: "manual",
      headers: {
        accept: "application/json",
        ...credentials,
        ...(body === undefined || isText ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : isText ? (body as string) : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, body: parsed(text), headers: response.headers };
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function seed({ store, logs }: TestWeb, clock: FakeClock): Promise<void> {
  const etl = await putDag(store, {
    dagId: "etl",
    description: "Loads orders.",
    tags: ["sales"],
    params: { type: "object", properties: { limit: { type: "integer", default: 10, minimum: 1 } } },
    tasks: [task("extract"), task("load", ["extract"], { retries: 1 }), task("report", ["load"], { pool: "reports" })],
  });
  await playRun(store, clock, etl, { dagId: "etl", runId: "good", logicalDate: NOW - 86_400_000 });
  await playRun(
    store,
    clock,
    etl,
    { dagId: "etl", runId: "bad", logicalDate: NOW },
    { outcome: (id) => (id === "load" ? failure("no such table") : { kind: "success" }) },
  );
  const open = await playRun(store, clock, etl, { dagId: "etl", runId: "open" }, { stopAfter: 1 });
  logs.append(
    { runKey: open, tiNo: 0, tryNumber: 1, epoch: 1 },
    Array.from({ length: 1_500 }, (_, at) => ({
      at: NOW + at,
      level: "info" as const,
      source: "stdout",
      message: `line ${at}`,
    })),
  );
  await putDag(store, {
    dagId: "nightly",
    tags: ["sales", "night"],
    timetable: { kind: "cron", expressions: ["0 6 * * *"], timezone: "UTC", intervals: false },
    startDate: "2026-01-01T00:00:00Z",
    tasks: [task("only")],
  });
  await putDag(store, { dagId: "quiet", tasks: [task("only")] });
  await commit(
    store,
    [
      { kind: "xcom.set", runKey: open, tiNo: 0, key: "return_value", json: '{"rows":3}', attempt: null },
      {
        kind: "importError.put",
        file: "broken.ts",
        message: "Unexpected token",
        stack: null,
        line: 3,
        column: 1,
      },
    ],
    "test",
  );
}
