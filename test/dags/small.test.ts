import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { describe, it } from "mocha";
import { SHOP_ORDERS, withShopApi } from "../../dags/lib/shop-api.ts";
import { engines } from "./engine.ts";

const start = engines();

describe("dags/wait_for_file.ts", function () {
  this.timeout(90_000);

  it("waits for the file without a slot, counts it and puts it away", async () => {
    const engine = await start("wait_for_file");
    const run = await engine.trigger();
    await run.reaches("arrived", "up_for_reschedule");
    mkdirSync(engine.kept("inbox"), { recursive: true });
    writeFileSync(engine.kept("inbox", "delivery.csv"), "article,pieces\nlamp,3\nchair,4\n");
    const ended = await run.ended;
    expect(ended.states).to.deep.equal({ arrived: "success", count: "success", archive: "success" });
    expect(ended.tries.arrived, "a look is no try").to.equal(1);
    expect(await ended.xcom("count")).to.equal(7);
    expect(existsSync(engine.kept("inbox", "delivery.csv"))).to.equal(false);
    expect(readdirSync(engine.kept("inbox", "archive"))).to.have.length(1);
  });
});

describe("dags/web_api.ts", function () {
  this.timeout(90_000);
  const cents = SHOP_ORDERS.reduce((sum, order) => sum + order.cents, 0);

  it("comes again when it was too early, and reads all pages", async () => {
    const engine = await start("web_api");
    const ended = await (await engine.trigger()).ended;
    expect(ended.row.state).to.equal("success");
    expect(ended.tries.fetch_orders).to.equal(2);
    expect(await ended.xcom("sum_up")).to.deep.include({ orders: 125, cents });
    expect((await ended.log("fetch_orders")).filter((line) => line === "read a page")).to.have.length(4);
  });

  it("asks a server that is named, and does not try again what will not pass", async () => {
    const engine = await start("web_api");
    await withShopApi(0, async (apiUrl) => {
      const ended = await (await engine.trigger({ apiUrl })).ended;
      expect(ended.tries.fetch_orders).to.equal(1);
      expect(await ended.xcom("sum_up")).to.deep.include({ orders: 125, cents });
      const lost = await (await engine.trigger({ apiUrl, resource: "customers" })).ended;
      expect(lost.states).to.deep.equal({ fetch_orders: "failed", sum_up: "upstream_failed" });
      expect(lost.tries.fetch_orders).to.equal(1);
      expect(await lost.error("fetch_orders")).to.equal('The shop has no "customers".');
    });
  });
});

describe("dags/fan_out.ts", function () {
  this.timeout(90_000);

  it("counts the primes below a million, never more than four parts at once", async () => {
    const engine = await start("fan_out");
    const ended = await (await engine.trigger()).ended;
    expect(ended.row.state).to.equal("success");
    expect(await ended.xcom("sum")).to.equal(78_498);
    const attempts = (await engine.store.tasks.attemptsOfRun(ended.row.runKey)).filter(({ tiNo }) => tiNo < 20);
    expect(attempts).to.have.length(20);
    const most = Math.max(
      ...attempts.map(
        ({ startDate: at }) =>
          attempts.filter(({ startDate, endDate }) => (startDate ?? 0) <= (at ?? 0) && (at ?? 0) < (endDate ?? 0))
            .length,
      ),
    );
    expect(most).to.be.within(1, 4);
  });
});

describe("dags/branching.ts", function () {
  this.timeout(90_000);

  it("goes the way that the params ask for", async () => {
    const engine = await start("branching");
    const note = 'it\'s $(touch hacked) `id`; "quoted"';
    const ended = await (await engine.trigger({ parcel: "letter", abroad: true, note })).ended;
    expect(ended.row.state).to.equal("success");
    expect(ended.states).to.include({
      customs: "success",
      no_customs: "skipped",
      cleared: "success",
      bike: "success",
      van: "skipped",
      lorry: "skipped",
      delivered: "success",
      alarm: "skipped",
      report: "success",
    });
    expect(await ended.xcom("customs")).to.equal("form CN23 for: letter");
    expect(await ended.xcom("delivered"), "a note is text, not code").to.equal(`by bike: ${note}`);
  });

  it("sounds the alarm and still reports when the van breaks down", async () => {
    const engine = await start("branching");
    const ended = await (await engine.trigger({ parcel: "box", breakDown: true })).ended;
    expect(ended.row.state).to.equal("failed");
    expect(ended.states).to.include({
      customs: "skipped",
      van: "failed",
      delivered: "upstream_failed",
      alarm: "success",
      report: "success",
    });
  });
});

describe("dags/slow_minute.ts", function () {
  this.timeout(90_000);

  it("starts once by itself; its flaky task fails once and then succeeds", async () => {
    const engine = await start("slow_minute");
    const first = await engine.firstScheduled();
    await first.reaches("prepare", "running");
    const ended = await (await engine.trigger({ stepSeconds: 0 })).ended;
    expect(ended.row.state).to.equal("success");
    expect(Object.values(ended.states)).to.deep.equal(Array(9).fill("success"));
    expect(ended.tries["oven.bake"]).to.equal(2);
    expect(await ended.log("kitchen.fry")).to.include.members(["the oil is hot", "frying: 10 of 10"]);
  });
});

describe("dags/disk_space.ts", function () {
  this.timeout(90_000);

  it("remembers what it measured, and warns below the limit", async () => {
    const engine = await start("disk_space");
    const quiet = await (await engine.trigger()).ended;
    expect(quiet.states).to.include({ measure: "success", is_low: "success" });
    if (Number(await quiet.xcom("measure")) >= 5) expect(quiet.states.warn).to.equal("skipped");
    await engine.setVariable("disk_space_warn_below_percent", "101");
    const loud = await (await engine.trigger()).ended;
    expect(loud.states.warn).to.equal("success");
    expect((await loud.log("warn")).join()).to.match(/Only [\d.]+ % of the disk are free/);
  });
});
