import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { after, afterEach, before, describe, it } from "mocha";
import { Dag, http, httpSensor } from "../../sdk/index.ts";
import type { Operator } from "../../sdk/operator.ts";
import { serializeDag } from "../../sdk/serialize.ts";
import { attempt, failure, printed, refused, type Trial } from "./harness.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let server: Server;
let base: string;
let respond: (response: ServerResponse, request: Seen) => void;
const seen: Seen[] = [];

before((done) => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      seen.push({ method, url, headers, body });
      respond(response, { method, url, headers, body });
    });
  });
  server.listen(0, "127.0.0.1", () => {
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    done();
  });
});
afterEach(() => void seen.splice(0));
after((done) => {
  server.closeAllConnections();
  server.close(() => done());
});

const answerWith = (status: number, body: unknown, headers: { [name: string]: string } = {}) => {
  respond = (response) =>
    response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
};

function run(operator: Operator<never, unknown>, trial: Partial<Trial> = {}) {
  const dag = new Dag("d");
  dag.task("t", operator as Operator<object>)({});
  return attempt({ dag, taskId: "t", ...trial });
}

describe("http", () => {
  it("asks, logs the exchange without its query, and leaves the body as JSON", async () => {
    answerWith(200, { ok: [1] });
    const end = await run(
      http({
        url: `${base}/rates/{{ ds }}`,
        query: { key: "a&b={{ task_id }}" },
        headers: { "x-day": "{{ ds_nodash }}" },
      }),
    );
    expect(end.returnValueJson).to.equal('{"ok":[1]}');
    expect(seen[0]).to.deep.include({ method: "GET", url: "/rates/2026-01-31?key=a%26b%3Dt" });
    expect(seen[0]?.headers).to.deep.include({ "x-day": "20260131", "user-agent": "sluice" });
    expect(printed(end, "sluice")[0]).to.match(
      new RegExp(`^GET ${base}/rates/2026-01-31 → 200 in \\d+ ms, 10 characters$`),
    );
  });

  it("leaves text when it is no JSON, and what select makes of the answer", async () => {
    answerWith(200, "plain", { "X-Page": "7" });
    expect((await run(http({ url: base }))).returnValueJson).to.equal('"plain"');
    const end = await run(
      http({
        url: base,
        select: ({ status, headers, text, json }) => [status, headers["x-page"] ?? null, text, json ?? null],
      }),
    );
    expect(end.returnValueJson).to.equal('[200,"7","plain",null]');
  });

  it("sends JSON with templates, computed JSON, or text", async () => {
    answerWith(200, "");
    await run(http({ url: base, json: { day: "{{ ds }}", list: ["{{ run_id }}", 1, null] } }));
    await run(http({ url: base, json: (ctx) => ({ at: ctx.logicalDate }), method: "PUT" }));
    await run(http({ url: base, body: "a={{ ds }}", headers: { "content-type": "text/x" } }));
    expect(seen.map(({ method, body, headers }) => [method, body, headers["content-type"]])).to.deep.equal([
      ["POST", '{"day":"2026-01-31","list":["manual__x",1,null]}', "application/json"],
      ["PUT", '{"at":"2026-01-31T06:00:00.000Z"}', "application/json"],
      ["POST", "a=2026-01-31", "text/x"],
    ]);
  });

  it("keeps the type of a lone template when the Dag wants native values", async () => {
    answerWith(200, "");
    for (const [native, body] of [
      [true, '{"n":[1,2],"text":"n=[1,2]"}'],
      [false, '{"n":"[1,2]","text":"n=[1,2]"}'],
    ] as const) {
      const dag = new Dag("d", { renderTemplateAsNativeObj: native });
      dag.task("t", http({ url: base, json: { n: "{{ params.n }}", text: "n={{ params.n }}" } }))();
      await attempt({ dag, taskId: "t", context: { params: { n: [1, 2] } } });
      expect(seen.at(-1)?.body).to.equal(body);
    }
  });

  it("fails on another status, with the beginning of the body", async () => {
    answerWith(500, "x".repeat(2000));
    const end = failure(await run(http({ url: base })));
    expect(end).to.deep.include({ name: "HttpError", retryable: true });
    expect(end.message).to.match(/^The server answered 500: x{500}$/);
  });

  it("comes again when the server says", async () => {
    answerWith(429, "slow down", { "Retry-After": "120" });
    expect((await run(http({ url: base }))).outcome).to.deep.include({
      kind: "failed",
      retryable: true,
      retryAfterMs: 120_000,
    });
    answerWith(503, "", { "Retry-After": "Sat, 31 Jan 2026 07:00:00 GMT" });
    const now = () => Date.parse("2026-01-31T06:59:00Z");
    expect((await run(http({ url: base }), { now })).outcome).to.deep.include({ retryAfterMs: 60_000 });
    answerWith(503, "", { "Retry-After": "whenever" });
    expect((await run(http({ url: base }))).outcome).not.to.have.property("retryAfterMs");
  });

  it("lets check decide what is a success", async () => {
    answerWith(404, { gone: true });
    expect((await run(http({ url: base, check: ({ status }) => status === 404 }))).returnValueJson).to.equal(
      '{"gone":true}',
    );
    answerWith(200, { ready: false });
    const end = failure(await run(http({ url: base, check: async ({ json }) => (json as { ready: boolean }).ready })));
    expect(end.message).to.equal('The server answered 200, but check returned false: {"ready":false}');
  });

  it("fails when nobody answers, nobody answers in time, or too much is answered", async () => {
    const closed = failure(await run(http({ url: "http://127.0.0.1:1/x?key=secret" })));
    expect(closed.message)
      .to.match(/GET http:\/\/127\.0\.0\.1:1\/x failed: /)
      .and.not.match(/secret/);
    respond = () => undefined;
    expect(failure(await run(http({ url: base, timeout: "50ms" }))).message).to.match(/had no answer within 0\.05 s/);
    answerWith(200, "x".repeat(2000));
    expect(failure(await run(http({ url: base, maxBytes: 1000 })))).to.deep.include({ retryable: false });
  });

  it("ends with the task", async () => {
    const controller = new AbortController();
    respond = () => controller.abort(new Error("cancelled"));
    expect((await run(http({ url: base }), { signal: controller.signal })).outcome).to.deep.equal({
      kind: "cancelled",
      message: "cancelled",
    });
  });

  it("takes address, login and headers from a connection", async () => {
    answerWith(200, "");
    const { hostname, port } = new URL(base);
    const connection = {
      id: "api",
      type: "http",
      host: hostname,
      schema: null,
      login: "ann",
      password: "s:cret",
      port: Number(port),
      extra: '{"x-tenant":"shop"}',
    };
    const end = await run(http({ url: "/v1/orders", connection: "api" }), { answer: () => connection });
    expect(end.outcome.kind).to.equal("success");
    expect(seen[0]?.url).to.equal("/v1/orders");
    expect(seen[0]?.headers).to.deep.include({
      authorization: `Basic ${Buffer.from("ann:s:cret").toString("base64")}`,
      "x-tenant": "shop",
    });
    expect(failure(await run(http({ url: "/x", connection: "api" }))).message).to.match(/There is no connection "api"/);
  });

  it("refuses header values that would be more than a header", async () => {
    answerWith(200, "");
    const end = failure(
      await run(http({ url: base, headers: { "x-a": "{{ params.a }}" } }), {
        context: { params: { a: "1\r\nx-b: 2" } },
      }),
    );
    expect(end.message).to.match(/header "x-a".*that HTTP does not allow/);
    expect(
      failure(await run(http({ url: "{{ params.a }}" }), { context: { params: { a: "not a url" } } })).message,
    ).to.match(/which is not a URL/);
  });

  it("is refused with options that are not valid", () => {
    refused(() => http({} as never), /http: the option url is missing/);
    refused(() => http({ url: "/path" }), /url must begin with http:\/\/ or https:\/\/.*name a connection/);
    refused(() => http({ url: "http://x", json: {}, body: "" }), /json and body are two bodies/);
    refused(() => http({ url: "http://x", method: "FETCH" as never }), /method must be one of "GET"/);
    refused(
      () => http({ url: "http://x", headers: { a: 5 as never } }),
      /http: headers\.a must be a text or a function/,
    );
    refused(() => http({ url: "http://x", json: { a: ["{{ nope }}"] } }), /http: json has the unknown name "nope"/);
    refused(() => http({ url: "http://x", headrs: {} } as never), /http: unknown key "headrs".*Did you mean "headers"/);
  });

  it("shows what it asks for without secrets", () => {
    const dag = new Dag("d");
    dag.task("a", http({ url: "https://ann:pw@x.example/{{ ds }}?key=k" }))();
    dag.task("b", http({ url: "https://x.example/", json: {} }))();
    dag.task("c", http({ url: () => "https://x.example/" }))();
    expect(serializeDag(dag).tasks.map(({ operatorSummary }) => operatorSummary)).to.deep.equal([
      "GET https://***@x.example/{{ ds }}?…",
      "POST https://x.example/",
      undefined,
    ]);
  });
});

