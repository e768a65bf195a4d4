import { expect } from "chai";
import { describe, it } from "mocha";
import { getClient } from "../../sdk/index.ts";
import { failure, run } from "./harness.ts";

describe("the client", () => {
  it("asks the host, with what the running task is", async () => {
    const answers: { [method: string]: unknown } = { getVariable: "v", getXCom: [1], getConnection: { id: "c" } };
    const seen: unknown[] = [];
    const end = await run(
      async () => {
        const client = getClient();
        seen.push(
          await client.getVariable("k"),
          await client.getVariableOrThrow("k"),
          await client.getConnectionOrThrow("c"),
        );
        seen.push(
          await client.getXCom({ key: "rows", taskId: "other", includePriorDates: true }),
          await client.getXCom({}),
        );
        await client.setVariable("k", "v2", "why");
        await client.setVariable("k", "v3");
        await client.deleteVariable("k");
        await client.setXCom({ key: "count", value: { n: 1, d: new Date(0) } });
      },
      { answer: (method) => answers[method] },
    );
    expect(end.outcome.kind).to.equal("success");
    expect(seen).to.deep.equal(["v", "v", { id: "c" }, [1], [1]]);
    const own = { dagId: "d", runId: "manual__x", taskId: "t", mapIndex: -1 };
    expect(end.calls.slice(3)).to.deep.equal([
      { method: "getXCom", args: { ...own, key: "rows", taskId: "other", includePriorDates: true } },
      { method: "getXCom", args: { ...own, key: "return_value", includePriorDates: false } },
      { method: "setVariable", args: { key: "k", value: "v2", description: "why" } },
      { method: "setVariable", args: { key: "k", value: "v3", description: null } },
      { method: "deleteVariable", args: { key: "k" } },
      { method: "setXCom", args: { ...own, key: "count", value: { n: 1, d: "1970-01-01T00:00:00.000Z" } } },
    ]);
  });

  it("gives null for what is missing, or throws its own error", async () => {
    const seen: unknown[] = [];
    await run(async () => {
      const client = getClient();
      seen.push(await client.getVariable("k"), await client.getConnection("c"), await client.getXCom({ key: "x" }));
      seen.push(await client.getVariableOrThrow("k").catch((error) => [error.name, error.key, error.code]));
      seen.push(await client.getConnectionOrThrow("c").catch((error) => [error.name, error.connId, error.code]));
    });
    expect(seen).to.deep.equal([
      null,
      null,
      null,
      ["VariableNotFoundError", "k", "variable_not_found"],
      ["ConnectionNotFoundError", "c", "connection_not_found"],
    ]);
  });

  it("refuses values that it cannot send", async () => {
    expect(failure(await run(() => getClient().setXCom({ key: "x", value: 1n }))).message).to.match(/it is a BigInt/);
    expect(failure(await run(() => getClient().setVariable("x", 5 as never))).message).to.match(/must be a text/);
  });

  it("passes on what the host refuses", async () => {
    const end = failure(
      await run(() => getClient().getVariable("x"), {
        answer: () => {
          throw new Error("lease lost");
        },
      }),
    );
    expect(end.message).to.equal("lease lost");
  });
});
