import { expect } from "chai";
import { describe, it } from "mocha";
import { Dag, getContext } from "../../sdk/index.ts";
import { executeTask } from "../../sdk/runtime.ts";
import { printed, run, tick, workFor } from "./harness.ts";

describe("what a task prints", () => {
  it("becomes log lines with level and source", async () => {
    const end = await run(() => {
      console.log("log %d", 1);
      console.info({ a: 1 });
      console.warn("warn");
      console.error("error");
      console.debug("debug");
      process.stdout.write("out\n");
      process.stderr.write("err\n");
    });
    expect(end.lines).to.deep.equal([
      { level: "info", source: "stdout", message: "log 1" },
      { level: "info", source: "stdout", message: "{ a: 1 }" },
      { level: "warning", source: "stderr", message: "warn" },
      { level: "error", source: "stderr", message: "error" },
      { level: "debug", source: "stdout", message: "debug" },
      { level: "info", source: "stdout", message: "out" },
      { level: "error", source: "stderr", message: "err" },
    ]);
  });

  it("is put together from pieces, in lines, whatever their ends and encodings", async () => {
    const end = await run(async () => {
      process.stdout.write("one, ");
      await tick();
      process.stdout.write("two\r\nthree\n\nfo");
      process.stdout.write(Buffer.from("ur €").subarray(0, 4));
      process.stdout.write(Buffer.from("ur €").subarray(4));
      process.stdout.write("666976650a", "hex");
      await new Promise<void>((resolve) => process.stdout.write("six\n", () => resolve()));
      process.stdout.write("no line end");
    });
    expect(printed(end, "stdout")).to.deep.equal(["one, two", "three", "", "four €five", "six", "no line end"]);
  });

  it("is cut into pieces of 64 K characters when there are no line ends", async () => {
    const end = await run(() => {
      for (let i = 0; i < 200; i++) process.stdout.write("x".repeat(1000));
    });
    const lines = printed(end, "stdout");
    expect(lines.map(({ length }) => length)).to.deep.equal([65_536, 65_536, 65_536, 3392]);
  });

  it("costs no memory that grows with it", async function () {
    this.timeout(60_000);
    let lines = 0;
    let bytes = 0;
    const dag = new Dag("d");
    dag.task("t", () => {
      const line = `${"y".repeat(1023)}\n`;
      for (let i = 0; i < 200 * 1024; i++) process.stdout.write(line);
    })();
    const before = process.memoryUsage().rss;
    await executeTask(dag, workFor({ dag, taskId: "t" }), {
      call: async () => null,
      log: ({ message }) => {
        lines++;
        bytes += message.length + 1;
      },
      signal: new AbortController().signal,
      spawned: () => undefined,
      exited: () => undefined,
    });
    expect([lines, bytes]).to.deep.equal([200 * 1024, 200 * 1024 * 1024]);
    expect(process.memoryUsage().rss - before).to.be.below(100 * 1024 * 1024);
  });

  it("may have fields, which never make it fail", async () => {
    const end = await run(() => {
      const { log } = getContext();
      const circular: { [key: string]: unknown } = {
        n: 1n,
        when: new Date(0),
        fail: new TypeError("x"),
        map: new Map([["k", [1]]]),
      };
      circular.self = circular;
      log.info("hello", circular);
      log.debug("plain");
      log.warn("w", {
        nan: Number.NaN,
        call: () => 1,
        bytes: new Uint8Array(3),
        deep: { a: { b: { c: { d: { e: { f: 1 } } } } } },
      });
      log.error(5 as never, {
        get trap(): never {
          throw new Error("no");
        },
      });
      log.info("arrays", [1, 2] as never);
    });
    expect(end.outcome.kind).to.equal("success");
    expect(end.lines.map(({ level, message }) => [level, message])).to.deep.equal([
      ["info", "hello"],
      ["debug", "plain"],
      ["warning", "w"],
      ["error", "5"],
      ["info", "arrays"],
    ]);
    expect(end.lines[0]?.fields).to.deep.include({
      n: "1",
      when: "1970-01-01T00:00:00.000Z",
      map: { k: [1] },
      self: "[circular]",
    });
    expect(end.lines[2]?.fields).to.deep.include({ nan: "NaN", bytes: "[Uint8Array of 3 bytes]" });
    expect(JSON.stringify(end.lines[3]?.fields)).to.match(/unreadable/);
    expect(end.lines.every((line) => line.source === "task")).to.equal(true);
  });

  it("does not come back when the host itself prints", async () => {
    const dag = new Dag("d");
    dag.task("t", () => console.log("once"))();
    const seen: string[] = [];
    const write = process.stdout.write;
    const echoed: unknown[] = [];
    process.stdout.write = ((chunk: unknown) => echoed.push(chunk) > 0) as typeof write;
    try {
      await executeTask(dag, workFor({ dag, taskId: "t" }), {
        call: async () => null,
        log: ({ message }) => void seen.push(message),
        signal: new AbortController().signal,
        spawned: () => undefined,
        exited: () => undefined,
      });
    } finally {
      process.stdout.write = write;
    }
    expect([...seen, ...echoed].length).to.equal(1);
  });
});
