import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { ROUTES } from "../../../webserver/api/router.ts";
import { snippetsOf } from "../../docs/snippets.ts";
import { projectRoot } from "../../support/processes.ts";
import { type ApiSite, openApiSite } from "./site.ts";

describe("docs/api.md", function () {
  this.timeout(30_000);
  let site: ApiSite;
  before(async () => {
    site = await openApiSite();
  });
  after(() => site[Symbol.asyncDispose]());

  it("lists the paths that there are, with their methods", () => {
    const text = readFileSync(join(projectRoot, "docs/api.md"), "utf8");
    const listed = [...text.matchAll(/^\| `(\/\S+)` \| ([A-Z, ]+) \|/gm)].flatMap(([, path, methods]) =>
      (methods ?? "").split(", ").map((method) => `${method} ${path}`),
    );
    const real = ROUTES.filter(({ path }) => !path.includes("/:map_index")).map(
      ({ method, path }) => `${method.toUpperCase()} ${path.replace(/:(\w+)/g, "{$1}")}`,
    );
    expect(listed).to.have.members(real);
  });

  it("shows requests that work", async () => {
    const requests = snippetsOf("docs/api.md").filter(({ language }) => language === "http");
    expect(requests.length).to.be.greaterThan(7);
    for (const { place, code } of requests) {
      const [head = "", ...rest] = code.trim().split("\n\n");
      const [line = "", ...headerLines] = head.split("\n");
      const [method = "", path = ""] = line.split(" ");
      const headers = Object.fromEntries(headerLines.map((each) => each.split(": ")));
      const body = rest.length > 0 ? JSON.parse(rest.join("\n\n")) : undefined;
      const answer = await site.ask(method, path.replace(/^\/api/, ""), { body, headers });
      expect(answer.status, `${place} ${answer.text.slice(0, 300)}`).to.be.within(200, 201);
    }
  });
});