describe("httpSensor", () => {
  const poke = (options: Parameters<typeof httpSensor>[0]) =>
    run(httpSensor({ every: "5s", ...options }), { now: () => 1000 });
  const notYet = { kind: "reschedule", at: 6000 };

  it("waits while the server has nothing, or is not there", async () => {
    for (const status of [404, 409, 425, 429, 500, 503]) {
      answerWith(status, "");
      expect((await poke({ url: base })).outcome, `status ${status}`).to.deep.equal(notYet);
    }
    const gone = await poke({ url: "http://127.0.0.1:1/" });
    expect(gone.outcome).to.deep.equal(notYet);
    expect(printed(gone, "sluice")[0]).to.match(/GET http:\/\/127\.0\.0\.1:1\/ failed/);
  });

  it("leaves the answer it has waited for", async () => {
    answerWith(200, { file: "x.csv" });
    expect(await poke({ url: base })).to.deep.include({
      outcome: { kind: "success" },
      returnValueJson: '{"file":"x.csv"}',
    });
    answerWith(204, "");
    expect(await poke({ url: base })).to.deep.include({ returnValueJson: "true" });
  });

  it("waits as long as check says", async () => {
    answerWith(200, { state: "running" });
    const check = ({ json }: { json: unknown }) => (json as { state: string }).state === "done";
    expect((await poke({ url: base, check })).outcome).to.deep.equal(notYet);
    answerWith(200, { state: "done" });
    expect((await poke({ url: base, check })).outcome).to.deep.equal({ kind: "success" });
  });

  it("fails when the server refuses", async () => {
    answerWith(401, "who are you");
    expect(failure(await poke({ url: base })).message).to.equal("The server answered 401: who are you");
  });

  it("is stored with its intervals", () => {
    const dag = new Dag("d");
    dag.task(
      "t",
      httpSensor({ url: "http://x.example/", every: 10, timeout: "1h", softFail: true, backoff: 2, requestTimeout: 5 }),
    )();
    expect(serializeDag(dag).tasks[0]).to.deep.include({
      operator: "httpSensor",
      operatorSummary: "GET http://x.example/",
      sensor: { everyMs: 10_000, timeoutMs: 3_600_000, softFail: true, backoff: 2 },
    });
  });
});
