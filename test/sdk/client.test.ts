import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { after, before, beforeEach, describe, it } from "mocha";
import { ApiError, SluiceClient } from "../../sdk/client/index.ts";

describe("SluiceClient", () => {
  let server: Server;
  let client: SluiceClient;
  let answers: { status: number; body: unknown }[];
  const seen: { method?: string; url?: string; authorization?: string; body: string }[] = [];

  before((done) => {
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const { method, url, headers } = request;
        seen.push({ method, url, authorization: headers.authorization, body });
        const answer = answers.shift() ?? { status: 500, body: "no more answers" };
        response
          .writeHead(answer.status)
          .end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
      });
    }).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      client = new SluiceClient({ url: `http://127.0.0.1:${port}/`, token: "t0ken" });
      done();
    });
  });
  beforeEach(() => {
    answers = [];
    seen.splice(0);
  });
  after((done) => {
    server.closeAllConnections();
    server.close(() => done());
  });

  it("starts a run and waits for its end", async () => {
    const run = { dag_id: "a b", dag_run_id: "r/1" };
    answers = [
      { status: 200, body: { ...run, state: "queued" } },
      { status: 200, body: { ...run, state: "running" } },
      { status: 200, body: { ...run, state: "success" } },
    ];
    const started = await client.trigger("a b", { conf: { x: 1 }, runId: "r/1", note: "n", logicalDate: "2026-01-01" });
    const ended = await client.wait("a b", started.dag_run_id, { every: 0 });
    expect(ended.state).to.equal("success");
    expect(seen.map(({ method, url }) => `${method} ${url}`)).to.deep.equal([
      "POST /api/v2/dags/a%20b/dagRuns",
      "GET /api/v2/dags/a%20b/dagRuns/r%2F1",
      "GET /api/v2/dags/a%20b/dagRuns/r%2F1",
    ]);
    expect(seen[0]).to.deep.include({ authorization: "Bearer t0ken" });
    expect(JSON.parse(seen[0]?.body ?? "")).to.deep.equal({
      conf: { x: 1 },
      dag_run_id: "r/1",
      note: "n",
      logical_date: "2026-01-01T00:00:00.000Z",
    });
  });

  it("reads XComs and pauses DAGs", async () => {
    answers = [
      { status: 200, body: { value: [1, 2] } },
      { status: 200, body: {} },
    ];
    expect(await client.xcom("d", "r", "t")).to.deep.equal([1, 2]);
    await client.setPaused("d", true);
    expect(seen[0]?.url).to.match(/^\/api\/v2\/dags\/d\/dagRuns\/r\/taskInstances\/t\/xcomEntries\/return_value\?/);
    expect(seen[1]).to.deep.include({ method: "PATCH", url: "/api/v2/dags/d", body: '{"is_paused":true}' });
  });

  it("passes on what the API refuses, and says when nobody answers", async () => {
    const problem = async (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error) => error as ApiError,
      );
    answers = [
      { status: 404, body: { detail: "no such DAG" } },
      { status: 422, body: { detail: [{ msg: "bad" }] } },
      { status: 502, body: "<html>" },
    ];
    expect(await problem(client.trigger("x")))
      .to.be.instanceOf(ApiError)
      .and.deep.include({ status: 404, message: "POST /dags/x/dagRuns: 404 no such DAG" });
    expect((await problem(client.run("x", "y")))?.message).to.match(/422 \[\{"msg":"bad"\}\]/);
    expect((await problem(client.run("x", "y")))?.message).to.match(/502 <html>/);
    const nobody = await problem(new SluiceClient({ url: "http://127.0.0.1:1" }).run("x", "y"));
    expect(nobody).to.deep.include({ status: 0 });
    expect(nobody?.message).to.match(/No answer from http:\/\/127\.0\.0\.1:1: .* Is Sluice running there\?/);
  });

  it("stops waiting on timeout and abort", async () => {
    const running = { status: 200, body: { state: "running" } };
    answers = [running, running];
    const late = await client.wait("d", "r", { timeout: 0 }).catch((error) => error.message);
    expect(late).to.match(/still running after 0/);
    const controller = new AbortController();
    const waiting = client.wait("d", "r", { every: "1h", signal: controller.signal }).catch((error) => error.message);
    controller.abort(new Error("enough"));
    expect(await waiting).to.equal("enough");
  });
});
