import { connect } from "node:net";
import { expect } from "chai";
import { describe, it } from "mocha";
import { type ServerDefinition, withServer } from "./servers.ts";

/** A server in a few lines of JavaScript that counts its starts in a file and tells the count to whoever connects. */
const counting = `
  const { appendFileSync, readFileSync } = require("node:fs");
  appendFileSync("starts", "x");
  require("node:net").createServer((socket) => socket.on("error", () => {}).end(readFileSync("starts", "utf8")))
    .listen(Number(process.argv[1]), "127.0.0.1");
`;

const definition: ServerDefinition = {
  requirement: { name: "Counter", programs: ["sh"], setting: "SLUICE_TEST_NONE", packages: [], support: "" },
  prepare: () => ["sh", "-c", "printf p >starts"],
  command: (_program, _folder, port) => [process.execPath, "-e", counting, String(port)],
  url: (port) => `tcp://127.0.0.1:${port}`,
};

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.once("end", () => resolve(answer)).once("error", reject);
  });
}

describe("withServer", () => {
  const server = withServer(definition);

  it("prepares the data and starts the server before the suite", async () => {
    expect(await ask(server.url)).to.equal("px");
  });

  it("crashes it and starts it again on the same address and data", async () => {
    const { url } = server;
    await server.crash();
    const refused = await ask(url).catch((error: NodeJS.ErrnoException) => error.code);
    expect(refused).to.equal("ECONNREFUSED");
    await server.restart();
    expect(server.url).to.equal(url);
    expect(await ask(url)).to.equal("pxx");
  });
});
