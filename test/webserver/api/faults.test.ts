import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { SluiceError } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import { type ApiSite, ok, openApiSite } from "./site.ts";

describe("API: when something behind it fails", function () {
  this.timeout(30_000);
  let site: ApiSite;
  const logged: object[] = [];
  before(async () => {
    site = await openApiSite({ logger: { ...silentLogger, error: (fields) => void logged.push(fields) } });
  });
  after(() => site[Symbol.asyncDispose]());

  /** Lets the list of DAGs fail during one request. */
  async function failing(error: Error) {
    const { dags } = site.web.store;
    const { list } = dags;
    Object.assign(dags, { list: () => Promise.reject(error) });
    try {
      return await site.ask("GET", "/v2/dags");
    } finally {
      Object.assign(dags, { list });
    }
  }

  it("answers 503 with Retry-After while the database is away", async () => {
    const answer = await failing(new SluiceError("store_unavailable", "The disk of the database is full."));
    expect([answer.status, answer.headers.get("retry-after")]).to.deep.equal([503, "2"]);
    expect(answer.body.detail).to.equal("The disk of the database is full.");
    await ok(site.ask("GET", "/v2/dags"));
  });

  it("answers 500 without a word of the inside, which the log finds by the request's id", async () => {
    const answer = await failing(new Error("select * from secret at /srv/inside.ts"));
    expect(answer.status).to.equal(500);
    expect(answer.text).not.to.contain("secret").and.not.to.contain("inside");
    expect(answer.body.request_id).to.be.a("string");
    expect(logged.at(-1)).to.include({ requestId: answer.body.request_id });
  });

  it("ends a log that breaks off, and serves on", async () => {
    const read = site.web.logs.read.bind(site.web.logs);
    let pages = 0;
    site.web.logs.read = (...given) => (++pages === 1 ? read(...given) : Promise.reject(new Error("the disk is gone")));
    const path = "/v2/dags/etl/dagRuns/open/taskInstances/extract/logs/1";
    const headers = { accept: "application/x-ndjson" };
    const broken = await site.ask("GET", path, { headers }).then(
      () => "whole",
      () => "broken off",
    );
    site.web.logs.read = read;
    expect(broken).to.equal("broken off");
    expect((await site.ask("GET", path, { headers })).text.trim().split("\n")).to.have.length(1_500);
  });
});
