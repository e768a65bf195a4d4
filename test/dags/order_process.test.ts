import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { runProcess } from "../support/processes.ts";
import { type Engine, engines } from "./engine.ts";

describe("dags/order_process.ts", function () {
  this.timeout(90_000);
  const start = engines();
  const effects = (engine: Engine) => readdirSync(engine.kept("orders", "effects")).map(decodeURIComponent).sort();

  it("charges, reserves, labels, mails, waits for the pickup, and does each of it once", async () => {
    const engine = await start("order_process");
    const run = await engine.trigger({ orderId: "A-7", express: true, paymentOutages: 1 });
    await run.reaches("wait_for_pickup", "up_for_reschedule");
    mkdirSync(engine.kept("orders", "pickup"), { recursive: true });
    writeFileSync(engine.kept("orders", "pickup", "A-7.json"), '{"tracking":"PK-1"}');
    const ended = await run.ended;
    expect(ended.row.state).to.equal("success");
    expect(ended.states).to.deep.equal({
      charge: "success",
      reserve: "success",
      is_express: "success",
      post_label: "skipped",
      courier_label: "success",
      mail: "success",
      wait_for_pickup: "success",
      close: "success",
      "undo.release_stock": "skipped",
      "undo.refund": "skipped",
    });
    expect(ended.tries.charge, "the payment provider was down once").to.equal(2);
    expect(await ended.xcom("close")).to.deep.equal({ orderId: "A-7", tracking: "PK-1" });
    expect(effects(engine)).to.deep.equal(["charge:A-7.json", "label:A-7.json", "mail:A-7.json", "reserve:A-7.json"]);
    const mail = JSON.parse(
      readFileSync(engine.kept("orders", "effects", `${encodeURIComponent("mail:A-7")}.json`), "utf8"),
    );
    expect(mail).to.include({ to: "ada@example.com", label: "COURIER-A-7" });
  });

  it("gives the money back when the warehouse has too little", async () => {
    const engine = await start("order_process");
    const ended = await (await engine.trigger({ orderId: "A-8", quantity: 500, paymentOutages: 0 })).ended;
    expect(ended.row.state).to.equal("failed");
    expect(ended.states).to.include({
      charge: "success",
      reserve: "failed",
      mail: "upstream_failed",
      close: "upstream_failed",
      "undo.release_stock": "skipped",
      "undo.refund": "success",
    });
    expect(ended.tries.reserve, "FailFast is not tried again").to.equal(1);
    expect(effects(engine)).to.deep.equal(["charge:A-8.json", "refund:A-8.json"]);

    const logs = ["cli/sluice", "tasks", "logs", "order_process", ended.row.runId, "reserve"];
    const { stderr } = await runProcess(logs, { env: { SLUICE_HOME: engine.home } });
    expect(stderr, "the command line says why").to.match(
      /FailFast: Only 40 of lamp are left[\s\S]*order_process\.ts:\d+/,
    );
  });

  it("gives the goods and the money back when no courier goes there, and takes no second order of that number", async () => {
    const engine = await start("order_process");
    const order = { orderId: "A-9", express: true, country: "AQ", paymentOutages: 0 };
    const ended = await (await engine.trigger(order)).ended;
    expect(ended.states).to.include({
      courier_label: "failed",
      "undo.release_stock": "success",
      "undo.refund": "success",
    });
    expect(effects(engine)).to.deep.equal([
      "charge:A-9.json",
      "refund:A-9.json",
      "release:A-9.json",
      "reserve:A-9.json",
    ]);
    const again = await (await engine.trigger(order)).ended;
    expect(again.states.charge).to.equal("failed");
    expect(await again.error("charge")).to.include("Order again under a new number");
  });
});
